#!/bin/sh
# The oldest Rust that Cargo.toml names, and the newest stable one: they compile everything, the oldest without a
# warning, and the unit tests and the examples in the documentation pass. In CI rustup installs them. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$PWD/build/compilers
mkdir -p "$work"
. tests/tap.sh
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

oldest() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }
newest() { # nothing if its server cannot be reached
	curl -sSf --max-time 60 "${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/dist/channel-rust-stable.toml" |
		sed -n '/^\[pkg\.rustc\]$/,/^version/s/^version = "\([0-9.]*\) .*/\1/p'
}
has() { # has VERSION: whether rustup has it, or can install it in CI
	rustup run "$1" rustc -V && return
	[ "${CI:-}" = true ] && timeout 300 rustup toolchain install --profile minimal --no-self-update "$1"
}
compiles() { # compiles VERSION: the two faces, the C library, all tests
	CARGO_TARGET_DIR="$work/$1" rustup run "$1" cargo test --locked --all-features --no-run &&
		CARGO_TARGET_DIR="$work/$1" rustup run "$1" cargo check --locked --no-default-features --features capi,table
}
passes() { # passes VERSION: there must be some unit tests
	CARGO_TARGET_DIR="$work/$1" rustup run "$1" cargo test --locked --all-features --lib &&
		CARGO_TARGET_DIR="$work/$1" rustup run "$1" cargo test --locked --doc &&
		grep -Eq 'test result: ok. [1-9]' "$work/log"
}
for age in oldest newest; do
	version=$($age 2>"$work/log")
	named="the $age Rust${version:+, $version}"
	[ $age = newest ] || export RUSTFLAGS='-D warnings'
	if [ -n "$version" ] && has "$version" >>"$work/log" 2>&1; then
		promise "$named, compiles everything" compiles "$version"
		promise "the unit tests and the examples in the documentation pass with $named" passes "$version"
	else
		skip "$named, compiles everything" "rustup does not have it: $(tail -n 1 "$work/log")"
		skip "the unit tests and the examples in the documentation pass with $named" "rustup does not have it"
	fi
	unset RUSTFLAGS
done
conclude
