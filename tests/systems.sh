#!/bin/sh
# systems.sh [--table FILE]: tests the Debian packages on a whole machine under QEMU, which tests/machine.sh makes and
# boots. Prints TAP. Needs root on Debian, and the mirror that this machine uses. With --table, its results become a
# table in FILE.
#
# The machine runs tests/systems-inside.sh, whose TAP comes through the second serial line.
set -u
table=
[ "${1:-}" = --table ] && table=$(realpath "$2")
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP makes the disk of a machine: needs root"; exit 0; }
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "1..0 # SKIP written for amd64"; exit 0; }
work=$PWD/build/systems
rm -rf "$work"
mkdir -p "$work/disk"
. tests/tap.sh
tests/machine.sh needs >&2 || { echo "1..0 # SKIP its tools are not installed"; exit 0; }
promise "Debian stable, its kernel and systemd can be put on a disk" tests/machine.sh disk

# ---- What is tested ----

in_a_shell() { (set -e; "$@"); }
promise "the packages are built" tests/machine.sh packages "$work"

# Makes packages with a higher version of the same build. An upgrade to these runs all package scripts.
later() {
	mkdir "$work/disk/packages" "$work/disk/later" && cp "$work"/*.deb "$work/disk/packages" || return
	for package in "$work"/disk/packages/*.deb; do
		dpkg-deb -R "$package" "$work/unpacked" &&
			sed -i 's/^Version: .*/&+later/; s/\(libproc-connector0 (= [^)]*\)/\1+later/' \
				"$work/unpacked/DEBIAN/control" &&
			dpkg-deb --root-owner-group -b "$work/unpacked" "$work/disk/later" && rm -r "$work/unpacked" || return
	done
}
promise "packages with a higher version can be made" later

# pcpolicyd is an example: its user compiles it, and installs its unit.
policy() {
	cd "$work/source" && dpkg-deb -x "$work"/libproc-connector-dev_*.deb "$work/dev" &&
		dpkg-deb -x "$work"/libproc-connector0_*.deb "$work/dev" &&
		cc -O2 -D_GNU_SOURCE examples-c/daemon/*.c -o "$work/disk/pcpolicyd" -I"$work/dev/usr/include" \
			-L"$work/dev/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)" -lproc_connector &&
		cp examples-c/daemon/pcpolicyd.service "$work/disk"
}
promise "examples-c/daemon is compiled with these packages" in_a_shell policy

# ---- The boot ----

cp docs/fleet.md "$work/disk" && cp tests/systems-inside.sh "$work/disk/inside" && chmod +x "$work/disk/inside"
began=$(date +%s)
tests/machine.sh boot "$work" systemd.mask=rsyslog.service </dev/null >"$work/tap" 2>"$work/log"
ok $? "the machine boots, and powers off by itself in time" "$work/log" "$work/console"
seconds=$(($(date +%s) - began))
echo "# $seconds seconds"
tr -d '\r' <"$work/tap" >"$work/said"
while IFS= read -r line; do
	case $line in
	'ok '*' # SKIP '*)
		line=${line#ok * - }
		skip "${line% # SKIP *}" "${line##* # SKIP }" ;;
	'ok '*) ok 0 "${line#ok * - }" ;;
	'not ok '*) ok 1 "${line#not ok * - }" ;;
	'# '*) echo "$line" ;;
	esac
done <"$work/said"
complete() {
	ran=$(grep -c '^\(not \)\{0,1\}ok ' "$work/said") && grep "^1\.\.$ran$" "$work/said"
}
promise "every test on the machine was run" complete
rm -f "$work/changes"
count() { grep -c "$1" "$work/said"; }
results() {
	echo '| system | kernel | systemd | tests passed | not applicable | seconds |'
	echo '|---|---|---|---|---|---|'
	echo "| $(sed -n 's/^# system: //p' "$work/said") | $(count '^ok ') of $(count '^\(not \)*ok ') | $(count '# SKIP') | $seconds |"
}
[ -z "$table" ] || results | tests/table.sh systems "$table"
conclude
