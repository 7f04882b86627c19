#!/bin/sh
# The unit tests of src/memory/ and src/protocol/, interpreted by Miri with strict provenance: it
# finds every access out of bounds, to memory that is not initialised or was freed, through a pointer
# that an exclusive reference has invalidated, and every leak. Prints TAP.
#
# Where nightly Rust with Miri cannot be had, AddressSanitizer runs the tests of src/memory/: it finds
# accesses out of bounds, use after free and leaks, but knows nothing of aliasing.
set -u
cd "$(dirname "$0")/.."
work=$PWD/build/miri
mkdir -p "$work"
. tests/tap.sh
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export CARGO_TARGET_DIR=$work/target
# An interpreter has time for a few random cases only, and no files to remember failures in.
export PROPTEST_CASES=4 PROPTEST_DISABLE_FAILURE_PERSISTENCE=true
forward='-Zmiri-env-forward=PROPTEST_CASES -Zmiri-env-forward=PROPTEST_DISABLE_FAILURE_PERSISTENCE'
export MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check $forward"

has_miri() {
	cargo +nightly miri --version && return
	timeout 120 rustup +nightly component add miri rust-src && cargo +nightly miri --version
}

# tests COMMAND …: runs the unit tests whose names contain $filter; there must be some.
tests() {
	"$@" && grep -Eq 'test result: ok. [1-9]' "$work/log"
}

interpret() { # interpret FILTER
	# shellcheck disable=SC2086
	tests cargo +nightly miri test --locked --lib --features table "$1"
}

instrument() { # instrument FILTER
	target=$(rustc -vV | sed -n 's/^host: //p')
	export RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer'
	tests cargo test --locked --lib --features table --target "$target" "$1"
}

if has_miri >"$work/miri.log" 2>&1; then
	promise 'miri: the containers of src/memory/ do nothing undefined' interpret memory::
	promise 'miri: the parser of src/protocol/ does nothing undefined' interpret protocol::
	promise 'miri: a number made of words is never read half old and half new' interpret wide::
	promise 'miri: the lock of src/sys/ keeps threads apart' interpret lock::
else
	echo '# no nightly Rust with Miri: AddressSanitizer instead'
	promise 'addresses: the containers of src/memory/ stay within their memory' instrument memory::
fi
conclude
