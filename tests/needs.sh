#!/bin/sh
# needs.sh NAME PACKAGE …: installs the Debian packages of the commands, or files with a slash in
# their name, that are missing, or names them.
set -eu
missing=
while [ $# -gt 0 ]; do
	case $1 in
	*/*) [ -e "$1" ] || missing="$missing $2" ;;
	*) command -v "$1" >/dev/null || missing="$missing $2" ;;
	esac
	shift 2
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing$missing"
	# shellcheck disable=SC2086
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing \
		>build-needs.log 2>&1 && rm build-needs.log && exit 0
	cat build-needs.log
fi
echo "The tests need:$missing (Debian's package names). Please install them." >&2
exit 1
