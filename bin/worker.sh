#!/usr/bin/env bash
# Set everything up, and run a node without HTTP in the foreground, until Ctrl-C or SIGTERM: replicas of
# the models, and a worker of jobs. DATABASE_URL and BROKER_URL name what it shares with other nodes.
# Ends with 0 when it is told to, with 1 where a model cannot be loaded, and with 2 where a setting is wrong.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

# The node holds the lock as long as it runs.
exec 8>tmp/node.lock
flock --nonblock 8 || fail "already running in this folder"
make_venv .venv requirements.txt
exec .venv/bin/python -m model_serving.node
