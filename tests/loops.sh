#!/bin/bash
# The examples that people paste: the loops of examples-c/loops and examples-rust/tokio, and
# examples-c/recovery.c. Each compiles as its first comment says, shows the truth about a known workload,
# recovers from losses and from a deaf kernel, and stops cleanly. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/needs.sh /usr/include/uv.h libuv1-dev /usr/include/glib-2.0/glib.h libglib2.0-dev \
	/usr/include/systemd/sd-event.h libsystemd-dev /usr/include/liburing.h liburing-dev \
	/usr/include/asio.hpp libasio-dev >&2
root=$PWD stage=$PWD/build/stage work=$(mktemp -d)
declare -A pids=() before=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
. tests/tap.sh
make --no-print-directory stage build/promises >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
# A copy, because pkg-config puts backslashes into paths with letters like "é", as this folder may have.
cp -a "$stage" "$work/stage"
export PKG_CONFIG_PATH=$work/stage/lib/pkgconfig

first_comment() { awk '/^(\/\*| \*|\/\/)/ { print; next } { exit }' "$1"; }
# In these functions a command that was copied from a comment finds cc, c++ and cargo.
strictly() { command "$@" -O2 -Wall -Wextra -Wpedantic -Werror -Wl,-rpath,"$stage/lib"; }
cc() { strictly "${CC:-cc}" -Wconversion -Wsign-conversion "$@"; }
c++() { strictly "${CXX:-c++}" "$@"; }
cargo() { # run is build, and the program is put where a compiler would have put it
	[ "$*" = run ] || return 1
	"$root/tools/cargo.sh" "$PWD/tokio-example" "$root/build/tokio" build --locked --quiet \
		--manifest-path "$root/examples-rust/tokio/Cargo.toml" && mv tokio-example tokio
}
compiles_alone() { # compiles_alone FILE EXAMPLE: in an empty folder
	local command
	command=$(first_comment "$1" | sed -n 's/^[ */]*\(c[c+]* .*\)/\1/p; s/.*`\(cargo run\)`.*/\1/p')
	mkdir "$work/$2" && cp "$1" "$work/$2" && cd "$work/$2" || return
	echo "$command"
	eval "$command" && [ -x "$2" ]
}
is_short() { [ "$(wc -l <"$1")" -le 60 ]; }

examples=()
for source in examples-c/loops/* examples-rust/tokio/src/* examples-c/recovery.c; do
	case $source in
	*/tokio/*) example=tokio ;;
	*) example=$(basename "${source%.*}") ;;
	esac
	[ "$example" = recovery ] || promise "$source has at most 60 lines" is_short "$source"
	sentence="$source compiles alone, in an empty folder, with the command in its first comment"
	if [ "$example" = io_uring ] && grep -qsx 2 /proc/sys/kernel/io_uring_disabled; then
		skip "$sentence" "kernel.io_uring_disabled=2"
	elif (compiles_alone "$source" "$example") >"$work/log" 2>&1; then
		ok 0 "$sentence"
		examples+=("$example")
	elif grep -qE 'pkg-config search path|virtual:world|asio.hpp: No such|failed to download' "$work/log"; then
		skip "$sentence" "its package is not installed"
	else
		ok 1 "$sentence" "$work/log"
	fi
done

helper() { command "${CC:-cc}" -O1 -Wall -Wextra -D_GNU_SOURCE "$@" || exit 1; }
helper tests/loops/workload.c -o "$work/workload" -pthread
helper tests/loops/queue.c -o "$work/queue.so" -shared -fPIC -ldl
# shellcheck disable=SC2046
helper tests/loops/deafen.c tests/c/support.c tests/c/failure.c -o "$work/deafen" -pthread \
	-Wl,-rpath,"$stage/lib" $(pkg-config --cflags --libs proc_connector)

coproc workload { exec "$work/workload"; }
tell() { # tell COMMAND: what must be shown of it is added to $work/truth
	local line
	echo "$1" >&"${workload[1]}"
	while read -r line <&"${workload[0]}" && [ "$line" != . ]; do
		echo "$line"
	done >>"$work/truth"
}
start() { # start EXAMPLE [QUEUE_BYTES [NAME]]: until it knows the machine
	local name=${3:-$1}
	if [ -n "${2:-}" ]; then
		QUEUE_BYTES=$2 LD_PRELOAD=$work/queue.so exec "$work/$1/$1"
	else
		exec "$work/$1/$1"
	fi >"$work/$name.out" 2>"$work/$name.err" &
	pids[$name]=$!
	within 10 grep -qs '^synced' "$work/$name.out"
}
stopped() { grep -q '^State:.T' "/proc/$1/status"; }
freeze() {
	local name
	for name in "${!pids[@]}"; do
		kill -STOP "${pids[$name]}"
		within 5 stopped "${pids[$name]}"
		before[$name]=$(wc -l <"$work/$name.out")
	done
}
thaw() { kill -CONT "${pids[@]}"; }
ended() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }
finish() { # finish NAME SIGNAL: with its exit status
	kill -"$2" "${pids[$1]}"
	within 10 ended "${pids[$1]}" || kill -KILL "${pids[$1]}"
	wait "${pids[$1]}"
	local status=$?
	unset "pids[$1]"
	return $status
}
finishes() { # finishes NAME SIGNAL: with 0, and without a complaint
	finish "$1" "$2" && [ ! -s "$work/$1.err" ]
}

# changes NAME: its lines as "KIND PID"; those of pc_change_format() have more.
changes() { sed 's/^\([a-z]*\) pid=\([0-9]*\) .*/\1 \2/' "$work/$1.out"; }
reports() { changes "$1" | grep -qx "$2"; }
# shown NAME: its lines about our processes, each process's in their order, are the truth. Ours are the
# first owners of these pids since the example was stopped. On a busy machine each pid soon has another
# owner, but not before half of all pids have been used.
shown() {
	awk -v before="${before[$1]}" -v far="$(($(cat /proc/sys/kernel/pid_max) / 2))" '
		FNR == NR { ours[$2]; next }
		FNR <= before { next }
		$1 == "started" {
			begun++
			if ($2 in ours && (!owner[$2] || begun - since[$2] > far)) { owner[$2]++; since[$2] = begun }
		}
		owner[$2] == 1 && $1 ~ /^(execed|exited|vanished)$/' \
		"$work/truth" <(changes "$1") | sort -n -s -k 2,2 >"$work/$1.ours"
	sort -n -s -k 2,2 "$work/truth" | diff - "$work/$1.ours" >"$work/$1.diff"
}
# lives NAME: the processes that live by its lines are those that do.
lives() {
	awk 'FNR == NR { state[$2] = $1; next }
		$2 in state && $1 ~ /^(found|started|execed)$/ { now[$2] = "lives" }
		$2 in state && $1 ~ /^(exited|vanished)$/ { now[$2] = "ended" }
		END { for (pid in state) if (state[pid] != now[pid]) {
			print pid, state[pid], "shown:", now[pid]; wrong = 1 }
			exit wrong }' "$work/truth" <(changes "$1") >"$work/$1.diff"
}
loss='^synced(, [1-9][0-9]* events lost$| lost=[1-9])'
says_loss() { grep -qE "$loss" "$work/$1.out"; }
# The same, by builtin commands alone: no process starts, so that nothing happens meanwhile.
says_loss_quietly() {
	local lines line
	mapfile -t lines <"$work/$1.out"
	for line in "${lines[@]}"; do
		[[ $line =~ $loss ]] && return
	done
	return 1
}

for example in "${examples[@]}"; do start "$example"; done
freeze
tell burst
thaw
tell cases
for example in "${examples[@]}"; do within 10 shown "$example"; done
tell release
for example in "${examples[@]}"; do
	within 10 shown "$example"
	ok $? "the example '$example' shows the exec and the exit of every process" "$work/$example.diff"
	finishes "$example" TERM
	ok $? "the example '$example' exits with 0 on SIGTERM" "$work/$example.err"
done

rm "$work/truth"
tell keep
for example in "${examples[@]}"; do start "$example" 8192; done
freeze
tell lose
thaw
for example in "${examples[@]}"; do
	within 10 lives "$example"
	ok $? "the example '$example' shows the truth after events were lost" "$work/$example.diff"
	within 10 says_loss "$example"
	ok $? "the example '$example' says how many events were lost" "$work/$example.out"
	finishes "$example" INT
	ok $? "the example '$example' exits with 0 on SIGINT" "$work/$example.err"
done

# How many events are queued decides what the last wake-up before the silence leaves. These queues hold about as
# many as are received at a time.
bytes=$(build/promises 'loss: the kernel charges' | sed -n 's/^# \([0-9]*\) bytes per event$/\1/p')
near_32=$(seq $((bytes * 28)) "$bytes" $((bytes * 36))) near_64=$(seq $((bytes * 56)) $((bytes * 2)) $((bytes * 72)))
rm "$work/truth"
tell keep
for example in poll epoll-edge thread recovery; do
	for bytes in $near_32 $near_64; do start $example "$bytes" "$example-$bytes"; done
done
freeze
tell lose
thaw
sleep_quietly() { read -r -t "$1" <&"${workload[0]}"; } # from the workload, which says nothing
for _ in {1..60}; do # the busier the machine, the longer
	sleep_quietly 1
	quiet=yes
	for name in "${!pids[@]}"; do says_loss_quietly "$name" || quiet=no; done
	[ $quiet = yes ] && break
done
sleep_quietly 1
kill -STOP "${pids[@]}"
for example in poll epoll-edge thread recovery; do
	for bytes in $near_32 $near_64; do
		lives "$example-$bytes" && says_loss "$example-$bytes"
		result=$?
		[ $result = 0 ] || break
	done
	ok "$result" "the example '$example' recovers from a loss of any length although nothing more happens" \
		"$work/$example-$bytes.diff" "$work/$example-$bytes.out"
done
thaw
for name in "${!pids[@]}"; do finish "$name" TERM; done

# Of several listeners only the first one that asks is told that the kernel was deaf. So the kernel is made
# deaf again and again, while an example asks several times, once a second; and there is but one example.
# If another program asks at the same moment each time, the example is started at another one.
notices_deafness() { # notices_deafness EXAMPLE: reads /proc again, and hears of what happens then
	start "$1"
	"$work/deafen" 1500
	for _ in {1..50}; do
		/bin/true &
		echo "exited $!" >>"$work/$1.made"
		wait "$!"
		[ "$(grep -c '^synced' "$work/$1.out")" -ge 2 ] &&
			changes "$1" | grep -qxF -f "$work/$1.made" &&
			return
		sleep 0.1
	done
	finish "$1" TERM
	return 1
}
for example in "${examples[@]}"; do
	within 5 notices_deafness "$example"
	ok $? "the example '$example' notices within seconds that the kernel reports to nobody" "$work/$example.out"
	[ ! "${pids[$example]-}" ] || finish "$example" TERM
done

explains() { # explains EXAMPLE: why it sees no events here
	unshare --net "$work/$1/$1" 2>"$work/$1.err"
	[ $? = 1 ] && grep -q '^[a-z_-]*: .*network namespace' "$work/$1.err"
}
for example in "${examples[@]}"; do
	explains "$example"
	ok $? "the example '$example' explains why it cannot follow processes, and exits with 1" "$work/$example.err"
done

# An error of pc_process_alive() is no exit: as nobody, where /proc hides processes, nothing is known.
chmod 755 "$work"
cp "$stage/lib/libproc_connector.so.0" "$work"
hidden() { # hidden OPTION EXAMPLE: runs it until it ends, for three seconds at most
	# shellcheck disable=SC2016
	timeout 3 unshare --mount sh -c 'mount -t proc -o "$0" proc /proc && exec setpriv --reuid 65534 \
		--regid 65534 --clear-groups env LD_LIBRARY_PATH="$2" "$1"' \
		"$1" "$work/$2/$2" "$work" >"$work/$2.out" 2>"$work/$2.err"
	[ $? = 1 ] && grep -q "^$2: " "$work/$2.err" && [ ! -s "$work/$2.out" ]
}
for option in hidepid=1 hidepid=2; do
	hidden $option recovery
	ok $? "with $option, the example 'recovery' reports an error, and no process as exited" \
		"$work/recovery.out" "$work/recovery.err"
done
conclude
