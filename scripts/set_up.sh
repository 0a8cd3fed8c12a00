#!/bin/sh
# Make .venv, and install vizlib there with one of its extras: sh scripts/set_up.sh lab|present|site|test [options of uv pip install]
# The Makefile calls it, and explains PYTHON and TORCH, which are read from the environment.
set -eu
extra=$1
shift
py=.venv/bin/python

die() {
    echo "$1" >&2
    exit 1
}

find_python() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            "$python" -c 'import ensurepip, venv' 2> /dev/null ||
                die "$python has no venv module: on Debian or Ubuntu, run 'apt install python3-venv' as root and try again."
            return
        fi
    done
    die 'vizlib needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python3.'
}

# A .venv whose set-up was interrupted is begun again: it may hold half a package.
is_whole() {
    for name in lab present site test; do
        if [ -f ".venv/$name.ready" ]; then
            "$py" -c 'import pip' 2> /dev/null
            return
        fi
    done
    return 1
}

# uv does not read pip's settings: which index to use, for example a school's mirror, and that the system's
# certificates are good.
hand_on_pip_settings() {
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    index=${PIP_INDEX_URL:-$("$py" -m pip config get global.index-url 2> /dev/null)} || return 0
    [ -n "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="$index"
}

# Ask PyTorch's own index, for a few seconds, for this machine's build of torch. If there is none, fail and print why.
ask_for_torch() {
    said=$(
        export UV_HTTP_RETRIES=0 UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_TIMEOUT=5
        echo torch | "$py" -m uv pip compile --quiet --no-deps --python "$py" --torch-backend=auto - 2>&1
    ) || { echo "$said" | sed -n -e 's/^ *cause: //' -e '$p' && return 1; }
}

if ! is_whole; then
    find_python
    echo "+ $python -m venv .venv"
    "$python" -m venv --clear .venv
fi
"$py" -c 'import uv' 2> /dev/null || "$py" -m pip install uv
hand_on_pip_settings

if [ "$TORCH" = auto ] && ! reason=$(ask_for_torch); then
    TORCH=index
    echo "PyTorch's own index gives no torch here ($reason), so it comes from the plain package index: on Linux, with GPU libraries of several GB."
fi
if [ "$TORCH" != index ]; then
    set -- --torch-backend="$TORCH" "$@"
fi
echo "+ uv pip install --editable .[$extra] $*"
"$py" -m uv pip install --python "$py" --editable ".[$extra]" "$@"
