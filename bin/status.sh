#!/usr/bin/env bash
# Say whether the service runs and which models are ready. Ends with 0 if all are, with 3 if it is
# stopped, with 1 if it runs but is not ready.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(processes pid)
if [[ -z $pid ]]; then
    echo "stopped"
    exit 3
fi
url=$(<"$url_file")
echo "running at $url (pid $pid, workers: $(processes workers | wc --words))"
is_ready=0
python bin/readiness.py "$url" "$pid" 5 || is_ready=1
# The environment of the supervisor leads to what it knows.
supervisor=$(processes supervisor)
[[ -z $supervisor ]] || python_as_service "$supervisor" -m model_serving.status
exit "$is_ready"
