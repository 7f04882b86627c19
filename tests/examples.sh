#!/bin/sh
# The smallest example, run as a user would. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/tap.sh

build/examples-c/minimal >"$work/minimal" 2>&1 &
pid=$!
within 10 grep -q '^exec pid=[0-9]* tgid=[0-9]* ' "$work/minimal" # each grep is an event
ok $? "minimal shows the programs that are started" "$work/minimal"
kill $pid
wait $pid 2>/dev/null

unshare --net build/examples-c/minimal 2>"$work/error"
[ $? = 1 ] && grep -q 'network namespace' "$work/error"
ok $? "minimal explains why it cannot open a connector" "$work/error"
conclude
