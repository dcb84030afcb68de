#!/usr/bin/env bash
# Stop the service: requests under way are answered first.
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

pid=$(service pid)
# The workers have this long to finish; the master takes a moment more. Wrong settings stop no stop.
graceful_timeout_s=$(setting graceful_timeout_s 2>/dev/null || echo 30)
service end "$((${graceful_timeout_s%.*} + 5))"
if [[ -n $pid ]]; then echo "stopped"; else echo "not running"; fi
