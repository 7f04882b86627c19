#!/bin/bash
# The spec file of packaging/fedora, with Debian's rpmbuild, and the APKBUILD of packaging/alpine, whose functions are
# called as abuild calls them, with musl and busybox. Both build from the tar of make dist, without network. Prints TAP.
#
# What this machine lacks is not tested: the names of the packages that the two need to be built, the macros that only
# Fedora's rpmbuild has, what abuild moves to subpackages, and Alpine's own Rust.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
needs rpmbuild rpm musl-gcc musl-tools busybox busybox /usr/include/linux/cn_proc.h linux-libc-dev
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
soname=libproc_connector.so.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$work/proc_connector-$version
released() { tests/release.sh "$work/repository" && tar -C "$work" -xf "$work/repository/build/dist/${source##*/}.tar.xz"; }
promise "make dist packs what the spec file and the APKBUILD need" released

versions() {
	grep "^Version: *$version\$" packaging/fedora/proc-connector.spec && grep -x "pkgver=$version" packaging/alpine/APKBUILD &&
		head -n 1 debian/changelog | grep "^proc-connector ($version) "
}
promise "the spec file, the APKBUILD and debian/changelog have the version of Cargo.toml" versions

# ---- Fedora ----

built() {
	unshare -n rpmbuild -bb --nodeps --define "_topdir $work/rpm" --define "_sourcedir $work/repository/build/dist" \
		--define 'crates vendor' --define '_libdir /usr/lib64' --define 'debug_package %{nil}' \
		--define 'systemd_post() preset %{*}' --define 'systemd_preun() stop %{*}' \
		--define 'systemd_postun_with_restart() restart %{*}' \
		"$source/packaging/fedora/proc-connector.spec"
}
promise "rpmbuild builds the packages and passes make check without network" built
contents() { # each file is in the package where it belongs, and there is no other
	for package in "$work"/rpm/RPMS/*/*.rpm; do
		name=$(rpm -qp --queryformat '%{NAME}' "$package") && rpm -qpl "$package" | sed "s/^/$name /" || return
	done | grep -v '/share/\(doc\|licenses\)/\|/.build-id\|/man3/pc_' | sed 's/\.gz$//' | sort >"$work/contents"
	sort <<END | diff - "$work/contents"
proc-connector /etc/default/pcwatch
proc-connector /usr/bin/pcwatch
proc-connector /usr/lib/systemd/system/pcwatch.service
proc-connector /usr/share/man/man1/pcwatch.1
proc-connector-devel /usr/include/proc_connector.h
proc-connector-devel /usr/include/proc_connector.hpp
proc-connector-devel /usr/lib64/libproc_connector.so
proc-connector-devel /usr/lib64/pkgconfig/proc_connector.pc
proc-connector-devel /usr/share/man/man7/proc_connector.7
proc-connector-libs /usr/lib64/$soname
proc-connector-libs /usr/lib64/libproc_connector.so.$version
proc-connector-static /usr/lib64/libproc_connector.a
END
}
promise "each file is in the package for it, in lib64" contents
fleet() { # Debian's rpm appends the version to the name of the folder
	(cd examples-fleet && find . -type f | sort) >"$work/fleet" &&
		rpm -qpl "$work"/rpm/RPMS/*/proc-connector-[0-9]*.rpm | sed -n 's|^/usr/share/doc/proc-connector[^/]*/examples-fleet|.|p' |
		grep -Fx -f "$work/fleet" | sort | diff "$work/fleet" -
}
promise "the package of pcwatch has the configuration for a fleet" fleet
provides() { rpm -qp --provides "$work"/rpm/RPMS/*/proc-connector-libs-*.rpm | grep "^$soname(PROC_CONNECTOR_0.1)"; }
promise "rpm knows the versions of the library's symbols" provides
requires() { rpm -qp --requires "$work"/rpm/RPMS/*/proc-connector-0*.rpm | grep "^$soname(PROC_CONNECTOR_0.1)"; }
promise "the package of pcwatch needs that of the library" requires
# Here, Fedora's macros expand to plain words. The scripts contain nothing else, so they do not enable the service.
scripts() {
	rpm -qp --scripts "$work"/rpm/RPMS/*/proc-connector-0*.rpm | sed '/scriptlet/d; /^$/d' >"$work/scripts" &&
		printf '%s pcwatch.service\n' preset stop restart | diff - "$work/scripts" &&
		rpm -qp --configfiles "$work"/rpm/RPMS/*/proc-connector-0*.rpm | grep -x /etc/default/pcwatch
}
promise "the spec file leaves the state of pcwatch.service to Fedora's presets, and the options to the administrator" scripts

# ---- Alpine ----

# A machine of Alpine's, as make sees it: its Rust is musl's, its C compiler and its commands, too.
triple=$(uname -m)-unknown-linux-musl
mkdir -p "$work/bin" "$work/headers" "$work/alpine"
for folder in linux asm-generic; do ln -s "/usr/include/$folder" "$work/headers"; done
ln -s "/usr/include/$("${CC:-gcc}" -print-multiarch)/asm" "$work/headers/asm"
cat >"$work/bin/cc" <<END
#!/bin/sh
exec musl-gcc -isystem "$work/headers" "\$@"
END
for command in cargo rustc; do
	cat >"$work/bin/$command" <<END
#!/bin/sh
unset RUSTC
[ "\$*" = -vV ] || exec $(command -v $command) "\$@"
$(command -v $command) -vV | sed 's/^host: .*/host: $triple/'
END
done
chmod +x "$work"/bin/*
mkdir "$work/busybox"
busybox --install -s "$work/busybox"
rm -f "$work"/busybox/{ar,strings,dpkg*,rpm*}
# shellcheck disable=SC2016
alpine() { # alpine FUNCTION: of the APKBUILD
	(
		cd "$source" && unset CXX && export CC="$work/bin/cc" CXX=none CARGO="$work/bin/cargo" RUSTC="$work/bin/rustc" \
			srcdir=$work CARGO_HOME="$work/no-crates" PATH="$work/busybox:$PATH" pkgdir="$work/alpine" &&
			unshare -n busybox sh -euc '. packaging/alpine/APKBUILD; cd "$builddir"; $0' "$1"
	)
}
has_rust() {
	[ -n "$(find "$(rustc --print target-libdir --target "$triple")/" -name 'libcore-*.rlib')" ] ||
		{ [ "${CI:-}" = true ] && rustup target add "$triple"; }
}
files() { # each file is where abuild looks for it, and the programs are musl's
	(cd "$work/alpine" && find . ! -type d ! -path './usr/share/man/man3/*' | sort) >"$work/contents"
	sort <<END | diff - "$work/contents" && ! ldd "$work/alpine/usr/bin/pcwatch" | grep 'libc\.so\.6' &&
./usr/bin/pcwatch
./usr/include/proc_connector.h
./usr/include/proc_connector.hpp
./usr/lib/libproc_connector.a
./usr/lib/libproc_connector.so
./usr/lib/$soname
./usr/lib/libproc_connector.so.$version
./usr/lib/pkgconfig/proc_connector.pc
./usr/share/man/man1/pcwatch.1
./usr/share/man/man7/proc_connector.7
END
		LD_LIBRARY_PATH=$work/alpine/usr/lib "$work/alpine/usr/bin/pcwatch" --version
}
if has_rust >"$work/log" 2>&1; then
	for function in build check package; do
		promise "$function() of the APKBUILD succeeds with musl and busybox" alpine $function
	done
	promise "package() of the APKBUILD installs each file where abuild looks for it, and pcwatch runs" files
else
	skip "the APKBUILD" "Rust has no library for $triple: rustup target add $triple"
fi
conclude
