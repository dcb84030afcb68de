#!/usr/bin/env bash
# Stop the service: requests under way are answered first.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(processes pid)
if [[ -z $pid ]]; then
    processes end 10 # what a killed master may have left
    echo "not running"
    exit
fi
# Settings that are wrong by now do not keep the service from stopping.
processes end "$(python_as_service "$pid" -m model_serving.config graceful_timeout_s 2>/dev/null || echo 30)"
echo "stopped"
