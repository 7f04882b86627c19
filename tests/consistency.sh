#!/bin/sh
# consistency.sh VERSION SHARED STATIC: Cargo.toml, header, map, soname and symbols agree.
set -eu
version=$1 shared=$2 static=$3
header=include/proc_connector.h map=src/capi/proc_connector.map
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

same() { # same WHAT EXPECTED ACTUAL
	[ "$2" = "$3" ] || { echo "$1: expected $2, found $3" >&2; exit 1; }
}

part() { sed -n "s/^#define PC_VERSION_$1 \([0-9]*\)u$/\1/p" "$header"; }
same "$header" "$version" "$(part MAJOR).$(part MINOR).$(part PATCH)"
same "build/proc_connector.pc" "$version" "$(sed -n 's/^Version: //p' build/proc_connector.pc)"
# A later node has what the next version adds.
same "the node of this version in $map" "PROC_CONNECTOR_${version%.*}" \
	"$(sed -n "s/^\(PROC_CONNECTOR_${version%.*}\) {\$/\1/p" "$map")"
same "soname" "libproc_connector.so.${version%%.*}" \
	"$(objdump -p "$shared" | sed -n 's/^ *SONAME *//p')"

sed -n 's/^\t\(pc_[a-z_]*\);$/\1/p' "$map" | sort >"$work/map"
sed -n 's/^[a-z].*[ *]\(pc_[a-z_]*\)(.*/\1/p' "$header" | sort >"$work/header"
nm -D --defined-only "$shared" | sed -n 's/.* T \(pc_[a-z_]*\)@@PROC_CONNECTOR_[0-9.]*$/\1/p' |
	sort >"$work/shared"
nm -g --defined-only "$static" | sed -n 's/.* T //p' | sort >"$work/static"
for place in header shared static; do
	diff "$work/map" "$work/$place" >&2 || { echo "$map and $place disagree" >&2; exit 1; }
done
same "other dynamic symbols" "" \
	"$(nm -D --defined-only "$shared" | grep -v ' T pc_' | grep -v ' A PROC_CONNECTOR_' || true)"
same "NEEDED" "libc.so.6" "$(objdump -p "$shared" | sed -n 's/^ *NEEDED *//p')"
same "sections that are read-only after relocation" ".got" "$(readelf -lW "$shared" | awk '
	BEGIN { relro = -1 } /^  [A-Z_]+ +0x/ { if ($1 == "GNU_RELRO") relro = segments; segments++ }
	$1 == sprintf("%02d", relro) && / \.got / { print ".got" }')"
same "panics and unwinding" "" "$(nm "$shared" "$static" | grep -iE 'panic|unwind|rust_eh' || true)"
