#!/bin/sh
# kernels.sh [--configured | --machines [MACHINE …]]: the promises as the first process of stock Debian kernels,
# under QEMU. Prints TAP, and a table: kernel x topic.
#
# Without --machines, on this machine's architecture (amd64): the newest kernel of each series that can be reached,
# from the configured package sources, and, unless --configured is given, from other suites of the same mirror. Each
# is booted as it comes, and with preempt=full and few process ids.
#
# With --machines, on other architectures, as many at a time as there are processors: one kernel each, the newest that
# can be reached. Three of the machines are this one, with its running kernel: amd64, i386-compat with 32-bit programs,
# and musl with another C library. For powerpc and x32 everything is built, but nothing is run.
# build/machines.tsv has the results: machine, Rust's name, bytes of the stripped library, promises made, kept and
# skipped, kernel, seconds, bytes of the queue per event.
set -u
cd "$(dirname "$0")/.." || exit 1
all_machines='amd64 ppc64el s390x armhf i386 i386-compat musl arm64 riscv64 armel mipsel arm64-musl powerpc x32'
work=$PWD/build/kernels
mkdir -p "$work"
. tests/tap.sh

# ---- The machines ----

# Debian's name of a machine gives Rust's name, the flavour of its kernels, where they are, and QEMU's command.
machine() {
	suites='trixie-backports sid' serial='-serial stdio' make='' architecture=${1%-*} package='' emulator='' processors=2
	unset RUSTC_BOOTSTRAP
	case $1 in
	amd64)
		triple='' flavour=cloud-amd64 console=ttyS0 package=qemu-system-x86
		emulator='qemu-system-x86_64 -accel tcg,thread=single -M q35 -cpu max' ;;
	arm64)
		triple=aarch64-unknown-linux-gnu flavour=cloud-arm64 console=ttyAMA0 package=qemu-system-arm
		emulator='qemu-system-aarch64 -accel tcg,thread=single -M virt -cpu max' ;;
	armhf)
		triple=armv7-unknown-linux-gnueabihf flavour=armmp console=ttyAMA0 package=qemu-system-arm
		emulator='qemu-system-arm -accel tcg -M virt -cpu cortex-a15' ;;
	armel) # on armhf's kernel: Debian's own for armel are for boards that QEMU's do not resemble
		machine armhf
		triple=armv5te-unknown-linux-gnueabi ;;
	i386) # Debian 12 is the last one with kernels for it.
		triple=i686-unknown-linux-gnu flavour=686 suites=bookworm console=ttyS0 package=qemu-system-x86
		emulator='qemu-system-i386 -accel tcg,thread=single -M q35 -cpu max' ;;
	s390x)
		triple=s390x-unknown-linux-gnu flavour=s390x console=ttysclp0 package=qemu-system-misc
		emulator='qemu-system-s390x -accel tcg,thread=single -M s390-ccw-virtio -cpu max'
		serial='-chardev stdio,id=c0 -device sclpconsole,chardev=c0' ;;
	riscv64)
		triple=riscv64gc-unknown-linux-gnu flavour=riscv64 console=ttyS0 package=qemu-system-misc
		emulator='qemu-system-riscv64 -accel tcg,thread=single -M virt' ;;
	ppc64el) # with pages of 64K
		triple=powerpc64le-unknown-linux-gnu flavour=powerpc64le-64k console=hvc0 package=qemu-system-ppc
		emulator='qemu-system-ppc64 -accel tcg,thread=single -M pseries -cpu power9' ;;
	mipsel) # Debian 12 is the last one with kernels for it. Its kernel stalls on QEMU's second processor.
		triple=mipsel-unknown-linux-gnu flavour=4kc-malta suites=bookworm console=ttyS0 package=qemu-system-mips
		emulator='qemu-system-mipsel -accel tcg,thread=single -M malta -cpu 24Kf' processors=1 ;;
	i386-compat) triple=i686-unknown-linux-gnu emulator=none ;;
	musl) triple=$(uname -m)-unknown-linux-musl emulator=none ;;
	arm64-musl) # on arm64's kernel
		machine arm64
		triple=aarch64-unknown-linux-musl ;;
	powerpc) triple=powerpc-unknown-linux-gnu ;;
	x32) triple=x86_64-unknown-linux-gnux32 ;;
	*)
		echo "kernels.sh: there is no machine $1; there are: $all_machines" >&2
		exit 2 ;;
	esac
	built=build${triple:+/$triple}
	gnu=$(echo "$triple" | sed 's/^armv[0-9a-z]*/arm/; s/^riscv64gc/riscv64/; s/-unknown//; s/musl/gnu/')
	specs=$work/packages/musl-gcc.specs
	case $1 in
	armel | mipsel | x32) # Rust has no library for them that could be downloaded; cargo builds it.
		export RUSTC_BOOTSTRAP=1
		make="CARGO=cargo -Zbuild-std=core" ;;
	musl) make="CC=musl-gcc -isystem $work/headers" ;;
	arm64-musl) make="CC=$gnu-gcc -mno-outline-atomics -specs $specs" ;; # libgcc's need glibc
	esac
}

# What the machine needs: a C compiler, Rust's library, the kernel's headers; QEMU and a kernel.
prepare() { # prepare MACHINE
	if [ -n "$emulator" ] && [ "$emulator" != none ]; then
		tests/needs.sh "${emulator%% *}" "$package" cpio cpio || return
		for suite in $suites; do
			add_suite "$suite" && kernels_in "$suite"
		done | sort -k2,2V | tail -n 1 >"$work/chosen"
		read -r series kernel package suite <"$work/chosen" || { echo "no kernel for $1 can be reached"; return 1; }
		echo "$kernel $(fetch "$package" "$suite")" >"$work/$1-kernel"
	fi
	case $1 in
	amd64) return ;;
	musl)
		tests/needs.sh musl-gcc musl-tools || return
		mkdir -p "$work/headers"
		for headers in linux asm-generic "$(uname -m)-linux-gnu/asm"; do
			ln -sfn "/usr/include/$headers" "$work/headers/${headers##*/}"
		done ;;
	*) tests/needs.sh "$gnu-gcc" "gcc-$(echo "$gnu" | tr _ -)" \
		"/usr/$gnu/include/stdio.h" "libc6-dev-${1%-*}-cross" || return ;;
	esac
	case $1 in arm64-musl) # what musl-tools is for this machine
		tests/needs.sh musl-gcc musl-tools && add_suite bookworm || return
		for package in musl musl-dev; do fetch $package bookworm >/dev/null; done
		root=$work/packages/musl-dev/files other=${triple%%-*}-linux-musl
		cp -a "$work/packages/musl/files/lib/$other" "$root/usr/lib"
		sed "s|/usr/lib/[a-z0-9_]*-linux-musl|$root/usr/lib/$other|g
			s|/usr/include/[a-z0-9_]*-linux-musl|$root/usr/include/$other|g
			s|-isystem include%s|& -isystem /usr/$gnu/include|; s|ld-musl-[a-z0-9_]*|ld-musl-${triple%%-*}|" \
			"/usr/lib/$(uname -m)-linux-musl/musl-gcc.specs" >"$specs" ;;
	esac
	if command -v rustup >/dev/null; then
		case $1 in
		armel | mipsel | x32) rustup component add rust-src ;;
		*) rustup target add "$triple" ;;
		esac
	fi
}

# ---- The kernels ----

# A private apt: the system's own state stays as it is.
folder_of() { echo "$work/$1${triple:+-$architecture}"; } # folder_of SUITE, on this machine
apt_in() { # apt_in SUITE COMMAND …
	local folder
	folder=$(folder_of "$1")
	shift
	[ "$folder" = "$work/configured" ] && { "$@"; return; }
	# shellcheck disable=SC2046
	"$@" -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" \
		-o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o APT::Get::List-Cleanup=0 -o Debug::NoLocking=1 \
		$([ -z "$triple" ] || echo -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
			-o Dir::State::status=/dev/null)
}
add_suite() { # add_suite SUITE: says whether it can be reached
	local folder
	folder=$(folder_of "$1")
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(tests/mirror.sh) $1 main" \
		>"$folder/sources.list"
	apt_in "$1" apt-get update -qq >"$folder/log" 2>&1 &&
		! grep -q '^[EW]:' "$folder/log"
}
kernels_in() { # kernels_in SUITE|configured: "SERIES VERSION PACKAGE SUITE" of each
	apt_in "$1" apt-cache dumpavail 2>/dev/null | awk -v suite="$1" -v flavour="$flavour" '
		/^Package: / { package = $2 }
		/^Size: / && $2 > 1000000 && package ~ "^linux-(image|binary)-[0-9].*-" flavour "$" && package !~ /-rt-/ {
			version = package
			gsub("^linux-(image|binary)-|-" flavour "$", "", version)
			split(version, number, /[.+-]/)
			print number[1] "." number[2], version, package, suite
		}'
}
fetch() { # fetch PACKAGE SUITE: prints the path of its vmlinuz
	folder=$work/packages/$1
	if [ ! -d "$folder/files" ]; then
		mkdir -p "$folder"
		(
			cd "$folder" || exit 1
			apt_in "$2" apt-get download -qq "$1"
			dpkg -x ./*.deb files && rm -f ./*.deb
		) >"$folder/log" 2>&1
	fi
	find "$folder/files" -name 'vmlinu[xz]*' -type f | head -n 1
}

# ---- The boots ----

pack() { # pack PROGRAM FILE: an initramfs
	rm -rf "$2-root"
	mkdir -p "$2-root"
	cp "$1" "$2-root/init"
	(cd "$2-root" && find . | cpio --quiet -o -H newc | gzip) >"$2"
}
boot() { # boot VMLINUZ INITRAMFS LOG PARAMETER …
	vmlinuz=$1 initramfs=$2 log=$3
	shift 3
	# shellcheck disable=SC2086
	timeout -k 5 1800 $emulator -smp $processors -m 1024 -nodefaults -no-user-config -display none -no-reboot -net none \
		$serial -monitor none -kernel "$vmlinuz" -initrd "$initramfs" \
		-append "console=$console panic=-1 quiet PROMISES_FLOOD=20000 PROMISES_RUNS=1 PROMISES_CALLS=1 $*" \
		</dev/null 2>&1 | tr -d '\r' >"$log"
}
judge() { # judge LOG SENTENCE ROW: the last line of the log says how it ended; ROW is its line of the table
	grep -a '^not ok\|^# tests\|Kernel panic' "$1" >"$work/broken"
	grep -a -q '^PROMISES ENDED on .*: kept$' "$1"
	ok $? "$2" "$work/broken"
	printf '%s\t%s\n' "$3" "$1" >>"$work/rows"
}

this_machine() { # with one argument: the configured sources alone
	tests/needs.sh qemu-system-x86_64 qemu-system-x86 cpio cpio >&2 || exit 1
	[ "$(uname -m)" = x86_64 ] || { echo "1..0 # SKIP written for x86-64"; exit 0; }
	machine amd64
	[ -n "$(apt-cache dumpavail 2>/dev/null | grep -m1 cloud-amd64)" ] || apt-get update -qq
	suites=configured
	if [ $# = 0 ]; then
		for suite in bullseye bookworm trixie bookworm-backports trixie-backports sid; do
			if add_suite $suite; then suites="$suites $suite"; else echo "# no suite $suite"; fi
		done
	fi
	for suite in $suites; do
		kernels_in "$suite"
	done | sort -k1,1V -k2,2V | awk '{ newest[$1] = $0; if (!($1 in seen)) order[++n] = $1; seen[$1] = 1 }
		END { for (i = 1; i <= n; i++) print newest[order[i]] }' >"$work/chosen"
	pack build/promises-static "$work/initramfs"
	while read -r series version package suite; do
		vmlinuz=$(fetch "$package" "$suite")
		for mode in stock preempt; do # on a core each
			parameters=
			[ $mode = preempt ] && parameters='preempt=full PID_MAX=1000'
			# shellcheck disable=SC2086
			boot "$vmlinuz" "$work/initramfs" "$work/$version-$mode.log" PROMISES_SKIP=no $parameters &
		done
		wait
		for mode in stock preempt; do
			judge "$work/$version-$mode.log" "$series ($version, $mode)" "$version $mode"
		done
	done <"$work/chosen"
}

# One line of build/machines.tsv, in the place of an older one. What does not build has no size.
record() { # record MACHINE BUILT [KERNEL SECONDS LOG]
	made='' kept='' skipped='' bytes='' per_event=''
	[ "$2" = 0 ] && "$("$([ -z "$triple" ] || [ "$1" = musl ] || echo "$gnu-")gcc" -print-prog-name=strip)" \
		-o "$work/stripped" "$built"/libproc_connector.so.*.*.* && bytes=$(wc -c <"$work/stripped")
	if [ $# -gt 2 ]; then
		made=$(sed -n 's/^1\.\.//p' "$5" | head -n 1) skipped=$(grep -ac '^ok .* # SKIP' "$5")
		kept=$(($(grep -ac '^ok ' "$5") - skipped))
		per_event=$(sed -n 's/^# \([0-9]*\) bytes per event$/\1/p' "$5")
	fi
	touch build/machines.tsv
	cp build/machines.tsv "$work/before"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "${triple:-x86_64-unknown-linux-gnu}" "$bytes" "$made" "$kept" \
		"$skipped" "${3:-}" "${4:-}" "$per_event" >"$work/line"
	for other in $all_machines; do
		if [ "$other" = "$1" ]; then cat "$work/line"; else grep "^$other	" "$work/before"; fi
	done >build/machines.tsv
}

try() { # try MACHINE: builds all that make builds, and runs the promises
	rm -f "$built/promises-static"
	make --no-print-directory --keep-going TARGET="$triple" ${make:+"$make"} programs >"$work/$1-build.log" 2>&1
	echo $? >"$work/$1-built"
	[ -n "$emulator" ] && [ -e "$built/promises-static" ] || return
	began=$(date +%s)
	if [ "$emulator" = none ]; then
		kernel=$(uname -r | cut -d- -f1) # without the flavour
		{
			if PROMISES_CALLS=1 PROMISES_FLOOD=20000 PROMISES_RUNS=1 "$built/promises-static"; then verdict=kept; else verdict=broken; fi
			echo "PROMISES ENDED on $kernel: $verdict"
		} >"$work/$1.log" 2>&1
	else
		read -r kernel vmlinuz <"$work/$1-kernel"
		pack "$built/promises-static" "$work/initramfs-$1"
		boot "$vmlinuz" "$work/initramfs-$1" "$work/$1.log"
	fi
	echo "$kernel $(($(date +%s) - began))" >"$work/$1-ran"
}

one_of_all() { # one_of_all MACHINE: here, this one is tried with its own kernel, too
	machine "$1"
	[ "$1" != amd64 ] || emulator=none
}
other_machines() { # other_machines MACHINE …
	emulated=
	for each; do
		one_of_all "$each"
		rm -f "$work/$each-built" "$work/$each-ran"
		prepare "$each" >"$work/$each-build.log" 2>&1 || continue
		if [ "$emulator" = none ]; then echo 1 >"$work/$each-built"; else emulated="$emulated $each"; fi
	done
	# shellcheck disable=SC2086
	printf '%s\n' $emulated | xargs -r -P "$(nproc)" -n 1 tests/kernels.sh --try
	for each; do
		one_of_all "$each"
		[ "$emulator" != none ] || [ ! -e "$work/$each-built" ] || try "$each" # whose kernel is one for all
		result=$(cat "$work/$each-built" || echo 1)
		ok "$result" "$each: the libraries, the examples, pcwatch and the tests are built" "$work/$each-build.log"
		if [ -e "$work/$each-ran" ]; then
			read -r kernel seconds <"$work/$each-ran"
			judge "$work/$each.log" "$each${triple:+ ($triple)}, Linux $kernel" "$each $kernel"
			tests/system-calls.py "$each" "$work/$each.log" >"$work/calls" 2>&1
			ok $? "$each: the system calls are those of the header and of docs/system-calls.md" "$work/calls"
			record "$each" "$result" "$kernel" "$seconds" "$work/$each.log"
		else
			record "$each" "$result"
		fi
	done
}

[ "${1:-}" = --try ] || : >"$work/rows"
case ${1:-} in
--machines)
	shift
	# shellcheck disable=SC2086
	other_machines ${*:-$all_machines} ;;
--try) # one of them
	machine "$2"
	try "$2"
	exit ;;
--configured) this_machine configured ;;
*) this_machine ;;
esac
[ $number -gt 0 ] || failed=1

# Kernel x topic: promises kept / made.
{
	printf 'kernel'
	topics=$(cut -f 2 "$work/rows" | tr '\n' '\0' | xargs -0 cat |
		sed -n 's/^\(not \)\{0,1\}ok [0-9]* - \([a-z_]*\): .*/\2/p' | sort -u)
	for topic in $topics; do printf '\t%s' "$topic"; done
	echo
	while IFS='	' read -r row log; do
		printf '%s' "$row"
		for topic in $topics; do
			printf '\t%s/%s' "$(grep -ac "^ok [0-9]* - $topic: " "$log")" \
				"$(grep -ac "ok [0-9]* - $topic: " "$log")"
		done
		echo
	done <"$work/rows"
} >"$work/table"
sed 's/^/# /' "$work/table"
conclude
