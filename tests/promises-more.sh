#!/bin/sh
# The C promises more than once: with the static library, and under valgrind, where fewer and shorter
# floods do; the shared library with every system call made to fail; and a short soak. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
make --no-print-directory programs >build/programs.log 2>&1 || { cat build/programs.log; exit 1; }

# One stream of TAP out of many.
run() { # run LABEL COMMAND …
	label=$1
	shift
	"$@" | sed -n "s/^\(not \)\{0,1\}ok [0-9]* - \(.*\)/\1ok $label: \2/p"
}
valgrind="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
	--errors-for-leak-kinds=definite"
{
	run faults build/faults
	# shellcheck disable=SC2086
	INSTRUMENTED=1 PROMISES_SKIP='' PROMISES_FLOOD=20000 PROMISES_RUNS=2 run valgrind \
		$valgrind build/promises
	PROMISES_FLOOD=20000 PROMISES_RUNS=2 run static build/promises-static
	if build/soak "${SOAK_SECONDS:-15}" >&2; then verdict=ok; else verdict='not ok'; fi
	echo "$verdict soak: the statistics balance through storms of events"
} >build/promises-more.tap
echo "1..$(wc -l <build/promises-more.tap)"
sed 's/^\(not \)\{0,1\}ok /&- /' build/promises-more.tap
! grep -q '^not ok' build/promises-more.tap
