#!/bin/sh
# run.sh [core] [rest]: what `make test` and `make test-all` run; both parts if none is named.
#
# core  what a newcomer can wait for: the libraries and their installation, the documents, the
#       promises on this kernel, the examples. It installs nothing; what lacks a tool is skipped.
# rest  everything else. As root on Debian it installs the tools that are missing, and says so.
#
# CI=true: both parts install what they need, and what cannot run fails.
set -eu
cd "$(dirname "$0")/.."
[ "${CI:-}" = true ] && export PROMISES_SKIP=no

step() { echo "== $*"; "$@"; }

run_core() {
	if [ "${CI:-}" = true ]; then
		tests/needs.sh g++ g++ python3 python3 script bsdutils tmux tmux unshare util-linux
	else
		export TESTS_INSTALL=no
	fi
	tests/needs.sh prove perl
	step make examples build/pcwatch build/promises
	step prove tests/self.sh tests/artefacts.sh tests/man.sh tests/snippets.sh tests/promises.sh \
		tests/examples.sh tests/pcwatch.sh tests/recording.sh tests/containers.sh
}

run_rest() {
	tests/needs.sh g++ g++ clang clang valgrind valgrind prove perl python3 python3 script bsdutils \
		unshare util-linux tmux tmux /usr/lib/python3/dist-packages/jsonschema python3-jsonschema \
		/usr/lib/python3/dist-packages/prometheus_client python3-prometheus-client
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
	set -- tests/abi.sh tests/promises-more.sh tests/sanitizers.sh tests/loops.sh tests/pcwatch-more.sh \
		tests/daemon.py tests/whoranwhat.py tests/bench.sh tests/cpp.sh tests/go.sh tests/packages.sh
	take_turns=$(echo "$*" | tr ' ' ,) # because they follow the events of this kernel
	set -- "$@" tests/pcwatch-fleet.py tests/compilers.sh tests/building.sh tests/miri.sh
	# One kernel before 6.6 and one after; make test-kernels takes all that can be reached.
	[ "${CI:-}" = true ] && set -- "$@" tests/fuzz-replay.sh tests/kernels-configured.sh
	step prove --timer --jobs 2 --rules "seq={$take_turns}" --rules 'par=**' "$@"
}

[ $# -gt 0 ] || set -- core rest
for part; do
	case $part in
	core | rest) (run_$part) ;;
	*) echo "run.sh: there is no part $part" >&2; exit 2 ;;
	esac
done
