#!/bin/sh
# run.sh [check] [core] [rest]: what `make check`, `make test` and `make test-all` run; core and rest if no part
# is named.
#
# check what passes where packages are built: it needs no privilege, no network and none of the kernel's
#       events, and takes less than a minute. It installs nothing.
# core  what a newcomer can wait for: the libraries and their installation, the documents, the
#       promises on this kernel, the examples. It installs nothing; what lacks a tool is skipped.
# rest  everything else. As root on Debian it installs the tools that are missing, and says so.
#
# CI=true: both parts install what they need, and what cannot run fails.
set -eu
cd "$(dirname "$0")/.."
[ "${CI:-}" = true ] && export PROMISES_SKIP=no

step() { echo "== $*"; "$@"; }

# Perl's prove sums up what the scripts print, where it is installed.
prove_all() {
	! command -v prove >/dev/null || { step prove --timer "$@"; return; }
	kept=0
	for script; do step "$script" || kept=$?; done
	return $kept
}

run_check() {
	step make build/promises build/examples-c/testing/made-up
	step build/examples-c/testing/made-up
	prove_all tests/installation.sh tests/man.sh
	step build/promises parsing: changes: AF_UNIX SEQPACKET made-up
}

run_core() {
	if [ "${CI:-}" = true ]; then
		tests/needs.sh g++ g++ python3 python3 script bsdutils tmux tmux unshare util-linux
	else
		export TESTS_INSTALL=no
	fi
	step make examples build/pcwatch build/promises
	run_check
	prove_all tests/self.sh tests/artefacts.sh tests/snippets.sh tests/promises.sh \
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
		tests/daemon.py tests/whoranwhat.py tests/jobs.py tests/system-calls.py tests/bench.sh tests/cpp.sh tests/go.sh \
		tests/python.sh tests/packages.sh tests/pcwatch-fleet.py tests/fleet.py tests/compilers.sh tests/building.sh \
		tests/packages-more.sh tests/dist.sh tests/miri.sh tests/docs.py
	# One kernel before 6.6 and one after; make test-kernels takes all that can be reached.
	[ "${CI:-}" = true ] && set -- "$@" tests/fuzz-replay.sh tests/kernels-configured.sh tests/kernels-machines.sh
	step prove --timer "$@"
}

[ $# -gt 0 ] || set -- core rest
for part; do
	case $part in
	check) (unset PROMISES_SKIP; TESTS_INSTALL=no CI='' run_check) ;;
	core | rest) (run_$part) ;;
	*) echo "run.sh: there is no part $part" >&2; exit 2 ;;
	esac
done
