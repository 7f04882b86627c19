#!/bin/sh
# kernels.sh [--configured]: the promises as the first process of stock Debian kernels, under QEMU.
#
# Takes the newest kernel of each series that can be reached: from the configured package sources,
# and, unless --configured is given, from other suites of the same mirror. Each is booted as it
# comes, and with preempt=full and few process ids. Prints TAP, and a table: kernel x topic.
set -u
cd "$(dirname "$0")/.."
tests/needs.sh qemu-system-x86_64 qemu-system-x86 cpio cpio || exit 1
[ "$(uname -m)" = x86_64 ] || { echo "1..0 # SKIP written for x86-64"; exit 0; }
work=$PWD/build/kernels
mkdir -p "$work"

# A private apt: the system's own state stays as it is.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
		2>/dev/null | tr ' ' '\n' | sed -n 's|^\(http.*/debian\)/*$|\1|p' | head -n 1
}
apt_in() { # apt_in FOLDER COMMAND …
	folder=$1
	shift
	"$@" -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" \
		-o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o APT::Get::List-Cleanup=0 -o Debug::NoLocking=1
}
add_suite() { # add_suite SUITE: says whether it can be reached
	folder=$work/$1
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $1 main" \
		>"$folder/sources.list"
	apt_in "$folder" apt-get update -qq >"$folder/log" 2>&1 &&
		! grep -q '^[EW]:' "$folder/log"
}
kernels_in() { # kernels_in SUITE|configured: "SERIES VERSION PACKAGE SUITE" of each
	{
		if [ "$1" = configured ]; then
			apt-cache dumpavail
		else
			apt_in "$work/$1" apt-cache dumpavail
		fi
	} 2>/dev/null | awk -v suite="$1" '
		/^Package: / { package = $2 }
		/^Size: / && $2 > 1000000 && package ~ /^linux-(image|binary)-[0-9].*-cloud-amd64$/ {
			version = package
			gsub(/^linux-(image|binary)-|-cloud-amd64$/, "", version)
			split(version, number, /[.+-]/)
			print number[1] "." number[2], version, package, suite
		}'
}
fetch() { # fetch PACKAGE SUITE: prints the path of its vmlinuz
	folder=$work/packages/$1
	if [ ! -d "$folder/root" ]; then
		mkdir -p "$folder"
		(
			cd "$folder" || exit 1
			if [ "$2" = configured ]; then
				apt-get download -qq "$1"
			else
				apt_in "$work/$2" apt-get download -qq "$1"
			fi
			dpkg -x ./*.deb root && rm -f ./*.deb
		) >"$folder/log" 2>&1
	fi
	find "$folder/root" -name 'vmlinuz*' -type f | head -n 1
}

[ -n "$(apt-cache dumpavail 2>/dev/null | grep -m1 cloud-amd64)" ] || apt-get update -qq
suites=configured
if [ "${1:-}" != --configured ]; then
	for suite in bullseye bookworm trixie bookworm-backports trixie-backports sid; do
		if add_suite $suite; then suites="$suites $suite"; else echo "# no suite $suite"; fi
	done
fi
for suite in $suites; do
	kernels_in "$suite"
done | sort -k1,1V -k2,2V | awk '{ newest[$1] = $0; if (!($1 in seen)) order[++n] = $1; seen[$1] = 1 }
	END { for (i = 1; i <= n; i++) print newest[order[i]] }' >"$work/chosen"

root=$work/root
rm -rf "$root"
mkdir -p "$root"
cp build/promises-static "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip) >"$work/initramfs"

boot() { # boot VMLINUZ LOG MODE
	parameters=
	[ "$3" = preempt ] && parameters='preempt=full PID_MAX=1000'
	timeout -k 5 600 qemu-system-x86_64 -accel tcg,thread=single -cpu max -M q35 -smp 2 -m 1024 \
		-nodefaults -no-user-config -display none -no-reboot -net none -serial stdio \
		-monitor none -kernel "$1" -initrd "$work/initramfs" \
		-append "console=ttyS0 panic=-1 quiet PROMISES_SKIP=no PROMISES_FLOOD=20000 PROMISES_RUNS=1 $parameters" \
		</dev/null 2>&1 | tr -d '\r' >"$2"
}

. tests/tap.sh
while read -r series version package suite; do
	vmlinuz=$(fetch "$package" "$suite")
	for mode in stock preempt; do # on a core each
		boot "$vmlinuz" "$work/$version-$mode.log" $mode &
	done
	wait
	for mode in stock preempt; do
		log=$work/$version-$mode.log
		grep -a '^not ok\|^# tests\|panic' "$log" >"$work/broken"
		grep -a -q '^PROMISES ENDED on .*: kept$' "$log"
		ok $? "$series ($version, $mode)" "$work/broken"
	done
done <"$work/chosen"
[ $number -gt 0 ] || failed=1

# Kernel x topic: promises kept / made.
{
	printf 'kernel'
	topics=$(cat "$work"/*-stock.log |
		sed -n 's/^\(not \)\{0,1\}ok [0-9]* - \([a-z_]*\): .*/\2/p' | sort -u)
	for topic in $topics; do printf '\t%s' "$topic"; done
	echo
	while read -r series version package suite; do
		for mode in stock preempt; do
			log=$work/$version-$mode.log
			printf '%s %s' "$version" $mode
			for topic in $topics; do
				printf '\t%s/%s' "$(grep -ac "^ok [0-9]* - $topic: " "$log")" \
					"$(grep -ac "ok [0-9]* - $topic: " "$log")"
			done
			echo
		done
	done <"$work/chosen"
} >"$work/table"
sed 's/^/# /' "$work/table"
conclude
