#!/bin/bash
# The loops of examples-c/loops and examples-rust/tokio: each sees the same as the others, follows the
# recovery recipe, and stops cleanly. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/needs.sh /usr/include/uv.h libuv1-dev /usr/include/glib-2.0/glib.h libglib2.0-dev \
	/usr/include/systemd/sd-event.h libsystemd-dev /usr/include/liburing.h liburing-dev \
	/usr/include/asio.hpp libasio-dev >&2
work=$(mktemp -d)
declare -A pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
. tests/tap.sh

loops=()
for loop in poll epoll epoll-edge thread libuv glib sd-event io_uring asio tokio; do
	if [ "$loop" = io_uring ] && grep -qsx 2 /proc/sys/kernel/io_uring_disabled; then
		skip io_uring "kernel.io_uring_disabled=2"
	elif make --no-print-directory "build/examples-c/loops/$loop" >"$work/log" 2>&1; then
		loops+=("$loop")
	elif grep -qE 'not found in the pkg-config|asio.hpp: No such file|failed to download' "$work/log"; then
		skip "$loop" "its package is not installed"
	else
		ok 1 "$loop builds" "$work/log"
	fi
done

cc -O1 -Wall -Wextra -D_GNU_SOURCE tests/loops/workload.c -o "$work/workload" -pthread || exit 1
coproc workload { exec "$work/workload"; }
tell() { # tell COMMAND: what must be shown of it is added to $work/truth
	local line
	echo "$1" >&"${workload[1]}"
	while read -r line <&"${workload[0]}" && [ "$line" != . ]; do
		echo "$line"
	done >>"$work/truth"
}
start() { # start LOOP [NAME]: until it has read /proc
	local name=${2:-$1}
	"build/examples-c/loops/$1" >"$work/$name" 2>"$work/$name.err" &
	pids[$name]=$!
	within 10 grep -qsx 'found 1' "$work/$name"
}
stopped() { grep -q '^State:.T' "/proc/$1/status"; }
freeze() { for pid in "${pids[@]}"; do kill -STOP "$pid"; within 5 stopped "$pid"; done; }
thaw() { kill -CONT "${pids[@]}"; }
finish() { # finish LOOP: with its exit status
	kill -TERM "${pids[$1]}"
	wait "${pids[$1]}"
	local status=$?
	unset "pids[$1]"
	return $status
}

# shown LOOP: its lines about our processes, each process's in their order, are the truth.
shown() {
	awk 'FNR == NR { ours[$2]; next } $2 in ours && $1 != "lost"' "$work/truth" "$work/$1" |
		sort -n -s -k 2,2 >"$work/$1.ours"
	sort -n -s -k 2,2 "$work/truth" | diff - "$work/$1.ours" >"$work/$1.diff"
}
# lives LOOP: the processes that live by its lines are those that do.
lives() {
	awk 'FNR == NR { state[$2] = $1; next }
		$2 in state { now[$2] = $1 ~ /found|exec/ ? "lives" : "ended" }
		END { for (pid in state) if (state[pid] != now[pid]) {
			print pid, state[pid], "shown:", now[pid]; wrong = 1 }
			exit wrong }' "$work/truth" "$work/$1" >"$work/$1.diff"
}

for loop in "${loops[@]}"; do start "$loop"; done
freeze
tell burst
thaw
tell cases
for loop in "${loops[@]}"; do within 10 shown "$loop"; done
tell release
for loop in "${loops[@]}"; do
	within 10 shown "$loop"
	ok $? "$loop shows the exec and exit of every process" "$work/$loop.diff"
	finish "$loop" && [ ! -s "$work/$loop.err" ]
	ok $? "$loop ends with 0 on SIGTERM" "$work/$loop.err"
done

export RCVBUF_BYTES=8192
rm "$work/truth"
tell keep
for loop in "${loops[@]}"; do start "$loop"; done
freeze
tell lose
thaw
for loop in "${loops[@]}"; do
	within 10 lives "$loop"
	ok $? "$loop shows the truth after a loss" "$work/$loop.diff"
	finish "$loop" && grep -q '^lost [1-9]' "$work/$loop"
	ok $? "$loop says how much was lost" "$work/$loop.err"
done

# Whatever a loop takes in one go may be all that there is, and nothing more happens.
rm "$work/truth"
tell keep
budgets="800000 815000 820000 825000 830000 835000 850000"
for loop in poll thread; do
	for budget in $budgets; do RCVBUF_BYTES=$budget start $loop $loop-$budget; done
done
freeze
tell lose
thaw
read -r -t 5 <&"${workload[0]}" # which says nothing: a program that waits would be an event
kill -STOP "${pids[@]}"
for loop in poll thread; do
	for budget in $budgets; do
		lives $loop-$budget && grep -q '^lost [1-9]' "$work/$loop-$budget"
		result=$?
		[ $result = 0 ] || break
	done
	ok $result "$loop shows the truth after a loss of any length" "$work/$loop-$budget.diff"
done
thaw
for name in "${!pids[@]}"; do finish "$name"; done

conclude
