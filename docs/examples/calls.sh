#!/bin/sh
# The service called by curl: JSON, a file as base64 in JSON, and files in a multipart form.
# calls.sh [URL]; the URL is http://127.0.0.1:9999 where you name no other.
set -eu
service=${1:-http://127.0.0.1:9999}
cd "$(dirname "$0")" # Here are the pictures.

# JSON
curl -sS -d '{"name": "Leo"}' -H 'Content-Type: application/json' "$service/v1/XXXModel"

# base64: by a pipe, as a picture is too long for a command line
printf '{"picture": "%s"}' "$(base64 <seven.png | tr -d '\n')" |
    curl -sS -d @- -H 'Content-Type: application/json' "$service/v1/DigitsModel"

# multipart
curl -sS -F the_file=@hills.jpg -F the_file=@seven.png -F max_width=360 "$service/v1/CompressModel"
