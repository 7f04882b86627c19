#!/bin/sh
# stub.sh HEADER-FOLDER LIBRARY: makes a library of empty functions with the prototypes and types of
# the header. Its debug information is C's, and the same whatever Rust compiled the real one.
set -eu
include=$(cd "$1" && pwd) library=$2
map=$PWD/src/capi/proc_connector.map
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
	echo '#include <proc_connector.h>'
	tests/prototypes.sh "$include/proc_connector.h" | sed 's/;$/ { __builtin_trap(); }/'
} >"$work/stub.c"
(cd "$work" && "${CC:-cc}" -g -shared -fPIC -nostdlib -I "$include" stub.c -o stub.so \
	-Wl,-soname,libproc_connector.so.0,--version-script="$map")
mv "$work/stub.so" "$library"
