# Sourced by the other scripts: the project's folder, its virtual environment, its running service.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

readonly pid_file=tmp/gunicorn.pid
# shellcheck disable=SC2034 # It is for those who source this.
readonly url_file=tmp/gunicorn.url
mkdir -p tmp

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

if [[ $# -gt 0 && $(basename "$0") == *.sh && $(basename "$0") != test.sh ]]; then
    fail "takes no arguments; settings come from the environment: PORT=8000 bin/start.sh"
fi
command -v python3 >/dev/null || fail "python3 is missing: install Python 3.11 or newer"

# make_venv FOLDER REQUIREMENTS: create the virtual environment, or bring it up to date.
make_venv() {
    local folder=$1 requirements=$2 base installed
    # An environment does not survive a move of its folder, nor another Python.
    base="$(python3 --version) in $PWD"
    if [[ $(cat "$folder/base" 2>/dev/null) != "$base" ]]; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            fail "$(python3 --version) is too old: install Python 3.11 or newer"
        echo "making $folder ..."
        python3 -m venv --clear "$folder" ||
            fail "python3 cannot make a virtual environment: install python3-venv"
        echo "$base" >"$folder/base"
    fi
    installed=$(cat requirements.txt "$requirements" | cksum)
    if [[ $(cat "$folder/installed" 2>/dev/null) != "$installed" ]]; then
        echo "installing $requirements into $folder ..."
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
            fail "cannot install $requirements"
        echo "$installed" >"$folder/installed"
    fi
}

python() {
    .venv/bin/python "$@"
}

# setting KEY: the value in force, from the environment, conf/serving.conf or the default.
setting() {
    python -m model_serving.config "$1"
}

# processes pid | workers | supervisor | end SECONDS: find this folder's service, or end it.
processes() {
    python3 bin/processes.py "$pid_file" "$@"
}

# python_as_service PID ...: run Python with the environment that the running service has.
python_as_service() {
    local -a environment
    mapfile -d '' -t environment <"/proc/$1/environ"
    env --ignore-environment "${environment[@]}" LOG_CONSOLE=false .venv/bin/python "${@:2}"
}

# need PROGRAM PACKAGE: install a program of the system that tests or benchmarks use.
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
