#!/usr/bin/env bash
# Set everything up, start the service in the background, and wait until it is ready.
# HOST, PORT, WORKERS and the other settings (docs/settings.md) may come from the environment.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

readonly console_log=tmp/console.log

# Two starts at once would both find nothing running.
exec 9>tmp/start.lock
flock 9

make_venv .venv requirements.txt
pid=$(service pid)
if [[ -n $pid ]]; then
    echo "already running at $(<"$url_file") (pid $pid)"
    exit
fi
service end 10 # what a killed master may have left
url=$(python -m model_serving.address url) || exit 1
python -m model_serving.address check || exit 1

echo "starting ..."
service_log=$(setting log_dir)/service.log
log_start=$(wc -c 2>/dev/null <"$service_log" || echo 0)
LOG_CONSOLE=false setsid .venv/bin/gunicorn --config conf/gunicorn.conf.py --pid "$pid_file" main:app \
    >"$console_log" 2>&1 </dev/null 9>&- &
pid=$!
# gunicorn would write it only once it listens, and this script may be interrupted before.
echo "$pid" >"$pid_file"
echo "$url" >"$url_file"
trap 'service end 10; exit 130' INT TERM

if ! report=$(python bin/readiness.py "$url" "$pid" "$(setting start_timeout_s)" 2>&1); then
    service end 10
    {
        echo "--- the end of the log"
        { tail -c "+$((log_start + 1))" "$service_log" && cat "$console_log"; } | tail -n 20
        echo "---"
    } >&2
    fail "$report"
fi
cat <<END
ready at $url (pid $pid)
$report
try it:
  curl -H 'Content-Type: application/json' -d '{"name": "Leo"}' $url/v1/XXXModel
END
