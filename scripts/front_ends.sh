#!/bin/sh
# sh scripts/front_ends.sh TRY: get what `make TRY` needs beyond the tests' environment, into .venv.
set -eu

# older NAME PACKAGE…: .venv/NAME with a classic Notebook and these packages, whose kernel takes torch and the rest from .venv
older() {
    name=$1
    shift
    [ -x ".venv/$name/bin/jupyter-notebook" ] && return
    .venv/bin/python -m venv ".venv/$name"
    .venv/bin/python -m uv pip install --quiet --python ".venv/$name/bin/python" \
        "$@" anywidget 'jupyter_client<8' 'setuptools<81'
    # its own packages come first, then those of .venv where it has none, and vizlib from the checkout: what .venv says of
    # its place is not read here
    {
        .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
        pwd
    } > "$(".venv/$name/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_vizlib.pth"
}

case "$1" in
try-classic) older classic 'notebook<7' 'ipywidgets<8' ;;
try-colab-versions) older colab 'notebook==6.5.*' 'ipywidgets==7.7.1' 'ipykernel==6.17.*' ;;
try-axe) # axe-core, which npm has
    [ -f .venv/axe/package/axe.min.js ] && exit
    mkdir -p .venv/axe
    (cd .venv/axe && npm pack --silent axe-core > /dev/null && tar xzf axe-core-*.tgz)
    ;;
try-html) # html-validate, which npm has
    [ -x .venv/html/node_modules/.bin/html-validate ] && exit
    npm install --silent --prefix .venv/html html-validate
    ;;
esac
