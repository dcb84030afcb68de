#!/usr/bin/env bash
# Bring in new code, models and settings: the new models load first, then new HTTP workers start, and
# the old ones finish what they hold. A version that does not start, or whose models do not load, is
# refused and the old one keeps serving; put it back then, as a process that is replaced loads what is
# on the disk.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(processes pid)
[[ -n $pid ]] || fail "not running"
[[ $(cat .venv/base) == *" in $PWD" ]] || fail "the folder has moved: bin/stop.sh and bin/start.sh"
make_venv .venv requirements.txt
url=$(<"$url_file")

refuse() {
    fail "${1:-}the new version is refused; the old one keeps serving (put its files back)"
}

new_url=$(python_as_service "$pid" -m model_serving.address url) || refuse
[[ $new_url == "$url" ]] ||
    refuse "the address changes to $new_url, which takes bin/stop.sh and bin/start.sh: "
start_timeout_s=$(python_as_service "$pid" -m model_serving.config start_timeout_s) || refuse

supervisor=$(processes supervisor)
[[ -n $supervisor ]] || fail "the supervisor has just died and is started again: try once more"
reloads=$(python_as_service "$supervisor" -m model_serving.status reload)
old_workers=$(processes workers)
kill -HUP "$pid"
echo "loading the new version ..."
python_as_service "$supervisor" -m model_serving.status reload $((reloads + 1)) || refuse
for worker in $old_workers; do
    tail --pid="$worker" --sleep-interval=0.1 -f /dev/null
done
python bin/readiness.py "$url" "$pid" "$start_timeout_s"
echo "reloaded"
