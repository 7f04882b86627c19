#!/bin/sh
# linker.sh MACHINE CHOICE COMPILER …: whether the linker can make both libraries. Without a word if it can, and
# otherwise in one line, before anything is built.
#
# COMPILER is the C compiler with all LDFLAGS, and CHOICE are those that name a linker. The Makefile names CC and
# OBJCOPY.
set -u
machine=$1 choice=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuse() { echo "$*" >&2; exit 1; }

"$@" -shared -nostdlib -o "$work/nothing.so" -x c /dev/null -x none -lc ||
	refuse "The compiler cannot link a library for $machine: $*"
case "$machine $(LC_ALL=C "$@" -Wl,--version 2>/dev/null)" in
powerpc64*'GNU gold '*) refuse "GNU gold leaves addresses writable on $machine. Name another linker in LDFLAGS: $*" ;;
esac
# mold 1.10 makes objects for ARM that objcopy crashes on: they need two functions with tables for unwinding.
printf 'void f(void);\nvoid g(void);\nvoid f(void) {}\nvoid g(void) {}\n' >"$work/two.c"
# shellcheck disable=SC2086
{
	$CC -funwind-tables -ffunction-sections -c "$work/two.c" -o "$work/two.o" &&
		$CC $choice -nostdlib -r "$work/two.o" -o "$work/one.o" && $OBJCOPY "$work/one.o"
} >"$work/log" 2>&1 || refuse "The linker makes no objects for $machine that $OBJCOPY can read. Name another one in LDFLAGS: $*"
