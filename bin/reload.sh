#!/usr/bin/env bash
# Bring in new code, models and settings: new workers start, the old ones finish what they hold and go.
# A version that does not start, or whose models do not load, is refused and the old one keeps serving.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(service pid)
[[ -n $pid ]] || fail "not running"
make_venv .venv requirements.txt
url=$(<"$url_file")

# With the settings of the running service, whatever stands in this shell's environment.
mapfile -d '' -t its_environment <"/proc/$pid/environ"
python_of_service() {
    env --ignore-environment "${its_environment[@]}" LOG_CONSOLE=false .venv/bin/python "$@"
}
refuse() {
    fail "${1:-}the new version is refused; the old one keeps serving"
}

new_url=$(python_of_service -m model_serving.address url) || refuse
[[ $new_url == "$url" ]] ||
    refuse "the address changes to $new_url, which takes bin/stop.sh and bin/start.sh: "
# As gunicorn loads it: a wrong conf/gunicorn.conf.py would end the running master.
python_of_service - <<'END' || refuse
import sys

from gunicorn.app.wsgiapp import WSGIApplication

sys.argv = ["gunicorn", "--config", "conf/gunicorn.conf.py", "main:app"]
answer = WSGIApplication().load().test_client().get("/readyz")
sys.exit(0 if answer.status_code == 200 else answer.json["message"])
END

start_timeout_s=$(python_of_service -m model_serving.config start_timeout_s)
old_workers=$(service workers)
kill -HUP "$pid"
for worker in $old_workers; do
    tail --pid="$worker" --sleep-interval=0.1 -f /dev/null
done
python bin/readiness.py "$url" "$pid" "$start_timeout_s"
echo "reloaded"
