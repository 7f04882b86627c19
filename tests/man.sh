#!/bin/sh
# The man pages: clean, complete, and of the same opinion as the header. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
needs mandoc mandoc man man-db
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pages=$(echo man/*.3 man/*.7 tools/pcwatch/pcwatch.1)
header=include/proc_connector.h

# shellcheck disable=SC2086
lint() { mandoc -T lint -W warning $pages 2>&1; }
promise "mandoc has no warning about the man pages" lint

# shellcheck disable=SC2086
groff_warnings() { man --warnings -l $pages 2>&1 >/dev/null | tee "$work/warnings" && [ ! -s "$work/warnings" ]; }
promise "groff has no warning about the man pages" groff_warnings

# The SYNOPSIS of each page as prototypes; the header's, as the compiler sees them.
awk '/^\.Sh/ { synopsis = $2 == "SYNOPSIS" }
	synopsis && $1 == ".Ft" { type = substr($0, 5) }
	synopsis && $1 == ".Fn" {
		arguments = substr($0, length($2) + 6)
		gsub(/" "/, ", ", arguments)
		gsub(/"/, "", arguments)
		print type " " $2 "(" arguments ");"
	}' man/*.3 | sed 's/\* /*/g' | sort >"$work/synopsis"
tests/prototypes.sh >"$work/prototypes"
promise "the header has prototypes to compare with the man pages" test -s "$work/prototypes"
promise "each function is in the SYNOPSIS of one man page, with the header's prototype" \
	diff "$work/synopsis" "$work/prototypes"

words() { grep -hv '^\.Dt' "$@" | grep -oE '\bPC_[A-Z_]*[A-Z]\b' | sort -u; }
# shellcheck disable=SC2086
constants() {
	words "$header" >"$work/header-words"
	words $pages >"$work/page-words"
	diff "$work/header-words" "$work/page-words"
}
promise "the man pages name each constant of the header, and no other" constants

# shellcheck disable=SC2086
fields() {
	sed -n 's/^    .*[ *]\([a-z_0-9]*\)\(\[[0-9]*\]\)\{0,1\};$/\1/p' "$header" | sort -u >"$work/fields"
	[ -s "$work/fields" ] || return 1
	result=0
	while read -r field; do
		grep -qw -- "$field" $pages || { echo "no page has $field"; result=1; }
	done <"$work/fields"
	return $result
}
promise "the man pages name each field of the header" fields

errors() {
	grep -oE '\-E[A-Z0-9]+' "$header" | sed 's/^-//' | sort -u >"$work/errors"
	sed -n '/errors\[\] = {/,/};/p' tests/c/arguments.c | grep -oE '\bE[A-Z0-9]+\b' | sort -u | diff "$work/errors" -
}
promise "the promise about the texts of errors knows each error of the header" errors

make install PREFIX="$work/usr" CARGO=false >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
finds() { # finds SECTION NAME …: man shows a page of that name
	section=$1
	shift
	for name; do
		man -M "$work/usr/share/man" -P cat "$section" "$name" >"$work/page" 2>&1 &&
			grep -qw "$name" "$work/page" || { echo "no page for $name"; return 1; }
	done
}
# shellcheck disable=SC2046
promise "after an installation, man finds a page for each function" \
	finds 3 $(sed -n 's/^\t\(pc_[a-z_]*\);$/\1/p' src/capi/proc_connector.map)
promise "after an installation, man finds the page proc_connector(7)" finds 7 proc_connector

# shellcheck disable=SC2086
references() {
	awk '$1 == ".Xr" && $2 ~ /^(pc_|proc_connector)/ { print $3, $2 }' $pages | sort -u |
		while read -r section name; do
			[ -f "$work/usr/share/man/man$section/$name.$section" ] || echo "$name($section)"
		done >"$work/missing"
	cat "$work/missing"
	[ ! -s "$work/missing" ]
}
promise "each man page that another one refers to exists" references

conclude
