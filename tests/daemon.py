#!/usr/bin/env python3
"""The daemon of examples-c/daemon, by hand and as a service. Prints TAP.

systemd need not be the first process here: a small manager does its part. It gives the daemon what
the shipped unit gives it (an unprivileged user, ambient capabilities, no new privileges, the filters
of system calls and address families, as seccomp has them), receives its notifications, keeps its
descriptor and hands it to the next instance.
"""
import array, atexit, ctypes, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile, time

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

number = failed = 0


def our_children():
    with open("/proc/self/task/%d/children" % os.getpid()) as file:
        return [int(pid) for pid in file.read().split()]


@atexit.register
def clean_up():
    for pid in our_children():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(work)


def ok(good, sentence, why=""):
    global number, failed
    number += 1
    failed |= not good
    print("%s %d - %s" % ("ok" if good else "not ok", number, sentence))
    if not good:
        print("".join("# %s\n" % line for line in str(why).splitlines()[-12:]), end="")
    sys.stdout.flush()


def skip(sentence, why):
    global number
    number += 1
    print("ok %d - %s # SKIP %s" % (number, sentence, why))


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def status(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def start_target():
    return subprocess.Popen([target, "60"]).pid


def reniced(pid):
    return within(10, lambda: os.getpriority(os.PRIO_PROCESS, pid) == -5)


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
    def __init__(self, address, environment={}):
        self.address = address
        self.environment = environment
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(address.replace("@", "\0"))
        if address[0] != "@":
            os.chmod(address, 0o777)
        self.notify.settimeout(10)
        self.stored = {}
        self.pid = 0

    def start(self, log):
        environment = {**os.environ, "NOTIFY_SOCKET": self.address, **self.environment}
        names = list(self.stored)
        self.pid = os.fork()
        if self.pid:
            return
        try:
            if names:
                environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)),
                                   LISTEN_FDNAMES=":".join(names))
            stored = [os.dup(self.stored[name]) for name in names]
            os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY, 0o644), 2)
            for i, fd in enumerate(stored):
                os.dup2(fd, 3 + i)
            os.closerange(3 + len(stored), 1000)
            confine()
            os.execve(DAEMON, [DAEMON, config], environment)
        finally:
            os._exit(126)

    def hears(self, line):
        """Whether the daemon says so, within the time limit. Descriptors are kept by their names."""
        while True:
            try:
                text, control, _, _ = self.notify.recvmsg(4096, 64)
            except socket.timeout:
                return False
            lines = text.decode().split("\n")
            for level, kind, data in control:
                fds = array.array("i")
                fds.frombytes(data)
                name = [l[7:] for l in lines if l.startswith("FDNAME=")]
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and name:
                    self.stored[name[0]] = fds[0]
            if line in lines:
                return True

    def stop(self, number):
        """Its exit status."""
        os.kill(self.pid, number)
        return self.wait()

    def wait(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return code


# ---- By hand ----

def run(*arguments, prefix=()):
    return subprocess.run([*prefix, DAEMON, *arguments], text=True, capture_output=True, timeout=20)


with open(work + "/bad", "w") as file:
    file.write("fine 1\n\nworse 20 # too nice\n")
result = run(work + "/bad")
ok(result.returncode == 1 and "bad:3: " in result.stderr, "what is wrong in the file is explained",
   result)
with open(work + "/long", "w") as file:
    file.write("# %s pcp-target 7\n" % ("x" * 253))
result = run(work + "/long")
ok(result.returncode == 1 and "long:1: " in result.stderr, "so is a line that is too long", result)
result = run(work)
ok(result.returncode == 1 and work in result.stderr, "and what cannot be read", result)
result = run("-b", config, prefix=("unshare", "--net"))
ok(result.returncode == 1 and "network namespace" in result.stderr,
   "-b: what fails before it is ready is on the terminal and in the exit status", result)

prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what it leaves in the background becomes our child
early = start_target()
before = our_children()
result = run("-b", "-u", "nobody", config)
new = [pid for pid in our_children() if pid not in before]
ok(result.returncode == 0 and len(new) == 1 and result.stderr == "",
   "-b: it returns when the daemon is ready, and no descriptor of the terminal stays open", result)
daemon = new[0]
ok(reniced(early), "it applies the policy to what runs already")
ok(reniced(start_target()), "it applies the policy to what is started")
got = status(daemon)
ok((got["Uid"].split(), got["CapPrm"], got["CapEff"], got["NoNewPrivs"]) ==
   (["65534"] * 4, "%016x" % (1 << 23), "%016x" % (1 << 23), "1"),
   "-u: it is that user, with CAP_SYS_NICE alone, for good", got)
os.kill(daemon, signal.SIGTERM)
ok(os.waitpid(daemon, 0)[1] == 0, "it ends with 0 on SIGTERM")
before = our_children()
result = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', DAEMON, "-b", config], timeout=20)
daemon, = [pid for pid in our_children() if pid not in before]
good = result.returncode == 0 and reniced(start_target())
os.kill(daemon, signal.SIGTERM)
ok(within(10, lambda: status(daemon)["State"][0] == "Z") and os.waitpid(daemon, 0)[1] == 0 and good,
   "-b: it also works where stdin, stdout and stderr are closed", result)

# ---- Overload ----

with open(work + "/overload", "w") as log:
    child = subprocess.Popen([DAEMON, config], stderr=log, env={**os.environ, "RCVBUF_BYTES": "4096"})
reniced(start_target())
child.send_signal(signal.SIGSTOP)
within(5, lambda: status(child.pid)["State"][0] == "T")
flood()
missed = start_target()
flood()
child.send_signal(signal.SIGCONT)
ok(reniced(missed) and "scan: reniced %d " % missed in read("overload"),
   "what was lost in an overload is made up for", read("overload"))
child.send_signal(signal.SIGTERM)
child.wait()

# ---- Cgroups ----

with open("/proc/self/mounts") as file:
    cgroups = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
group = (cgroups or [""])[0] + "/pcpolicyd-%d" % os.getpid()
sentence = "it moves what is started to its cgroup, and leaves a nice value of - alone"
try:
    os.mkdir(group)
except OSError as error:
    skip(sentence, error)
else:
    with open(work + "/cgroups", "w") as file:
        file.write("pcp-target - %s\n" % group)
    with open(work + "/moves", "w") as log:
        child = subprocess.Popen([DAEMON, work + "/cgroups"], stderr=log)
    early = start_target()
    def is_moved(pid):
        with open("/proc/%d/cgroup" % pid) as file:
            return "0::/%s\n" % os.path.basename(group) in file.read()
    good = within(10, lambda: is_moved(early))
    late = start_target()
    good = good and within(10, lambda: is_moved(late))
    log = read("moves")
    ok(good and "exec: moved %d (pcp-target)" % late in log and "reniced" not in log and
       os.getpriority(os.PRIO_PROCESS, late) == 0, sentence, log)
    child.terminate()
    child.wait()
    with open(group + "/cgroup.procs") as file:
        members = [int(pid) for pid in file]
    for pid in members:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    within(10, lambda: subprocess.run(["rmdir", group], stderr=subprocess.DEVNULL).returncode == 0)

# ---- As a service ----

for kind, address in ("path", work + "/notify"), ("abstract address", "@pcpolicyd-%d" % os.getpid()):
    manager = Manager(address)
    first, second = work + "/first-" + kind[:4], work + "/second-" + kind[:4]
    manager.start(first)
    ok(manager.hears("READY=1"), "NOTIFY_SOCKET, a%s %s: it says that it is ready" %
       ("n"[:kind[0] == "a"], kind), open(first).read())
    ok(manager.hears("WATCHDOG=1") and reniced(start_target()),
       "it works under all that the unit forbids", open(first).read())
    code = manager.stop(signal.SIGUSR1)
    ok(code == 0 and manager.hears("FDSTORE=1") and list(manager.stored) == ["process-events"],
       "it leaves its socket in the FD store", manager.stored)
    between = start_target()
    manager.start(second)
    manager.hears("READY=1")
    ok(reniced(between) and "exec: reniced %d " % between in open(second).read() and
       "scan:" not in open(second).read(),
       "its successor hears of what happened between the two", open(second).read())
    ok(reniced(start_target()), "and of what happens now")
    code = manager.stop(signal.SIGTERM)
    ok(code == 0 and manager.hears("STOPPING=1"), "it says that it stops, and ends with 0", code)

manager = Manager(work + "/notify3")
with open(config, "w") as file:
    file.write("# no rules yet\n")
manager.start(work + "/fifth")
manager.hears("READY=1")
early = start_target()
manager.stop(signal.SIGUSR1)
manager.hears("FDSTORE=1")
with open(config, "w") as file:
    file.write("pcp-target -5\n")
manager.start(work + "/sixth")
manager.hears("READY=1")
ok(reniced(early), "its successor applies new rules to what runs already", read("sixth"))
manager.stop(signal.SIGTERM)

manager = Manager(work + "/notify2", {"RCVBUF_BYTES": "4096"})
manager.start(work + "/third")
manager.hears("READY=1")
manager.stop(signal.SIGUSR1)
manager.hears("FDSTORE=1")
flood()
missed = start_target()
manager.start(work + "/fourth")
manager.hears("READY=1")
ok(reniced(missed) and "scan: reniced %d " % missed in read("fourth"),
   "what was lost between the two is made up for", read("fourth"))
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

print("1..%d" % number)
sys.exit(failed)
