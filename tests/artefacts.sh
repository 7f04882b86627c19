#!/bin/sh
# The header, the libraries and the installation. Prints TAP.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
shared=build/libproc_connector.so.$version
. tests/tap.sh

cat >"$work/program.c" <<'END'
#include <proc_connector.h>
#include <stdio.h>
int main(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	struct pc_event event;
	printf("%u %s\n", (unsigned)pc_version(), pc_strerror(result));
	if (result == 0 && (result = pc_recv(pc, &event, 0)) >= 0)
		pc_close(pc);
	return result < 0;
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
for standard in c++11 c++20; do
	promise "the header compiles without a warning in $standard" compiles "${CXX:-c++}" $standard "$work/program.cpp"
done

size() { # size LIBRARY LIMIT
	strip -o "$work/stripped" "$1"
	bytes=$(wc -c <"$work/stripped")
	echo "stripped: $bytes bytes"
	[ "$bytes" -lt "$2" ]
}
# Older compilers make larger code: 1.85 some 68,400 bytes, where 1.95 makes 65,100.
limit_kb=64
[ "$(${RUSTC:-rustc} --version | cut -d. -f2)" -ge 95 ] || limit_kb=68
promise "the stripped library is smaller than $limit_kb KB" size "$shared" $((limit_kb * 1024))

connector_only() { make connector-only && size build/connector/connector.so 26616; }
# What Debian's libmnl has, the smallest netlink library in common use.
promise "the library without the process table is smaller than libmnl" connector_only

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
promise "a C++ program runs" link_cpp

elsewhere() {
	make install PREFIX=/p LIBDIR=/p/lib64 INCLUDEDIR=/p/inc MANDIR=/p/man DESTDIR="$work/dest" \
		CARGO=false &&
		test -f "$work/dest/p/lib64/libproc_connector.a" &&
		test -f "$work/dest/p/inc/proc_connector.h" &&
		test -f "$work/dest/p/man/man3/pc_open.3" &&
		grep -qx 'libdir=/p/lib64' "$work/dest/p/lib64/pkgconfig/proc_connector.pc" &&
		grep -qx 'includedir=/p/inc' "$work/dest/p/lib64/pkgconfig/proc_connector.pc"
}
promise "make install honours PREFIX, LIBDIR, INCLUDEDIR, MANDIR and DESTDIR" elsewhere

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

disagrees() { # disagrees SED-SCRIPT FILE: the build's check notices the difference
	mkdir -p "$work/tree/build"
	cp -a Cargo.toml include src tests "$work/tree"
	cp -a build/libproc_connector.* build/proc_connector.pc "$work/tree/build"
	sed -i "$1" "$work/tree/$2"
	(cd "$work/tree" && ! tests/consistency.sh "$version" "$shared" build/libproc_connector.a)
	result=$?
	rm -rf "$work/tree"
	return $result
}
promise "the build stops when the header's version is wrong" \
	disagrees 's/\(PC_VERSION_MINOR\) 1u/\1 2u/' include/proc_connector.h
promise "the build stops when the header lacks a function" \
	disagrees '/^int pc_check(/d' include/proc_connector.h
promise "the build stops when the map has another symbol" \
	disagrees 's/pc_check;/pc_check2;/' src/capi/proc_connector.map
promise "the build stops when the .pc has another version" \
	disagrees 's/^Version: .*/Version: 9/' build/proc_connector.pc

conclude
