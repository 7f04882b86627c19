#!/bin/sh
# needs.sh NAME PACKAGE …: whether all these commands, or files with a slash in their name, are there.
# As root on Debian it installs the packages of those that are missing; TESTS_INSTALL=no prevents
# that. What remains missing is named, by Debian's package names.
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
if [ "${TESTS_INSTALL:-}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "Installing with apt-get, for the tests:$missing"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	# Scripts that run at the same time take turns.
	# shellcheck disable=SC2086
	flock -o "$0" apt-get update -qq && flock -o "$0" apt-get install -y -qq -o DPkg::Lock::Timeout=600 $missing \
		>"$log" 2>&1 && rm "$log" && exit 0
	cat "$log"
fi
echo "These tests need:$missing (Debian's package names). make test-all installs them, as root on Debian." >&2
exit 1
