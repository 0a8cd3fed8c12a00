#!/bin/sh
# sh scripts/front_ends.sh TRY: get what `make TRY` needs beyond the tests' environment, into .venv.
set -eu
case "$1" in
try-classic) # classic Notebook 6.5 with ipywidgets 7.7, whose kernel takes torch and the rest from .venv
    [ -x .venv/classic/bin/jupyter-notebook ] && exit
    .venv/bin/python -m venv .venv/classic
    .venv/bin/python -m uv pip install --quiet --python .venv/classic/bin/python \
        'notebook<7' 'ipywidgets<8' anywidget 'jupyter_client<8' 'setuptools<81'
    # its own packages come first, and those of .venv where it has none
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$(
        .venv/classic/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_vizlib.pth"
    ;;
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
