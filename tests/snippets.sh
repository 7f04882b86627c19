#!/bin/sh
# Every piece of C in the documents, the man pages and the header's first comment compiles. It is
# a whole file if it has a function, or else the body of one that is given what a main() has, "pc",
# a pair of sockets, and take(), which an event can be given to. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/tap.sh

markdown() { # "```c" to "```"
	awk '/^```c$/ { inside = 1; next } /^```$/ && inside { inside = 0; print "\f" } inside' "$1"
}
man_page() { # .Bd -literal to .Ed
	awk '/^\.Bd -literal/ { inside = 1; next } /^\.Ed/ && inside { inside = 0; print "\f" } inside' "$1" |
		sed 's/\\e/\\/g'
}
comment() { # what is indented, up to the conventions
	sed -n '/CONVENTIONS/q; s/^ \*     //p' "$1"
}

whole() { # whole FILE: as a compiler wants it
	grep -q '^#include' "$1" ||
		printf '#include <%s>\n' feed.h fcntl.h proc_connector.h stdio.h stdlib.h sys/socket.h unistd.h
	if grep -q '^{' "$1"; then
		cat "$1"
	else
		echo 'void take(const struct pc_event *event);'
		echo 'int snippet(int argc, char **argv, struct pc_connector *pc, int *ends) { {'
		cat "$1"
		echo '} return 0; }'
	fi
}
compiles() { # compiles FILE
	"${CC:-cc}" -x c -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion \
		-Wno-unused -Werror -Iinclude -Iexamples-c/testing -fsyntax-only "$1"
}

check() { # check EXTRACTOR FILE: a promise for each snippet
	rm -f "$work"/snippet*
	"$1" "$2" | awk -v work="$work" 'BEGIN { n = 1 } /^\f/ { n++; next } { print > (work "/snippet" n) }'
	for snippet in "$work"/snippet*; do
		[ -f "$snippet" ] || continue
		whole "$snippet" >"$work/whole.c"
		promise "$2, piece ${snippet##*/snippet}" compiles "$work/whole.c"
	done
}
for file in *.md docs/*.md; do
	check markdown "$file"
done
for file in man/*.3 man/*.7; do
	check man_page "$file"
done
before=$number
check comment include/proc_connector.h
[ $number -gt "$before" ] || failed=1
conclude
