#!/bin/sh
# Everything that is tested. What it needs beyond cargo, cc, make and pkg-config it installs itself
# (as root on Debian) or names. CI=true: what cannot run fails.
set -eu
cd "$(dirname "$0")/.."
tests/needs.sh g++ g++ clang clang valgrind valgrind prove perl python3 python3 script bsdutils \
	unshare util-linux tmux tmux
[ "${CI:-}" = true ] && export PROMISES_SKIP=no

step() { echo "== $*"; "$@"; }

step cargo fmt --check
for features in '' --no-default-features '--no-default-features --features capi' \
	'--no-default-features --features capi,table' --all-features; do
	# shellcheck disable=SC2086
	step cargo clippy --locked --quiet --all-targets $features -- -D warnings
done
step cargo fmt --manifest-path examples-rust/tokio/Cargo.toml --check
step cargo clippy --locked --quiet --manifest-path examples-rust/tokio/Cargo.toml \
	--target-dir build/tokio -- -D warnings
step make programs
RUSTDOCFLAGS='-D warnings' step cargo doc --locked --quiet --no-deps
step cargo test --locked --quiet
scripts="tests/artefacts.sh tests/man.sh tests/snippets.sh tests/packages.sh tests/abi.sh
	tests/promises.sh tests/sanitizers.sh tests/miri.sh tests/examples.sh tests/pcwatch.sh"
scripts="$scripts tests/loops.sh tests/daemon.py tests/recording.sh tests/containers.sh tests/bench.sh"
scripts="$scripts tests/cpp.sh tests/go.sh"
if [ "${CI:-}" = true ]; then
	# One kernel before 6.6 and one after; make test-kernels takes all that can be reached.
	scripts="$scripts tests/fuzz-replay.sh tests/kernels-configured.sh"
fi
# shellcheck disable=SC2086
step prove $scripts
