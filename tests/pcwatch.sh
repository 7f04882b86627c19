#!/bin/bash
# Tests pcwatch on this machine's real process events, as root. Prints TAP.
# usage: tests/pcwatch.sh [PCWATCH]
set -u
pcwatch=$(realpath "${1:-$(dirname "$0")/../build/pcwatch}")
source=$(realpath "$(dirname "$0")/../tools/pcwatch")
shipping=$(realpath "$(dirname "$0")/../docs/shipping.md")
steps=$(realpath "$(dirname "$0")/pcwatch-steps.sh")
dir=$(mktemp -d)
trap 'kill -9 "${pids[@]}" 2>/dev/null; tmux -L "pcwatch$$" kill-server 2>/dev/null; [ "${KEEP-}" ] || rm -rf "$dir"' EXIT
. "$(dirname "$0")/tap.sh"
cd "$dir" || exit 1
. "$steps"

shows() { ./actor exit 99; [ -s "$1" ]; }
# settle FILE...: returns when each file shows everything that has happened so far.
settle() {
	for file; do
		markers=
		within 5 settled "$file" || echo "# $file lags behind"
	done
}
settled() {
	./actor exit 98 &
	markers+="${markers:+|}$!"
	wait $!
	sees "\b($markers)\b.*\b98\b" "$1"
}
run() { timeout 120 "$pcwatch" "$@" >run.out 2>run.err; } # until pcwatch ends by itself

cat >actor.c <<'C'
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static const char *way;
static int is(const char *what) { return strcmp(way, what) == 0; }
static void be_released(void) { char c; if (read(0, &c, 1)) {} }
static void *thread(void *end)
{
	prctl(PR_SET_NAME, "a-thread");
	be_released();
	if (is("thread"))
		syscall(SYS_exit, 9);
	if (is("leader-0-then-7"))
		exit(7);
	if (is("leader-5-then-0"))
		exit(0);
	if (is("thread-exec"))
		execl("./actor", "actor", "stay", "after", "all", NULL);
	if (is("thread-exec-4"))
		execl("./actor", "actor", "exit", "4", NULL);
	if (is("threads-6"))
		exit(6);
	return end;
}
int main(int argc, char **argv)
{
	pthread_t id;
	way = argc > 1 ? argv[1] : "";
	if (is("exit"))
		return atoi(argv[2]);
	if (is("flood")) {
		for (int i = atoi(argv[2]); i; i--)
			prctl(PR_SET_NAME, "flooding");
		return 0;
	}
	if (is("hostile")) {
		be_released();
		prctl(PR_SET_NAME, "\"\\\n\033[1m\xff\xc3");
		execl("./actor", "a\"b\\c", "li\nne", "\033[2J\007", "\xff\xc0\xaf\xed\xa0\x80", "\xc2\x9b",
		      "\xe2\x80\xae", "t\303\266\342\202\254", "", "stay", NULL);
	}
	if (is("chain")) /* each process waits for its child's exit, and for a release */
		for (int i = atoi(argv[2]); --i && !fork();)
			;
	while (is("chain") && wait(NULL) > 0)
		;
	if (is("late-name")) {
		be_released();
		prctl(PR_SET_NAME, "late");
		return 0;
	}
	if (is("parent")) {
		be_released();
		if (fork() == 0) {
			be_released();
			return 5;
		}
		wait(NULL);
	}
	if (is("name"))
		prctl(PR_SET_NAME, "\"\\\n\033[1m\xff\xc3");
	if (!strncmp(way, "thread", 6)) {
		for (int i = is("threads-6") ? 3 : 0; i; i--)
			pthread_create(&id, NULL, thread, NULL);
		pthread_create(&id, NULL, thread, NULL);
		pthread_join(id, NULL);
	}
	if (!strncmp(way, "leader", 6)) {
		pthread_create(&id, NULL, thread, NULL);
		syscall(SYS_exit, is("leader-5-then-0") ? 5 : 0);
	}
	be_released();
	if (is("setuid"))
		return setgid(65533) || setuid(65534);
	if (is("kill"))
		raise(atoi(argv[2]));
	return is("end") ? atoi(argv[2]) : 0;
}
C
cc -O1 -w -pthread actor.c -o actor 2>&9 || { echo "Bail out! cc is needed"; exit 1; }
cores=", core dumped"
ulimit -S -c "$(ulimit -H -c)"
[ "$(ulimit -c)" != 0 ] && sees '^core' /proc/sys/kernel/core_pattern || cores=

# ---- What is shown ----

start text; text=$pid
start json --json --stats; json=$pid
start bad --failed; bad=$pid
start badjson --failed --json --stats; badjson=$pid

background stay "one argument" "$(printf 'x%.0s' {1..5000})"; stay=$actor
within 5 sees "\"pid\":$stay,.*cmdline_truncated" json.out
within 5 sees " exec +$stay " text.out
release
known() { # both outputs show the actor's exec
	within 5 sees " exec +$actor .*$1" text.out
	within 5 sees "\"exec\",.*\"pid\":$actor,.*$1" json.out
}
enact() { background "$@"; known "$2"; release; }
background hostile; hostile=$actor
known hostile
printf x >&8
known stay
release
enact end 3; three=$actor
enact end 0; zero=$actor
enact kill 11; killed=$actor
enact setuid it; setuid=$actor
background thread; threaded=$actor
within 5 sees " $threaded .* now a-thread$" text.out
printf x >&8
within 5 sees " exit +$threaded +[0-9]+ a-thread +status 9$" text.out
ok $? "pcwatch shows the exit of a thread with its name and status" text.out
settle bad.out
release
background thread-exec; threadexec=$actor
within 5 sees " $threadexec .* now a-thread$" text.out
printf x >&8
within 5 sees " $threadexec .* stay after all$" text.out
release
background leader-0-then-7; leader=$actor
within 5 sees " exit +$leader +$leader .* threads live on" text.out
ok $? "pcwatch marks the exit of a leader whose threads live on" text.out
settle bad.out badjson.out
! sees "\b$leader\b" bad.out badjson.out
ok $? "pcwatch --failed does not show the exit of a leader whose threads live on" bad.out
release
background leader-5-then-0; well=$actor
within 5 sees " exit +$well +$well .* threads live on" text.out
release
settle text.out json.out bad.out badjson.out

sees " exec +$stay +$stay actor {11}\./actor stay \"one argument\" xxxxx*…$" text.out
ok $? "pcwatch shows an exec with its command line, and cuts a long one with an ellipsis" text.out
sees " exit +$three +$three actor +status 3, parent $$ \(" text.out
ok $? "pcwatch shows an exit with name, status and parent" text.out
sees " exit +$killed +$killed actor +SIGSEGV$cores, parent" text.out && sees " coredump +$killed " text.out
ok $? "pcwatch shows the name of the signal that ended a process$cores" text.out
sees " uid +$setuid .* ruid 0 -> 65534, euid 0 -> 65534$" text.out &&
	sees " gid +$setuid .* rgid 0 -> 65533, egid 0 -> 65533$" text.out
ok $? "pcwatch shows a change of ids with the old and the new ids" text.out
sees " fork +$threaded +[0-9]+ actor +thread$" text.out
ok $? "pcwatch marks the fork of a thread as a thread" text.out
sees " exit +$threadexec +$threadexec .*, (process lives|threads live) on" text.out
ok $? "pcwatch does not show an exec by a thread as the exit of its process" text.out

sees " end +$three +- actor +status 3 after [0-9.]+ s, parent $$ \(" bad.out &&
	sees " end +$killed +- actor +SIGSEGV$cores after" bad.out
ok $? "pcwatch --failed shows the processes that failed, with their statuses" bad.out
# Of other programs' processes, too. One that had threads may be shown with its leader's status, 0.
! sees " end +$zero | status 0 (after|within)" bad.out && sees " end " bad.out
ok $? "pcwatch --failed does not show the processes that succeeded" bad.out
# What is known of a process that outlives its leader and is reaped at once depends on the kernel, and on
# how soon pcwatch looks.
outlived="(7|unknown|0 \(the leader's\)) after"
sees " end +$leader +- actor +status $outlived" bad.out && [ "$(grep -c " end  *$leader " bad.out)" = 1 ]
ok $? "pcwatch --failed shows a process that outlives its leader once, with its status, or calls it the leader's" bad.out
! sees " end +($threadexec|$threaded) | end +$well .* status [0-9]+ after" bad.out
ok $? "pcwatch --failed takes neither the status of a leader or a thread nor an exec by a thread for a process exit" bad.out
for values in 1792:7:false null:null:null 0:0:true; do
	IFS=: read -r code value from_leader <<<"$values"
	sees "\"pid\":$leader,.*\"exit_code\":$code,\"exit_status\":$value,.*\"from_leader\":$from_leader,.*\"observed\":true" badjson.out && break
done
ok $? "pcwatch --failed --json shows a process that outlives its leader with its status, or calls it the leader's" badjson.out

! LC_ALL=C sees "[$(printf '\001-\011\013-\037\177')]" text.out && sees " exec " text.out
ok $? "the text output of pcwatch has no raw control bytes" text.out
! LC_ALL=C grep -avE '^[0-9:]{8}\.[0-9]{3} [a-z]+ +([0-9]+ +[0-9]+|- +-) ' text.out >stray
ok $? "the text output of pcwatch has one line per event, whatever bytes a name has" stray
sees ' "a\\"b\\\\c" li\\nne \\x1b\[2J\\x07 \\xff\\xc0\\xaf\\xed\\xa0\\x80 \\xc2\\x9b \\xe2\\x80\\xae tö€ "" stay$' text.out &&
	sees ' now "\\"\\\\\\n\\x1b\[1m\\xff\\xc3"$' text.out
ok $? "the text output of pcwatch escapes what could mislead a reader, and nothing else" text.out

stop $text; rc=$?
[ $rc = 0 ] && [ ! -s text.err ]
ok $? "SIGINT ends pcwatch with exit status 0 and without a message" text.err
stop $json TERM; rc=$?
[ $rc = 0 ] && [ ! -s json.err ]
ok $? "SIGTERM ends pcwatch with exit status 0 and without a message" json.err
stop $bad
stop $badjson

cat >check.py <<'PYTHON'
import json, sys
events, names = [], set()
for name in "json.out", "badjson.out":
    events += [json.loads(line.decode("utf-8", "strict")) for line in open(name, "rb")]
def find(kind, pid):
    return [event for event in events if event["event"] == kind and event.get("pid") == pid]
def same(value, expected):
    assert value == expected, (value, expected)
if sys.argv[1] == "order":
    orders = {}
    for event in events:
        keys = [key for key in event if key != "cmdline_truncated" and not key.endswith("_bytes")]
        same(keys, orders.setdefault((event["event"], "cpu" in event), keys))
        same(keys[:3], ["event", "time", "line" if event["event"] == "stats" else "timestamp_ns"])
if sys.argv[1] == "lines":
    for name in "json.out", "badjson.out":
        with open(name) as file:
            lines = [json.loads(line) for line in file]
        same([line["line"] for line in lines], list(range(1, len(lines) + 1)))
        same({line["run"] for line in lines}, {lines[0]["run"]})
        names.add(lines[0]["run"])
    same(len(names), 2)
if sys.argv[1] == "strings":
    for event in events:
        for key in [key for key in event if key.endswith("_ns")]:
            same(event[key + "_str"], str(event[key]))
if sys.argv[1] == "content":
    stay, hostile, three, killed, setuid = map(int, sys.argv[2:])
    same(find("exec", hostile)[-1]["cmdline"],
         ['a"b\\c', "li\nne", "\033[2J\007", "\ufffd" * 6, "\x9b", "\u202e", "tö€", "", "stay"])
    same(find("comm", hostile)[0]["comm"], '"\\\n\033[1m\ufffd\ufffd')
    same(find("comm", hostile)[0]["old_comm"], "actor")
    exec = find("exec", stay)[-1]
    same((exec["cmdline_truncated"], len("\0".join(exec["cmdline"]))), (True, 4096))
    same("cmdline_truncated" in find("exec", hostile)[-1], False)
    end = find("exit", three)[0]
    same([end[key] for key in ("comm", "exit_code", "exit_status", "signal", "core_dumped", "process_ended")],
         ["actor", 768, 3, None, False, True])
    end = find("end", three)[0]
    same([end[key] for key in ("comm", "exit_code", "signal", "observed")], ["actor", 768, None, True])
    end = find("exit", killed)[0]
    same([end[key] for key in ("signal", "signal_name", "exit_status")], [11, "SIGSEGV", None])
    uid = find("uid", setuid)[0]
    same([uid[key] for key in ("old_ruid", "ruid", "old_euid", "euid")], [0, 65534, 0, 65534])
PYTHON
check() { # PROMISE ARGUMENT...
	local promise=$1
	shift
	if command -v python3 >/dev/null; then
		python3 check.py "$@" 2>python.err
		ok $? "$promise" python.err
	else
		skip "$promise" "python3 is needed"
	fi
}
check "every line of pcwatch --json parses as JSON" parse
check "pcwatch --json reports what the events carried, whatever bytes a name or an argument has" \
	content "$stay" "$hostile" "$three" "$killed" "$setuid"
check "pcwatch --json prints the keys of each kind of record in one order" order
check "pcwatch --json numbers its lines from 1, and each run has another name" lines
check "pcwatch --json prints each time in nanoseconds as a string, too" strings

# The consumer of docs/shipping.md finds out which lines a transport has lost.
awk '/jq -Rrn/ { inside = 1; next } inside && /^```/ { exit } inside' "$shipping" | sed "s/'$//" >gaps.jq
gaps() { jq -Rrn -f gaps.jq <journal >gaps 2>&1; }
if command -v jq >/dev/null; then
	{ echo "Started pcwatch.service"; cat json.out badjson.out; } >journal
	gaps && [ -s gaps.jq ] && [ ! -s gaps ]
	ok $? "the consumer of docs/shipping.md reports nothing if all lines have arrived" gaps
	{ sed '5,7d; 9d' json.out; sed 1,2d badjson.out; } >journal
	run=$(jq -r .run json.out | head -n 1) badrun=$(jq -r .run badjson.out | head -n 1)
	gaps
	printf 'run %s: %s\n' "$run" "3 lines are missing before line 8" "$run" \
		"1 lines are missing before line 10" "$badrun" "2 lines are missing before line 3" | cmp -s - gaps
	ok $? "the consumer of docs/shipping.md reports lines that are missing within a run and at its beginning" gaps
	{ head -n 4 json.out; cat badjson.out; } >journal
	gaps
	echo "run $run: killed, or lines are missing after line 4" | cmp -s - gaps
	ok $? "the consumer of docs/shipping.md reports lines that are missing at the end of a run" gaps
else
	skip "the consumer of docs/shipping.md reports the lines that are missing" "jq is needed"
fi

# ---- Which events, how many, how long ----

start some --events exec,exit --stats; some=$pid
start leaders --no-threads; leaders=$pid
background thread; threaded=$actor
within 5 sees " exec +$threaded " some.out
within 5 sees " exec +$threaded " leaders.out
printf x >&8
release
settle some.out leaders.out
stop $some
stop $leaders
! grep -avqE '^[^ ]+ (exec|exit|overrun) ' some.out && sees " exec " some.out && sees " exit " some.out
ok $? "pcwatch --events shows only the selected kinds of events" some.out
awk '$3 != $4' leaders.out >threads
[ ! -s threads ] && sees " $threaded " leaders.out
ok $? "pcwatch --no-threads shows no thread other than the first of a process" threads
[ "$(sed -n 's/.* exit \([0-9]*\) .*/\1/p' some.err)" = "$(grep -ac '^[^ ]* exit ' some.out)" ] &&
	sees " lost [0-9]+ wake (slice|unchanged)$" some.err
ok $? "pcwatch --stats prints on stderr how many records of each kind it showed" some.err

# A name that a process gives itself is known although the process is gone when its EXIT is shown.
start renamed --events exit; renamed=$pid
background late-name; late=$actor
settle renamed.out
kill -STOP "$renamed"
within 5 sees "^State:.T" "/proc/$renamed/status"
release
kill -CONT "$renamed"
settle renamed.out
stop $renamed
sees " exit +$late +$late late +status 0" renamed.out
ok $? "pcwatch --events exit shows the name that a process last gave itself" renamed.out

# shellcheck disable=SC2317
poked() { ./actor exit 97; ended "$pid"; }
"$pcwatch" --count 3 >count.out 2>count.err & pid=$!
within 5 poked; kill -9 $pid; wait $pid; rc=$?
[ $rc = 0 ] && [ "$(wc -l <count.out)" = 3 ]
ok $? "pcwatch --count 3 ends after three events" count.out count.err
lasts() { # from the start of the process to its end, which a busy machine may delay, but not each time
	before=${EPOCHREALTIME/./}
	run --duration 0.3 --json --stats; rc=$?
	took=$((${EPOCHREALTIME/./} - before))
	[ $rc = 0 ] && [ $took -ge 300000 ] || return 0
	[ $took -lt 2000000 ]
}
within 5 lasts
[ $rc = 0 ] && [ $took -ge 300000 ] && [ $took -lt 2000000 ]
ok $? "pcwatch --duration 0.3 ends after 0.3 seconds" run.err
tail -n 1 run.out | sees '^\{"event":"stats",.*"lost":[0-9]+,"wake":("slice"|null)\}$' && [ ! -s run.err ]
ok $? "pcwatch --stats --json prints the totals as the last object on stdout" run.out run.err

unit=$source/pcwatch.service # tests/pcwatch-fleet.py tests the rest of it
read -ra shipped < <(sed -n 's/^ExecStart=[^ ]* //p' "$unit" | sed 's|/run/pcwatch/|./|; s/ \$PCWATCH_OPTIONS$//')
"$pcwatch" "${shipped[@]}" --events exec,exit --count 3 >unit.out 2>unit.err & pid=$!
within 5 poked; kill -9 $pid; wait $pid
tail -n 1 unit.out | sees '"event":"stats".*"line":4,' && grep -qx LogRateLimitIntervalSec=0 "$unit"
ok $? "pcwatch.service ships numbered lines and the totals, without journald's rate limit" unit.out unit.err

# ---- Colours ----

! sees "$(printf '\033')" some.out
ok $? "pcwatch uses no colours without a terminal" some.out
terminal() { # PROMISE VARIABLE REGEX-SEEN REGEX-NOT-SEEN
	command -v script >/dev/null || { skip "$1" "script(1) is needed"; return; }
	script -qec "env TERM=xterm $2 '$pcwatch' --events exit --count 1" /dev/null >terminal.out </dev/null & pid=$!
	within 5 poked; kill -9 $pid; wait $pid
	sees "$3" terminal.out && ! sees "$4" terminal.out
	ok $? "$1" terminal.out
}
escape=$(printf '\033')'\['
terminal "pcwatch prints a header on a terminal" NO_COLOR=1 "^TIME +EVENT" nonsense
terminal "pcwatch uses colours on a terminal" A=B "^$escape.* exit " nonsense
terminal "pcwatch uses no colours on a terminal if NO_COLOR is set" NO_COLOR=1 " exit " "$escape"
terminal "pcwatch uses colours on a terminal if NO_COLOR is empty" NO_COLOR= "$escape" nonsense

# ---- Process exits ----

start ends --ends; ends=$pid
start bad --failed; bad=$pid
begins() { within 5 sees "^Threads:.$1$" "/proc/$actor/status"; }
background thread-exec-4; threadexec=$actor
begins 2
release
background threads-6; threads=$actor
begins 5
release
background leader-0-then-7; leader=$actor
within 5 sees "^State:.Z" "/proc/$actor/status"
settle ends.out bad.out
release
background end 0; zero=$actor
release
settle ends.out bad.out
once() { [ "$(grep -cE "^[^ ]+ end +$2 +- .* $3" "$1")" = 1 ] && [ "$(grep -cE " end +$2 " "$1")" = 1 ]; }
for option in --ends --failed; do
	[ $option = --ends ] && file=ends.out || file=bad.out
	grep -E " end +($threadexec|$threads|$leader) " $file >those
	once $file $threadexec "status 4 after" && once $file $threads "status 6( \(the leader's\))? after" && once $file $leader "status $outlived"
	ok $? "pcwatch $option shows an exit once: after a thread's exec, of four threads, after the leader's exit" those
done
once ends.out $zero "status 0 after"
ok $? "pcwatch --ends also shows the processes that succeeded" ends.out
background threads-6; late=$actor
begins 5
settle ends.out bad.out
kill -STOP "$bad" "$ends"
within 5 sees "^State:.T" "/proc/$bad/status" && within 5 sees "^State:.T" "/proc/$ends/status"
release
kill -CONT "$bad" "$ends"
settle ends.out bad.out
once ends.out $late "status 6 \(the leader's\) after" && once bad.out $late "status 6 \(the leader's\) after"
ok $? "pcwatch --ends and --failed call a status the leader's if the process had threads and was reaped unread" bad.out
background stay; unseen=$actor
settle ends.out bad.out
kill -STOP "$bad" "$ends"
./actor flood 60000
release
kill -CONT "$bad" "$ends"
within 5 sees " overrun .* lost [0-9]+ events since " bad.out && within 5 sees " overrun " ends.out
settle ends.out bad.out
grep -E " (unsynced|overrun) " bad.out >those
sees " unsynced +- +- - +lost [1-9][0-9]* events so far since [0-9:.]+: reading /proc$" those &&
	[ "$(awk '{ print $2 }' those | paste -sd' ' | sed 's/unsynced overrun//g' | tr -d ' ')" = "" ]
ok $? "pcwatch --failed announces that exits may be missing before it shows how many events were lost" those
once ends.out $unseen "status unknown within" && once bad.out $unseen "status unknown within"
ok $? "pcwatch --ends and --failed show a process whose EXIT was lost once, with an unknown status" bad.out
stop "$ends"
stop "$bad"

# A lack of descriptors ends, and the table has missed nothing.
lacks="a lack of descriptors does not end pcwatch --ends: it reports the lack once, and afterwards each exit"
if command -v prlimit >found; then
	start scarce --ends; scarce=$pid
	settle scarce.out
	hard=$(ulimit -Hn)
	prlimit --pid "$scarce" --nofile=3:"$hard"
	background end 5; first=$actor
	release
	within 5 sees "^pcwatch: cannot follow the processes: out of descriptors" scarce.err
	rc=$?
	background end 6; second=$actor
	release
	sleep 0.5 # the table tries again each 100 ms
	[ "$(grep -c "cannot follow the processes" scarce.err)" = 1 ] && ! ended "$scarce" || rc=1
	prlimit --pid "$scarce" --nofile="$(ulimit -Sn):$hard"
	settle scarce.out
	once scarce.out "$first" "status 5( \(the leader's\))? after" && once scarce.out "$second" "status 6( \(the leader's\))? after" || rc=1
	stop "$scarce" && [ $rc = 0 ]
	ok $? "$lacks" scarce.err scarce.out
else
	skip "$lacks" "prlimit is needed"
fi

# A user from whom /proc begins to hide processes while pcwatch runs. Before Linux 6.6 users cannot listen.
hides="pcwatch --ends reports how many processes /proc hides"
if [ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -lt 6006 ]; then
	skip "$hides" "Linux 6.6 is needed"
elif ! command -v setpriv >found || ! command -v nsenter >found || ! command -v mount >found; then
	skip "$hides" "setpriv, nsenter and mount are needed"
else
	chmod 755 .
	cp "$pcwatch" hidden-pcwatch
	library=$(ldd "$pcwatch" | awk '/libproc_connector/ { print $3 }')
	[ -z "$library" ] || cp "$library" .
	# shellcheck disable=SC2016
	LD_LIBRARY_PATH=. unshare --mount sh -c 'mount -t proc proc /proc &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups ./hidden-pcwatch --ends --json' \
		>hidden.out 2>hidden.err & hidden=$!
	pids+=("$hidden")
	within 5 shows hidden.out
	kill -STOP "$hidden"
	within 5 sees "^State:.T" "/proc/$hidden/status"
	# The machine's own /proc must stay as it is.
	[ "$(stat -c %d "/proc/$hidden/root/proc")" = "$(stat -c %d /proc)" ] ||
		nsenter --target "$hidden" --mount mount -o remount,hidepid=2 /proc
	./actor flood 60000
	kill -CONT "$hidden"
	within 5 sees '^\{"event":"hidden",.*"hidden":[1-9]' hidden.out
	ok $? "$hides" hidden.err hidden.out
	stop "$hidden"
fi

# ---- The tree ----

children() { cat "/proc/$1/task/$1/children"; } # each pid is followed by a space
deepest() { bottom=$1; while [ "$(children $bottom)" ]; do bottom=$(children $bottom); bottom=${bottom% }; chain+=("$bottom"); done; }
# chain LENGTH: starts processes, each the child of the one before. Sets $chain to their pids.
chain() {
	background chain "$1"
	within 5 chained "$1"
}
chained() { chain=("$actor"); deepest "$actor"; [ ${#chain[@]} = "$1" ]; }
chain 3
run --tree="$actor"; rc=$?
printf 'actor(%d)\n└─actor(%d)\n  └─actor(%d)\n' "${chain[@]}" >expected
[ $rc = 0 ] && cmp -s run.out expected && [ ! -s run.err ]
ok $? "pcwatch --tree=PID prints the process and its descendants once if stdout is no terminal" run.out run.err
LC_ALL=C run --tree="$actor"
printf 'actor(%d)\n`-actor(%d)\n  `-actor(%d)\n' "${chain[@]}" | cmp -s run.out -
ok $? "pcwatch --tree draws branches in ASCII in the C locale" run.out
run --tree; rc=$?
grep -A 2 "─actor($actor)$" run.out >below
IFS= read -r first <below
indent=${first%[├└]─*}
case $first in *├─*) indent+='│ ' ;; *) indent+='  ' ;; esac
[ $rc = 0 ] && sees "^[^ ]+\(1\)$" run.out &&
	printf '%s\n' "$first" "$indent└─actor(${chain[1]})" "$indent  └─actor(${chain[2]})" | cmp -s below -
ok $? "pcwatch --tree prints the tree of all processes" below
release_chain() { for _ in "${chain[@]}"; do printf x >&8; done; wait "$actor"; }
release_chain
background name it
named() { sees '\\' "/proc/$actor/comm"; }
within 5 named
run --tree="$actor"
printf '"\\"\\\\\\n\\x1b[1m\\xff\\xc3"(%d)\n' "$actor" | cmp -s run.out -
ok $? "pcwatch --tree escapes names" run.out
release
run --tree="$actor"; rc=$?
[ $rc = 1 ] && [ ! -s run.out ] && sees "^pcwatch: .*no such process" run.err
ok $? "pcwatch --tree=PID reports an error if there is no such process" run.err
chain 130
run --tree="$actor"
[ "$(wc -l <run.out)" = 102 ] && tail -n 1 run.out | sees '^ *└─\(29 more below\)$'
ok $? "pcwatch --tree cuts a deep tree and prints how many processes it left out" run.out
release_chain

# ---- The tree on a terminal ----

in_tmux() { tmux -L "pcwatch$$" "$@"; }
type_in() { in_tmux send-keys -t 0 "$@"; }
# What is shown for a moment only may be gone when a busy machine looks at the screen. All that pcwatch
# has drawn since clear_drawn is in the file "drawn".
clear_drawn() { : >drawn; }
# screen_sees REGEX …: one look at the screen shows all of them, but none that stands behind a "!".
screen_sees() {
	local regex
	in_tmux capture-pane -p -t 0 >screen || return
	for regex; do
		case $regex in
		!*) ! sees "${regex#!}" screen || return 1 ;;
		*) sees "$regex" screen || return 1 ;;
		esac
	done
}
screen_lacks() { screen_sees . "!$1"; }
if command -v tmux >/dev/null; then
	in_tmux -f /dev/null new-session -d -x 80 -y 40 'bash --norc --noprofile'
	in_tmux pipe-pane -t 0 "exec cat >>'$dir/drawn'"
	chain 3
	type_in "PS1='shell> '; stty -g >before; clear" Enter "'$pcwatch' --tree=$actor" Enter
	within 5 screen_sees "^ +└─actor\(${chain[2]}\)" "^  actor\($actor\)" "^[0-9]+ processes "
	ok $? "pcwatch --tree fills the screen of a terminal" screen
	printf x >&8
	within 5 sees "- +└─actor\(${chain[2]}\) status 0 after" drawn && within 5 screen_lacks "actor\(${chain[2]}\)"
	ok $? "pcwatch --tree on a terminal shows an exited process for a moment, then removes it" drawn screen
	unset 'chain[2]'
	type_in q
	within 5 screen_sees "^shell>$" "!actor\($actor\)$"
	ok $? "the key q in pcwatch --tree restores the screen" screen
	release_chain
	background parent
	within 5 sees parent "/proc/$actor/cmdline"
	type_in "'$pcwatch' --tree=$actor" Enter
	within 5 screen_sees "^  actor\($actor\)"
	clear_drawn
	printf x >&8
	within 5 sees "\+ └─actor\([0-9]+\)" drawn
	ok $? "pcwatch --tree on a terminal marks a new process" drawn
	printf x >&8
	within 5 sees "- └─actor\([0-9]+\) status 5 after" drawn
	ok $? "pcwatch --tree on a terminal shows the status of an exited process" drawn
	type_in q
	release
	within 5 screen_sees "^shell>$" # before, pcwatch would read, and ignore, what is typed
	type_in "'$pcwatch' --tree=$$" Enter
	within 5 screen_sees "└─|├─"
	in_tmux resize-window -t 0 -x 20 -y 4
	within 5 screen_sees "^[0-9]+ processes .*…$" "^\([0-9]+ more rows\)$"
	ok $? "pcwatch --tree follows the size of the window, and prints how many rows do not fit" screen
	in_tmux resize-window -t 0 -x 80 -y 40
	within 5 screen_lacks "…"
	type_in C-z
	within 5 screen_sees "Stopped" "!├─|└─|more rows"
	ok $? "Ctrl-Z in pcwatch --tree restores the screen" screen
	./actor flood 60000
	background stay
	type_in fg Enter
	within 5 screen_sees "^[0-9]+ processes .* lost [0-9]{4,}, healed [1-9]" "!Stopped"
	ok $? "after Ctrl-Z and fg, pcwatch --tree recovers from the loss in between" screen
	within 5 screen_sees "actor\($actor\)"
	ok $? "after Ctrl-Z and fg, pcwatch --tree shows a process that started in between" screen
	release
	view=$(pgrep -f -x "$pcwatch --tree=$$")
	kill -TERM "$view"
	within 5 screen_lacks processes
	within 5 screen_sees "^shell>$"
	type_in "stty -g >after" Enter
	within 5 test -s after && screen_lacks processes && cmp -s before after
	ok $? "SIGTERM in pcwatch --tree restores the screen and the terminal's settings" screen before after
	type_in "'$pcwatch' --tree --duration 0.2; echo done \$?" Enter
	within 5 screen_sees "^done 0$"
	ok $? "pcwatch --tree --duration ends on a terminal by itself" screen
	in_tmux kill-server
else
	skip "pcwatch --tree on a terminal" "tmux is needed"
fi

# ---- Options ----

while read -r options; do
	eval "run $options"
	rc=$?
	echo "exit status $rc of: $options" >last
	[ $rc = 2 ] && [ ! -s run.out ] && sees "^pcwatch: " run.err && sees "pcwatch --help" run.err
	bad=$?
	[ $bad = 0 ] || break
done <<'OPTIONS'
--nonsense
-x
argument
--json=1
--failed --events=exit
--ends --events=exit
--tree --events=exit
--tree --ends
--tree --json
--tree --count=1
--tree=
--tree=0
--tree=x
--tree 1
--events
--events=
--events=nonsense
--events=fork,,exec
--events=fork,
--events=FORK
--events=overrun
--count
--count=
--count=0
--count=-1
--count=+1
--count=' 1'
--count=1x
--count=1.5
--count=99999999999999999999
--duration
--duration=
--duration=0
--duration=-1
--duration=' 1'
--duration=1s
--duration=1e3
--duration=0x1
--duration=inf
--duration=nan
--duration=.
--duration=1.2.3
--duration=99999999999999999999
--
--leader
--leader --ends
--events=exec -- true
--tree -- true
--pid=$$ -- true
--family=$$ -- true
--family=$$ --pid=$$
--family=$$ --tree
--family=$$ --events=exec
--family
--family=0
--family=x
--pid
--pid=
--pid=0
--pid=1.5
--tree --pid=$$
--tree --user=root
--tree --name=x
--tree --show=user
--show
--show=
--show=nonsense
--show=user,,tty
--show=USER
--name
--name=
--name=sixteen-bytes-xx
--cmdline-bytes=
--cmdline-bytes=0
--cmdline-bytes=x
--user
--cgroup
--output
OPTIONS
ok $bad "pcwatch explains wrong options, with exit status 2" last run.err
run --help && sees "^Usage:" run.out && sees "--failed" run.out && [ ! -s run.err ]
ok $? "pcwatch --help prints the options on stdout" run.out run.err
run --version && sees "^pcwatch \(proc_connector [0-9]+\.[0-9]+\.[0-9]+\)$" run.out
ok $? "pcwatch --version prints the version of the library" run.out
(exec -a /bin/other "$pcwatch" --version >version.out) && sees "^pcwatch " version.out &&
	! (exec -a /bin/other "$pcwatch" --nonsense 2>nonsense.err) && sees "^pcwatch: unrecognized" nonsense.err
ok $? "pcwatch names itself pcwatch even if argv[0] is another name" version.out nonsense.err

# ---- Where pcwatch cannot work, or no longer ----

timeout 120 unshare --net "$pcwatch" >run.out 2>run.err; rc=$?
[ $rc = 1 ] && sees "^pcwatch: .*network namespace" run.err && [ ! -s run.out ]
ok $? "in another network namespace pcwatch explains why it cannot run, with exit status 1" run.err
timeout 120 unshare --pid --fork --kill-child "$pcwatch" >run.out 2>run.err; rc=$?
[ $rc = 1 ] && sees "^pcwatch: .*PID" run.err && [ ! -s run.out ]
ok $? "in another PID namespace pcwatch explains why it cannot run, with exit status 1" run.err

mkfifo pipe
"$pcwatch" --failed --stats >pipe 2>pipe.err & pid=$!
exec 8<pipe 8<&-
within 5 ended $pid; kill -9 $pid; wait $pid; rc=$?
[ $rc = 0 ] && [ ! -s pipe.err ]
ok $? "a closed pipe ends pcwatch with exit status 0 and without a message, even before the first record" pipe.err
"$pcwatch" >/dev/full 2>run.err & pid=$!
within 5 poked; kill -9 $pid; wait $pid; rc=$?
[ $rc = 1 ] && sees "^pcwatch: stdout: No space left" run.err
ok $? "pcwatch reports an error if stdout is full" run.err
exec 8<>pipe
"$pcwatch" >pipe 2>stuck.err & pid=$!
# shellcheck disable=SC2317
readable() { ./actor exit 97; read -rt 0 <&8; }
within 5 readable
./actor flood 5000
stop $pid TERM; rc=$?
[ $rc = 0 ] && [ ! -s stuck.err ]
ok $? "SIGTERM ends pcwatch even if the reader of its pipe no longer reads" stuck.err
remains() { dd if=pipe iflag=nonblock bs=64k >remains.out 2>/dev/null; [ -s remains.out ]; } # what the pipe holds
whole() { [ "$(tail -c 1 "$1" | od -An -c | tr -d ' ')" = '\n' ] && ! LC_ALL=C grep -avqE "$2" "$1"; }
remains && whole remains.out '^[0-9:]{8}\.[0-9]{3} [a-z]+ '
ok $? "SIGTERM ends pcwatch behind a whole line if the reader of its pipe no longer reads" remains.out
"$pcwatch" --json --events exec >pipe 2>stuck.err & pid=$!
within 5 readable
# long_lines: starts eight actors. In JSON, the command line of each is 24,000 bytes long.
mkfifo long && exec 7<>long
long_lines() {
	local control
	control=$(printf '\001%.0s' {1..4000})
	for _ in {1..8}; do ./actor stay 96 "$control" <&7 & pids+=($!); done
}
long_lines
within 5 sees . "/proc/$!/cmdline"
sleep 0.2 # now pcwatch waits in the middle of a line, if it can
stop $pid TERM; rc=$?
printf xxxxxxxx >&7
remains && whole remains.out '^\{.*\}$' && [ $rc = 0 ]
ok $? "SIGTERM ends pcwatch behind a whole line although lines are longer than what a pipe takes at once" stuck.err
exec 8<&-
cat <pipe >slow.out & slow=$!
pids+=("$slow")
"$pcwatch" --json --events exec >pipe 2>slow.err & pid=$!
pids+=("$pid")
within 5 shows slow.out
kill -STOP "$slow"
long_lines
kill -CONT "$slow"
# shellcheck disable=SC2317
all_long() { [ "$(grep -acF '"96","\u0001' slow.out)" = 8 ]; }
within 5 all_long
printf xxxxxxxx >&7
all_long && stop "$pid" && whole slow.out '^\{.*\}$'
ok $? "lines that are longer than what a pipe takes at once arrive whole at a reader that pauses" slow.err

# A file that takes no more: pcwatch names the reason, and its last line is whole.
# full FILE REASON COMMAND …: the command runs pcwatch, whose output goes to the file.
full() {
	local file=$1 reason=$2
	shift 2
	"$@" 2>full.err & pid=$!
	pids+=("$pid")
	./actor flood 1
	within 5 shows_flood; wait $pid; rc=$?
	[ $rc = 1 ] && sees "^pcwatch: stdout: $reason" full.err && [ -s "$file" ] &&
		whole "$file" '^[0-9:]{8}\.[0-9]{3} [a-z]+ '
}
# shellcheck disable=SC2317
shows_flood() { ./actor flood 200; ended $pid; }
# shellcheck disable=SC2016
full limited.out "File too large" sh -c 'exec prlimit --fsize=10000 "$0" >limited.out' "$pcwatch"
ok $? "at RLIMIT_FSIZE pcwatch stops with an error, and its file ends with a whole line" full.err limited.out
on_disk="on a full disk pcwatch stops with an error, and its file ends with a whole line"
if command -v mount >found; then
	mkdir small
	# shellcheck disable=SC2016
	full small.out "No space left" unshare --mount sh -c 'mount -t tmpfs -o size=8k small small || exit
		echo "00:00:00.000 first line" >small/out; "$0" >>small/out; rc=$?; cp small/out small.out; exit $rc' "$pcwatch"
	ok $? "$on_disk" full.err small.out
else
	skip "$on_disk" "mount is needed"
fi

start flood --stats; flood=$pid
settle flood.out
kill -STOP "$flood"
./actor flood 60000
kill -CONT "$flood"
within 5 sees " overrun .* lost [0-9]+ events since " flood.out
ok $? "pcwatch shows a loss" flood.out
settle flood.out
stop "$flood"; rc=$?
lost=$(($(sed -n 's/.* overrun .* lost \([0-9]*\) events.*/\1/p' flood.out | paste -sd+)))
[ $rc = 0 ] && [ $lost -gt 1000 ] && sees " lost $lost wake " flood.err
ok $? "pcwatch --stats counts the lost events that it showed" flood.err

# ---- Made-up events ----

# feed.so puts a socket in the place of the kernel's, and sets the time of day one hour ahead once there is
# a file named "stepped".
cat >feed.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <proc_connector.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int pc_open(struct pc_connector **out, const struct pc_options *options) { return pc_open_fd(out, 9, options); }
int pc_table_open(struct pc_table **out, const struct pc_table_options *options) { return pc_table_open_fd(out, 9, options); }
int clock_gettime(clockid_t clock, struct timespec *time)
{
	long result = syscall(SYS_clock_gettime, clock, time);
	if (clock == CLOCK_REALTIME && access("stepped", F_OK) == 0)
		time->tv_sec += 3600;
	return (int)result;
}
/* In which order pcwatch reads command lines (r) and prints events (p). */
static void note(const char *step)
{
	static int fd;
	if (!fd)
		fd = (int)syscall(SYS_openat, AT_FDCWD, "steps", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, step, 1)) {}
}
int open(const char *path, int flags, ...)
{
	if (strstr(path, "/cmdline"))
		note("r");
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}
const char *pc_event_name(uint32_t kind)
{
	note("p");
	return ((const char *(*)(uint32_t))dlsym(RTLD_NEXT, "pc_event_name"))(kind);
}
C
cat >feed.py <<'PYTHON'
import calendar, json, os, signal, socket, struct, subprocess, sys, time
def now(): return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
def event(what, *fields, at=None):
    data = struct.pack("IIQ", what, 0, at or now()) + struct.pack("%dI" % len(fields), *fields).ljust(24, b"\0")
    ours.send(struct.pack("IHHII", 76, 3, 0, 0, 0) + struct.pack("IIIIHH", 1, 1, 0, 0, 40, 0) + data)
FORK, EXEC, EXIT, UNUSED = 1, 2, 0x80000000, 4194304  # more than any id
def fork(parent, child): event(FORK, parent, parent, child, child)
def exit(pid, **at): event(EXIT, pid, pid, 0, 17, 1, 1, **at)
def shown(): return json.loads(pcwatch.stdout.readline())
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.dup2(theirs.fileno(), 9)
promise = sys.argv[2]
pcwatch = subprocess.Popen([sys.argv[1], "--ends" if promise == "end" else "--json"], pass_fds=[9],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE if promise == "end" else None,
                           env={**os.environ, "LD_PRELOAD": "./feed.so"})
if promise == "end":
    ours.close()
    message = pcwatch.communicate()[1]
    assert message == b"pcwatch: cannot follow the processes: the stream has ended: the peer closed it\n", message
    assert pcwatch.returncode == 1, pcwatch.returncode
    sys.exit()
began = now()
fork(1, UNUSED)
shown()
if promise == "large":
    exit(UNUSED, at=2**53 + 1)
    end = shown()
    assert end["timestamp_ns_str"] == "9007199254740993", end
    # What jq and JavaScript make of the number.
    assert int(float(end["timestamp_ns"])) != 2**53 + 1, end
if promise == "step":
    pcwatch.send_signal(signal.SIGSTOP)
    os.waitpid(pcwatch.pid, os.WUNTRACED)
    # pcwatch has looked at the clocks after "began". Its next look is farther from the event.
    was, waited = time.time(), now() - began
    exit(UNUSED)
    time.sleep(0.2 + 2 * waited / 1e9)
    open("stepped", "w").close()
    pcwatch.send_signal(signal.SIGCONT)
    end = shown()
    fork(1, UNUSED)
    after = shown()
    os.unlink("stepped")
    def seconds(event):
        return calendar.timegm(time.strptime(event["time"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(seconds(end) - was) < 60, (was, end)
    assert abs(seconds(after) - was - 3600) < 60, (was, after)
if promise == "first":
    pcwatch.send_signal(signal.SIGSTOP)
    os.waitpid(pcwatch.pid, os.WUNTRACED)
    os.truncate("steps", 0)
    for i in range(5):
        event(EXEC, os.getpid(), os.getpid())
    pcwatch.send_signal(signal.SIGCONT)
    shown_lines = [shown()["cmdline"] for _ in range(5)]
    with open("/proc/self/cmdline", "rb") as own:
        assert shown_lines == 5 * [own.read().decode().split("\0")[:-1]], shown_lines
    with open("steps") as steps:
        order = steps.read().strip("\0")
        assert order == "rrrrrppppp", order
if promise == "kernel":
    fork(2, UNUSED)
    exit(UNUSED)
    assert shown()["event"] == "fork"
    end = shown()
    assert end["comm"] is None, end
pcwatch.terminate()
assert pcwatch.wait() == 0
PYTHON
fed() { # fed PROMISE NAME
	if command -v python3 >/dev/null; then
		timeout 120 python3 feed.py "$pcwatch" "$2" 2>fed.err
		ok $? "$1" fed.err
	else
		skip "$1" "python3 is needed"
	fi
}
cc -O1 -w -shared -fPIC -I"$source/../../include" feed.c -o feed.so -ldl 2>&9 || exit 1
fed "pcwatch --json prints a time above 2^53 ns exactly, as a string" large
fed "an event that was queued when the time of day was set is shown with the time at which it happened" step
fed "an error that lasts ends pcwatch --ends with exit status 1 and one message" end
fed "pcwatch reads the command lines of all programs that have started before it prints any" first
fed "pcwatch does not take the name of kthreadd for that of a kernel thread that has exited" kernel

# ---- Waking up in time ----

cat >attributes.c <<'C'
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Prints the policy and the slice of a process; the slice is 0 before Linux 6.12. */
int main(int argc, char **argv)
{
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, more[2]; } a;
	if (argc != 2 || syscall(SYS_sched_getattr, atoi(argv[1]), &a, sizeof(a), 0) != 0)
		return 1;
	printf("%u %llu\n", a.policy, (unsigned long long)a.runtime);
	return 0;
}
C
cc -w attributes.c -o attributes 2>&9 || exit 1
usual=$(./attributes $$)
case $usual in
"0 0") granted=unchanged granted_json=null asked=$usual ;;
*) granted=slice granted_json='"slice"' asked="0 100000" ;;
esac
start asks --stats; asks=$pid
start leaves --stats --no-hurry; leaves=$pid
start realtime --stats --realtime; realtime=$pid
[ "$(./attributes $asks)" = "$asked" ]
ok $? "pcwatch asks for a short slice"
[ "$(./attributes $leaves)" = "$usual" ]
ok $? "pcwatch --no-hurry leaves its slice and its policy alone"
fifo=$(./attributes $realtime)
case $fifo in 1\ *) expected=realtime ;; *) expected=$granted ;; esac
if [ "$expected" = realtime ]; then [ ! -s realtime.err ]; else sees '^pcwatch: --realtime is not granted: ' realtime.err; fi
ok $? "pcwatch --realtime gets SCHED_FIFO, or says that it does not" realtime.err
stop $asks && sees " wake $granted\$" asks.err
ok $? "pcwatch --stats prints that a short slice was granted" asks.err
stop $leaves && sees ' wake unchanged$' leaves.err
ok $? "pcwatch --stats prints that nothing was asked for with --no-hurry" leaves.err
stop $realtime && sees " wake $expected\$" realtime.err
ok $? "pcwatch --stats prints that the realtime policy was granted" realtime.err
run --duration 0.1 --json --stats && tail -n 1 run.out | sees ",\"wake\":$granted_json}\$"
ok $? "pcwatch --stats --json has what was granted as wake" run.out run.err
if command -v setpriv >/dev/null; then
	setpriv --bounding-set=-sys_nice prlimit --rtprio=0 "$pcwatch" --realtime --stats --duration 0.1 >run.out 2>run.err
	rc=$?
	[ $rc = 0 ] && sees '^pcwatch: --realtime is not granted: ' run.err && sees " wake $granted\$" run.err
	ok $? "pcwatch --realtime without the privilege says so and goes on with what is granted" run.err
else
	skip "pcwatch --realtime without the privilege says so and goes on with what is granted" "setpriv is needed"
fi
run --realtime --spin 10; rc=$?
[ $rc = 2 ] && sees '^pcwatch: --realtime cannot be combined with --spin' run.err
ok $? "pcwatch refuses to spin as a realtime program" run.err
run --realtime --no-hurry; rc=$?
[ $rc = 2 ] && sees '^pcwatch: --realtime cannot be combined with --no-hurry' run.err
ok $? "pcwatch refuses --realtime with --no-hurry" run.err
run --spin 1.5; rc=$?
[ $rc = 2 ] && sees "^pcwatch: --spin: '1.5' is not a number" run.err
ok $? "pcwatch refuses a --spin that is not a whole number" run.err
sleeps() { sed -n 's/^voluntary_ctxt_switches:\t*//p' "/proc/$1/status"; }
start spins --spin 100000000; spins=$pid
start sleeps; sleeper=$pid
before=$(sleeps $spins) sleeper_before=$(sleeps $sleeper)
for _ in 1 2 3 4 5 6 7 8 9 10; do ./actor exit 97; sleep 0.03; done
slept=$(($(sleeps $spins) - before)) sleeper_slept=$(($(sleeps $sleeper) - sleeper_before))
[ $sleeper_slept -ge 10 ] && [ $((3 * slept)) -lt $sleeper_slept ] # writing may sleep
ok $? "pcwatch --spin does not sleep while it waits"
settle spins.out
stop $spins; rc=$?
[ $rc = 0 ] && sees ' exit .* status 97' spins.out
ok $? "pcwatch --spin shows events and ends at a signal" spins.err
stop $sleeper

# ---- The source ----

# layered: each C file has a section in pcwatch.h, and uses only symbols of files with an earlier one.
layered() {
	local file
	{ sed -n 's|^/\* \([a-z]*\.c\): .*|\1|p' "$source/pcwatch.h" && echo main.c; } >order
	sort order | diff - <(cd "$source" && LC_ALL=C ls -- *.c) || return 1
	while read -r file; do
		cc -D_GNU_SOURCE -I"$source/../../include" -c "$source/$file" -o layer.o || return 1
		nm -P layer.o | awk -v file="$file" '{ print file, $2, $1 }'
	done <order >symbols
	awk 'FILENAME == "order" { place[$1] = FNR; next }
		$2 ~ /[TBDRC]/ { home[$3] = $1; next }
		$2 == "U" && $3 in home { uses++ }
		$2 == "U" && place[home[$3]] > place[$1] { print $1, "uses", $3, "of", home[$3]; wrong = 1 }
		END { exit wrong || !uses }' order symbols symbols
}
layered >layers 2>&1
ok $? "each file of pcwatch uses only files that pcwatch.h lists before it" layers

conclude
