#!/bin/sh
# The Debian packages: built in a copy of the tree, installed, used as a user would, purged. Prints
# TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
skip_all() {
	[ "${CI:-}" = true ] && { echo "1..0"; echo "$1" >&2; exit 1; }
	echo "1..0 # SKIP $1"
	exit 0
}
packages="libproc-connector0 libproc-connector-dev proc-connector-tools"
{ [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || skip_all "installs packages: needs Debian, and root"
tests/needs.sh dpkg-buildpackage dpkg-dev dh debhelper lintian lintian cmake cmake man man-db \
	mandoc mandoc unshare util-linux setpriv util-linux >&2 ||
	skip_all "needs dpkg-dev, debhelper, lintian, cmake, man-db and mandoc"
# shellcheck disable=SC2086
dpkg-query -W $packages 2>/dev/null | grep -q . && skip_all "the packages are installed: they are yours"

work=$(mktemp -d)
apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 -o APT::Sandbox::User=root "$@"; }
# shellcheck disable=SC2086
purge() { apt purge $packages; }
trap 'purge >/dev/null 2>&1; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
. tests/tap.sh

mkdir "$work/source"
tar -c --exclude=./build --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar -x -C "$work/source"
# Debian's packages of the crates may be older than this machine's Rust, or absent: tests/distributions.sh has them.
vendor() { (cp -R "$work/source" "$work/crates" && cd "$work/crates" && tools/vendor.sh); }
promise "the crates that the libraries need can be put into a folder" vendor
build() { (cd "$work/source" && CRATES=$work/crates/vendor unshare -n dpkg-buildpackage -us -uc -d); }
promise "the Debian packages build and pass make check without network" build
# The Standards-Version is that of sid, which the lintian of another suite may not know. Debian 12's lintian asks for
# an init script; the package has none, because without systemd, the administrator starts pcwatch by hand.
no_complaint() {
	lintian --allow-root --display-info --pedantic --fail-on error,warning,info,pedantic \
		--suppress-tags newer-standards-version,package-supports-alternative-init-but-no-init.d-script "$work"/*.changes
}
promise "lintian has no complaint about the Debian packages" no_complaint
# What the packages of several architectures have in common must not differ.
common() {
	for package in libproc-connector0 libproc-connector-dev; do
		dpkg -x "$work"/${package}_*.deb "$work/extracted" || return
	done
	triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
	[ -f "$work/extracted/usr/lib/$triplet/libproc_connector.a" ] && rm -r "$work/extracted/usr/lib/$triplet" &&
		[ -f "$work/extracted/usr/include/proc_connector.h" ] || return
	find "$work/extracted" -type f -exec zgrep -l "$triplet\|^.ELF" {} + | tee "$work/different"
	[ ! -s "$work/different" ]
}
promise "outside their own folder, the libraries' packages have nothing of one architecture" common
compile() { AUTOPKGTEST_TMP=$work debian/tests/compile; }
watch() { AUTOPKGTEST_TMP=$work debian/tests/watch; }
promise "the Debian packages can be installed" apt install "$work"/libproc-connector0_*.deb \
	"$work"/libproc-connector-dev_*.deb "$work"/proc-connector-tools_*.deb

promise "with the installed packages, debian/tests/compile succeeds" compile
promise "with the installed packages, debian/tests/watch succeeds" watch
calls_itself() { pcwatch --help | grep -q '^Usage: pcwatch ' && pcwatch --version | grep -q '^pcwatch '; }
promise "the installed pcwatch calls itself pcwatch" calls_itself
off() { # nothing that systemd starts wants the service
	[ -f /usr/lib/systemd/system/pcwatch.service ] && [ -f /etc/default/pcwatch ] || return
	find /etc/systemd /usr/lib/systemd /run/systemd -path '*.wants/pcwatch*' >"$work/wanted" 2>/dev/null
	cat "$work/wanted"
	[ ! -s "$work/wanted" ]
}
promise "after the installation, pcwatch.service is there, and off" off
runs() { # runs PROGRAM: which would say on stderr why it cannot
	rm -f "$work/events" "$work/errors"
	"$1" >"$work/events" 2>"$work/errors" &
	until [ -s "$work/events" ] || [ -s "$work/errors" ]; do
		/bin/true
	done
	kill $!
	cat "$work/errors"
	[ -s "$work/events" ]
}
# shellcheck disable=SC2046
shared() {
	"${CC:-cc}" examples-c/minimal.c -o "$work/shared" $(pkg-config --cflags --libs proc_connector) &&
		ldd "$work/shared" | grep -q 'libproc_connector.so.0 => /' && runs "$work/shared"
}
promise "a C program compiles with the installed packages, and runs" shared
# shellcheck disable=SC2046
static() {
	"${CC:-cc}" -static examples-c/minimal.c -o "$work/static" \
		$(pkg-config --static --cflags --libs proc_connector) && runs "$work/static"
}
promise "a static C program compiles with the installed packages, and runs" static
with_cmake() {
	mkdir "$work/cmake" &&
		sed -n '/^```cmake$/,/^```$/{/^```/d;p}' docs/packaging.md >"$work/cmake/CMakeLists.txt" &&
		cp examples-c/minimal.c "$work/cmake/watcher.c" &&
		cmake -S "$work/cmake" -B "$work/cmake/build" && cmake --build "$work/cmake/build" &&
		runs "$work/cmake/build/watcher"
}
promise "the CMake project of docs/packaging.md builds, and runs" with_cmake
promise "the package of pcwatch has the configuration for a fleet, which setup.sh copies, as plain files" \
	diff -r "$work/source/examples-fleet" /usr/share/doc/proc-connector-tools/examples
pages() { man -w 1 pcwatch && man -w 3 pc_recv_many && man -w 7 proc_connector; }
promise "man finds the pages of the installed packages" pages

# As packages are built: in a folder of an ordinary user's, with what make built.
check() {
	tar -c --exclude=./target --exclude=./.git --exclude=./fuzz/target --exclude='./build/*/*' \
		--exclude=./build/promises . build/cargo/libproc_connector.a | tar -x -C "$work/user" || return
	chown -R nobody "$work/user" && began=$(date +%s) &&
		(cd "$work/user" && unshare -n setpriv --reuid nobody --clear-groups make check CARGO=false) &&
		[ $(($(date +%s) - began)) -lt 60 ]
}
mkdir "$work/user" && chmod 755 "$work"
promise "make check passes for an ordinary user without network and events, in less than a minute" check

left() {
	find /usr /etc /var/lib /var/cache -xdev 2>/dev/null | grep -E 'proc[-_]connector|pcwatch|/pc_[a-z_]*\.3'
}
promise "the search for leftovers finds the files of the installed packages" left
promise "the Debian packages can be purged" purge
nothing_left() { ! left && ! dpkg-query -W 'libproc-connector*' proc-connector-tools; }
promise "a purge leaves no file and no package behind" nothing_left

conclude
