#!/bin/sh
# fuzz.sh [--replay] [TARGET …]: fuzzes the library, each target for FUZZ_SECONDS (60). Prints TAP.
#
# What was found to be interesting is kept in fuzz/corpus/, and the next run begins with it.
# --replay begins with the committed seeds alone, each of which must pass first, as must the inputs
# of former findings in fuzz/regressions/TARGET/.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
replay=
[ "${1:-}" != --replay ] || { replay=yes; shift; }
all=$(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' fuzz/Cargo.toml)
targets=${*:-$all}
work=$PWD/build/fuzz
mkdir -p "$work"

fail() { echo "Bail out! $1"; sed 's/^/# /' "$2"; exit 1; }

tests/needs.sh g++ g++ >"$work/needs.log" 2>&1 || fail 'no C++ compiler' "$work/needs.log"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
cargo fuzz --version >/dev/null 2>&1 ||
	cargo install --quiet --locked cargo-fuzz >"$work/install.log" 2>&1 ||
	fail 'cargo-fuzz cannot be installed' "$work/install.log"

# Instrumentation needs -Z, which the stable toolchain takes with RUSTC_BOOTSTRAP alone. cargo-fuzz
# has no --locked, so a lock file that does not fit is found here.
export RUSTC_BOOTSTRAP=1
{ cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null &&
	cargo fuzz build; } >"$work/build.log" 2>&1 || fail 'the targets do not build' "$work/build.log"

# How long an input may be: what the target looks at, and some more.
longest() {
	case $1 in
	format) echo 234 ;;
	options) echo 200 ;;
	stream) echo 2000 ;;
	*) echo 400 ;;
	esac
}

run() { # run TARGET LOG ARGUMENT …: libFuzzer, whose findings go to fuzz/artifacts/TARGET/
	target=$1 log=$2
	shift 2
	mkdir -p "fuzz/artifacts/$target"
	cargo fuzz run "$target" "$@" -print_final_stats=1 -timeout=10 >"$log" 2>&1
}

last() { sed -n "s/$1/\\1/p" "$2" | tail -n 1; } # last PATTERN FILE: its last match

. tests/tap.sh

finding() { # finding TARGET WHAT LOG
	ok 1 "$1: $2"
	# A failed assertion, or what AddressSanitizer says and where, or why it did not even start.
	sed -n "/panicked at/,/^stack backtrace/{/^stack/!p;}; /ERROR: libFuzzer/p
		/ERROR: AddressSanitizer/,/    #9/p; /ERROR: LeakSanitizer/,/    #9/p; /^SUMMARY/p
		/^error/p; /^$1: /p" "$3" | head -n 30 | sed 's/^/# /'
	artifact=$(last '.*Test unit written to \(.*\)' "$3")
	seed=$(last '^Running: \(.*\)' "$3")
	found=${artifact:-$seed}
	[ -z "$found" ] ||
		echo "# to reproduce: RUSTC_BOOTSTRAP=1 cargo fuzz run $1 ${found#"$PWD/"}"
}

fuzz() { # fuzz TARGET
	log=$work/$1.log
	corpus=fuzz/corpus/$1 seeds=fuzz/corpus-seeds/$1 old=fuzz/regressions/$1
	if [ -n "$replay" ]; then
		corpus=$work/corpus/$1
		rm -rf "$corpus"
	fi
	mkdir -p "$corpus"
	[ -d "$old" ] || old=
	result=0
	if [ -n "$replay" ]; then
		files=$(find "$seeds" $old -type f)
		# shellcheck disable=SC2086
		run "$1" "$log" $files -- || result=$?
		if [ "$result" = 0 ]; then
			ok 0 "$1: passes its $(echo "$files" | wc -l) seeds"
		elif ! grep -q "^$1: cannot run" "$log"; then
			finding "$1" 'fails on a seed' "$log"
			return
		fi
	fi
	# shellcheck disable=SC2086
	run "$1" "$log" "$corpus" "$seeds" $old -- -max_total_time="$seconds" \
		-dict=fuzz/proc_connector.dict -max_len="$(longest "$1")" || result=$?
	executions=$(last '^stat::number_of_executed_units: *\([0-9]*\).*' "$log")
	why=$(last "^$1: \(cannot run.*\)" "$log")
	if [ "$result" = 0 ]; then
		ok 0 "$1: survives $executions executions"
		echo "# $1: $(last '^#[0-9]*.*\(cov: [0-9]* ft: [0-9]* corp: [^ ]*\).*' "$log")," \
			"$(last '^stat::average_exec_per_sec: *\([0-9]*\).*' "$log") executions/s"
	elif [ -n "$why" ] && [ "${CI:-}" != true ]; then
		skip "$1" "$why"
	else
		finding "$1" "a finding after ${executions:-0} executions" "$log"
	fi
}

for target in $targets; do fuzz "$target"; done
conclude
