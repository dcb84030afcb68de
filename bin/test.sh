#!/usr/bin/env bash
# Set everything up and run all checks and tests. With arguments, run pytest alone with these.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

make_venv .venv-test tests/requirements.txt
PATH="$PWD/.venv-test/bin:$PATH"

# need PROGRAM PACKAGE: install a program of the system that tests use.
need() {
    command -v "$1" >/dev/null && return
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        echo "installing $2 ..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
    elif [[ ${CI:-} == true ]]; then
        fail "$1 is missing: apt-get install $2"
    else
        echo "$1 is missing, so the tests with it are skipped: apt-get install $2" >&2
    fi
}

need chromium chromium
need curl curl
if [[ $# -gt 0 ]]; then
    exec pytest "$@"
fi
ruff check .
ruff format --check .
shellcheck bin/*.sh bin/load bin/faults
mypy
pytest
