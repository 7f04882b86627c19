# Sourced by the scripts that print TAP; it leaves $work, a folder, to them.
# shellcheck shell=sh disable=SC2154
number=0 failed=0
exec 9>&2 # where a failure is explained, whatever becomes of stderr

ok() { # ok RESULT SENTENCE [LOG …]
	number=$((number + 1))
	[ "$1" = 0 ] && echo "ok $number - $2" && return
	failed=1
	echo "not ok $number - $2"
	shift 2
	local log
	for log; do tail -n 40 "$log" | cut -c 1-200 | sed "s|^|# ${log##*/}: |" >&9; done
}

promise() { # promise SENTENCE COMMAND …
	local sentence=$1
	shift
	"$@" >"$work/log" 2>&1
	ok $? "$sentence" "$work/log"
}

skip() { # skip SENTENCE REASON
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

needs() { # needs NAME PACKAGE …: without them the script is skipped; in CI it fails
	tests/needs.sh "$@" >&2 && return
	[ "${CI:-}" = true ] && exit 1
	echo "1..0 # SKIP its tools are not installed"
	exit 0
}

# The seconds are those of a machine that has nothing else to do: on a busy one it may take longer.
within() { # within SECONDS COMMAND …: until it succeeds
	local end=$(($(date +%s) + 12 * $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -gt $end ] && { echo "# waited in vain: $*"; return 1; }
		sleep 0.02
	done
}

conclude() {
	echo "1..$number"
	exit $failed
}
