#!/bin/bash
# docs/testing.md: made-up events, recordings, and their replay. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/needs.sh /usr/include/pcap/pcap.h libpcap-dev tshark tshark setpriv util-linux >&2
work=$(mktemp -d)
pids=()
trap 'exec 2>/dev/null; kill -9 "${pids[@]}"; wait "${pids[@]}"; rm -rf "$work"' EXIT
. tests/tap.sh
testing=build/examples-c/testing
make --no-print-directory $testing/made-up $testing/made-up-table $testing/reader >"$work/log" 2>&1
ok $? "the examples of examples-c/testing build" "$work/log"

# Where everybody may read them.
cp $testing/made-up $testing/made-up-table build/stage/lib/libproc_connector.so.0 "$work"
chmod 755 "$work"
unprivileged() { # unprivileged PROGRAM: runs a copy of it
	LD_LIBRARY_PATH=$work unshare --net --pid --fork \
		setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$work/$1" >"$work/out" 2>&1
}
unprivileged made-up && [ "$(grep -c '^ok' "$work/out")" = 4 ]
ok $? "made-up events need neither privilege nor the initial namespaces" "$work/out"
unprivileged made-up-table && [ "$(grep -c '^ok' "$work/out")" = 8 ]
ok $? "a table of made-up processes needs neither privilege nor the initial namespaces" "$work/out"

if ! make --no-print-directory $testing/record $testing/replay >"$work/log" 2>&1; then
	grep -q 'not found in the pkg-config' "$work/log"
	ok $? "recordings # SKIP libpcap-dev is not installed" "$work/log"
	conclude
fi

$testing/reader >"$work/live" & pids+=($!)
makes_events() { /bin/true; [ -s "$work/live" ]; }
within 10 makes_events
cat >"$work/workload" <<'END'
#!/bin/sh
echo $$ >>"$1"
for i in $(seq 20); do
	sh -c "echo \$\$ >>'$1'; exit $i"
done
exit 7
END
chmod +x "$work/workload"
$testing/record "$work/events.pcap" "$work/workload" "$work/ours" 2>"$work/err"
[ $? = 7 ] && [ ! -s "$work/err" ]
ok $? "record ends with its command's exit status, and lost nothing" "$work/err"

about_us() { # about_us FILE: the lines about our processes
	awk 'FNR == NR { ours[$1]; next }
		match($0, /(pid|child)=[0-9]+/) { split(substr($0, RSTART, RLENGTH), id, "=")
			if (id[2] in ours) print }' "$work/ours" "$1" | sort
}
recorded() { about_us "$work/live" >"$work/expected"; cmp -s "$work/expected" "$work/got"; }
$testing/replay "$work/events.pcap" $testing/reader >"$work/replayed" 2>"$work/err"
ok $? "replay ends with its command's exit status" "$work/err"
about_us "$work/replayed" >"$work/got"
within 10 recorded
diff "$work/expected" "$work/got" >"$work/diff" && [ "$(grep -c ^exec "$work/got")" = 21 ] &&
	[ "$(grep -c '^exit.*status=' "$work/got")" = 21 ]
ok $? "replay delivers exactly the events that were recorded" "$work/diff"

if command -v tshark >/dev/null; then
	tshark -r "$work/events.pcap" >"$work/frames" 2>"$work/err"
	[ "$(grep -c Netlink "$work/frames")" = "$(wc -l <"$work/replayed")" ]
	ok $? "tshark shows every event as a netlink message" "$work/err"
	tshark -V -c 1 -r "$work/events.pcap" 2>"$work/err" | grep -q 'Family: Kernel connector'
	ok $? "tshark shows every event as a message of the kernel's connector" "$work/err"
else
	ok 0 "tshark opens the recording # SKIP tshark is not installed"
fi

# shellcheck disable=SC2016
descriptors='ls -l /proc/$$/fd; true'
$testing/record "$work/fds.pcap" sh -c "$descriptors" >"$work/fds" 2>&1 &&
	$testing/replay "$work/fds.pcap" sh -c "$descriptors" >>"$work/fds" 2>&1 && ! grep pcap "$work/fds"
ok $? "neither record nor replay leaves the recording open in its command" "$work/fds"

printf 'no recording' >"$work/bad"
! $testing/replay "$work/bad" true 2>"$work/err" && grep -q '^replay: ' "$work/err"
ok $? "replay refuses a file that is not a recording" "$work/err"

# A recorder that is stopped loses events, and says so.
mkfifo "$work/hold"
$testing/record "$work/lossy.pcap" sh -c "read line <'$work/hold'" 2>"$work/err" & record=$!
pids+=("$record")
started() { grep -qs . "/proc/$record/task/$record/children"; }
within 10 started
kill -STOP $record
stopped() { grep -q '^State:.T' "/proc/$record/status"; }
within 10 stopped
python3 -c 'import ctypes
rename = ctypes.CDLL(None).prctl
for i in range(100000): rename(15, b"flood")'
echo go >"$work/hold"
kill -CONT $record
wait "$record" && unset 'pids[1]' && grep -q '^record: [1-9][0-9]* events were lost$' "$work/err"
ok $? "record reports how many events it lost" "$work/err"

$testing/replay "$work/lossy.pcap" true 2>"$work/err" && [ ! -s "$work/err" ]
ok $? "a command that exits before the end of the recording is no error" "$work/err"

conclude
