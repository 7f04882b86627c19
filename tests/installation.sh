#!/bin/sh
# The header, and the installation as a user meets it. Needs no privilege, no network and no events. Prints TAP.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
. tests/tap.sh

cat >"$work/program.c" <<'END'
#include <proc_connector.h>
#include <stdio.h>
int main(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	printf("%u %s\n", (unsigned)pc_version(), pc_strerror(result));
	if (result == 0)
		pc_close(pc);
	return pc_version() != PC_VERSION; /* where there are no events, pc_open() fails */
}
END
cp "$work/program.c" "$work/program.cpp"

compiles() { # compiles COMPILER STANDARD FILE: the header alone and used, without a warning
	# shellcheck disable=SC2086
	"$1" "-std=$2" $warnings -Iinclude -fsyntax-only "$3"
}
for standard in c99 c11 c2x; do
	promise "the header compiles without a warning in $standard" compiles "${CC:-cc}" $standard "$work/program.c"
done
cpp() { # cpp SENTENCE COMMAND …: a promise, if there is a C++ compiler
	if command -v "${CXX:-c++}" >/dev/null; then promise "$@"; else skip "$1" "${CXX:-c++} is not installed"; fi
}
for standard in c++11 c++20; do
	cpp "the header compiles without a warning in $standard" compiles "${CXX:-c++}" $standard "$work/program.cpp"
done

layout() {
	cat >"$work/layout.c" <<'END'
#include <proc_connector.h>
_Static_assert(sizeof(struct pc_event) == 64, "pc_event");
_Static_assert(sizeof(union pc_event_data) == 40, "pc_event_data");
_Static_assert(offsetof(struct pc_event, timestamp_ns) == 8, "timestamp_ns");
_Static_assert(offsetof(struct pc_event, data) == 24, "data");
_Static_assert(sizeof(struct pc_event_fork) == 16, "fork");
_Static_assert(sizeof(struct pc_event_exit) == 24, "exit");
_Static_assert(sizeof(struct pc_event_comm) == 24, "comm");
_Static_assert(sizeof(struct pc_event_overrun) == 24, "overrun");
_Static_assert(sizeof(struct pc_event_unknown) == 40, "unknown");
_Static_assert(sizeof(struct pc_options) == sizeof(size_t) + 16, "pc_options");
_Static_assert(sizeof(struct pc_stats) == 72, "pc_stats");
_Static_assert(sizeof(struct pc_table_options) == sizeof(size_t) + 40, "pc_table_options");
_Static_assert(sizeof(struct pc_process) == 112, "pc_process");
_Static_assert(sizeof(struct pc_change) == 168, "pc_change");
_Static_assert(sizeof(struct pc_command) == 2 * sizeof(char *) + 32, "pc_command");
END
	"${CC:-cc}" -std=c11 -Wpadded -Werror -Iinclude -fsyntax-only "$work/layout.c"
}
promise "every struct has the size that the ABI promises, and no hidden padding" layout

prefix=$work/usr
install() { make install PREFIX="$prefix" CARGO=false; }
promise "make install needs no second build" install
for file in include/proc_connector.h include/proc_connector.hpp lib/libproc_connector.a \
	lib/pkgconfig/proc_connector.pc lib/libproc_connector.so lib/libproc_connector.so.0 "lib/libproc_connector.so.$version"; do
	promise "make install installs $file" test -f "$prefix/$file"
done

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
# shellcheck disable=SC2046
link_shared() {
	"${CC:-cc}" "$work/program.c" -o "$work/program" $(pkg-config --cflags --libs proc_connector) &&
		LD_LIBRARY_PATH="$prefix/lib" "$work/program"
}
promise "a program compiled through pkg-config runs" link_shared
# shellcheck disable=SC2046
link_static() {
	"${CC:-cc}" -static "$work/program.c" -o "$work/program-static" \
		$(pkg-config --static --cflags --libs proc_connector) && "$work/program-static"
}
promise "a program linked with --static runs" link_static
# shellcheck disable=SC2046
link_cpp() {
	"${CXX:-c++}" "$work/program.cpp" -o "$work/program-cpp" \
		$(pkg-config --cflags --libs proc_connector) &&
		LD_LIBRARY_PATH="$prefix/lib" "$work/program-cpp"
}
cpp "a C++ program runs" link_cpp

elsewhere() { # elsewhere PREFIX LIBDIR INCLUDEDIR MANDIR: how the folders are called
	make install "$1=/p" "$2=/p/lib64" "$3=/p/inc" "$4=/p/man" DESTDIR="$work/$1" CARGO=false &&
		test -f "$work/$1/p/lib64/libproc_connector.a" &&
		test -f "$work/$1/p/inc/proc_connector.h" &&
		test -f "$work/$1/p/man/man3/pc_open.3" &&
		grep -qx 'prefix=/p' "$work/$1/p/lib64/pkgconfig/proc_connector.pc" &&
		grep -qx 'libdir=/p/lib64' "$work/$1/p/lib64/pkgconfig/proc_connector.pc" &&
		grep -qx 'includedir=/p/inc' "$work/$1/p/lib64/pkgconfig/proc_connector.pc"
}
promise "make install honours PREFIX, LIBDIR, INCLUDEDIR, MANDIR and DESTDIR" elsewhere PREFIX LIBDIR INCLUDEDIR MANDIR
gnu() (
	export PREFIX=/q LIBDIR=/q INCLUDEDIR=/q MANDIR=/q
	elsewhere prefix libdir includedir mandir
)
promise "make install honours GNU's names of these folders, also if the environment has others" gnu

staged() {
	make build/proc_connector.pc stage PREFIX=/p CARGO=false && grep -qx prefix=/p build/proc_connector.pc
}
promise "what the examples are built with does not change the .pc that make install installs" staged

spaces() {
	make install DESTDIR="$work/de st" CARGO=false &&
		test -f "$work/de st/usr/local/lib/libproc_connector.a" &&
		make uninstall DESTDIR="$work/de st" && [ -z "$(find "$work/de st" ! -type d)" ]
}
promise "DESTDIR may contain a space" spaces

uninstall() {
	make uninstall PREFIX="$prefix" && [ -z "$(find "$prefix" ! -type d)" ]
}
promise "make uninstall leaves no file" uninstall

conclude
