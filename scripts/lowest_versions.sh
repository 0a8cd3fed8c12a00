#!/bin/sh
# Run the unit tests on the oldest Python and the oldest packages that pyproject.toml allows.
#     sh scripts/lowest_versions.sh [options of pytest]
# The environment is made in a temporary folder by uv (UV=… names another one) and removed at the end. It takes about 6 GB.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
python=$(sed -n 's/^requires-python = ">=\(.*\)"$/\1/p' pyproject.toml)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

"$uv" venv --quiet --seed --python "$python" "$folder"
"$uv" pip install --quiet --python "$folder/bin/python" --resolution lowest-direct --editable ".[test]"
"$uv" pip list --python "$folder/bin/python"
PATH=$folder/bin:$PATH "$folder/bin/python" -m pytest tests --ignore=tests/browser --ignore=tests/notebooks \
    -p no:cacheprovider -n auto -m "not slow" "$@"
