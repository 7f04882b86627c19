# shellcheck shell=bash disable=SC2154
# Sourced by the tests of pcwatch, in their folder. They set $pcwatch, and define shows FILE, which makes an event
# and succeeds when the file shows any.
pids=()
exec 2>shell.err # where bash reports killed jobs
export LC_ALL=C.UTF-8
unset NO_COLOR

# sees REGEX FILE...: grep reads the regex from a file. If the regex were an argument, pcwatch would
# show it in the EXEC of grep, and a later search would find it there.
sees() {
	local regex=$1
	shift
	grep -aqE -f <(printf '%s\n' "$regex") -- "$@" 2>/dev/null
}
ended() { [ ! -d "/proc/$1" ] || sees '^State:.Z' "/proc/$1/status"; }

# start NAME OPTION...: runs pcwatch in the background, and returns when events are shown. Sets $pid.
start() {
	local name=$1
	shift
	"$pcwatch" "$@" >"$name.out" 2>"$name.err" &
	pid=$!
	pids+=("$pid")
	within 10 shows "$name.out"
}
# stop PID [SIGNAL]: ends a pcwatch and returns its exit status.
stop() {
	kill "-${2:-INT}" "$1"
	within 5 ended "$1" || kill -9 "$1"
	wait "$1"
}

# background ACTION...: starts an actor, which waits for release(). Sets $actor to its pid.
mkfifo hold && exec 8<>hold
background() { ./actor "$@" <&8 & actor=$!; pids+=("$actor"); }
release() { printf x >&8; wait "$actor"; }
