#!/bin/sh
# The C promises against the installed header: with the shared library, with the static one, and
# under valgrind, where fewer and shorter floods do. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
stage=build/stage
export PKG_CONFIG_PATH="$PWD/$stage/lib/pkgconfig"
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror"

build() { # build OUTPUT [FLAG …]
	output=$1
	shift
	# shellcheck disable=SC2046,SC2086
	${CC:-cc} -std=c11 -D_GNU_SOURCE -g $warnings tests/c/*.c -o "$output" -pthread \
		$(pkg-config --cflags proc_connector) "$@"
}
# shellcheck disable=SC2046
build build/promises $(pkg-config --libs proc_connector) "-Wl,-rpath,$PWD/$stage/lib"
# shellcheck disable=SC2046
build build/promises-static -static $(pkg-config --static --libs proc_connector)

# One stream of TAP out of three.
number=0
run() { # run LABEL COMMAND …
	label=$1
	shift
	"$@" | sed -n "s/^\(not \)\{0,1\}ok [0-9]* - \(.*\)/\1ok $label: \2/p"
}
valgrind="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
	--errors-for-leak-kinds=definite"
{
	run shared build/promises
	# shellcheck disable=SC2086
	UNDER_VALGRIND=1 PROMISES_FLOOD=20000 PROMISES_RUNS=2 run valgrind $valgrind build/promises
	PROMISES_FLOOD=20000 PROMISES_RUNS=2 run static build/promises-static
} >build/promises.tap
echo "1..$(wc -l <build/promises.tap)"
sed 's/^\(not \)\{0,1\}ok /&- /' build/promises.tap
! grep -q '^not ok' build/promises.tap
