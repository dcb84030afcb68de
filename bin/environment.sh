# Sourced by the other scripts: the project's folder, its virtual environment, its running service.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

readonly pid_file=tmp/gunicorn.pid
readonly url_file=tmp/gunicorn.url
mkdir -p tmp

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# make_venv FOLDER REQUIREMENTS: create the virtual environment, or bring it up to date.
make_venv() {
    local folder=$1 requirements=$2 base installed
    command -v python3 >/dev/null || fail "python3 is missing: install Python 3.11 or newer"
    # An environment does not survive a move of its folder, nor another Python.
    base="$(python3 --version) in $PWD"
    if [[ $(cat "$folder/base" 2>/dev/null) != "$base" ]]; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            fail "$(python3 --version) is too old: install Python 3.11 or newer"
        echo "making $folder ..."
        python3 -m venv --clear "$folder" ||
            fail "python3 cannot make a virtual environment: install python3-venv"
        echo "$base" >"$folder/base"
    fi
    installed=$(cat requirements.txt "$requirements" | cksum)
    if [[ $(cat "$folder/installed" 2>/dev/null) != "$installed" ]]; then
        echo "installing $requirements into $folder ..."
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
            fail "cannot install $requirements"
        echo "$installed" >"$folder/installed"
    fi
}

python() {
    .venv/bin/python "$@"
}

# setting KEY: the value in force, from the environment, conf/serving.conf or the default.
setting() {
    python -m model_serving.config "$1"
}

# is_ours PID: whether it is a gunicorn of this folder.
is_ours() {
    [[ $(readlink "/proc/$1/cwd") == "$PWD" ]] &&
        tr '\0' ' ' <"/proc/$1/cmdline" | grep -q 'gunicorn.* main:app'
}

# running_pid: the process id of this folder's service, or nothing. A pid file may be stale, and its
# number may by now be some other program's.
running_pid() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 0
    if [[ $pid =~ ^[1-9][0-9]*$ ]] && is_ours "$pid"; then
        echo "$pid"
    fi
}

# end_service PID SECONDS: let it finish what it holds, and kill it with its workers after that time.
end_service() {
    python3 bin/end.py "$2" "$1" || true
    # It leads a process group of its own; after a clean end the group is empty.
    kill -KILL -- "-$1" 2>/dev/null || true
    rm -f "$pid_file" "$url_file"
}

# clear_remains: a master that was killed leaves a pid file, which gunicorn would believe where its
# number is by now some other program's, and workers, which keep the port until they notice.
clear_remains() {
    local pid worker
    local -a workers=()
    pid=$(cat "$pid_file" 2>/dev/null) || pid=
    if [[ $pid =~ ^[1-9][0-9]*$ ]]; then
        for worker in $(pgrep --pgroup "$pid"); do
            is_ours "$worker" && workers+=("$worker")
        done
        python3 bin/end.py 10 "${workers[@]}" || true
    fi
    rm -f "$pid_file" "$url_file"
}
