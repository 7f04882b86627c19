#!/bin/sh
# The smallest example, run as a user would. Prints TAP.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 1..2
failed=0 number=0
result() { # result SENTENCE: of the command before
	if [ $? = 0 ]; then verdict=ok; else verdict='not ok' failed=1; fi
	number=$((number + 1))
	echo "$verdict $number - $1"
}
wait_for() { # wait_for PATTERN FILE, while something makes events
	for _ in $(seq 200); do
		grep -q "$1" "$2" && return 0
		sleep 0.05
	done
	return 1
}

build/examples-c/minimal >"$work/minimal" 2>&1 &
pid=$!
wait_for '^exec pid=[0-9]* tgid=[0-9]* ' "$work/minimal"
result "minimal shows the programs that are started"
kill $pid
wait $pid 2>/dev/null

unshare --net build/examples-c/minimal 2>"$work/error"
[ $? = 1 ] && grep -q 'network namespace' "$work/error"
result "what is wrong is explained"
exit $failed
