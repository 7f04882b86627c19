#!/usr/bin/env python3
"""The daemon of examples-c/daemon, by hand and as a service. Prints TAP.

systemd need not be the first process here: a small manager does its part. It gives the daemon what
the shipped unit gives it (an unprivileged user, ambient capabilities, no new privileges, the filters
of system calls and address families, as seccomp has them), and receives its notifications.
"""
import atexit, ctypes, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time


sys.dont_write_bytecode = True
from tap import conclude, ok, skip, within

os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/..")
UNIT = "examples-c/daemon/pcpolicyd.service"
subprocess.run(["tests/needs.sh", "systemd-analyze", "systemd"], stdout=sys.stderr)
work = tempfile.mkdtemp()
os.chmod(work, 0o755)
# Where every user may run it.
DAEMON = shutil.copy("build/examples-c/daemon/pcpolicyd", work)
shutil.copy("build/stage/lib/libproc_connector.so.0", work)
os.environ["LD_LIBRARY_PATH"] = work
target = work + "/pcp-target"  # a program with a name of its own
shutil.copy("/bin/sleep", target)
config = work + "/conf"
with open(config, "w") as file:
    file.write("# the test's\npcp-target -5\n\n")

def our_children():
    with open("/proc/self/task/%d/children" % os.getpid()) as file:
        return [int(pid) for pid in file.read().split()]


@atexit.register
def clean_up():
    while our_children():  # when one ends, its children become ours
        for pid in our_children():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    shutil.rmtree(work)


def status(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def start_target():
    return subprocess.Popen([target, "1000"]).pid


def nice(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)


def renice(pid, value):
    os.setpriority(os.PRIO_PROCESS, pid, value)


def reniced(pid):
    return within(10, lambda: nice(pid) == -5)


def read(name):
    with open(work + "/" + name) as file:
        return file.read()


def flood():
    for _ in range(300):
        subprocess.run(["/bin/true"])


# ---- What the unit asks of its manager ----

def settings(key):
    with open(UNIT) as file:
        return " ".join(re.findall("^%s=(.*)$" % key, file.read(), re.M)).split()


def system_call_numbers(names):
    source = "#include <sys/syscall.h>\n" + "".join("\n= %s SYS_%s" % (n, n) for n in names)
    output = subprocess.run(["cc", "-E", "-P", "-"], input=source, text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    return [int(n) for n in re.findall(r"^= \w+ (\d+)$", output, re.M)]


def filters():
    """RestrictAddressFamilies= and SystemCallFilter=, as a BPF program."""
    def code(operation, value, yes=0, no=0):
        return struct.pack("HBBI", operation, yes, no, value)
    LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
    ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 97  # EAFNOSUPPORT
    families = [getattr(socket, name) for name in settings("RestrictAddressFamilies")]
    program = code(LOAD, 0)
    sockets, = system_call_numbers(["socket"])
    program += code(IF_EQUAL, sockets, 0, len(families) * 2 + 2) + code(LOAD, 16)
    for family in families:
        program += code(IF_EQUAL, family, 0, 1) + code(RETURN, ALLOW)
    program += code(RETURN, REFUSE)
    # systemd itself allows the starting of a program.
    for call in system_call_numbers(settings("SystemCallFilter") + ["execve"]):
        program += code(IF_EQUAL, call, 0, 1) + code(RETURN, ALLOW)
    return program + code(RETURN, KILL)


libc = ctypes.CDLL(None, use_errno=True)
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_NICE": 23}
PROGRAM = filters()


def prctl(*arguments):
    if libc.prctl(*[ctypes.c_ulong(a) for a in arguments + (0,) * (5 - len(arguments))]) != 0:
        raise OSError(ctypes.get_errno(), "prctl%r" % (arguments,))


def confine():
    prctl(8, 1)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    kept = [CAPABILITIES[name] for name in settings("AmbientCapabilities")]
    mask = sum(1 << capability for capability in kept)
    header = struct.pack("Ii", 0x20080522, 0)
    if libc.capset(header, struct.pack("6I", mask, mask, mask, 0, 0, 0)) != 0:
        raise OSError("capset")
    for capability in kept:
        prctl(47, 2, capability)  # PR_CAP_AMBIENT_RAISE
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    buffer = ctypes.create_string_buffer(PROGRAM)
    fprog = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(PROGRAM) // 8, ctypes.addressof(buffer)))
    prctl(22, 2, ctypes.addressof(fprog))  # SECCOMP_MODE_FILTER


class Manager:
    def __init__(self, address):
        self.address = address
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(address.replace("@", "\0"))
        if address[0] != "@":
            os.chmod(address, 0o777)
        self.notify.settimeout(0.5)
        self.pid = 0

    def start(self, log):
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY, 0o644), 2)
            os.closerange(3, 1000)
            confine()
            os.execve(DAEMON, [DAEMON, config], {**os.environ, "NOTIFY_SOCKET": self.address})
        finally:
            os._exit(126)

    def hears(self, line):
        """Whether the daemon says so, within the time limit and before it ends."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                if line in self.notify.recv(4096).decode().split("\n"):
                    return True
            except socket.timeout:
                if not self.pid or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    break
        return False

    def stop(self, number):
        """Its exit status."""
        os.kill(self.pid, number)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return code


prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what a child leaves behind becomes ours

# ---- By hand ----

def run(*arguments, prefix=()):
    return subprocess.run(["timeout", "200", *prefix, DAEMON, *arguments], text=True, capture_output=True)


def start_daemon(log, file=config, prefix=(), options=(), **environment):
    """Returns when the daemon is ready."""
    address = "@pcpolicyd-test-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(work + "/" + log, "w") as log:
        notify.bind(address.replace("@", "\0"))
        notify.settimeout(120)
        child = subprocess.Popen([*prefix, DAEMON, *options, file], stderr=log,
                                 env={**os.environ, "NOTIFY_SOCKET": address, **environment})
        notify.recv(4096)
    return child


def stop(child):
    """Its exit status."""
    child.send_signal(signal.SIGTERM)
    return child.wait()


def stopped(child):
    child.send_signal(signal.SIGSTOP)
    within(5, lambda: status(child.pid)["State"][0] == "T")


with open(work + "/bad", "w") as file:
    file.write("fine 1\n\nworse 20 # too nice\n")
result = run(work + "/bad")
ok(result.returncode == 1 and "bad:3: " in result.stderr, "the daemon explains a wrong line of its file",
   result)
with open(work + "/long", "w") as file:
    file.write("# %s pcp-target 7\n" % ("x" * 253))
result = run(work + "/long")
ok(result.returncode == 1 and "long:1: " in result.stderr, "the daemon rejects a line that is too long",
   result)
result = run(work)
ok(result.returncode == 1 and work in result.stderr, "the daemon names a file that cannot be read",
   result)
result = run("-b", config, prefix=("unshare", "--net"))
ok(result.returncode == 1 and "network namespace" in result.stderr,
   "-b: what fails before the daemon is ready is on the terminal and in the exit status", result)
MOUNT = 'mount -t proc -o hidepid=%s proc /proc && exec "$0" "$@"'
result = run("-u", "nobody", config, prefix=("unshare", "--mount", "sh", "-c", MOUNT % "noaccess"))
ok(result.returncode == 1 and "nobody: /proc hides processes" in result.stderr,
   "-u: the daemon refuses a user that may not read other processes in /proc (hidepid=noaccess)", result)
result = run("-u", "nobody", config, prefix=("unshare", "--mount", "sh", "-c", MOUNT % "invisible"))
ok(result.returncode == 1 and "nobody: /proc hides processes" in result.stderr,
   "-u: the daemon refuses a user that /proc hides processes from (hidepid=invisible)", result)

WRONG = {
    "a space": "pcp target 7",
    "a space and no value": "pcp target",
    "a space before a number": "pcp 1 target 7",
    "a #": "pcp#1 7",
    "a backslash": "pcp\\\\1 7",
    "a quote": 'pcp"1" 7',
    "a quote that is not closed": '"pcp target 7',
    "no space behind a quote": '"pcp target"7',
    "an unknown escape": '"pcp\\q" 7',
    "an escaped NUL": '"pcp\\x00" 7',
    "nothing in quotes": '"" 7',
    "a path": "/usr/bin/pcp-target 7",
    "two rules for a name": 'pcp-target 7\n"pcp-target" 8',
}
for what, lines in WRONG.items():
    with open(work + "/wrong", "w") as file:
        file.write("fine 1\n%s\n" % lines)
    result = run(work + "/wrong")
    last = 2 + lines.count("\n")
    ok(result.returncode == 1 and "wrong:%d: " % last in result.stderr,
       "the daemon rejects a line whose name has %s, and names it" % what
       if "rules" not in what else "the daemon rejects %s, and names the second" % what, result)

early = start_target()
before = our_children()
result = run("-b", "-u", "nobody", config)
value = nice(early)
new = [pid for pid in our_children() if pid not in before]
ok(result.returncode == 0 and len(new) == 1 and result.stderr == "",
   "-b: the command returns when the daemon is ready, and no descriptor of the terminal stays open",
   result)
daemon = new[0]
ok(value == -5, "when the daemon is ready, what ran before has what the policy asks for", value)
ok(reniced(start_target()), "the daemon applies the policy to a program that starts")
got = status(daemon)
ok((got["Uid"].split(), got["CapPrm"], got["CapEff"], got["NoNewPrivs"]) ==
   (["65534"] * 4, "%016x" % (1 << 23), "%016x" % (1 << 23), "1"),
   "-u: the daemon is that user, with CAP_SYS_NICE alone, for good", got)
os.kill(daemon, signal.SIGTERM)
ok(os.waitpid(daemon, 0)[1] == 0, "the daemon ends with 0 on SIGTERM")
before = our_children()
result = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', DAEMON, "-b", config], timeout=200)
daemon, = [pid for pid in our_children() if pid not in before]
good = result.returncode == 0 and reniced(start_target())
os.kill(daemon, signal.SIGTERM)
ok(within(10, lambda: status(daemon)["State"][0] == "Z") and os.waitpid(daemon, 0)[1] == 0 and good,
   "-b: the daemon also works where stdin, stdout and stderr are closed", result)

# ---- Which value wins ----

# A program that for each line starts a child, which at once gives itself another value, and then runs
# the program that the line names, if any.
shutil.copy(sys.executable, work + "/pcp-parent")
with open(work + "/parent", "w") as file:
    file.write("pcp-parent 3\npcp-target -5\n")
CHILDREN = """
import os, time
while True:
    program = input()
    child = os.fork()
    if child == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 9)
        if program:
            os.execl(program, program, "-c", "import time; time.sleep(1000)")
        time.sleep(1000)
        os._exit(0)
    print(child, flush=True)
"""
child = start_daemon("parents", work + "/parent")


def start_parent():
    return subprocess.Popen([work + "/pcp-parent", "-c", CHILDREN], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def child_of(parent, program=""):
    print(program, file=parent.stdin, flush=True)
    child = int(parent.stdout.readline())
    within(10, lambda: nice(child) == 9)
    return child


parent = start_parent()
within(10, lambda: nice(parent.pid) == 3)
time.sleep(0.05)  # /proc gives the start of a child in units of 10 ms
stopped(child)
inherits = child_of(parent)
young_parent = start_parent()
comes_early = child_of(young_parent)
child.send_signal(signal.SIGCONT)
good = reniced(start_target())  # the daemon has heard of the forks, too
ok(good and nice(inherits) == 9,
   "a value that a child gives itself stays, if its parent had what the policy asks for",
   (nice(inherits), read("parents")))
ok(good and nice(comes_early) == nice(young_parent.pid) == 3,
   "a child that was forked before its parent got its value gets it, too", read("parents"))
stopped(child)
renice(parent.pid, 0)
renamed = subprocess.Popen([sys.executable, "-c", "input(); open('/proc/self/comm', 'w').write("
                            "'pcp-target'); input()"], stdin=subprocess.PIPE)
child.send_signal(signal.SIGCONT)
reniced(start_target())  # the daemon has heard of the process by now
renamed.stdin.write(b"\n")
renamed.stdin.flush()
ok(reniced(renamed.pid), "the daemon applies the policy to a process that takes a program's name",
   read("parents"))
ok(nice(parent.pid) == 0, "a value set by hand stays while the daemon runs", read("parents"))
stop(child)
child = start_daemon("again", work + "/parent")
ok(nice(parent.pid) == 3, "a daemon that starts gives its value even to a process reniced by hand",
   read("again"))
with open(work + "/parent", "w") as file:
    file.write("pcp-parent 4\nwrong\n")
child.send_signal(signal.SIGHUP)
good = within(10, lambda: "parent:2: " in read("again"))
ok(good and nice(parent.pid) == 3 and reniced(start_target()),
   "on SIGHUP the daemon explains a wrong file, and its old rules stay in force", read("again"))
with open(work + "/parent", "w") as file:
    file.write("pcp-parent 4\n")
child.send_signal(signal.SIGHUP)
ok(within(10, lambda: nice(parent.pid) == 4),
   "on SIGHUP the daemon applies new rules to what runs already", read("again"))
stop(child)

# ---- Names ----

def copied(name):
    return shutil.copy("/bin/sleep", work + "/" + name)


def runs(*command):
    """Returns the pid when the program runs."""
    child = subprocess.Popen(command).pid
    within(10, lambda: os.path.basename(os.readlink("/proc/%d/exe" % child)) != "python3" and
           open("/proc/%d/cmdline" % child).read().split("\0")[0] == command[0])
    return child


spaces, quotes = copied("pcp game #1"), copied('pcp"\\\t\1')
first, second = copied("pcp-long-name-of-1"), copied("pcp-long-name-of-2")
exact, longer = copied("pcp-fifteen-byt"), copied("pcp-fifteen-bytes")
with open(work + "/pcp-long-name-of-a-script", "w") as file:
    file.write("#!/bin/sh -e\nread line\n")
os.chmod(work + "/pcp-long-name-of-a-script", 0o755)
with open(work + "/named", "w") as file:
    file.write('"pcp game #1"\t-5#a comment\n"pcp\\"\\\\\\t\\x01" -6\n' "pcp-long-name-of-1 -7\n"
               "pcp-long-name-of-a-script -8\npcp-fifteen-byt -9\npcp-renames -10\npcp-other -11\n")
child = start_daemon("names", work + "/named")
pids = [runs(program, "60") for program in (spaces, quotes)]
ok(within(10, lambda: [nice(pid) for pid in pids] == [-5, -6]),
   "a name in quotes may have spaces, #, quotes, backslashes and control characters",
   ([nice(pid) for pid in pids], read("names")))
script = subprocess.Popen([work + "/pcp-long-name-of-a-script"], stdin=subprocess.PIPE).pid
pids = [runs(program, "60") for program in (second, longer, first, exact)] + [script]
good = within(10, lambda: [nice(pid) for pid in pids[2:]] == [-7, -9, -8])
ok(good and [nice(pid) for pid in pids[:2]] == [0, 0],
   "of two programs whose names have the same first 15 bytes, only the one with a rule gets its value",
   ([nice(pid) for pid in pids], read("names")))

# A program that renames itself before the daemon looks, and again afterwards.
renames = shutil.copy(sys.executable, work + "/pcp-renames")
RENAMES = """
while True:
    name = input()
    with open("/proc/self/comm", "w") as file:
        file.write(name)
    print(flush=True)
"""


def rename(process, name):
    print(name, file=process.stdin, flush=True)
    process.stdout.readline()


stopped(child)
renamed = subprocess.Popen([renames, "-c", RENAMES], text=True, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
rename(renamed, "pcp-nothing")
child.send_signal(signal.SIGCONT)
ok(within(10, lambda: nice(renamed.pid) == -10),
   "a program that renames itself after its exec is found by its command line", read("names"))
renice(renamed.pid, 4)
rename(renamed, "pcp-no-rule")
late = runs(spaces, "60")
within(10, lambda: nice(late) == -5)  # the daemon has heard of the renaming, too
ok(nice(renamed.pid) == 4, "a value set by hand stays when the program renames itself", read("names"))
rename(renamed, "pcp-other")
ok(within(10, lambda: nice(renamed.pid) == -11),
   "a program that renames itself gets what its new name asks for", read("names"))
rename(renamed, "pcp-nothing")
renice(renamed.pid, 0)
stop(child)
child = start_daemon("names-2", work + "/named")
ok(nice(renamed.pid) == -10, "a daemon that starts finds a program that has renamed itself", read("names-2"))
stop(child)

# ---- Children from before ----

with open(work + "/kin", "w") as file:
    file.write("pcp-nothing 1\n")
child = start_daemon("family", work + "/kin")
parent = start_parent()
own, inherited = child_of(parent, renames), child_of(parent, renames)
ruled = child_of(parent, shutil.copy(sys.executable, work + "/pcp-ruled"))
for pid in inherited, ruled:
    within(10, lambda: status(pid)["Name"] != "pcp-parent")
    renice(pid, 0)
with open(work + "/kin", "w") as file:
    file.write("pcp-parent 3\npcp-target -5\npcp-ruled 6\n")
child.send_signal(signal.SIGHUP)
good = within(10, lambda: (nice(parent.pid), nice(inherited), nice(ruled)) == (3, 3, 6))
ok(good and nice(own) == 9 and "reniced %d (a child" % ruled not in read("family"),
   "children from before a rule get what they would have inherited, unless they have a value or rule of their own",
   ([nice(pid) for pid in (parent.pid, inherited, ruled, own)], read("family")))
execs = subprocess.Popen(["sh", "-c", 'sleep 60 & echo $!; read line; exec "$0" 60', target], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
older = int(execs.stdout.readline())
time.sleep(0.05)
execs.stdin.write("\n")
execs.stdin.flush()
ok(reniced(execs.pid) and nice(older) == 0,
   "a child that was forked before its parent ran the program keeps its value", read("family"))
stop(child)
child = start_daemon("family-late", work + "/kin")
stopped(child)
young_parent = start_parent()
young, young_own = child_of(young_parent, renames), child_of(young_parent, renames)
for pid in young, young_own:
    within(10, lambda: status(pid)["Name"] == "pcp-renames")
renice(young, 0)
child.send_signal(signal.SIGCONT)
good = within(10, lambda: (nice(young_parent.pid), nice(young)) == (3, 3))
ok(good and nice(young_own) == 9,
   "a child that ran another program before its parent got its value gets it, too", read("family-late"))
stop(child)
for pid in parent.pid, inherited:
    renice(pid, 0)
child = start_daemon("family-2", work + "/kin")
ok((nice(parent.pid), nice(inherited), nice(own)) == (3, 3, 9),
   "when the daemon is ready, children from before have what they would have inherited", read("family-2"))
stop(child)

# ---- Overload ----

by_hand = start_target()
child = start_daemon("overload", RCVBUF_BYTES="4096")
execs = subprocess.Popen(["sh", "-c", 'read line; exec "$0" 1000', target], stdin=subprocess.PIPE)
within(10, lambda: status(execs.pid)["Name"] == "sh")
reniced(start_target())  # the daemon knows the shell by now
stopped(child)
renice(by_hand, 7)
flood()
missed = start_target()
execs.stdin.write(b"\n")
execs.stdin.flush()
within(10, lambda: status(execs.pid)["Name"] == "pcp-target")
flood()
child.send_signal(signal.SIGCONT)
ok(reniced(missed) and "recovered: reniced %d " % missed in read("overload"),
   "a program whose start was lost in an overload gets what the policy asks for", read("overload"))
ok(reniced(execs.pid) and "recovered: reniced %d " % execs.pid in read("overload"),
   "a known process whose exec was lost in an overload gets what the policy asks for", read("overload"))
good = within(10, lambda: re.search("recovered: [1-9][0-9]* events were lost", read("overload")))
log = read("overload")
ok(good and 0 <= log.find("recovering: ") < log.find("recovered: "),
   "the daemon reports that events may be missing before it reports how many were lost", log)
ok(good and nice(by_hand) == 7, "a value set by hand outlasts an overload", read("overload"))
stop(child)

with open(work + "/parent", "w") as file:
    file.write("pcp-parent 3\n")
child = start_daemon("overload-2", work + "/parent", RCVBUF_BYTES="4096")
parent = start_parent()
within(10, lambda: nice(parent.pid) == 3)
time.sleep(0.05)
stopped(child)
flood()
execs = child_of(parent, work + "/pcp-parent")
flood()
child.send_signal(signal.SIGCONT)
ok(within(10, lambda: nice(execs) == 3),
   "a child that ran a program unseen in an overload gets what the policy asks for", read("overload-2"))
stop(child)

# ---- A /proc that hides processes while the daemon runs ----

child = start_daemon("hidden", prefix=("unshare", "--mount", "sh", "-c", MOUNT % "off"),
                     options=("-u", "nobody"), RCVBUF_BYTES="4096")
before = "hides" in read("hidden")
# The machine's own /proc must stay as it is.
if os.stat("/proc/%d/root/proc" % child.pid).st_dev == os.stat("/proc").st_dev:
    sys.exit("Bail out! the daemon did not start in a namespace of its own")
for hidepid, expected in ("invisible", "/proc hides [1-9][0-9]* processes"), ("off", "/proc hides 0 processes"):
    subprocess.run(["nsenter", "--target", str(child.pid), "--mount", "mount", "-o",
                    "remount,hidepid=" + hidepid, "/proc"], check=True)
    stopped(child)
    flood()
    child.send_signal(signal.SIGCONT)
    good = within(10, lambda: re.search(expected, read("hidden")))
    ok(good and not before, "the daemon reports how many processes /proc hides, and when it hides none (hidepid=%s)"
       % hidepid, read("hidden"))
stop(child)

# ---- Processes without a leader ----

LEADERLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).syscall(%d, 0)
""" % system_call_numbers(["exit"])[0]


def start_leaderless():
    process = subprocess.Popen([sys.executable, "-c", LEADERLESS])
    within(10, lambda: status(process.pid)["State"][0] == "Z")
    return process



# ---- Out of descriptors ----

def limit_descriptors(process, number):
    subprocess.run(["prlimit", "--nofile=%d:1024" % number, "--pid", str(process.pid)], check=True)


def lowest_free(process):
    """Returns the lowest descriptor that is free most of the time: what the daemon opens for a moment is free."""
    seen = []
    for _ in range(50):
        seen.append({int(name) for name in os.listdir("/proc/%d/fd" % process.pid)})
        time.sleep(0.005)
    used = set.intersection(*seen)
    return min(set(range(len(used) + 1)) - used)


child = start_daemon("descriptors")
limit_descriptors(child, lowest_free(child))
missed = start_target()
good = within(10, lambda: "RLIMIT_NOFILE" in read("descriptors"))
limit_descriptors(child, 1024)
ok(good and reniced(missed) and reniced(start_target()) and child.poll() is None,
   "the daemon goes on after it has run out of descriptors", read("descriptors"))
stop(child)

# ---- A deaf kernel ----

def open_connector(groups=0):
    connector = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)  # NETLINK_CONNECTOR
    connector.bind((0, groups))
    return connector


def request(connector, operation):
    """A header of netlink (NLMSG_DONE), one of the connector (CN_IDX_PROC), and the operation."""
    message = struct.pack("IHHII", 40, 3, 0, 0, 0) + struct.pack("IIIIHH", 1, 1, 1, 77, 4, 0)
    connector.sendto(message + struct.pack("I", operation), (0, 0))


def is_deaf():
    """Whether the kernel acknowledges nothing, not even an invalid operation."""
    with open_connector(groups=1) as connector:
        request(connector, 9)
        connector.setblocking(False)
        try:
            while struct.unpack_from("I", connector.recv(128), 28)[0] != 78:
                pass
            return False
        except BlockingIOError:
            return True


def deafen():
    """What any process may do from Linux 6.6 on: take listeners away until none is left."""
    for _ in range(10000):
        if is_deaf():
            return True
        with open_connector() as connector:
            request(connector, 9)
            request(connector, 2)  # PROC_CN_MCAST_IGNORE
    return False


sentence = "a program that starts while the kernel is deaf gets what the policy asks for"
if tuple(map(int, re.findall("[0-9]+", os.uname().release)[:2])) < (6, 6):
    skip(sentence, "before Linux 6.6 only a privileged process can make the kernel deaf")
else:
    child = start_daemon("deaf")

    execs = subprocess.Popen(["sh", "-c", 'read line; exec "$0" 1000', target], stdin=subprocess.PIPE)
    reniced(start_target())
    good = deafen()
    execs.stdin.write(b"\n")
    execs.stdin.flush()
    missed = start_target()
    # Of several listeners only the first one that asks is told. The daemon asks once a second.
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        deafen()
    ok(good and reniced(missed) and reniced(execs.pid) and "at least 0 events" in read("deaf"),
       sentence, read("deaf"))
    stop(child)

# ---- Cgroups ----

with open("/proc/self/mounts") as file:
    cgroups = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
group = (cgroups or [""])[0] + "/pcpolicyd-%d" % os.getpid()
sentence = "the daemon moves a program to its cgroup, and leaves a nice value of - alone"
try:
    os.mkdir(group)
except OSError as error:
    skip(sentence, error)
else:
    with open(work + "/cgroups", "w") as file:
        file.write("pcp-target - %s\npcp-parent - %s\n" % (group, group))
    early, parent = start_target(), start_parent()
    its_child = child_of(parent, renames)
    within(10, lambda: status(its_child)["Name"] == "pcp-renames")
    child = start_daemon("moves", work + "/cgroups")
    def is_moved(pid):
        with open("/proc/%d/cgroup" % pid) as file:
            return "0::/%s\n" % os.path.basename(group) in file.read()
    good = is_moved(early)
    late = start_target()
    good = good and within(10, lambda: is_moved(late))
    log = read("moves")
    ok(good and "\nmoved %d (pcp-target)" % late in log and "reniced" not in log and
       os.getpriority(os.PRIO_PROCESS, late) == 0, sentence, log)
    ok(is_moved(parent.pid) and is_moved(its_child),
       "the daemon moves the child that a process forked before it was moved", log)
    stop(child)
    for pid in early, late, parent.pid, its_child:  # when the parent has ended, its child is ours
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with open(group + "/cgroup.procs") as file:
        others = file.read().split()  # targets of the tests above
    for pid in others:
        with open(os.path.dirname(group) + "/cgroup.procs", "w") as file:
            file.write(pid)
    os.rmdir(group)

# ---- As a service ----

for kind, address in ("path", work + "/notify"), ("abstract address", "@pcpolicyd-%d" % os.getpid()):
    manager = Manager(address)
    log = "service-" + kind[:4]
    early = start_target()
    manager.start(work + "/" + log)
    ok(manager.hears("READY=1") and nice(early) == -5,
       "NOTIFY_SOCKET, a%s %s: the daemon is ready when what ran before has its value" %
       ("n"[:kind[0] == "a"], kind), read(log))
    leaderless = start_leaderless()
    good = reniced(start_target())
    leaderless.kill()
    leaderless.wait()
    ok(good and manager.hears("WATCHDOG=1") and reniced(start_target()),
       "NOTIFY_SOCKET, a%s %s: the daemon works under all that the unit forbids" %
       ("n"[:kind[0] == "a"], kind), read(log))
    code = manager.stop(signal.SIGTERM)
    ok(code == 0 and manager.hears("STOPPING=1"),
       "NOTIFY_SOCKET, a%s %s: the daemon says that it stops, and ends with 0" %
       ("n"[:kind[0] == "a"], kind), code)

manager = Manager(work + "/restarts")
for number_of_signal in signal.SIGTERM, signal.SIGKILL:
    name = signal.Signals(number_of_signal).name
    execs = subprocess.Popen(["sh", "-c", 'read line; exec "$0" 1000', target], stdin=subprocess.PIPE)
    manager.start(work + "/before-" + name)
    manager.hears("READY=1")
    manager.stop(number_of_signal)
    between = start_target()
    execs.stdin.write(b"\n")
    execs.stdin.flush()
    within(10, lambda: status(between)["Name"] == status(execs.pid)["Name"] == "pcp-target")
    manager.start(work + "/after-" + name)
    manager.hears("READY=1")
    ok(nice(between) == nice(execs.pid) == -5,
       "after a restart by %s, what started in between has its value when the successor is ready" % name,
       read("after-" + name))
    ok(reniced(start_target()), "after a restart by %s, a program that starts gets its value" % name,
       read("after-" + name))
    manager.stop(signal.SIGTERM)

# A restart in the midst of a storm: whatever the moment at which a program starts.
storm = []
running = threading.Event()


def start_many():
    while not running.is_set():
        storm.append(start_target())
        time.sleep(0.005)


manager.start(work + "/storm-0")
manager.hears("READY=1")
thread = threading.Thread(target=start_many)
thread.start()
restarts = 0
while restarts < 10 or len(storm) < 10:
    restarts += 1
    manager.stop(signal.SIGTERM)
    manager.start(work + "/storm-%d" % restarts)
    manager.hears("READY=1")
running.set()
thread.join()
ok(within(10, lambda: all(nice(pid) == -5 for pid in storm)),
   "restarts while programs start miss none that still runs",
   (len(storm), [pid for pid in storm if nice(pid) != -5]))
for pid in storm:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

early = start_target()
reniced(early)
with open(config, "w") as file:
    file.write("pcp-target -6\n")
os.kill(manager.pid, signal.SIGHUP)
ok(manager.hears("RELOADING=1") and manager.hears("READY=1") and nice(early) == -6,
   "under the unit, a reload applies new rules to what runs already", read("storm-10"))
manager.stop(signal.SIGTERM)
with open(config, "w") as file:
    file.write("pcp-target -5\n")
manager.start(work + "/new-rules")
manager.hears("READY=1")
ok(nice(early) == -5, "a successor applies new rules to what runs already", read("new-rules"))
manager.stop(signal.SIGTERM)

# ---- The unit ----

unit = work + "/pcpolicyd.service"
with open(UNIT) as source, open(unit, "w") as copy:
    copy.write(re.sub("^ExecStart=.*", "ExecStart=%s %s" % (DAEMON, config), source.read(), flags=re.M))
if shutil.which("systemd-analyze"):
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True,
                            capture_output=True)
    ok(result.returncode == 0 and result.stderr == "", "systemd-analyze verify has nothing to say",
       result)
    result = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
                            text=True, capture_output=True)
    ok(result.returncode == 0, "systemd-analyze security: an exposure of at most 2.0",
       result.stdout[-300:] + result.stderr)
else:
    skip("systemd-analyze finds no fault with the unit", "systemd-analyze is not installed")

conclude()
