#!/usr/bin/env bash
# Stop the service: requests under way are answered first.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(running_pid)
if [[ -z $pid ]]; then
    clear_remains
    echo "not running"
    exit
fi
# The workers have this long to finish; the master takes a moment more.
graceful_timeout_s=$(setting graceful_timeout_s)
end_service "$pid" "$((${graceful_timeout_s%.*} + 5))"
echo "stopped"
