#!/usr/bin/env bash
# Set everything up and run all checks and tests. With arguments, run pytest alone with these.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

make_venv .venv-test tests/requirements.txt
PATH="$PWD/.venv-test/bin:$PATH:/usr/sbin"

need chromium chromium
need curl curl
need nginx nginx
need pg_ctlcluster postgresql
need rabbitmq-server rabbitmq-server
need redis-server redis-server
need systemd-analyze systemd
need wrk wrk
if [[ $# -gt 0 ]]; then
    exec pytest "$@"
fi
# What needs no service of its own takes what the others leave of the processor, as the worker of
# jobs does, which would get nothing beside a higher class.
mkdir -p tmp
compares=(tests/benchmark tests/load) # They compare times, and need the machine for themselves.
chrt --idle 0 pytest --ignore=tests/services "${compares[@]/#/--ignore=}" >tmp/units.log 2>&1 &
units=$!
trap 'kill "$units" 2>/dev/null || true' EXIT
ruff check .
ruff format --check .
shellcheck bin/*.sh bin/load bin/faults bin/job-faults bin/benchmark bin/score bin/fairness docs/examples/*.sh
mypy
status=0
pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder tests/services || status=$?
wait "$units" || status=$?
pytest "${compares[@]}" || status=$?
cat tmp/units.log
exit "$status"
