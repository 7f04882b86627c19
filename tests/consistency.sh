#!/bin/sh
# consistency.sh VERSION SHARED STATIC: Cargo.toml, header, map, soname and symbols agree, and the libraries need
# and have what they should on any machine. The Makefile names NM and READELF.
set -eu
version=$1 shared=$2 static=$3
header=include/proc_connector.h map=src/capi/proc_connector.map
nm=${NM:-nm} readelf=${READELF:-readelf}
libc='libc\.so\|libc\.so\.6\|libc\.so\.6\.1\|libc\.musl-.*'
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

same() { # same WHAT EXPECTED ACTUAL
	[ "$2" = "$3" ] || { echo "$1: expected $2, found $3" >&2; exit 1; }
}

part() { sed -n "s/^#define PC_VERSION_$1 \([0-9]*\)u$/\1/p" "$header"; }
same "$header" "$version" "$(part MAJOR).$(part MINOR).$(part PATCH)"
pc=${static%/*}/proc_connector.pc
same "$pc" "$version" "$(sed -n 's/^Version: //p' "$pc")"
# A later node has what the next version adds.
same "the node of this version in $map" "PROC_CONNECTOR_${version%.*}" \
	"$(sed -n "s/^\(PROC_CONNECTOR_${version%.*}\) {\$/\1/p" "$map")"
dynamic() { $readelf -dW "$shared" | sed -n "s/.*($1) .*\[\(.*\)\]$/\1/p"; }
same "soname" "libproc_connector.so.${version%%.*}" "$(dynamic SONAME)"

sed -n 's/^\t\(pc_[a-z_]*\);$/\1/p' "$map" | sort >"$work/map"
sed -n 's/^[a-z].*[ *]\(pc_[a-z_]*\)(.*/\1/p' "$header" | sort >"$work/header"
$nm -D --defined-only "$shared" | sed -n 's/.* T \(pc_[a-z_]*\)@@PROC_CONNECTOR_[0-9.]*$/\1/p' |
	sort >"$work/shared"
$nm -g --defined-only "$static" | sed -n '/ pc\./d; s/.* T //p' | sort >"$work/static" # pc.*: see the Makefile
for place in header shared static; do
	diff "$work/map" "$work/$place" >&2 || { echo "$map and $place disagree" >&2; exit 1; }
done
same "other dynamic symbols" "" \
	"$($nm -D --defined-only "$shared" | grep -v ' T pc_' | grep -v ' A PROC_CONNECTOR_' || true)"

# glibc calls itself libc.so.6, or libc.so.6.1 on Alpha; musl libc.so, or libc.musl-x86_64.so.1 in Alpine.
same "libraries needed that are not the C library" "" "$(dynamic NEEDED | grep -vx "$libc" || true)"
same "C libraries needed" 1 "$(dynamic NEEDED | grep -cx "$libc")"
same "versions that are not the C library's" "" "$($readelf -VW "$shared" | sed -n 's/.*Name: \([^ ]*\)  *Flags.*/\1/p' |
	grep -v '^GLIBC_\|^PROC_CONNECTOR_\|^libproc_connector\.so' || true)"
same "constructors" "" "$($readelf -SW "$shared" "$static" | grep -oE '\.(init|fini|preinit)(_array)?\>|\.[cd]tors' || true)"
# For MIPS, GNU ld makes no such sections.
case $($readelf -h "$shared") in *MIPS*) got='' ;; *) got=.got ;; esac
same "sections that are read-only after relocation" "$got" "$($readelf -lW "$shared" | awk '
	BEGIN { relro = -1 } /^  [A-Z_]+ +0x/ { if ($1 == "GNU_RELRO") relro = segments; segments++ }
	$1 == sprintf("%02d", relro) && / \.got(\.plt)? / { print ".got" }')"
# What the Makefile defines for 32-bit ARM and PowerPC is not called.
same "panics and unwinding" "" "$($nm "$shared" "$static" | grep -iE 'panic|unwind|rust_eh' |
	grep -vE '^0+ a __aeabi_unwind_cpp_pr[01]$| (d DW\.ref\.|[tw] )rust_eh_personality$' || true)"
same "bitcode" "" "$($readelf -SW "$static" | grep -o '\.llvm\(bc\|cmd\)' || true)"
