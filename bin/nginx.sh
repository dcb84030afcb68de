#!/usr/bin/env bash
# Run nginx in front of the running service, as you, until Ctrl-C: pages under /, result files under
# /assets/, the service under /api/. NGINX_PORT is a port of your choice, else a free one from 8080 on.
# UPSTREAMS="127.0.0.1:9999 127.0.0.1:9998" names instances that share data/assets.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || fail "nginx is missing: apt-get install nginx"
[[ -x .venv/bin/python ]] || fail "the service has not been set up: bin/start.sh"

if [[ -z ${UPSTREAMS:-} ]]; then
    pid=$(processes pid)
    [[ -n $pid ]] || fail "the service is not running: bin/start.sh, or name it in UPSTREAMS"
    UPSTREAMS=127.0.0.1:$(sed 's/.*://' "$url_file")
fi
port=$(python bin/free_port.py "${NGINX_PORT:-}") || fail "port ${NGINX_PORT:-8080} is taken"

servers=
for upstream in $UPSTREAMS; do
    [[ $upstream =~ ^[A-Za-z0-9.-]+:[0-9]+$ ]] || fail "UPSTREAMS: '$upstream' is no host:port"
    servers+="server $upstream max_fails=1 fail_timeout=2s; "
done
mkdir -p tmp/nginx
sed -e "s|server 127.0.0.1:9999 .*;|$servers|" \
    -e "s|listen 127.0.0.1:8080;|listen $port;|" \
    -e "s|alias data/assets/|alias $(setting assets_dir)/|" \
    -e "s|client_max_body_size 32m;|client_max_body_size $(setting max_content_length);|" \
    -e "s|client_header_timeout 10s;|client_header_timeout $(setting header_timeout_s | cut -d. -f1)s;|" \
    -e "s|client_body_timeout 30s;|client_body_timeout $(setting body_timeout_s | cut -d. -f1)s;|" \
    conf/nginx.conf >tmp/nginx/nginx.conf
nginx -t -q -p "$PWD" -c tmp/nginx/nginx.conf 2>tmp/nginx/test.log || fail "$(<tmp/nginx/test.log)"
echo "nginx at http://127.0.0.1:$port, in front of $UPSTREAMS"
exec nginx -p "$PWD" -c tmp/nginx/nginx.conf -g 'daemon off;'
