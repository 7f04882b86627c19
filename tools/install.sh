#!/bin/sh
# install.sh [--remove]: installs the library's files into the folders LIB, INCLUDE and MAN, or removes them
# from there. The Makefile gives these, and SHARED, SONAME, STATIC, PC and STRIP_WITH, in the environment.
#
# Each file is written under another name and then renamed, so that a running program keeps the library that
# it has mapped, and a program that starts meanwhile finds the old one or the new one. Only commands of POSIX
# are used, because install(1) differs between coreutils, busybox, toybox and uutils.
set -eu
temporary=
trap '[ -z "$temporary" ] || rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

put() { # put MODE FILE COMMAND …: FILE is what COMMAND writes to the path that is given to it at the end
	mode=$1 file=$2
	shift 2
	temporary=${file%/*}/.proc_connector.$$
	rm -f "$temporary"
	"$@" "$temporary"
	[ "$mode" = link ] || chmod "$mode" "$temporary"
	mv -f "$temporary" "$file"
	temporary=
}
refer() { echo ".so $1" >"$2"; }

# The words "NAME PAGE" for each name that a page has in its NAME section: man pc_recv_many shows pc_recv(3).
# shellcheck disable=SC2046
set -- "${1:-}" $(awk '/^\.Sh/ { naming = $2 == "NAME" } naming && $1 == ".Nm" { print $2, FILENAME }' man/*.[37])
action=$1
shift

if [ "$action" = --remove ]; then
	rm -f "$LIB"/libproc_connector.a "$LIB"/libproc_connector.so* "$LIB/pkgconfig/proc_connector.pc" \
		"$INCLUDE"/proc_connector.h*
	while [ $# -gt 0 ]; do
		rm -f "$MAN/man${2##*.}/$1.${2##*.}"
		shift 2
	done
	exit
fi

# Folders that exist keep their modes.
(umask 022 && mkdir -p "$LIB/pkgconfig" "$INCLUDE" "$MAN/man3" "$MAN/man7")

library=${SHARED##*/}
if [ -n "${STRIP_WITH:-}" ]; then
	put 755 "$LIB/$library" "$STRIP_WITH" "$SHARED" -o
else
	put 755 "$LIB/$library" cp "$SHARED"
fi
put link "$LIB/$SONAME" ln -s "$library"
put link "$LIB/libproc_connector.so" ln -s "$SONAME"
put 644 "$LIB/libproc_connector.a" cp "$STATIC"
put 644 "$LIB/pkgconfig/proc_connector.pc" cp "$PC"
for header in proc_connector.h proc_connector.hpp; do
	put 644 "$INCLUDE/$header" cp "include/$header"
done
while [ $# -gt 0 ]; do
	section=${2##*.}
	[ "$2" = "man/$1.$section" ] || put 644 "$MAN/man$section/$1.$section" refer "man$section/${2##*/}"
	shift 2
done
for page in man/*.[37]; do
	put 644 "$MAN/man${page##*.}/${page##*/}" cp "$page"
done
