#!/usr/bin/env bash
# Set everything up and run all checks and tests. With arguments, run pytest alone with these.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

make_venv .venv-test tests/requirements.txt
PATH="$PWD/.venv-test/bin:$PATH:/usr/sbin"

need chromium chromium
need curl curl
need nginx nginx
need systemd-analyze systemd
need wrk wrk
if [[ $# -gt 0 ]]; then
    exec pytest "$@"
fi
ruff check .
ruff format --check .
shellcheck bin/*.sh bin/load bin/faults bin/benchmark docs/examples/*.sh
mypy
# What needs no service of its own takes what the others leave of the processor.
mkdir -p tmp
nice -n 19 pytest --ignore=tests/services --ignore=tests/benchmark >tmp/units.log 2>&1 &
units=$!
trap 'kill "$units" 2>/dev/null || true' EXIT
status=0
pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/services || status=$?
pytest tests/benchmark || status=$?
wait "$units" || status=$?
cat tmp/units.log
exit "$status"
