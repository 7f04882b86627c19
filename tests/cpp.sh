#!/bin/sh
# proc_connector.hpp: clean in each standard and compiler, its promises on the real kernel, its cost
# in instructions beside C's, and the examples. Prints TAP.
set -u
cd "$(dirname "$0")/.."
tests/needs.sh g++ g++ clang++ clang valgrind valgrind pkg-config pkg-config >&2 || exit 1
work=$PWD/build/cpp stage=$PWD/build/stage
rm -rf "$work"
mkdir -p "$work"
make --no-print-directory stage >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
# Relative: pkg-config puts backslashes into paths with letters like "é".
export PKG_CONFIG_PATH=build/stage/lib/pkgconfig LD_LIBRARY_PATH="$stage/lib"
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror"
flags="$warnings $(pkg-config --cflags proc_connector)"
. tests/tap.sh

checks() { # checks COMPILER FLAG …
	compiler=$1
	shift
	# shellcheck disable=SC2086
	"$compiler" $flags -fsyntax-only "$@" tests/cpp/header.cpp
}
for compiler in g++ clang++; do
	for standard in c++17 c++20 c++2b; do
		promise "$compiler: the C++ header compiles without a warning in $standard" checks $compiler -std=$standard
	done
	promise "$compiler: the C++ header works without exceptions and RTTI" \
		checks $compiler -std=c++17 -fno-exceptions -fno-rtti
done

refuses() { # refuses MACRO ERROR [COMPILER]: the mistake behind the macro is an error
	checks "${3:-g++}" -std=c++17 "-D$1" 2>"$work/error" && return 1
	grep -q "error: .*$2" "$work/error" || { cat "$work/error"; false; }
}
promise "a C++ visitor that lacks a kind does not compile" \
	refuses INCOMPLETE "the visitor must take every kind of event"
promise "a C++ visitor that lacks a kind of change does not compile" \
	refuses INCOMPLETE_CHANGE "the visitor must take every kind of event, or of change"
for mistake in EXIT:'a kind of event, where changes are visited' EXITED:'a kind of change, where events are visited' \
	NOT_CONST:'a reference that is not const' MUTABLE:'a mutable lambda of a const visitor' \
	BESIDE_TWO:'one parameter, where a generic lambda takes two'; do
	for compiler in g++ clang++; do
		promise "$compiler: a C++ lambda that is never called does not compile: ${mistake#*:}" \
			refuses "UNCALLED_${mistake%%:*}" "a lambda of this visitor is never called: it must take a kind" $compiler
	done
done
promise "a discarded C++ result is a warning" refuses DISCARDED "unused-result"
promise "a C++ timeout shorter than a millisecond does not compile" refuses SHORTER "no matching function"

run_time() { # the function that proc_connector.hpp refers to
	awk '/^```c$/ { code = ""; within = 1; next } /^```$/ { if (code ~ /run_time_ns/) print code; within = 0 }
		within { code = code $0 "\n" }' docs/who-ran-what.md >"$work/run_time.cpp"
	# shellcheck disable=SC2086
	grep -q run_time_ns "$work/run_time.cpp" && g++ -std=c++17 $flags -fsyntax-only "$work/run_time.cpp"
}
promise "the function for run times in docs/who-ran-what.md compiles as C++" run_time

for source in promise failure init support; do
	"${CC:-cc}" -std=c11 -D_GNU_SOURCE -I"$stage/include" -c "tests/c/$source.c" \
		-o "$work/$source.o" || exit 1
done
build() { # build COMPILER NAME FLAG …: a program with the harness of the C promises
	compiler=$1 name=$2
	shift 2
	# shellcheck disable=SC2046,SC2086
	"$compiler" -std=c++17 $flags "$@" "tests/cpp/$name.cpp" "$work"/*.o -o "$work/$name-$compiler" \
		-pthread $(pkg-config --libs proc_connector)
}
kept() { # kept COMPILER FLAG …: the promises, each as a test of its own
	compiler=$1
	shift
	promise "$compiler: the C++ promises compile" build "$compiler" promises "$@"
	# Of a thread that is cancelled, the address sanitizer takes the stack for poisoned.
	ASAN_OPTIONS=use_sigaltstack=0 "$work/promises-$compiler" 2>&1 | sed 's/^1\.\.[0-9]*$//; /^$/d' >"$work/promises.log"
	while read -r line; do
		case $line in
		"ok "*) ok 0 "$compiler: ${line#*: }" ;;
		"not ok "*) ok 1 "$compiler: ${line#*: }" ;;
		*) echo "# $line" >&2 ;;
		esac
	done <"$work/promises.log"
	grep -q '^ok' "$work/promises.log" || failed=1
}
kept g++ -g -fsanitize=address,undefined -fno-sanitize-recover=all
kept clang++ -O2 -fno-exceptions -fno-rtti

count() { # count COMPILER: the instructions of each function, callees excluded
	build "$1" cost -O2 &&
		valgrind -q --tool=callgrind --callgrind-out-file="$work/calls.%p" "$work/cost-$1" \
			2>"$work/calls" >"$work/cost.tap" && ! grep '^not ok' "$work/cost.tap" &&
		callgrind_annotate --threshold=100 "$(grep -l cpp:: "$work"/calls.*)" |
		sed -n 's/^ *\([0-9,]*\) .*[:?]\(c\|cpp\)::\([a-z]*\)(.*/\2 \3 \1/p' | tr -d , >"$work/counts"
}
costs() { # costs FUNCTION: at most four instructions more per call of the library
	cat "$work/counts"
	c=$(sed -n "s/^c $1 //p" "$work/counts") cpp=$(sed -n "s/^cpp $1 //p" "$work/counts")
	calls=$(sed -n "s/^$1 //p" "$work/calls")
	echo "$calls calls"
	[ "$c" -gt "$calls" ] && [ "$cpp" -le $((c + 4 * calls)) ]
}
for compiler in g++ clang++; do
	rm -f "$work"/calls*
	promise "$compiler: the instructions of C and C++ can be counted" count $compiler
	for function in batches singles walk; do
		promise "$compiler: C++ needs at most four instructions more per call than C: $function" costs $function
	done
	sed "s/^/# $compiler: /" "$work/counts"
done

shows() { # shows EXAMPLE REGEX: its output has such a line, while something makes events
	example=$1
	# shellcheck disable=SC2046,SC2086
	g++ -std=c++17 -O2 $flags "examples-c++/$example.cpp" -o "$work/$example" \
		$(pkg-config --libs proc_connector) || return 1
	"$work/$example" >"$work/$example.out" 2>&1 &
	pid=$!
	within 10 grep -q "$2" "$work/$example.out"
	kill $pid
	wait $pid
	grep -q "$2" "$work/$example.out" || { cat "$work/$example.out"; false; }
}
promise "the C++ example programs shows each program that is started" shows programs '^[0-9]* runs a new program on CPU'
promise "the C++ example table lists this shell" shows table "^ *$$ *[0-9]* $(cat /proc/$$/comm)$"
promise "the C++ example table reports which process runs a new program" shows table "^execed pid=[0-9]* parent=$$ comm=\"grep\" ts="

explains() {
	unshare --net "$work/programs" 2>"$work/error"
	[ $? = 1 ] && grep -q 'network namespace' "$work/error"
}
promise "the C++ example programs explains why it cannot open a connector" explains

conclude
