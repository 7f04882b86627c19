#!/bin/bash
# What docs/kubernetes.md claims, each claim in namespaces and with privileges as a container has them.
# Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/needs.sh unshare util-linux setpriv util-linux >&2
work=$(mktemp -d)
pids=()
trap 'exec 2>/dev/null; kill -9 "${pids[@]}"; wait "${pids[@]}"; rm -rf "$work"' EXIT
. tests/tap.sh
make --no-print-directory build/examples-c/confined/confined build/examples-c/confined/broker \
	>"$work/log" 2>&1
ok $? "the examples of examples-c/confined build" "$work/log"
# Where everybody may run them.
cp build/examples-c/confined/* build/stage/lib/libproc_connector.so.0 "$work"
chmod 755 "$work"
export LD_LIBRARY_PATH=$work
confined=$work/confined broker=$work/broker

refuses() { # refuses WORD SENTENCE COMMAND …: it says why it cannot open
	local word=$1 sentence=$2
	shift 2
	timeout 120 "$@" >"$work/out" 2>&1
	[ $? = 1 ] && grep -q "$word" "$work/out"
	ok $? "$sentence" "$work/out"
}

# start COMMAND …: its output in $work/out, until it shows an exec of ours, by our id.
start() {
	"$@" >"$work/out" 2>&1 &
	pids=($!)
	: >"$work/ours"
	within 10 shows
}
shows() {
	/bin/true & # in a process of its own, whose id we know
	echo "exec $!" >>"$work/ours"
	wait "$!"
	grep -qsxF -f "$work/ours" "$work/out"
}
# The process that prints, which may be a descendant of what was started.
printer() {
	local pid=${pids[0]} child
	while child=$(cut -d ' ' -f 1 "/proc/$pid/task/$pid/children") && [ -n "$child" ]; do
		pid=$child
	done
	echo "$pid"
}
ended() { ! grep -qs '^State:.[^Z]' "/proc/${pids[0]}/status"; }
stop() { # with its exit status
	kill -TERM "$(printer)"
	within 10 ended || kill -KILL "$(printer)"
	wait "${pids[0]}"
	local status=$?
	pids=()
	return $status
}
works() { # works SENTENCE COMMAND …
	local sentence=$1
	shift
	start "$@" && stop
	ok $? "$sentence" "$work/out"
}
default=$((36 << 20))
queue() { sed -n 's/^queue //p' "$work/out"; }
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

refuses 'network namespace' "1. without hostNetwork, opening fails with -ECONNREFUSED" unshare --net "$confined"
refuses 'PID' "2. without hostPID, opening fails with -EOPNOTSUPP" unshare --pid --fork "$confined"
refuses 'user and time namespaces' "3. without hostUsers, opening fails with -EOPNOTSUPP, whatever the capabilities" \
	unshare --user --map-root-user "$confined"
refuses 'user and time namespaces' "3. in a time namespace of its own, opening fails with -EOPNOTSUPP" \
	unshare --time --fork "$confined"
works "3. mount, UTS, IPC and cgroup namespaces of its own do not disturb a listener" unshare --mount --uts --ipc --cgroup "$confined"
release=$(uname -r)
if printf '6.6\n%s\n' "$release" | sort -V -C; then
	works "4. the user nobody can listen, without a capability or a way to one" \
		"${nobody[@]}" --bounding-set=-all --no-new-privs "$confined"
	budget=$(($(cat /proc/sys/net/core/rmem_max) * 2))
	[ "$(queue)" = $((budget < default ? budget : default)) ]
	ok $? "6. the queue of the user nobody is at most twice net.core.rmem_max" "$work/out"
else
	refuses CAP_NET_ADMIN "4. before Linux 6.6, the user nobody cannot listen" "${nobody[@]}" "$confined"
fi
read_only="5. a listener works with a read-only root file system"
if command -v mount >/dev/null; then
	works "$read_only" unshare --mount sh -c "mount --make-rprivate / && mount -o remount,bind,ro / &&
		! touch /writable 2>/dev/null && exec $confined"
else
	skip "$read_only" "mount is needed"
fi
start setpriv --bounding-set=-all,+net_admin,+setuid,+setgid --inh-caps=-all "$confined" && stop &&
	[ "$(queue)" = $default ]
ok $? "6. root with CAP_NET_ADMIN has a queue of full size" "$work/out"
"${nobody[@]}" --bounding-set=-all,+net_admin --inh-caps=-all,+net_admin \
	grep CapEff /proc/self/status >"$work/out"
grep -q '	0000000000000000$' "$work/out"
ok $? "6. CAP_NET_ADMIN in a container has no effect for a user other than root" "$work/out"

start "$confined"
pid=$(printer)
grep -E '^(Uid|CapPrm|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status" >"$work/status"
printf 'Uid:\t65534\t65534\t65534\t65534\nCapPrm:\t%016d\nCapEff:\t%016d\nNoNewPrivs:\t1\nSeccomp:\t2\n' 0 0 |
	diff - "$work/status" >"$work/diff"
ok $? "confined has given up its user, its capabilities, and all other system calls" "$work/diff"
stop
ok $? "confined ends with 0 on SIGTERM, by pc_close()" "$work/out"

(umask 0 && exec "$broker" "$work/socket") 2>"$work/broker.err" & pid_of_broker=$!
within 10 test -S "$work/socket"
apart=(unshare --user --net --pid --fork --mount --uts --ipc --cgroup "$confined" "$work/socket")
start "${nobody[@]}" --no-new-privs "${apart[@]}"
ok $? "a client of the broker receives in namespaces of its own, as nobody" "$work/out"
[ "$(queue)" = $default ]
ok $? "a client of the broker has a queue of full size" "$work/out"
sockets() { find "/proc/$pid_of_broker/fd" -lname 'socket:*' 2>/dev/null | wc -l; }
held=$(sockets)
stop
ok $? "a client of the broker ends with 0 on SIGTERM, by pc_release()" "$work/out"
gone() { [ "$(sockets)" = $((held - 2)) ]; }
within 10 gone
ok $? "the broker ends the subscription of a client that has ended"
cat >"$work/useless.py" <<-'EOF'
	# Takes a socket from the broker, makes it useless, and goes.
	import array, socket, sys
	server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	server.connect(sys.argv[1])
	fds = array.array("i", server.recvmsg(1, 64)[1][0][2])
	SOL_NETLINK, NETLINK_DROP_MEMBERSHIP = 270, 2
	socket.socket(fileno=fds[0]).setsockopt(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, 1)
EOF
useless="the broker holds no socket of a client that made its socket useless"
before=$(sockets)
unchanged() { [ "$(sockets)" = "$before" ]; }
if command -v python3 >/dev/null; then
	for _ in 1 2 3; do
		python3 "$work/useless.py" "$work/socket" 2>"$work/useless.err" || echo failed
	done >"$work/out"
	[ ! -s "$work/out" ] && within 10 unchanged
	ok $? "$useless" "$work/useless.err"
else
	skip "$useless" "python3 is needed"
fi
kill -TERM $pid_of_broker
wait $pid_of_broker && [ ! -s "$work/broker.err" ] && [ ! -e "$work/socket" ]
ok $? "the broker ends with 0 on SIGTERM, and cleans up" "$work/broker.err"

# ---- The image ----

# Runs the commands of the Containerfile without a container engine. $work/image gets exactly the image's files.
if ! echo 'int main(void) { return 0; }' | cc -static -x c - -o "$work/static" 2>/dev/null; then
	skip "the commands of the Containerfile make an image with one file" "there is no static libc"
	conclude
fi
sed -n 's|^RUN ||p' examples-fleet/Containerfile | sed "s|/image|$work/image|g" >"$work/build"
sh -e "$work/build" >"$work/log" 2>&1 && [ "$(cd "$work/image" && find . -type f)" = ./pcwatch ]
ok $? "the commands of the Containerfile make an image with one file" "$work/log"
in_image="the image works with the arguments, mounts and capabilities of kubernetes.yaml"
if [ "$(id -u)" = 0 ] && command -v python3 >/dev/null; then
	sed -n '/^          args:/,/^          env:/s/^            - //p' examples-fleet/kubernetes.yaml |
		sed 's/\$(NODE_NAME)/node-1/' >"$work/arguments"
	cat >"$work/contain.py" <<-'END'
		# Makes the folder of the image a read-only root file system, and runs pcwatch there.
		import ctypes, os, subprocess, sys
		libc = ctypes.CDLL(None)
		def mount(*words):
		    subprocess.run(["mount", *words], check=True)
		mount("--bind", ".", ".")
		os.chdir(os.getcwd())
		os.makedirs("proc")
		os.makedirs("etc")
		os.makedirs("run/pcwatch")
		mount("--rbind", "/proc", "proc")
		for file in "etc/machine-id", "etc/passwd":
		    open(file, "w").close()
		    if os.path.exists("/" + file):
		        mount("--bind", "/" + file, file)
		mount("-t", "tmpfs", "tmpfs", "run/pcwatch")
		mount("-o", "remount,bind,ro", ".")
		os.chroot(".")
		for capability in range(64):
		    if capability != 12:  # CAP_NET_ADMIN
		        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
		libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
		os.execve("/pcwatch", ["/pcwatch", *sys.argv[1:]], {})
	END
	mapfile -t arguments <"$work/arguments"
	(cd "$work/image" && exec unshare --mount python3 "$work/contain.py" "${arguments[@]}") >"$work/out" 2>"$work/err" &
	image=$!
	pids=("$image")
	executed() { /bin/true; grep -q '"event":"exec".*"host":"node-1".*"comm":"true".*"user":"root"' "$work/out"; }
	within 10 executed && grep -qx 'pcwatch_queue_bytes 37748736' "/proc/$image/root/run/pcwatch/pcwatch.prom" &&
		grep -qx 'CapEff:.0000000000001000' "/proc/$image/status"
	ok $? "$in_image" "$work/err" "$work/out"
	kill -TERM $image
	wait $image && tail -n 1 "$work/out" | grep -q '"event":"stats"' && [ ! -s "$work/err" ]
	ok $? "in the image, pcwatch ends with its totals on SIGTERM" "$work/err"
else
	skip "$in_image" "root and python3 are needed"
fi

conclude
