#!/usr/bin/env bash
# Run nginx in front of the running service, as you, until Ctrl-C: pages under /, result files under
# /assets/, the service under /api/. NGINX_PORT is a port of your choice, else the first free one from
# 8080 on; NGINX_HOST the address to listen on, else all. UPSTREAMS="127.0.0.1:9999 127.0.0.1:9998"
# names the instances, which share data/assets, else it is the service of this folder.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || fail "nginx is missing: apt-get install nginx"
[[ -x .venv/bin/python ]] || fail "the service has not been set up: bin/start.sh"
# nginx inherits the lock, and holds it as long as it runs.
exec 8>tmp/nginx.lock
flock --nonblock 8 || fail "already running (pid $(cat tmp/nginx/pid))"

pid=$(processes pid)
if [[ -z ${UPSTREAMS:-} ]]; then
    [[ -n $pid ]] || fail "the service is not running: bin/start.sh, or UPSTREAMS=host:port bin/nginx.sh"
    UPSTREAMS=$(sed 's|http://||' "$url_file")
fi
read -ra instances <<<"$UPSTREAMS"
[[ ${#instances[@]} -gt 0 ]] || fail "UPSTREAMS names no instance"
run=(python)
# The limits are those that the service was started with.
[[ -z $pid ]] || run=(python_as_service "$pid")
address=$("${run[@]}" -m model_serving.nginx "${NGINX_HOST:-0.0.0.0}" "${NGINX_PORT:-}" "${instances[@]}" 2>&1) ||
    fail "$address"

command=(nginx -p "$PWD" -e tmp/nginx/error.log -c tmp/nginx/nginx.conf)
also="daemon off;"
# Else they would be nobody, who may not read this folder.
[[ $(id -u) != 0 ]] || also+=" user root;"
reason=$("${command[@]}" -g "$also" -t -q 2>&1) || fail "$reason"
echo "nginx at http://${address/#0.0.0.0:/127.0.0.1:}, in front of $UPSTREAMS; its logs are in tmp/nginx"
exec "${command[@]}" -g "$also"
