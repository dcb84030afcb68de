#!/usr/bin/env bash
# Set everything up, start the service in the background, and wait until it is ready.
# HOST, PORT, WORKERS and the other settings (docs/settings.md) may come from the environment.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

readonly console_log=tmp/console.log

# Two starts at once would both find nothing running.
exec 9>tmp/start.lock
flock 9

make_venv .venv requirements.txt
pid=$(processes pid)
if [[ -n $pid ]]; then
    echo "already running at $(<"$url_file") (pid $pid)"
    exit
fi
processes end 10 # what a killed master may have left
url=$(python -m model_serving.address url 2>&1) || fail "$url"
reason=$(python -m model_serving.address check 2>&1) || fail "$reason (PORT=8000 bin/start.sh takes another port)"

echo "starting ..."
service_log=$(setting log_dir)/service.log
log_start=$(wc -c 2>/dev/null <"$service_log" || echo 0)
LOG_CONSOLE=false setsid .venv/bin/gunicorn --config conf/gunicorn.conf.py --pid "$pid_file" \
    >"$console_log" 2>&1 </dev/null 9>&- &
pid=$!
# gunicorn would write it only once it listens, and this script may be interrupted before.
echo "$pid" >"$pid_file"
echo "$url" >"$url_file"
trap 'processes end 10; exit 130' INT TERM

if ! report=$(python bin/readiness.py "$url" "$pid" "$(setting start_timeout_s)" 2>&1); then
    processes end 10
    echo "--- the end of the log (all of it: $service_log and $console_log)" >&2
    { tail -c "+$((log_start + 1))" "$service_log" 2>/dev/null || cat "$console_log"; } | tail -n 20 >&2
    echo "---" >&2
    # A service that has ended leaves its reason somewhere in the log; loading it here tells it at once.
    if [[ $report == *"has ended" ]] && ! reason=$(LOG_CONSOLE=false python bin/check.py 2>&1); then
        report="not ready: ${reason##*$'\n'}"
    fi
    fail "$report"
fi
cat <<END
ready at $url (pid $pid)
$report
try it:
  curl -H 'Content-Type: application/json' -d '{"name": "Leo"}' $url/v1/XXXModel
END
