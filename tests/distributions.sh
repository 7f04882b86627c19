#!/bin/sh
# distributions.sh: the Debian packages, in new chroots of Debian stable and sid, and README's two commands and the tar
# of make dist in one of stable. Prints TAP. Needs root on Debian, and the mirror that this machine uses.
#
# The packages are built as Debian builds them: by an ordinary user, without network, with no other packages than the
# build dependencies.
set -u
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP makes chroots: needs root"; exit 0; }
work=$PWD/build/distributions
. tests/tap.sh
needs mmdebstrap mmdebstrap unshare util-linux
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "1..0 # SKIP written for amd64"; exit 0; }
rm -rf "$work"
mkdir -p "$work/source"
tar -c --exclude=./build --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar -x -C "$work/source"

# The sources are in /build/source, which belongs to an ordinary user. Hooks have the network.
new() { # new NAME SUITE OPTION …: makes the chroot NAME
	name=$1 suite=$2
	shift 2
	mmdebstrap --mode=root --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
		--customize-hook="mkdir \"\$1/build\"; cp -R '$work/source' \"\$1/build\"; chown -R 1000:1000 \"\$1/build\"" \
		"$@" "$suite" "$work/$name" "deb $(tests/mirror.sh) $suite main"
}
depends() { echo "--customize-hook=chroot \"\$1\" apt-get build-dep -y $* /build/source"; }
# The chroot becomes the root of all mounts, so that programs can make namespaces there as they can anywhere.
inside() { # inside NAME COMMAND: in the sources
	# shellcheck disable=SC2016
	unshare --mount --propagation private sh -c 'mount --bind "$0" "$0" && cd "$0" && mount -t proc proc proc &&
		mount --rbind /dev dev && mount --rbind /sys sys && mount -t tmpfs tmpfs tmp && mount --move . / &&
		exec chroot . env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "$@"' "$work/$1" sh -c "cd /build/source && $2"
}
# As Debian does it: without network, as an ordinary user.
build() { # build NAME OPTION …
	name=$1
	shift
	inside "$name" "unshare --net setpriv --reuid 1000 --regid 1000 --clear-groups dpkg-buildpackage -us -uc $*"
}

# What lintian may say: stable does not know the Standards-Version of sid, which finds redundant what stable needs. And
# the person who will upload the packages to Debian is not known.
excused() {
	echo no-human-maintainers
	if [ "$1" = sid ]; then
		echo ,package-uses-old-debhelper-compat-version,redundant-priority-optional-field
		echo ,redundant-rules-requires-root-no-field
	else
		echo ,newer-standards-version
	fi
}

for suite in stable sid; do
	promise "$suite has what the packages need to be built" new "build-$suite" $suite "$(depends)"
	promise "$suite builds the packages and passes make check, without network" build "build-$suite"
	promise "$suite has what the packages need to be tested" new "test-$suite" $suite \
		--include=lintian,autopkgtest,gcc,libc6-dev,pkgconf \
		--customize-hook="cp '$work/build-$suite'/build/*.* \"\$1/build\""
	lint() {
		inside "test-$suite" "lintian --version && lintian --allow-root --display-info --pedantic \
			--fail-on error,warning,info,pedantic --suppress-tags $(excused "$suite" | tr -d '\n') ../*.changes"
	}
	promise "lintian of $suite has no complaint, not even a pedantic one" lint
	autopkgtests() { # status 2: a test was skipped, because a chroot is not a machine of its own
		inside "test-$suite" 'unshare --net autopkgtest ../*.deb . -- null' >"$work/tested" 2>&1
		result=$?
		cat "$work/tested"
		{ [ $result = 0 ] || [ $result = 2 ]; } && grep '^compile  *PASS' "$work/tested"
	}
	promise "autopkgtest of $suite passes" autopkgtests
done

promise "make dist packs the sources" tests/release.sh "$work/repository"
released() { # released NAME COMMAND: in the unpacked tar, without network
	rm -rf "$work/$1/released"
	mkdir "$work/$1/released" && tar -C "$work/$1/released" -xf "$work"/repository/build/dist/*.tar.xz &&
		chown -R 1000:1000 "$work/$1/released" && inside "$1" "cd /released/* && unshare --net sh -c '$2'"
}
promise "stable builds the packages from the tar of make dist, with the crates in it" released build-stable \
	"CRATES=vendor setpriv --reuid 1000 --regid 1000 --clear-groups dpkg-buildpackage -b -us -uc"

# cargo and rustc are named, because apt would choose a newer rustc-web, which has no library for other architectures.
cross() { # cross ARCHITECTURE PACKAGES: as Debian's cross builders do it
	promise "stable has what the packages need to be built for $1" new "cross-$1" stable --architectures="amd64,$1" \
		--include="cargo,rustc,crossbuild-essential-$1$2" "$(depends --host-architecture "$1" -P cross,nocheck)"
	promise "stable builds the packages for $1, without network" build "cross-$1" -b "-a$1" -Pcross,nocheck
}
cross i386 ,cargo-c,pkgconf
cross arm64 ''
for_arm64() { # not for the machine that built them
	for package in "$work"/cross-arm64/build/*.deb; do
		[ "$(dpkg-deb -f "$package" Architecture)" = arm64 ] && dpkg-deb -x "$package" "$work/arm64" || return
	done
	find "$work/arm64/usr/bin/pcwatch" "$work"/arm64/usr/lib/aarch64-linux-gnu/libproc_connector.so.0.* \
		-exec readelf -h {} + >"$work/headers" && [ "$(grep -c 'Machine: *AArch64$' "$work/headers")" = 2 ]
}
promise "the packages that amd64 built for arm64 have programs of arm64" for_arm64
# dpkg refuses packages of two architectures whose common files differ.
together() {
	inside both 'unshare --net dpkg --install ../lib*.deb'
}
promise "stable has what programs of amd64 and i386 need to be built" new both stable --architectures=amd64,i386 \
	--include=libc6:i386,gcc,libc6-dev,gcc-i686-linux-gnu,libc6-dev-i386-cross,pkgconf,pkgconf:i386 \
	--customize-hook="cp '$work'/build-stable/build/lib*_amd64.deb '$work'/cross-i386/build/lib*_i386.deb \"\$1/build\""
promise "the libraries' packages of amd64 and i386 can be installed together" together
compile() { inside both "CC=$1-gcc PKG_CONFIG=$1-pkg-config debian/tests/compile"; }
promise "with both installed, a program compiles for amd64, and runs" compile x86_64-linux-gnu
promise "with both installed, a program compiles for i386, and runs" compile i686-linux-gnu

# shellcheck disable=SC2016
cargo_c() {
	inside cross-i386 'cp -R . /build/cargo-c && cd /build/cargo-c && tools/crates.sh /usr/share/cargo/registry &&
		unshare --net cargo cinstall --release --no-default-features --features table --prefix=/usr &&
		cc examples-c/testing/made-up.c examples-c/testing/feed.c -o /build/made-up \
			$(pkg-config --cflags --libs proc_connector) &&
		ldd /build/made-up | grep "libproc_connector.so.0 => /" && /build/made-up'
}
promise "cargo-c builds a library that a program runs with" cargo_c

promise "stable has what README's two commands need" new fresh stable --include=rustc,cargo,gcc,make,pkg-config \
	--customize-hook="cd '$work/source' && cargo vendor --quiet --locked \"\$1/build/crates\"
		mkdir \"\$1/build/.cargo\" && printf '[source.crates-io]\nreplace-with = \"here\"
			[source.here]\ndirectory = \"/build/crates\"\n' >\"\$1/build/.cargo/config.toml\""
# The loop runs programs, so that there are events to show.
# shellcheck disable=SC2016
shows() {
	inside fresh '{ while sleep 0.1; do :; done & DURATION=2 make run | tee /tmp/shown; kill $!; grep " exec " /tmp/shown; }'
}
promise "make run shows this machine's events with stable's cargo, gcc, make and pkg-config alone" shows
promise "make test passes there" inside fresh 'make test'
promise "make, make install and make check pass there with the tar of make dist alone, and a program compiles" \
	released fresh 'make && make install && ldconfig && make check && debian/tests/compile'
conclude
