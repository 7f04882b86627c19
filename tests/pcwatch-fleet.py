#!/usr/bin/env python3
"""What pcwatch does for a fleet. Prints TAP.

pcwatch gets made-up events from a socket in the place of the kernel's: this script counts what it sends, needs
no privilege, and disturbs nobody. While pcwatch does not read, sending blocks, as it would not with the kernel.
"""
import atexit, json, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True
from tap import conclude, ok, skip, within

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PCWATCH = os.path.realpath(sys.argv[1]) if len(sys.argv) > 1 else ROOT + "/build/pcwatch"
work = tempfile.mkdtemp()
os.chdir(work)
atexit.register(shutil.rmtree, work, ignore_errors=True)

with open("feed.c", "w") as file:
    file.write("""
#include <proc_connector.h>
int pc_open(struct pc_connector **out, const struct pc_options *options) { return pc_open_fd(out, 9, options); }
int pc_table_open(struct pc_table **out, const struct pc_table_options *options)
{ return pc_table_open_fd(out, 9, options); }
""")
if subprocess.run(["cc", "-w", "-shared", "-fPIC", "-I" + ROOT + "/include", "feed.c", "-o", "feed.so"]).returncode:
    print("Bail out! cc is needed")
    sys.exit(1)

PID = 4194304  # more than any id
FORK, EXEC, EXIT, COMM = 1, 2, 0x80000000, 0x200


class Watch:
    """A pcwatch, and the socket that feeds it."""

    def __init__(self, *options, stdout=subprocess.PIPE, prefix=(), environ={}):
        self.feed, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.feed.settimeout(60)
        spare = os.dup(9) if os.path.exists("/proc/self/fd/9") else None
        os.dup2(theirs.fileno(), 9)
        theirs.close()
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*prefix, PCWATCH, *options], pass_fds=[9], stdout=stdout, stderr=self.errors,
                                        env={**os.environ, **environ, "LD_PRELOAD": work + "/feed.so"})
        os.close(9)
        if spare is not None:
            os.dup2(spare, 9)
            os.close(spare)
        self.sent = 0
        atexit.register(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def event(self, what, *fields, text=b"", cpu=0):
        data = struct.pack("IIQ", what, cpu, time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        data += (struct.pack("%dI" % len(fields), *fields) + text).ljust(24, b"\0")
        self.feed.send(struct.pack("IHHII", 76, 3, 0, 0, 0) + struct.pack("IIIIHH", 1, 1, self.sent, 0, 40, 0) + data)
        self.sent += 1

    def comm(self, name=b"worker", pid=PID):
        self.event(COMM, pid, pid, text=name.ljust(16, b"\0"))

    def execed(self, pid=PID):
        self.event(EXEC, pid, pid)

    def exit(self, code=0, pid=PID):
        self.event(EXIT, pid, pid, code, 17, 1, 1)

    def fork(self, child=PID, parent=1):
        self.event(FORK, parent, parent, child, child)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()


def run(*options):
    return subprocess.run([PCWATCH, *options], capture_output=True, text=True, timeout=120)


def refuses(message, *options):
    ran = run(*options)
    return ran.returncode == 2 and ran.stdout == "" and ran.stderr.splitlines()[0] == "pcwatch: " + message


def contents(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


# ---- Where an object is from ----

identity = {"schema": 1, "host": socket.gethostname(), "boot_id": contents("/proc/sys/kernel/random/boot_id").replace("-", ""),
            "machine_id": contents("/etc/machine-id")}
watch = Watch("--json", "--host")
watch.comm()
first = json.loads(watch.process.stdout.readline())
watch.stop()
ok(identity.items() <= first.items(), "with --host, an object has the machine's name, its id and the boot's", first)
watch = Watch("--json", "--host=node-17")
watch.comm()
first = json.loads(watch.process.stdout.readline())
watch.stop()
ok(first["host"] == "node-17" and "machine_id" in first, "with --host=NAME, that is the machine's name", first)
promise = "with --host, an object has the name that the machine has now"
if os.geteuid() == 0 and shutil.which("unshare"):
    watch = Watch("--json", "--host", prefix=["unshare", "--uts"])
    watch.comm()
    hosts = [json.loads(watch.process.stdout.readline())["host"]]
    subprocess.run(["nsenter", "--uts", "--target", str(watch.process.pid), "hostname", "renamed-node"], check=True)
    while hosts[-1] != "renamed-node" and len(hosts) < 1000:
        time.sleep(0.02)
        watch.comm()
        hosts.append(json.loads(watch.process.stdout.readline())["host"])
    watch.stop()
    ok(hosts[0] == identity["host"] and hosts[-1] == "renamed-node", promise, hosts)
else:
    skip(promise, "unshare and root are needed")
ok(refuses("--host needs --json", "--host") and refuses("--host: '' is not a name of 1 to 64 bytes", "--json", "--host="),
   "--host without --json and an empty name are refused")

conclude()
