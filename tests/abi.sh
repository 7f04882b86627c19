#!/bin/sh
# abi.sh: programs that were compiled with an older version go on working; docs/abi.md says how.
# Prints TAP. abi.sh --write: what is compared with becomes what is now, at a release.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/needs.sh abidiff abigail-tools dpkg-gensymbols dpkg-dev || exit 1
[ "$(uname -m)" = x86_64 ] || { echo "1..0 # SKIP the baseline is that of x86-64"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
baseline=tests/abi/libproc_connector.so.0.xml values=tests/abi/values.txt
. tests/tap.sh

if [ "${1:-}" = --write ]; then
	tests/abi/stub.sh include "$work/stub.so" || exit 1
	abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --no-parameter-names \
		--type-id-style hash --out-file "$baseline" "$work/stub.so"
	tests/abi/values.sh include >"$values"
	exit
fi

compatible() { # compatible HEADER-FOLDER: 0: it has nothing but more; 1: it has not; 2: who knows
	tests/abi/stub.sh "$1" "$work/new.so" && tests/abi/values.sh "$1" >"$work/values" || return 2
	abidiff --no-added-syms --suppressions tests/abi/growth.ini "$baseline" "$work/new.so"
	case $? in
	0) ;;
	[1-3]) return 2 ;;
	*) return 1 ;;
	esac
	LC_ALL=C comm -23 "$values" "$work/values" >"$work/missing" || return 2
	cat "$work/missing"
	[ ! -s "$work/missing" ]
}
promise "the header is compatible with the baseline" compatible include

changed() { # changed SED-SCRIPT: makes a header with a change
	sed "$1" include/proc_connector.h >"$work/proc_connector.h" &&
		! cmp include/proc_connector.h "$work/proc_connector.h"
}
allows() { changed "$1" && compatible "$work"; }
notices() {
	changed "$1" || return 2
	compatible "$work"
	[ $? = 1 ]
}
in_struct() { printf '/^struct %s {/,/^}/s/%s/\n' "$1" "$2"; }
promise "a new function is allowed" allows 's/^int pc_fd(/int pc_new(void);\n&/'
promise "a new kind of event is allowed" allows 's/^    PC_EVENT_UNKNOWN = .*/&\n    PC_EVENT_NEW = 99,/'
promise "a new flag is allowed" allows 's/^#define PC_MASK_FORK .*/&\n#define PC_MASK_NEW (1u << 20)/'
promise "a new field at the end of options is allowed" \
	allows "$(in_struct pc_options '    uint32_t spin_us;/&\n    uint64_t more;')"
promise "a new field in place of a reserved one of pc_stats is allowed" \
	allows "$(in_struct pc_stats 'reserved2\[2\];/more;\n    uint64_t reserved2;')"
promise "a removed function is noticed" notices '/^int pc_check(/d'
promise "a parameter with another type is noticed" notices 's/^\(int pc_recv(.*\)int timeout_ms/\1long timeout_ms/'
promise "a field with another type is noticed" \
	notices "$(in_struct pc_event_exit '    int32_t exit_code/    int64_t exit_code')"
promise "a new field in the free bytes of an event is allowed" \
	allows "$(in_struct pc_event_exec '    pid_t tgid;/&\n    pid_t parent_pid;')"
promise "an event that grows beyond its 64 bytes is noticed" \
	notices "$(in_struct pc_event_exec '    pid_t tgid;/&\n    char path[40];')"
promise "a field of an event in another place is noticed" \
	notices "$(in_struct pc_event_exec '    pid_t tgid;/    pid_t parent_pid;\n&')"
promise "a field of options in another place is noticed" \
	notices "$(in_struct pc_options '    uint32_t events;/    uint32_t more;\n&')"
promise "a kind with another number is noticed" notices 's/^    PC_EVENT_COMM = 8/    PC_EVENT_COMM = 18/'
promise "a flag with another value is noticed" notices 's/^\(#define PC_MASK_GID\) .*/\1 (1u << 3)/'

# As if it were a later version's: dpkg-gensymbols lets a version take back what it has brought.
symbols() { # symbols LIBRARY: those of Debian's list are there, with their versions
	library=$(realpath "$1") && list=$PWD/debian/libproc-connector0.symbols &&
		(mkdir -p "$work/debian" && cp debian/control debian/changelog "$work/debian" && cd "$work" &&
			dpkg-gensymbols -v999 -plibproc-connector0 -I"$list" -O"$work/found" -c1 -e"$library")
}
promise "the library has all symbols of Debian's list" symbols build/libproc_connector.so.0
without() {
	sed '/pc_release;/d' src/capi/proc_connector.map >"$work/map"
	make "$work/lacking.so" SHARED="$work/lacking.so" MAP="$work/map" &&
		! symbols "$work/lacking.so" >"$work/symbols" 2>&1
	cat "$work/symbols"
	grep '#MISSING.* pc_release@' "$work/symbols"
}
promise "a library that lacks a symbol of Debian's list is noticed" without
moved() {
	sed '/pc_release;/d; s/^\tpc_change_name;/&\n\tpc_release;/' src/capi/proc_connector.map >"$work/map"
	make "$work/moved.so" SHARED="$work/moved.so" MAP="$work/map" &&
		! symbols "$work/moved.so" >"$work/symbols" 2>&1
	cat "$work/symbols"
	grep '#MISSING.* pc_release@PROC_CONNECTOR_0.1' "$work/symbols"
}
promise "a released function that moves to a later node of the map is noticed" moved

# A program as it was built with 0.1: with that header, and linked with a library that has the functions of 0.1 alone. It
# also has the address of each of them, so it starts only if the library has them all.
mkdir "$work/0.1"
{
	printf '#include <proc_connector.h>\nvoid (*const functions[])(void) = {\n'
	tests/prototypes.sh tests/abi/0.1/proc_connector.h | sed 's/.*\(pc_[a-z_]*\)(.*/(void (*)(void))\1,/'
	echo '};'
} >"$work/functions.c"
old() {
	tests/abi/stub.sh tests/abi/0.1 "$work/0.1/libproc_connector.so" && "${CC:-cc}" -std=c11 -D_GNU_SOURCE -Wall -Wextra \
		-Wpedantic -Wconversion -Wsign-conversion -Werror -Itests/abi/0.1 tests/abi/old.c "$work/functions.c" \
		-o "$work/old" -Wl,-z,now -L"$work/0.1" -lproc_connector && readelf -sW "$work/old" >"$work/needed" || return
	grep -o 'pc_[a-z_]*@PROC_CONNECTOR_0.1' "$work/needed" | sort -u | sed 's/@.*//' >"$work/linked"
	sed -n '/^PROC_CONNECTOR_0.1 {/,/^}/s/^\t\(pc_.*\);/\1/p' src/capi/proc_connector.map | diff - "$work/linked" &&
		! grep 'PROC_CONNECTOR_0\.[^1]' "$work/needed"
}
promise "a program is built as it was with 0.1, and needs all functions of 0.1 and no other" old
values_of_0_1() {
	tests/abi/values.sh tests/abi/0.1 >"$work/before" && tests/abi/values.sh include >"$work/values" &&
		grep -x 'pc_process.comm\[16\] at 80, .*' "$work/before" && LC_ALL=C comm -23 "$work/before" "$work/values" >"$work/missing"
	cat "$work/missing"
	[ ! -s "$work/missing" ]
}
promise "all constants and fields of 0.1 have their values and places" values_of_0_1
today() { LD_LIBRARY_PATH=build "$work/old" | grep -x '0 strange events'; }
promise "the program of 0.1 runs with the present library" today
later() {
	mkdir "$work/later" && cp -a Cargo.toml Cargo.lock Makefile include src man tests tools "$work/later" &&
		cd "$work/later" &&
		sed -i 's/Layout::new(kind::COMM,/Layout::new(99,/' src/protocol/wire.rs &&
		sed -i '/^pub struct pc_options {/,/^}/s/    pub spin_us: u32,/&\n    pub more: u64,/
			/^pub struct pc_stats {/,/^}/s/    pub reserved2: .*/&\n    pub more: u64,/' src/capi/connector.rs &&
		sed -i 's/rcvbuf_bytes: 0, spin_us: 0 }/rcvbuf_bytes: 0, spin_us: 0, more: 0 }/
			s/rcvbuf_bytes, spin_us } =/rcvbuf_bytes, spin_us, more: _ } =/
			s/^        reserved2: .*/&\n        more: u64::MAX,/' src/capi/connector.rs &&
		mkdir -p build "$OLDPWD/build/cargo-later" && ln -s "$OLDPWD/build/cargo-later" build &&
		make build/libproc_connector.so."$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" \
			CARGO_DIR=build/cargo-later &&
		LD_LIBRARY_PATH=build "$work/old" | tee "$work/strange" &&
		grep -x '[1-9][0-9]* strange events' "$work/strange"
}
promise "the program of 0.1 runs with a library that has new kinds and fields" later

conclude
