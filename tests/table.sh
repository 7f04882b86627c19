#!/bin/sh
# table.sh NAME FILE: puts its input into FILE, between the lines "<!-- NAME: …" and "<!-- end of NAME -->".
set -eu
TABLE=$(cat)
export TABLE
grep -q "^<!-- $1: " "$2" && grep -qx "<!-- end of $1 -->" "$2" || { echo "table.sh: $2 has no place for $1" >&2; exit 1; }
text=$(awk -v name="$1" '
	$0 == "<!-- end of " name " -->" { inside = 0 }
	!inside { print }
	index($0, "<!-- " name ": ") == 1 { print ENVIRON["TABLE"]; inside = 1 }' "$2")
printf '%s\n' "$text" >"$2"
