#!/bin/sh
# sh scripts/stage.sh [--may-be-empty] NAME COMMAND…: run the command between two lines that say the name and the seconds
# that it took, and end with its exit status. pytest's status for "no tests chosen" counts as success with --may-be-empty.
empty=0
if [ "$1" = --may-be-empty ]; then
    empty=5
    shift
fi
name=$1
shift

echo "=== $name"
start=$(date +%s)
status=0
"$@" || status=$?
echo "=== $name: $(($(date +%s) - start)) s, exit status $status"
[ "$status" -eq "$empty" ] || exit "$status"
