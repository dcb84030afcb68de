#!/usr/bin/env bash
# Make three calls to the running service, and print each status and body: 400, 400, 200.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/environment.sh"

[[ -n $(processes pid) ]] || fail "the service is not running: bin/start.sh starts it"
command -v curl >/dev/null || fail "curl is missing"
url=$(<"$url_file")/v1/XXXModel

# call BODY: post it as JSON, or nothing where it is empty.
call() {
    local body=()
    [[ -n $1 ]] && body=(--header 'Content-Type: application/json' --data "$1")
    echo "POST $url ${1:-(no body)}"
    curl --noproxy '*' --silent --show-error --max-time 10 --write-out '%{http_code}\n' \
        --request POST "${body[@]}" "$url"
}

call ''
call '{}'
call '{"name": "Leo"}'
