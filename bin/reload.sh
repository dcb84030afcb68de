#!/usr/bin/env bash
# Bring in new code, models and settings: new workers start, the old ones finish what they hold and go.
# A version that does not start, or whose models do not load, is refused and the old one keeps serving.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(running_pid)
[[ -n $pid ]] || fail "not running"
make_venv .venv requirements.txt

LOG_CONSOLE=false python - <<'END' || fail "the new version is refused; the old one keeps serving"
import sys

import main

answer = main.app.test_client().get("/readyz")
sys.exit(0 if answer.status_code == 200 else answer.json["message"])
END

old_workers=$(pgrep --parent "$pid")
kill -HUP "$pid"
for worker in $old_workers; do
    tail --pid="$worker" --sleep-interval=0.1 -f /dev/null
done
python bin/readiness.py "$(<"$url_file")" "$pid" "$(setting start_timeout_s)"
echo "reloaded"
