#!/bin/bash
# Tests what pcwatch shows about processes besides events, its filters, its commands and its JSON, as root on
# this machine's real process events. Prints TAP.
# usage: tests/pcwatch-more.sh [PCWATCH]
# shellcheck disable=SC2317
set -u
pcwatch=$(realpath "${1:-$(dirname "$0")/../build/pcwatch}")
schema=$(realpath "$(dirname "$0")/../docs/pcwatch.schema.json")
json_page=$(realpath "$(dirname "$0")/../docs/json.md")
sources=$(realpath "$(dirname "$0")/../tools/pcwatch")
steps=$(realpath "$(dirname "$0")/pcwatch-steps.sh")
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
needs cc gcc python3 python3 script bsdutils setsid util-linux setpriv util-linux
tests/needs.sh /usr/lib/python3/dist-packages/jsonschema python3-jsonschema >&2
dir=$(mktemp -d)
trap 'kill -9 "${pids[@]}" 2>/dev/null; rmdir "$group/below" "$group" 2>/dev/null; [ "${KEEP-}" ] || rm -rf "$dir"' EXIT
group=
cd "$dir" || exit 1
chmod 755 .
. "$steps"

shows() { ./actor end 99 mark; [ -s "$1" ]; }
run() { timeout 120 "$pcwatch" "$@" >run.out 2>run.err </dev/null; }
# subscribed PID: it has a socket of the connector's in its group, and sleeps because it has nothing to do.
subscribed() {
	local fd inode
	for fd in /proc/"$1"/fd/*; do
		inode=$(readlink "$fd") && inode=${inode#socket:[} && inode=${inode%]}
		awk -v inode="$inode" '$2 == 11 && $4 == "00000001" && $NF == inode { found = 1 } END { exit !found }' \
			/proc/net/netlink && return
	done
	return 1
}
listening() { subscribed "$1" && sees "^State:.S" "/proc/$1/status" && sees "ep|^0" "/proc/$1/wchan"; }
# Returns when the actor runs.
background() { ./actor "$@" <&8 & actor=$!; pids+=("$actor"); within 5 sees "^\./actor" "/proc/$actor/cmdline"; }
python() { # Debian's python3 if the first one has no jsonschema
	if python3 -c 'import jsonschema' 2>/dev/null; then python3 "$@"; else /usr/bin/python3 "$@"; fi
}

cat >actor.c <<'C'
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
static void wait_for_release(void) { char c; if (read(0, &c, 1)) {} }
int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	if (!strcmp(way, "end"))
		return atoi(argv[2]);
	if (!strcmp(way, "orphan")) { /* its child has another session, and lives until the release */
		if (fork() == 0) {
			setsid();
			if (fork() == 0) {
				wait_for_release();
				_exit(5);
			}
			_exit(0);
		}
		wait(NULL);
		return 3;
	}
	if (!strcmp(way, "flood"))
		for (int i = atoi(argv[2]); i; i--)
			prctl(PR_SET_NAME, "flooding");
	if (!strcmp(way, "flood"))
		return 0;
	if (!strcmp(way, "tracer")) {
		pid_t child = fork();
		if (child == 0)
			pause();
		ptrace(PTRACE_SEIZE, child, 0, 0);
		kill(child, SIGKILL);
		return wait(NULL) != child;
	}
	if (!strcmp(way, "name"))
		prctl(PR_SET_NAME, argv[2]);
	if (!strcmp(way, "user")) {
		if (setgid(65534) || setuid(65534))
			return 1;
		wait_for_release();
		return 4;
	}
	wait_for_release();
	if (!strcmp(way, "kill"))
		raise(atoi(argv[2]));
	if (!strcmp(way, "execs"))
		execl("./actor", "actor", "stays", argv[2], argv[3], NULL);
	return argc > 2 ? atoi(argv[argc - 1]) : 0;
}
C
cc -O1 -w actor.c -o actor 2>&9 || { echo "Bail out! cc is needed"; exit 1; }
chmod 755 actor

# ---- What failed, with its arguments ----

start ends --ends
ends=$pid
start failed --failed
bad=$pid
have_read() { listening "$ends" && listening "$bad"; }
background stay --flag "two words" 7; seven=$actor
within 5 have_read
release
background execs behind 6; six=$actor
printf x >&8
within 5 sees stays "/proc/$six/cmdline"
within 5 have_read
release
within 5 sees " end +$six " ends.out
within 5 sees " end +$six " failed.out
sees " end +$seven +- actor +status 7( \(the leader's\))? after [0-9.]+ s, parent $$ \([^)]*\): \./actor stay --flag \"two words\" 7$" failed.out
ok $? "pcwatch --failed shows which command failed, with its arguments, status, run time and parent" failed.out
sees " end +$six .*: actor stays behind 6$" ends.out && ! sees " end +$six .*actor execs" ends.out
ok $? "pcwatch --ends shows the arguments of the program that a process ran last" ends.out
stop "$ends"
stop "$bad"

# A program whose EXEC was lost.
start gap --ends
gap=$pid
background execs in-the-gap 6; hidden=$actor
within 5 listening "$gap"
kill -STOP "$gap"
within 5 sees '^State:.T' "/proc/$gap/status"
./actor flood 60000
printf x >&8 # now it becomes "actor stays in-the-gap", which waits
within 5 sees stays "/proc/$hidden/cmdline"
kill -CONT "$gap"
within 10 sees " overrun " gap.out
printf x >&8
wait "$hidden"
within 5 sees " end +$hidden " gap.out
sees " end +$hidden .* status 6.*: actor stays in-the-gap 6$" gap.out
ok $? "after a loss, pcwatch --ends knows the command line of a program whose EXEC was lost" gap.out
stop "$gap"

# ---- Columns ----

start shown --events exec --show user,parent,session,nspid,exe,cwd
shown=$pid
# The first session of a machine may have no number: it shows as "-". This one has its leader's.
setsid sh -c './actor stay column 1 <&8 & echo $! >column.pid; wait' & leader=$!; actor=$leader
pids+=("$leader")
within 5 sees . column.pid; column=$(cat column.pid); pids+=("$column")
within 5 sees " exec +$column " shown.out
here=$(pwd -P)
sees " exec +$column +$column actor +root +$leader\([^ ]+\) +$leader +$column +$here/actor +$here +\./actor stay column 1$" shown.out
ok $? "pcwatch --show adds user, parent, session, pid in the container, executable and directory" shown.out
release
stop "$shown"
# A terminal of its own. The actor reads its release from the pipe.
start terminal --events exec --show tty
terminal=$pid
script -qec "./actor stay on-terminal 1 <hold & wait" /dev/null >script.out </dev/null & script=$!
pids+=("$script")
within 5 sees " exec .* \./actor stay on-terminal 1$" terminal.out
printf x >&8
wait $script
sees " exec +[0-9]+ +[0-9]+ actor +pts/[0-9]+ +\./actor stay on-terminal 1$" terminal.out
ok $? "pcwatch --show tty shows the terminal of a process" terminal.out
setsid ./actor stay no-terminal 1 <&8 & pids+=($!)
within 5 sees " exec +[0-9]+ +[0-9]+ actor +- +\./actor stay no-terminal 1$" terminal.out
ok $? "pcwatch --show tty shows - for a process without a terminal" terminal.out
printf x >&8
stop "$terminal"
strace_needed="pcwatch reads about a new program only what it shows"
if command -v strace >/dev/null; then
	strace -qq -f -e trace=openat,readlinkat -o calls "$pcwatch" --events exec >bare.out 2>bare.err & bare=$!
	pids+=("$bare")
	within 10 shows bare.out
	background stay bare 0
	within 5 sees " exec +$actor " bare.out
	release
	grep -oE "\"/proc/${actor}[^\"]*\"|readlinkat.*" calls | sort -u >those
	printf '"/proc/%d/%s"\n' "$actor" cmdline "$actor" comm | cmp -s - those
	ok $? "$strace_needed" those bare.err
	kill -INT "$(pgrep -P "$bare")"
	wait "$bare"
else
	skip "$strace_needed" "strace is needed"
fi

# ---- Containers ----

cat >containers.c <<'C'
#include "pcwatch.h"
#include <string.h>
int main(void)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const struct { const char *cgroup, *container; } ROWS[] = {
		{ "/", NULL }, { "/user.slice/user-0.slice/session-1.scope", NULL },
		{ "/system.slice/docker-" ID ".scope", ID }, { "/docker/" ID, ID },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" ID ".scope", ID },
		{ "/machine.slice/libpod-" ID ".scope/container", ID },
		{ "/docker/" ID "/system.slice/cron.service", ID },
		{ "/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container", ID }, { "/kubepods/burstable/pod1/" ID, ID },
		{ "/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:" ID, ID },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container", ID },
		{ "/system.slice/crio-conmon-" ID ".scope", NULL }, { "/machine.slice/libpod-conmon-" ID ".scope", NULL },
		{ "/docker/x" ID, NULL }, { "/docker/" ID "0", NULL }, { "/" ID "x", NULL },
		{ "/docker/0123", NULL }, { "/lxc.payload.web/init.scope", "web" },
		{ "/machine.slice/machine-web.scope/payload", "web" }, { "/machine.slice/machine-.scope", NULL },
	};
	char buffer[CONTAINER_MAX];
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
		const char *found = container_of(ROWS[i].cgroup, buffer), *expected = ROWS[i].container;
		if (expected ? !found || strcmp(found, expected) : found != NULL)
			return printf("%s: %s\n", ROWS[i].cgroup, found ? found : "none");
	}
	return !is_within("/a", "/a") || !is_within("/a/b", "/a") || is_within("/ab", "/a") || !is_within("/", "/") ||
	       !is_within("/x", "/") || is_within("/", "/a");
}
C
cc -w -D_GNU_SOURCE -I"$sources" -I"$sources/../../include" containers.c "$sources/cgroups.c" -o containers 2>cc.err &&
	./containers >containers.out
ok $? "a container is known from the cgroup's path as Docker, Podman, Kubernetes, LXC and systemd name it" cc.err containers.out

# ---- Filters ----

as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
"$pcwatch" --user nobody --ends --show user >userends.out 2>userends.err & userends=$!
"$pcwatch" --user 65534 --events exec,exit >userexecs.out 2>userexecs.err & userexecs=$!
pids+=("$userends" "$userexecs")
nobody_shown() { "${as_nobody[@]}" ./actor end 98; [ -s userends.out ] && [ -s userexecs.out ]; }
within 10 nobody_shown
background user 4; changed=$actor
background stay other-user 4; other=$actor
printf xx >&8
wait $changed $other
"${as_nobody[@]}" ./actor stay nobodys 7 <&8 & started=$!
pids+=("$started")
within 5 sees " exec +$started .*nobodys" userexecs.out
printf x >&8
wait $started
within 5 sees " end +$started " userends.out
within 5 sees " exit +$started " userexecs.out
sees " end +$changed +- actor +nobody +status 4" userends.out && sees " end +$started .* nobody +status 7" userends.out &&
	! sees " end +$other " userends.out
ok $? "pcwatch --ends --user shows only the processes of that user" userends.out
sees " exec +$started .*\./actor stay nobodys 7$" userexecs.out && sees " exit +$started .* status 7" userexecs.out &&
	! sees " (exec|exit) +$other |setpriv .*nobodys" userexecs.out
ok $? "pcwatch --events --user shows only the events of that user's processes, also when these are gone" userexecs.out
kill -STOP "$userexecs"
within 5 sees '^State:.T' "/proc/$userexecs/status"
"${as_nobody[@]}" ./actor end 6 & started=$!
wait $started
./actor end 6 & other=$!
wait $other
kill -CONT "$userexecs"
within 5 sees " exit +$started .* status 6" userexecs.out && ! sees " exit +$other " userexecs.out
ok $? "pcwatch --user knows whose a process was that was gone before pcwatch ran" userexecs.out
stop "$userends"
stop "$userexecs"

cp actor odd-name
"$pcwatch" --name 'odd*name' --events exec,exit >named.out 2>named.err & named=$!
"$pcwatch" --name 'odd*name' --ends >namedends.out 2>namedends.err & namedends=$!
pids+=("$named" "$namedends")
odd_shown() { ./odd-name end 98; [ -s named.out ] && [ -s namedends.out ]; }
within 10 odd_shown
./actor end 7 & other=$!
wait $other
./odd-name stay 7 <&8 & odd=$!
pids+=("$odd")
within 5 sees " exec +$odd " named.out
printf x >&8
wait $odd
within 5 sees " exit +$odd " named.out
within 5 sees " end +$odd " namedends.out
sees " exec +$odd +$odd odd-name +\./odd-name stay 7$" named.out && ! sees " $other " named.out
ok $? "pcwatch --events --name shows only the events of processes whose names match" named.out
! sees " $other " namedends.out && ! grep -vE " odd-name +status " namedends.out
ok $? "pcwatch --ends --name shows only the exits of processes whose names match" namedends.out
stop "$named"
stop "$namedends"

background stay by-pid 4; mine=$actor
"$pcwatch" --pid "$mine" --events exec,exit --stats >one.out 2>one.err & one=$!
"$pcwatch" --pid "$mine" --ends >oneend.out 2>oneend.err & oneend=$!
pids+=("$one" "$oneend")
within 5 listening $one
within 5 listening $oneend
release
within 5 ended $one && within 5 ended $oneend
wait $one; rc=$?
[ $rc = 0 ] && [ "$(wc -l <one.out)" = 1 ] && sees " exit +$mine .* status 4" one.out
ok $? "pcwatch --pid shows only the events of that process, and ends with it" one.out one.err
wait $oneend; rc=$?
[ $rc = 0 ] && [ "$(wc -l <oneend.out)" = 1 ] && sees " end +$mine .* status 4" oneend.out
ok $? "pcwatch --pid --ends shows the exit of that process, and ends with it" oneend.out oneend.err

# A cgroup of our own, where a hierarchy is mounted that /proc/PID/cgroup shows first.
inside="pcwatch --cgroup shows only the processes in that cgroup and below"
root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ "$root" ] && mkdir "$root/pcwatch-$$" "$root/pcwatch-$$/below" 2>/dev/null; then
	group=$root/pcwatch-$$
	mkdir "$root/pcwatch-$$-not"
	for path in "/pcwatch-$$" "$group/"; do
		"$pcwatch" --cgroup "$path" --events exec,exit --show cgroup >group.out 2>group.err & watch=$!
		"$pcwatch" --cgroup "$path" --ends >groupends.out 2>groupends.err & watchends=$!
		pids+=("$watch" "$watchends")
		enter() { # enter CGROUP STATUS: starts an actor there, which waits for a release
			sh -c 'echo $$ >"$1/cgroup.procs"; exec ./actor stay in-group "$2"' sh "$@" <&8 & entered=$!
			pids+=("$entered")
			within 5 sees "^\./actor" "/proc/$entered/cmdline"
		}
		leave() { printf x >&8; wait "$entered"; }
		group_shown() { enter "$group" 98; leave; [ -s group.out ] && [ -s groupends.out ]; }
		within 10 group_shown
		enter "$group-not" 6; outside=$entered
		leave
		enter "$group/below" 7; below=$entered
		within 5 sees " exec +$below " group.out
		leave
		within 5 sees " exit +$below " group.out
		within 5 sees " end +$below " groupends.out
		sees " exec +$below .* /pcwatch-$$/below +\./actor stay in-group 7$" group.out && ! sees " $outside " group.out groupends.out
		rc=$?
		stop "$watch"
		stop "$watchends"
		[ $rc = 0 ] || break
	done
	ok $rc "$inside" group.out groupends.out group.err
	rmdir "$group-not"
else
	skip "$inside" "a cgroup cannot be made here"
fi

# ---- A command and its family ----

# shows_command NAME OPTION… -- COMMAND…: runs a command that waits for release(), until pcwatch shows it.
shows_command() {
	local name=$1
	shift
	"$pcwatch" "$@" >"$name.out" 2>"$name.err" <&8 & actor=$!
	pids+=("$actor")
	within 5 sees ' exec |"event":"exec"' "$name.err"
}
shows_command run -- ./actor stay argument 7
release; rc=$?
[ $rc = 7 ] && sees " exec +[0-9]+ +- actor +\./actor stay argument 7$" run.err && sees " end +[0-9]+ +- actor +status 7 after .*: \./actor stay argument 7$" run.err && [ ! -s run.out ]
ok $? "pcwatch -- COMMAND shows on stderr what the command does, and passes its exit status on" run.err
echo input | timeout 120 "$pcwatch" -- sh -c 'cat; echo error >&2' >run.out 2>run.err
[ "$(cat run.out)" = input ] && sees '^error$' run.err
ok $? "the command has the stdin, stdout and stderr of pcwatch" run.out run.err
run -- sh -c 'kill -9 $$'; rc=$?
[ $rc = 137 ] && sees " end .* SIGKILL" run.err
ok $? "pcwatch -- COMMAND has exit status 128 + 9 if SIGKILL ended the command" run.err
run -- ./no-such-command; rc=$?
[ $rc = 127 ] && [ "$(cat run.err)" = "pcwatch: ./no-such-command: No such file or directory" ]
ok $? "pcwatch -- COMMAND has exit status 127 and a message if there is no such command" run.err
run -- ./hold; rc=$?
[ $rc = 126 ] && [ "$(cat run.err)" = "pcwatch: ./hold: Permission denied" ]
ok $? "pcwatch -- COMMAND has exit status 126 and a message if it cannot be executed" run.err
timeout 120 unshare --net "$pcwatch" -- ./actor end 3 >run.out 2>run.err; rc=$?
[ $rc = 125 ] && sees "^pcwatch: .*network namespace" run.err
ok $? "pcwatch -- COMMAND has exit status 125, and does not run the command, if no events can be received" run.err
"$pcwatch" -- ./actor orphan >family.out 2>family.err <&8 & family=$!
pids+=("$family")
within 5 sees " end .* status 3 after" family.err
./actor end 96
! ended $family && orphan=$(awk '$2 == "start" { pid = $3 } END { print pid }' family.err) && [ -d "/proc/$orphan" ]
rc=$?
printf x >&8
within 5 ended $family
wait $family; status=$?
[ $rc = 0 ] && [ $status = 3 ] && sees " end +$orphan .* status 5 after" family.err && ! sees "end 96" family.err
ok $? "pcwatch -- COMMAND waits for a daemon that the command started, and shows no other process" family.err
"$pcwatch" --leader -- ./actor orphan >leader.out 2>leader.err <&8 & leader=$!
pids+=("$leader")
within 5 ended $leader
wait $leader; status=$?
[ $status = 3 ] && ! sees " status 5 " leader.err
ok $? "pcwatch --leader -- COMMAND ends with the command" leader.err
printf x >&8
run --failed -- sh -c './actor end 0; ./actor end 5; exit 0'; rc=$?
[ $rc = 0 ] && [ "$(grep -c . run.err)" = 1 ] && sees " end +[0-9]+ +- actor +status 5 after " run.err
ok $? "pcwatch --failed -- COMMAND shows only what failed" run.err
run --output written --json --stats -- ./actor end 4; rc=$?
[ $rc = 4 ] && [ ! -s run.err ] && tail -n 1 written | sees '"event":"stats",.*"end":1,.*"exec":1,'
ok $? "pcwatch --output writes to a file instead" written run.err
"$pcwatch" -- ./actor stay 5 >term.out 2>term.err <&8 & term=$!
pids+=("$term")
within 5 sees " exec " term.err
kill -TERM $term
within 5 ended $term
wait $term; status=$?
[ $status = 143 ] && sees " end .* SIGTERM after" term.err
ok $? "pcwatch passes SIGTERM on to the command, and ends with it" term.err
"$pcwatch" -- sh -c 'trap "" TERM; echo ready; read line' >deaf.out 2>deaf.err <&8 & deaf=$!
pids+=("$deaf")
within 5 sees ready deaf.out
kill -TERM $deaf
sleep 0.1
! ended $deaf
rc=$?
kill -TERM $deaf
within 5 ended $deaf
wait $deaf; status=$?
[ $rc = 0 ] && [ $status = 143 ]
ok $? "a second SIGTERM ends pcwatch although the command goes on" deaf.err
printf '\n' >&8
run --duration 0.3 -- sleep 1; rc=$?
[ $rc = 124 ]
ok $? "pcwatch --duration has exit status 124 if the command has not exited" run.err
sh -c 'read line; ./actor stay of-family 4; exit 6' <&8 & parent=$!
pids+=("$parent")
"$pcwatch" --family "$parent" >byid.out 2>byid.err & byid=$!
pids+=("$byid")
within 5 listening $byid
printf '\n' >&8
within 5 sees " exec .*\./actor stay of-family 4$" byid.out
rc=$?
printf x >&8
within 5 ended $byid
wait $byid; status=$?
[ $rc = 0 ] && [ $status = 0 ] && sees " end +$parent .* status 6" byid.out &&
	[ "$(grep -c ' end ' byid.out)" = 2 ]
ok $? "pcwatch --family shows a running process's descendants and their ends, and ends with the last of them" byid.out byid.err

# ---- JSON ----

cat >bytes.py <<'PYTHON'
import base64, json, os, random, subprocess, sys, time
seed = random.randrange(10**9)
print("seed", seed, file=sys.stderr)
random.seed(seed)
def text(most):
    """Bytes without NUL: mostly valid UTF-8, and sometimes anything."""
    kind = random.randrange(3)
    if kind == 0:
        return bytes(random.randrange(1, 256) for _ in range(random.randrange(1, most)))
    valid = "".join(chr(random.choice((random.randrange(1, 0x100), random.randrange(0x100, 0xd800), random.randrange(0xe000, 0x110000))))
                    for _ in range(random.randrange(1, most // 4)))
    whole = valid.encode()
    return whole[:-1] or b"x" if kind == 2 else whole
def lines():
    with open("bytes.out", "rb") as file:
        return [json.loads(line.decode("utf-8", "strict")) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
def record(event, pid):
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        found = [line for line in lines() if line["event"] == event and line.get("pid") == pid]
        if found:
            return found[-1]
        time.sleep(0.02)
    raise RuntimeError(f"no {event} of {pid}")
def exact(object, key): # as docs/json.md has it
    encoded = object.get(key + "_bytes")
    return base64.b64decode(encoded) if encoded else object[key].encode()
def is_utf8(whole):
    try:
        whole.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True
def check(key, object, got, expected):
    assert got == expected, (key, object, got, expected)
    assert (key + "_bytes" in object) == (not is_utf8(expected)), (key, object)
actor = os.path.abspath("actor").encode()
for _ in range(40):
    name, folder = text(15)[:15], text(40).replace(b"/", b"_")
    arguments = [b"actor", b"name", name, *(text(60) for _ in range(random.randrange(4))), b""]
    folder = b"folder" + folder
    os.mkdir(folder)
    process = subprocess.Popen(arguments, executable=actor, cwd=folder, stdin=subprocess.PIPE)
    renamed, started = record("comm", process.pid), record("exec", process.pid)
    process.communicate(b"x")
    os.rmdir(folder)
    raw = b"".join(argument + b"\0" for argument in arguments)
    if "cmdline_bytes" in started:
        got = base64.b64decode(started["cmdline_bytes"])
    else:
        got = b"".join(argument.encode() + b"\0" for argument in started["cmdline"])
    check("cmdline", started, got, raw)
    check("comm", renamed, exact(renamed, "comm"), name)
    check("cwd", started, exact(started, "cwd"), os.getcwdb() + b"/" + folder)
PYTHON
start bytes --json --events exec,comm
bytes=$pid
timeout 170 python3 bytes.py 2>bytes.err 8<&-
ok $? "pcwatch --json is valid UTF-8 and loses no byte of an argument, a name or a path" bytes.err
stop "$bytes"
shows_command run --json --cmdline-bytes 20 -- ./actor stay cut-behind-this-argument 0
release
sees '"cmdline":\["\./actor","stay","cut-beh"\],"cmdline_truncated":true\}$' run.err
ok $? "pcwatch --cmdline-bytes sets how much of a command line is read" run.err

start all --json --stats
all=$pid
start allends --json --ends --stats
allends=$pid
start allnone --json --host --show none --events exec,exit
allnone=$pid
background user 0
release
setsid ./actor end 1
./actor tracer
background name renamed 0
release
background kill 11
release
kill -STOP "$all" "$allends"
within 5 sees '^State:.T' "/proc/$all/status"
within 5 sees '^State:.T' "/proc/$allends/status"
./actor flood 60000
kill -CONT "$all" "$allends"
within 10 sees '"event":"overrun"' all.out
within 10 sees '"event":"overrun"' allends.out
run --json --stats --output alljob.out -- sh -c './actor end 4; setsid ./actor end 5'
end_shown() { ./actor end 5; sees '"comm":"actor".*"exit_status":5,' allends.out; } # the flood may hide some
within 5 end_shown
stop "$all"
stop "$allends"
stop "$allnone"
cat >schema.py <<'PYTHON'
import collections, json, sys
from jsonschema import Draft202012Validator
with open(sys.argv[1]) as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
# Of the same kind of object, a hundred of each file will do: the flood has thousands.
seen, objects = collections.Counter(), []
for name in sys.argv[3:]:
    for line in open(name, "rb"):
        object = json.loads(line)
        seen[name, object["event"]] += 1
        if seen[name, object["event"]] <= 100:
            objects.append(object)
kinds = {name: Draft202012Validator({**schema, "oneOf": [{"$ref": "#/$defs/" + name}]}) for name in schema["$defs"]}
for object in objects:
    why = [error.context[0].message if error.context else error.message for error in kinds[object["event"]].iter_errors(object)]
    assert not why, (why, object)
kinds = {object["event"] for object in objects}
expected = {"fork", "exec", "exit", "uid", "gid", "sid", "ptrace", "comm", "coredump", "overrun", "unsynced", "start", "end", "stats"}
assert expected <= kinds, expected - kinds
for object in objects[:20] + objects[-20:]:
    assert validator.is_valid(object), object
    assert not validator.is_valid({**object, "another": 1}), object
    for key in "event", "time", "line", "run", "schema":
        assert not validator.is_valid({known: object[known] for known in object if known != key}), (key, object)
# The page names each key.
with open(sys.argv[2]) as file:
    page = file.read()
def names(node):
    if isinstance(node, dict):
        yield from node.get("properties", {}) if isinstance(node.get("properties"), dict) else ()
        for value in node.values():
            yield from names(value)
    elif isinstance(node, list):
        for value in node:
            yield from names(value)
for key in {name for name in names(schema) if not name.endswith(("_str", "_bytes"))}:
    known = key[4:] if key.startswith("old_") else key
    assert known in page or known.replace("gid", "uid") in page, key
PYTHON
if python -c 'import jsonschema' 2>/dev/null; then
	python schema.py "$schema" "$json_page" all.out allends.out allnone.out alljob.out bytes.out 2>schema.err
	ok $? "every line of pcwatch --json is one that docs/pcwatch.schema.json describes, and docs/json.md names its keys" schema.err
else
	skip "every line of pcwatch --json is one that docs/pcwatch.schema.json describes" "python3-jsonschema is needed"
fi
! sees '"(uid|tty|cgroup|cwd|container)":' allnone.out && sees '"event":"exec"' allnone.out
ok $? "pcwatch --json --show none reads nothing but names and command lines" allnone.out

# ---- Options that name what is not there ----

absent() { # absent STATUS REGEX OPTION…: one line says what is not there
	local status=$1 regex=$2 rc
	shift 2
	run "$@"
	rc=$?
	echo "exit status $rc of: $*" >last
	[ $rc = "$status" ] && [ ! -s run.out ] && [ "$(wc -l <run.err)" = 1 ] && sees "^pcwatch: $regex" run.err
}
absent 2 "--user: there is no user 'no-such-user'$" --user no-such-user &&
	absent 2 "--cgroup: there is no cgroup '/no/such/group'" --cgroup /no/such/group &&
	absent 2 "--cgroup: there is no cgroup 'relative'" --cgroup relative &&
	absent 1 "--pid: there is no such process: 4194304$" --pid 4194304 &&
	absent 1 "--family: there is no such process: 4194304$" --family 4194304 &&
	absent 1 "$dir: Is a directory$" --output "$dir"
ok $? "pcwatch says in one line which user, cgroup, process or file is not there" last run.err

conclude
