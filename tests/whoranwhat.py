#!/usr/bin/env python3
"""The example examples-c/whoranwhat.c, run as a user would. Prints TAP."""
import atexit, codecs, collections, fcntl, os, pwd, re, shutil, signal, subprocess, sys, tempfile, threading, time

sys.dont_write_bytecode = True
from tap import conclude, ok, skip, within

os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/..")
SOURCE = os.path.abspath("examples-c/whoranwhat.c")
work = tempfile.mkdtemp()
# The example shows each process with the command that it has, so a tag makes an argument unlike all others.
TAG = "whoranwhat-test-%d-%d" % (os.getpid(), time.monotonic_ns())
children = []


@atexit.register
def clean_up():
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()
    shutil.rmtree(work)


def start(*command, **options):
    children.append(subprocess.Popen(command, **options))
    return children[-1]


# ---- Lines ----

STRING = rb'"(?:[ !#-\[\]-~]|\\["\\]|\\x[0-9a-f]{2})*"'
TEXT = rb"(?:%s|<[ -;=?-~]+>)" % STRING
LINE = re.compile(
    rb"(?P<kind>\w+) pid=(?P<pid>\d+)(?: parent=(?P<parent>\d+))?(?: comm=(?P<comm>%(s)s))?"
    rb"(?: (?:leader_)?(?P<how>status|killed)=(?P<code>\d+|unknown)( core)?)?(?P<recovered> recovered)?"
    rb" ts=(?P<ts>\d+\.\d+)"
    rb"(?: parent_comm=(?P<parent_comm>%(t)s) user=(?P<user>%(t)s) cgroup=(?P<cgroup>%(t)s)"
    rb"| run_time=(?P<run_time>\d+\.\d{6}|<unknown>))"
    rb" executable=(?P<executable>%(t)s) command=(?P<command>%(t)s(?:,%(s)s)*)(?:,\.\.\.)?(?: command_doubtful)?"
    % {b"s": STRING, b"t": TEXT})
LOSS = re.compile(rb"(un)?synced .*ts=\d+\.\d+")
STARTS = b"execed", b"found", b"started"
ENDS = b"exited", b"vanished"


def words(text):
    """The strings, without their quotes and escapes; nothing if the text could not be read."""
    return [codecs.escape_decode(word[1:-1])[0] for word in re.findall(STRING, text)]


class Log:
    def __init__(self, *arguments, **options):
        self.name = tempfile.mkstemp(dir=work)[1]
        with open(self.name, "w") as log, open(self.name + ".err", "w") as err:
            self.daemon = start(PROGRAM, *arguments, **{"stdout": log, "stderr": err, **options})

    def text(self):
        """The complete lines."""
        with open(self.name, "rb") as file:
            return file.read().rpartition(b"\n")[0]

    def tail(self):
        return "\n".join(map(repr, self.text().split(b"\n")[-6:]))

    def lines(self, kinds, pid, since=0, until=sys.maxsize):
        """The lines of a process, from one time of CLOCK_MONOTONIC to another, because pids are used again."""
        return [line for line in map(LINE.fullmatch, re.findall(rb"^\w+ pid=%d .*$" % pid, self.text(), re.M))
                if line and line["kind"] in kinds and since <= float(line["ts"]) <= until]

    def await_line(self, kinds, pid, name):
        """The line of a process that has this argument."""
        def look():
            found.extend(line for line in self.lines(kinds, pid)
                         if (TAG + name).encode() in words(line["command"]))
            return found
        found = []
        within(10, look)
        return found[0] if found else collections.defaultdict(bytes)

    def await_text(self, pattern, count=1):
        return within(10, lambda: len(re.findall(pattern, self.text(), re.M)) >= count)

    def ready(self):
        self.await_text(rb"^synced")
        return self

    def stop(self):
        """Its exit status, and what it complained about."""
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(), open(self.name + ".err").read().replace(SLICE, "")


SLICE = "whoranwhat: the kernel grants no short slice: some short programs will be gone before they are read\n"


# ---- As its first comment says ----

shutil.copytree("build/stage", work + "/stage", symlinks=True)
os.mkdir(work + "/alone")
shutil.copy(SOURCE, work + "/alone")
with open(SOURCE) as file:
    source = file.read()
command = re.search(r"^ \* +(cc .*)$", source, re.M)[1]
result = subprocess.run(
    command.replace("cc ", "${CC:-cc} -O2 -Wall -Wextra -Wpedantic -Werror -Wl,-rpath,'%s/stage/lib' " % work, 1),
    shell=True, cwd=work + "/alone", text=True, capture_output=True,
    env={**os.environ, "PKG_CONFIG_PATH": work + "/stage/lib/pkgconfig"})
PROGRAM = work + "/alone/whoranwhat"
ok(result.returncode == 0 and os.access(PROGRAM, os.X_OK),
   "it compiles alone, in an empty folder, with the command in its first comment", result)
ok(source.count("\n") <= 150, "it has at most 150 lines", source.count("\n"))

# ---- Who ran what ----

def reader(name, status, *arguments):
    """A program that reads to the end of a pipe, and exits with this status."""
    return start("sh", "-c", "read line; exit %d" % status, TAG + name, *arguments, stdin=subprocess.PIPE)


def release(child):
    child.stdin.close()
    child.wait()


def is_ended(line, how, code, least_s, most_s):
    """Whether the program ended so, and ran so long. (A start from /proc is rounded down to 10 ms.)"""
    return (line["how"], line["code"]) == (how, code) and re.match(rb"\d", line["run_time"]) and \
        least_s <= float(line["run_time"]) <= most_s + 0.02


def now():
    return time.monotonic()


before = now()
early = reader("-early", 7)
within(10, lambda: TAG.encode() in open("/proc/%d/cmdline" % early.pid, "rb").read())
log = Log().ready()
ready = now()
line = log.await_line([b"found"], early.pid, "-early")
ok(words(line["command"])[:1] == [b"sh"], "a program that runs already is logged as found", log.tail())
least = now() - ready
release(early)
line = log.await_line([b"exited"], early.pid, "-early")
ok(is_ended(line, b"status", b"7", least, now() - before),
   "the exit of a program that was found is logged with its status, and the time since its start", log.tail())

ODD = [b"", b'"quoted"', b"back\\slash", b"two\nlines", b"not UTF-8: \xff\xfe", "é".encode(), b"<no>,\t\x7f "]
before = now()
child = reader("-odd", 3, *ODD)
line = log.await_line([b"execed"], child.pid, "-odd")
logged = now()
want = [b"sh", b"-c", b"read line; exit 3", (TAG + "-odd").encode(), *ODD]
ok(words(line["command"]) == want, "a program is logged with its arguments, of which no byte is lost", log.tail())
with open("/proc/self/comm", "rb") as file:
    comm = file.read()[:-1]
got = int(line["parent"] or 0), [words(line[name]) for name in ("parent_comm", "user", "executable")]
ok(got == (os.getpid(), [[comm], [pwd.getpwuid(os.getuid()).pw_name.encode()],
                         [os.fsencode(os.path.realpath(shutil.which("sh")))]]),
   "a program is logged with its parent, user and executable", got)
with open("/proc/self/cgroup") as file:
    cgroups = [os.fsencode(path) for path in re.findall("^[^:]*:[^:]*:(.*)$", file.read(), re.M)]
ok(words(line["cgroup"]) and words(line["cgroup"])[0] in cgroups, "a program is logged with its cgroup", line["cgroup"])
least = now() - logged
release(child)
line = log.await_line([b"exited"], child.pid, "-odd")
ok(is_ended(line, b"status", b"3", least, now() - before) and words(line["command"]) == want,
   "its exit is logged with the status, the run time and the arguments", log.tail())

before = now()
child = reader("-killed", 0)
log.await_line([b"execed"], child.pid, "-killed")
logged = now()
time.sleep(0.1)
least = now() - logged
child.kill()
child.wait()
line = log.await_line([b"exited"], child.pid, "-killed")
ok(is_ended(line, b"killed", b"9", least, now() - before),
   "a program that is killed is logged with the signal and the run time", log.tail())

pid = os.fork() or os._exit(5)
os.waitpid(pid, 0)
child = reader("-after", 0)
log.await_line([b"execed"], child.pid, "-after")
release(child)
log.await_line([b"exited"], child.pid, "-after")
ok(not log.lines(STARTS + ENDS, pid, before), "a process that runs no program is not logged", log.tail())

# ---- A restart ----

def restarts():
    return len(re.findall(rb"^synced .*(?<! recovered) ts=", log.text(), re.M))


RESTARTS = 20
storm, stop_storm = [], threading.Event()


def start_and_end():
    while not stop_storm.is_set():
        begun, status = now(), len(storm) % 50 + 1
        child = start("sh", "-c", "exit %d" % status, TAG + "-storm")
        child.wait()
        children.remove(child)
        storm.append((child.pid, status, begun, now()))


long_lived = reader("-long", 4)
log.await_line([b"execed"], long_lived.pid, "-long")
thread = threading.Thread(target=start_and_end)
thread.start()
restarted = 0
for _ in range(RESTARTS):
    done = restarts()
    in_gap = reader("-gap", 6)
    log.await_line(STARTS, in_gap.pid, "-gap")
    log.daemon.send_signal(signal.SIGHUP)
    release(in_gap)
    restarted += within(10, lambda: restarts() > done)
    storm.append((in_gap.pid, 6, before, now()))
stop_storm.set()
thread.join()
last = reader("-last", 0)
log.await_line(STARTS, last.pid, "-last")
release(last)
log.await_line([b"exited"], last.pid, "-last")
ok(restarted == RESTARTS and log.daemon.poll() is None, "on SIGHUP it restarts, as the same process", log.tail())


def misses(program):
    """Why the lines of this program are not one for its start and one for its exit; None if they are."""
    pid, status, begun, ended = program
    # A line without a command is of a program that was gone when the successor could have read it.
    starts = [line for line in log.lines(STARTS, pid, begun, ended)
              if not words(line["command"]) or b"%b" % TAG.encode() in line["command"]]
    ends = log.lines(ENDS, pid, begun, ended + 1)
    # What the successor has found in /proc, it reports again if the EXEC comes after that.
    execs = [line for line in starts if line["kind"] == b"execed" and not line["recovered"]]
    good = len(execs) == 1 or not execs and starts
    if good and [line["code"] for line in ends] == [b"%d" % status]:
        return None
    return pid, [line[0] for line in starts + ends]


missed = [program for program in map(misses, storm) if program]
ok(len(storm) > 10 and not missed,
   "during restarts, each program that starts and ends is logged once when it starts and once when it exits",
   "%d of %d: %s" % (len(missed), len(storm), missed[:3]))
release(long_lived)
line = log.await_line([b"exited"], long_lived.pid, "-long")
ok(len(log.lines([b"execed"], long_lived.pid, before)) == 1 and line["code"] == b"4",
   "the exit of a program that was started before the restarts is logged with its status and command", log.tail())
wrong = [line for line in log.text().split(b"\n") if not LINE.fullmatch(line) and not LOSS.fullmatch(line)]
ok(not wrong, "every line is one of a program, or of a loss", wrong[:3])
result = log.stop()
ok(result == (0, ""), "on SIGTERM it exits with 0, without a complaint", result)

# ---- An overload ----

def flood(condition):
    """Starts more programs than a small queue holds."""
    for _ in range(60):
        subprocess.run(["true"])
    return condition()


def state_of(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0]


log = Log("8192").ready()
long_lived = reader("-overload", 8)
log.await_line([b"execed"], long_lived.pid, "-overload")
log.daemon.send_signal(signal.SIGSTOP)
within(10, lambda: state_of(log.daemon.pid) == "T")
flood(lambda: True)
unheard = reader("-unheard", 9)
flood(lambda: True)
log.daemon.send_signal(signal.SIGCONT)
ok(log.await_text(rb"^unsynced ") and log.await_text(rb"^synced lost=[1-9]"),
   "an overload is logged with the number of events lost", log.tail())
log.await_line(STARTS, unheard.pid, "-unheard")
release(long_lived)
release(unheard)

# Where other programs keep such a queue full, the EXIT may be lost, too.
line = log.await_line(ENDS, long_lived.pid, "-overload")
ok(line["code"] in (b"8", b"unknown") or line["kind"] == b"vanished",
   "after an overload, the exit of a program from before is logged", line)
line = log.await_line(ENDS, unheard.pid, "-unheard")
ok(line["code"] in (b"9", b"unknown") or line["kind"] == b"vanished",
   "after an overload, a program whose EXEC was lost is logged, and its exit", line)
result = log.stop()
ok(result == (0, ""), "after an overload, it exits with 0 on SIGTERM", result)

reading, writing = os.pipe()
fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
log = Log("8192", stdout=writing)
os.close(writing)
WRITE = {"x86_64": "1", "aarch64": "64"}.get(os.uname().machine)


def is_blocked():
    with open("/proc/%d/syscall" % log.daemon.pid) as file:
        return file.read().split()[:2] == [WRITE, "0x1"]


if WRITE and os.path.exists("/proc/self/syscall"):
    good = within(10, lambda: flood(is_blocked))
    flood(lambda: True)
    received, loss = b"", None
    while good and not loss:
        more = os.read(reading, 65536)
        received += more
        loss = re.search(rb"^synced lost=[1-9]", received, re.M) or not more
    ok(good and loss is not True, "what is lost while nobody reads the log is in the log", received[-2000:])
else:
    skip("what is lost while nobody reads the log is in the log", "/proc shows no system calls here")
os.close(reading)
log.daemon.kill()

# ---- What it cannot do ----

with open("/dev/full", "w") as full:
    result = subprocess.run([PROGRAM], stdout=full, stderr=subprocess.PIPE, text=True, timeout=200)
ok(result.returncode == 1 and "stdout: No space left" in result.stderr,
   "it explains why it cannot write, and exits with 1", result)
result = subprocess.run(["unshare", "--net", PROGRAM], text=True, capture_output=True, timeout=200)
ok(result.returncode == 1 and "network namespace" in result.stderr,
   "it explains why it cannot follow processes, and exits with 1", result)

conclude()
