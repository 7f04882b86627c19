#!/bin/sh
# layouts.sh RUST: the header's structs have the sizes, alignments and offsets that Rust gave them. RUST has a line
# for each: struct, size, alignment; or struct.field, offset, size (src/capi/layout.rs). The Makefile names CC.
# Nothing is run, so the machine may be another one.
set -eu
header=include/proc_connector.h
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed 's/ .*//' "$1" | sort >"$work/known"
awk '/^(struct|union) pc_.* \{/ { name = $2; print name }
	/^}/ { name = "" }
	name && /^    [a-z].*;$/ { gsub(/[*;]|\[.*/, "", $NF); print name "." $NF }' "$header" | sort >"$work/header"
diff "$work/header" "$work/known" >&2 || { echo "src/capi/layout.rs does not have each field of $header" >&2; exit 1; }

{
	echo '#include <proc_connector.h>'
	while read -r name first second; do
		type=${name%.*} field=${name#*.}
		kind=$(sed -n "s/^\([a-z]*\) $type {\$/\1/p" "$header")
		case $name in
		*.*) c="offsetof($kind $type, $field) == $first && sizeof((($kind $type *)0)->$field) == $second" ;;
		*) c="sizeof($kind $type) == $first && _Alignof($kind $type) == $second" ;;
		esac
		echo "_Static_assert($c, \"C and Rust disagree about $name: Rust has $first, $second\");"
	done <"$1"
} >"$work/layouts.c"
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -fsyntax-only -I include "$work/layouts.c"
