#!/bin/sh
# What the build made: its size, and that it stops when header, map and version disagree. Prints TAP.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
shared=build/libproc_connector.so.$version
. tests/tap.sh

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
	disagrees 's/\(PC_VERSION_MINOR\) [0-9]*u/\1 99u/' include/proc_connector.h
promise "the build stops when the header lacks a function" \
	disagrees '/^int pc_check(/d' include/proc_connector.h
promise "the build stops when the map has another symbol" \
	disagrees 's/pc_check;/pc_check2;/' src/capi/proc_connector.map
promise "the build stops when the .pc has another version" \
	disagrees 's/^Version: .*/Version: 9/' build/proc_connector.pc

conclude
