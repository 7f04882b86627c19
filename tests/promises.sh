#!/bin/sh
# The C promises against the installed header: with the shared library, with the static one, and
# under valgrind, where fewer and shorter floods do; and the shared library with every system call
# made to fail. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
stage=build/stage
export PKG_CONFIG_PATH="$PWD/$stage/lib/pkgconfig"
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror"

build() { # build OUTPUT FILE … [FLAG …]
	output=$1
	shift
	# shellcheck disable=SC2046,SC2086
	${CC:-cc} -std=c11 -D_GNU_SOURCE -g $warnings -o "$output" "$@" -pthread
}
# shellcheck disable=SC2046
{
	set -- $(pkg-config --cflags --libs proc_connector) "-Wl,-rpath,$PWD/$stage/lib"
	build build/promises tests/c/*.c "$@"
	build build/faults tests/faults/faults.c tests/c/promise.c tests/c/init.c \
		tests/c/support.c -rdynamic -ldl "$@"
	build build/promises-static tests/c/*.c -static \
		$(pkg-config --static --cflags --libs proc_connector)
}

# One stream of TAP out of four.
run() { # run LABEL COMMAND …
	label=$1
	shift
	"$@" | sed -n "s/^\(not \)\{0,1\}ok [0-9]* - \(.*\)/\1ok $label: \2/p"
}
valgrind="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
	--errors-for-leak-kinds=definite"
{
	run shared build/promises
	run faults build/faults
	# shellcheck disable=SC2086
	UNDER_VALGRIND=1 PROMISES_SKIP= PROMISES_FLOOD=20000 PROMISES_RUNS=2 run valgrind $valgrind \
		build/promises
	PROMISES_FLOOD=20000 PROMISES_RUNS=2 run static build/promises-static
} >build/promises.tap
echo "1..$(wc -l <build/promises.tap)"
sed 's/^\(not \)\{0,1\}ok /&- /' build/promises.tap
! grep -q '^not ok' build/promises.tap
