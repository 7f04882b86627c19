#!/usr/bin/env python3
"""What pcwatch does for a fleet. Prints TAP.

pcwatch gets made-up events from a socket in the place of the kernel's: this script counts what it sends, needs
no privilege, and disturbs nobody. While pcwatch does not read, sending blocks, as it would not with the kernel.
"""
import array, atexit, ctypes, fcntl, json, os, re, resource, select, shlex, shutil, signal, socket, struct, subprocess, sys, tempfile, termios, time

sys.dont_write_bytecode = True
from tap import conclude, ok, skip, within

for package in "jsonschema", "prometheus_client":
    subprocess.run([os.path.dirname(os.path.abspath(__file__)) + "/needs.sh", "/usr/lib/python3/dist-packages/" + package,
                    "python3-" + package.replace("_", "-")], stdout=sys.stderr)
subprocess.run([os.path.dirname(os.path.abspath(__file__)) + "/needs.sh", "promtool", "prometheus"], stdout=sys.stderr)
try:
    from jsonschema import Draft202012Validator
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.access("/usr/bin/python3", os.X_OK):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])  # Debian's, which has what Debian installs
    Draft202012Validator = text_string_to_metric_families = None

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PCWATCH = os.path.realpath(sys.argv[1]) if len(sys.argv) > 1 else ROOT + "/build/pcwatch"
work = tempfile.mkdtemp()
UMASK = os.umask(0)
os.umask(UMASK)
os.chdir(work)
atexit.register(shutil.rmtree, work, ignore_errors=True)

if subprocess.run(["cc", "-w", "-shared", "-fPIC", "-I" + ROOT + "/include", ROOT + "/tests/fleet/feed.c", "-o", "feed.so", "-ldl"]).returncode:
    print("Bail out! cc is needed")
    sys.exit(1)

NOTHING = os.open("/dev/null", os.O_RDWR)
os.dup2(NOTHING, 9)  # no other descriptor gets this number
PID = 4194304  # more than any id
FORK, EXEC, EXIT, COMM = 1, 2, 0x80000000, 0x200


class Watch:
    """A pcwatch, and the socket that feeds it."""

    def __init__(self, *options, stdout=subprocess.PIPE, prefix=(), environ={}):
        self.feed, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.feed.settimeout(60)
        os.dup2(theirs.fileno(), 9)
        theirs.close()
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*prefix, PCWATCH, *options], pass_fds=[9], stdout=stdout, stderr=self.errors,
                                        env={**os.environ, **environ, "LD_PRELOAD": work + "/feed.so"})
        os.dup2(NOTHING, 9)
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

    def has_received_all(self):
        return struct.unpack("i", fcntl.ioctl(self.feed, termios.TIOCOUTQ, struct.pack("i", 0)))[0] == 0

    def stop(self, number=signal.SIGTERM):
        """Stops pcwatch when it has received everything: what is still queued at a signal is for the next run."""
        within(60, self.has_received_all)
        self.process.send_signal(number)
        return self.process.wait(60)

    def said(self):
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode()  # the offset is that of pcwatch


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
ok(refuses("--host needs --json", "--host") and refuses("--host: the name '' must have 1 to 64 bytes", "--json", "--host="),
   "--host without --json and an empty name are refused")

# ---- A reader that does not read ----

validator = None
if Draft202012Validator:
    with open(ROOT + "/docs/pcwatch.schema.json") as file:
        validator = Draft202012Validator(json.load(file))


def numbers(lines, produced):
    """Says what is wrong with the numbers: received + announced lost == produced."""
    last = announced = 0
    for line in lines:
        missing = line["line"] - last - 1
        if missing != (line["dropped"] if line["event"] == "dropped" else 0):
            return "line %d comes after %d: %s" % (line["line"], last, line)
        announced += missing
        last = line["line"]
    received = sum(line["event"] not in ("dropped", "stats") for line in lines)
    if received + announced != produced:
        return "%d received, %d announced, %d produced" % (received, announced, produced)
    return None


def invalid(lines):
    """Returns lines of rare kinds that the schema does not describe."""
    rare = [line for line in lines if line["event"] in ("dropped", "stats", "overrun")] + lines[:3]
    return [line for line in rare if validator and not validator.is_valid(line)]


class Reader:
    """Reads the lines of a pipe or a socket when it is asked to."""

    def __init__(self, fd):
        self.fd, self.rest, self.lines = fd, b"", []

    def read(self):
        data = os.read(self.fd, 1 << 20)
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.lines += map(json.loads, lines)
        return bool(data)

    def until(self, condition):
        while not condition(self.lines):
            if not self.read():
                return False
        return True


EVENTS = 30000  # of which the buffer does not hold a tenth
for kind in "pipe", "socket":
    if kind == "pipe":
        end, theirs = os.pipe()
    else:
        ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        end, theirs = ours.detach(), other.detach()
    watch = Watch("--json", "--host", "--show", "none", "--stats", "--drop=1000000", stdout=theirs)
    os.close(theirs)
    reader = Reader(end)
    watch.comm()
    reader.until(len)
    for part in range(3):
        for _ in range(EVENTS):
            watch.comm()  # which blocks, and fails after a minute, if pcwatch does not read
        # The announcement comes as soon as there is room, and not with the next event.
        reader.until(lambda lines: sum(line["event"] == "dropped" for line in lines) > part)
    watch.fork()
    reader.until(lambda lines: lines[-1]["event"] == "fork")
    memory = next(int(line.split()[1]) for line in open("/proc/%d/status" % watch.process.pid) if line.startswith("VmHWM"))
    watch.process.send_signal(signal.SIGTERM)
    while reader.read():
        pass
    wrong = numbers(reader.lines, watch.sent)
    ok(watch.process.wait(60) == 0 and not wrong and not reader.rest,
       "while the reader of a %s stops, pcwatch --drop goes on: received + announced lost == produced" % kind,
       (wrong, watch.said()))
    drops = [line for line in reader.lines if line["event"] == "dropped"]
    final = reader.lines[-1]
    ok(final["event"] == "stats" and final["dropped"] == sum(drop["dropped"] for drop in drops) > EVENTS
       and len(drops) < 30 and not invalid(reader.lines),
       "the totals have the number of dropped lines, and the schema describes the announcements", (final, drops))
    ok(memory < 12000, "the buffer of pcwatch --drop does not grow", "%d KiB" % memory)
    os.close(end)

# Losses of events that were to be announced while nobody read.
end, theirs = os.pipe()
watch = Watch("--json", "--show", "none", "--drop=131072", stdout=theirs)
os.close(theirs)
reader = Reader(end)
watch.comm()
reader.until(len)
for lost in (7, 30):
    for _ in range(3000):
        watch.comm()
    if lost:
        watch.comm(b"lost", pid=lost)
reader.until(lambda lines: lines[-1]["event"] == "dropped")
drops = [line["lost"] for line in reader.lines if line["event"] == "dropped"]
for _ in range(3000):
    watch.comm()
watch.comm(b"lost", pid=0)
reader.until(lambda lines: lines[-1]["event"] == "dropped" and lines[-1]["lost"] is None)
ok(drops == [37], "the announcement of dropped lines has the number of lost events that they reported", reader.lines[-1])
watch.stop()
os.close(end)

for drop in "--drop=131072", None:
    end, theirs = os.pipe()
    watch = Watch("--json", "--show", "none", "--stats", *filter(None, [drop]), stdout=theirs)
    os.close(theirs)
    watch.comm()
    within(5, lambda: select.select([end], [], [], 0)[0])
    watch.feed.settimeout(1)
    try:
        for _ in range(20000):
            watch.comm()
    except TimeoutError:
        pass
    stuck = watch.sent < 20000
    start = time.monotonic()
    watch.process.send_signal(signal.SIGTERM)
    status, said = watch.process.wait(60), watch.said()
    if drop:
        ok(not stuck and status == 0 and re.fullmatch(r"pcwatch: stdout: the reader did not take the last \d+ lines\n", said)
           and time.monotonic() - start < 30,
           "at the end, pcwatch --drop waits a moment, and says how many lines the reader has not taken", (stuck, status, said))
        reader = Reader(end)
        while reader.read():
            pass
        # The last that would have come are the announcement, which stands for the lines before it, and the totals.
        left = int(re.search(r"last (\d+) lines", said)[1])
        ok(reader.lines[-1]["line"] < 20001 and left < 2000 and numbers(reader.lines, len(reader.lines)) is None and not reader.rest,
           "what the reader finds after that are whole lines", reader.lines[-1])
    else:
        ok(stuck and status == 0, "without --drop, pcwatch waits for the reader, and the kernel's queue fills", watch.sent)
    os.close(end)

# As text.
end, theirs = os.pipe()
watch = Watch("--drop=131072", stdout=theirs)
os.close(theirs)
watch.comm()
text = os.read(end, 1 << 20)
for _ in range(10000):
    watch.comm()
while b" dropped " not in text:
    text += os.read(end, 1 << 20)
watch.stop()
while data := os.read(end, 1 << 20):
    text += data
os.close(end)
announced = re.findall(rb"^\d\d:\d\d:\d\d\.\d{3} dropped  .* dropped (\d+) lines since \d\d:\d\d:\d\d\.\d{3}$", text, re.MULTILINE)
ok(text.count(b" comm ") + sum(map(int, announced)) == watch.sent, "pcwatch --drop announces in text, too, how many lines it has dropped",
   (text.count(b" comm "), announced, watch.sent))

# A file that takes no more, as on a full disk, and takes some later. A limit does that without a disk.
limit, more = 300000, 900000
watch = Watch("--json", "--show", "none", "--stats", "--drop=131072", "--output", "full.out")
resource.prlimit(watch.process.pid, resource.RLIMIT_FSIZE, (limit, limit * 100))
for _ in range(5000):
    watch.comm()
full = within(5, lambda: "too large" in watch.said())
whole = open("full.out", "rb").read().endswith(b"\n")
for _ in range(100):
    watch.comm()
resource.prlimit(watch.process.pid, resource.RLIMIT_FSIZE, (limit * 100, limit * 100))
within(5, lambda: b'"dropped"' in open("full.out", "rb").read())
watch.comm()
status = watch.stop()
lines = [json.loads(line) for line in open("full.out", "rb").read().splitlines()]
wrong = numbers(lines, watch.sent)
ok(full and whole and status == 0 and not wrong and watch.said() == "pcwatch: full.out: File too large\n",
   "when a file takes no more, pcwatch --drop says so once, and goes on when there is room: nothing is uncounted",
   (full, whole, status, wrong, watch.said()))
# A server that is not there yet, goes away and comes again.
watch = Watch("--json", "--show", "none", "--stats", "--drop=131072", "--output", "unix:server")
watch.comm()
received, lasts = [], []
for round in range(3):
    waiting = within(5, lambda: watch.said().count("\n") == round + 1)
    for _ in range(5000 * round):
        watch.comm()
    time.sleep(0.2)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind("server")
    server.listen()
    server.settimeout(60)
    reader = Reader(server.accept()[0].detach())
    server.close()
    os.unlink("server")
    for _ in range(10):
        watch.comm()
    reader.until(lambda lines: sum(line.get("dropped", 1) for line in received + lines) == watch.sent)
    received += reader.lines
    if round < 2:
        os.close(reader.fd)
        watch.comm()
        lasts += [waiting]
watch.process.send_signal(signal.SIGTERM)
reader.lines = []
while reader.read():
    pass
received += reader.lines
wrong, code, said = numbers(received, watch.sent), watch.process.wait(60), watch.said()
ok(not wrong and code == 0 and received[-1]["event"] == "stats" and re.fullmatch(
    r"pcwatch: unix:server: No such file or directory\n(pcwatch: unix:server: Broken pipe\n){2}", said),
   "pcwatch --drop --output unix:PATH connects again to a server that was gone: nothing is uncounted", (wrong, code, said))
os.close(reader.fd)
watch = Watch("--output", "unix:server")
ok(watch.process.wait(60) == 1 and watch.said() == "pcwatch: unix:server: No such file or directory\n",
   "without --drop, pcwatch does not start if there is no server", watch.said())

# A line that a server has got in part goes to the next one as a whole.
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind("parts")
server.listen()
watch = Watch("--json", "--show", "none", "--drop", "--cmdline-bytes=1000000", "--output", "unix:parts")
watch.comm()
first = server.accept()[0]
# Its command line is longer than what a socket takes at once.
long = subprocess.Popen(["sh", "-c", "read line", "x" * 100000, "y" * 100000, "z" * 100000], stdin=subprocess.PIPE)
within(5, lambda: contents("/proc/%d/cmdline" % long.pid))  # empty for a moment while the program starts
for _ in range(3):
    watch.execed(long.pid)
within(5, lambda: array.array("i", fcntl.ioctl(first, termios.FIONREAD, struct.pack("i", 0)))[0] > 100000)
time.sleep(0.2)
first.close()
reader = Reader(server.accept()[0].detach())
watch.comm()
try:
    reader.until(lambda lines: lines and lines[-1]["line"] == watch.sent)
    numbered, why = [line["line"] for line in reader.lines], ""
except ValueError as error:
    numbered, why = [], error
ok(numbered == [2, 3, 4, 5], "the next server gets whole lines, from the one on that the last server has not got the end of",
   (numbered, why))
long.communicate()
watch.stop()
server.close()

# A log that is renamed, as logrotate does it.
with open("log", "w") as file:
    file.write("earlier\n")
watch = Watch("--json", "--show", "none", "--drop", "--output", "log", "--append")
watch.comm()
within(5, lambda: contents("log").endswith("}"))
os.rename("log", "log.1")
watch.process.send_signal(signal.SIGHUP)
within(5, lambda: os.path.exists("log"))
watch.comm()
within(5, lambda: contents("log").endswith("}"))
watch.stop()
old, new = contents("log.1").splitlines(), contents("log").splitlines()
ok(old[0] == "earlier" and json.loads(old[1])["line"] == 1 and [json.loads(line)["line"] for line in new] == [2],
   "with --append, a file keeps what it has, and is opened again at SIGHUP", (old, new))
# A power loss can leave a part of a line.
with open("torn", "w") as file:
    file.write('{"host":"torn","boo')
for count in 1, 2:
    watch = Watch("--json", "--show", "none", "--drop", "--output", "torn", "--append")
    watch.comm()
    within(5, lambda: contents("torn").count("}") == count)
    watch.stop()
torn = contents("torn").splitlines()
ok(torn[0] == '{"host":"torn","boo' and [json.loads(line)["line"] for line in torn[1:]] == [1, 1],
   "with --append, the first line does not continue a part of a line", torn)
ok(refuses("--append needs the name of a file with --output", "--append")
   and refuses("--output: the path in 'unix:' must have 1 to 107 bytes", "--output=unix:"), "wrong outputs are explained")

ok(refuses("--drop: '1000' is below the minimum, 131072 bytes", "--drop=1000")
   and refuses("--drop: 'x' is not a number above 0 and below 1000000000", "--drop=x")
   and refuses("--tree cannot be combined with --drop or --metrics", "--tree", "--drop"), "a buffer that is too small is refused")

# ---- Metrics ----


def metrics(path):
    """Returns the values of a file in Prometheus's format by name and label; {} if there is none."""
    try:
        with open(path) as file:
            text = file.read()
    except OSError:
        return {}
    values = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge"), family
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            key = sample.name.removeprefix("pcwatch_"), *sample.labels.values()
            assert key not in values, key
            values[key] = sample.value
    return values


REST = "all other programs"


def work_for(watch, name, count=1, code=0):
    """Processes of one program: each is forked by process 1, whose program counts it, runs its own and exits."""
    for _ in range(count):
        watch.fork()
        watch.comm(name)  # as the program's own name: /proc has no such process
        watch.execed()
        watch.comm(name)
        watch.exit(code)


if text_string_to_metric_families:
    end = []
    watch = Watch("--json", "--events", "exec", "--drop", "--metrics", "m.prom", "--metrics-top=6", "--metrics-interval=0.1",
                  stdout=subprocess.DEVNULL)
    odd = [b'q"uo\\te', b"li\nne", b"caf\xc3\xa9", b"\xff\xfe"]
    work_for(watch, b"good", 7)
    work_for(watch, b"bad", 3, 256)
    for number, name in enumerate(odd):
        work_for(watch, name, 1, 9)
    watch.comm(b"lost", pid=5)
    watch.comm(b"lost", pid=0)
    within(5, lambda: metrics("m.prom").get(("overruns_total", "deaf")) == 1)
    seen = metrics("m.prom")
    expected = {
        ("events_total", "fork"): 14, ("events_total", "exec"): 14, ("events_total", "exit"): 14, ("events_total", "comm"): 28,
        ("events_total", "uid"): 0, ("received_events_total",): 72, ("lost_events_total",): 0, ("overruns_total", "queue"): 1,
        ("overruns_total", "deaf"): 1, ("deafness_repairs_total",): 0, ("forks_total",): 14, ("execs_total",): 14,
        ("exits_total",): 14, ("failed_exits_total",): 7, ("lines_total",): 16, ("dropped_lines_total",): 0,
        ("waiting_bytes",): 0, ("program_exits_total", "good"): 7, ("program_failed_exits_total", "good"): 0,
        ("program_exits_total", "bad"): 3, ("program_failed_exits_total", "bad"): 3,
        ("program_exits_total", 'q"uo\\\\te'): 1, ("program_exits_total", "li\nne"): 1, ("program_exits_total", "caf\u00e9"): 1,
        ("program_exits_total", REST): 1,
    }
    wrong = {key: (seen.get(key), expected[key]) for key in expected if seen.get(key) != expected[key]}
    ok(not wrong, "the file of --metrics has what happened, in Prometheus's format", wrong)
    # Another program becomes more frequent than those that have a place.
    before = seen
    for _ in range(40):
        work_for(watch, b"\xff\xfe", 20)
        time.sleep(0.02)
        now = metrics("m.prom")
        fallen = {key: (before[key], now.get(key)) for key in before if key in now and now[key] < before[key]}
        if fallen or ("program_exits_total", "\\xff\\xfe") in now:
            break
        before = now
    ok(not fallen and ("program_exits_total", "\\xff\\xfe") in now and ("program_exits_total", "good") in now,
       "a program that has become more frequent gets a place in the file, and no count falls", (fallen, now))
    places = {key: now[key] for key in now if key[0] == "program_exits_total"}
    ok(now["exits_total",] - sum(places.values()) == 1, "what a program did that has lost its place is not taken for another's", now)
    watch.stop()
    ok(len(places) == 7, "--metrics-top is how many programs have a place, besides the rest", places)
    if shutil.which("promtool"):
        with open("m.prom") as file:
            check = subprocess.run(["promtool", "check", "metrics"], stdin=file, capture_output=True, text=True)
        ok(check.returncode == 0, "promtool finds nothing wrong with the file of --metrics", check.stderr)
        with open(ROOT + "/examples-fleet/alerts.yaml") as file:
            rules = file.read()
        check = subprocess.run(["promtool", "check", "rules", ROOT + "/examples-fleet/alerts.yaml"], capture_output=True, text=True)
        with open("m.prom") as file:
            absent = set(re.findall(r"pcwatch_[a-z_]+", rules)) - set(re.findall(r"^pcwatch_[a-z_]+", file.read(), re.M))
        ok(check.returncode == 0 and not absent, "promtool accepts the rules for alerts, and the file has what these need",
           (check.stderr, absent))
        # Node a works. The file of node b ends with its service, pcwatch hangs on node c, and both come back. On node d,
        # pcwatch is killed twice, and restarted at once.
        received, changed = "pcwatch_received_events_total", 'node_textfile_mtime_seconds{file="/run/pcwatch/pcwatch.prom",instance="%s"}'
        series = [(received + '{instance="a"}', "0+60x60"), (received + '{instance="b"}', "0+60x10 _x30 0+60x20"),
                  (received + '{instance="c"}', "0+60x10 600x30 600+60x20"), (changed % "a", "0+60x60"),
                  (changed % "b", "0+60x10 _x30 2460+60x19"), (changed % "c", "0+60x10 600x29 2400+60x20"),
                  (received + '{instance="d"}', "0+60x9 0+60x29 0+60x19"), (changed % "d", "0+60x60"),
                  ('pcwatch_overruns_total{reason="restart",instance="a"}', "0x60"),
                  ('pcwatch_overruns_total{reason="restart",instance="d"}', "0x9 1x49")]
        gone = [{"exp_labels": {"instance": "b"}}, {"exp_labels": {"instance": "c", "file": "/run/pcwatch/pcwatch.prom"}}]
        killed = [{"exp_labels": {"instance": "d", "reason": "restart"}}]
        cases = [("5m", "PcwatchIsGone", []), ("20m", "PcwatchIsGone", gone), ("39m", "PcwatchIsGone", gone),
                 ("50m", "PcwatchIsGone", []), ("30m", "PcwatchGapAtRestart", []), ("41m", "PcwatchGapAtRestart", killed)]
        with open("alerts.yaml", "w") as file:
            file.write(re.sub(r"\n +annotations:.*", "", rules))  # promtool compares them, too
        with open("alerts-test.yaml", "w") as file:  # JSON is YAML
            json.dump({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": [
                {"interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series],
                 "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": alerts} for at, name, alerts in cases]}]}, file)
        check = subprocess.run(["promtool", "test", "rules", "alerts-test.yaml"], capture_output=True, text=True)
        ok(check.returncode == 0, "alerts report a pcwatch whose metrics ended or became old, until it works again, and a restart with a gap",
           check.stdout + check.stderr)
    else:
        skip("promtool finds nothing wrong with the file of --metrics", "promtool is needed")
    watch = Watch("--json", "--drop=131072", "--metrics", "dropped.prom", "--metrics-interval=0.1", stdout=subprocess.PIPE)
    for _ in range(10000):
        watch.comm()
    within(5, lambda: sum(metrics("dropped.prom").get((key,), 0) for key in ("lines_total", "dropped_lines_total")) == 10000)
    now = metrics("dropped.prom")
    ok(now["lines_total",] + now["dropped_lines_total",] == 10000 and now["dropped_lines_total",] > 5000
       and 0 < now["waiting_bytes",] <= 131072, "the metrics have the number of dropped lines while nobody reads", now)
    watch.kill()
else:
    skip("the file of --metrics has what happened, in Prometheus's format", "python3-prometheus-client is needed")
mode = os.stat("m.prom").st_mode & 0o777 if os.path.exists("m.prom") else 0o644
ok(mode == 0o644 & ~UMASK and not os.path.exists("m.prom.tmp"), "others may read the file of --metrics, and no other file remains",
   oct(mode))
os.mkdir("folder")
watch = Watch("--metrics", "folder")
watch.process.wait(60)
ok(watch.process.returncode == 1 and watch.said() == "pcwatch: folder: Is a directory\n",
   "pcwatch does not start if the file of --metrics cannot be written", watch.said())
ok(refuses("--metrics-top: '101' is above the maximum, 100", "--metrics-top=101")
   and refuses("--metrics: '' is not the name of a file", "--metrics="), "wrong options of --metrics are explained")

# ---- As a service ----

UNIT = ROOT + "/tools/pcwatch/pcwatch.service"
DEFAULTS = ROOT + "/tools/pcwatch/default/pcwatch"
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19}


def settings(key):
    with open(UNIT) as file:
        return re.findall("^%s=(.*)$" % key, file.read(), re.M)


def known_calls(name):
    """The system calls that systemd means by a name or by a group such as @file-system."""
    if name[0] != "@":
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    return set().union(*(known_calls(line.strip()) for line in listed.splitlines()[1:] if line.strip()[:1] not in ("", "#")))


def seccomp_program():
    """SystemCallFilter= and RestrictAddressFamilies=, as a BPF program: what is not allowed fails with EPERM."""
    allowed = {"execve"}
    for line in settings("SystemCallFilter"):
        calls = set().union(*map(known_calls, line.lstrip("~").split()))
        allowed = allowed - calls if line[0] == "~" else allowed | calls
    source = "#include <sys/syscall.h>\n" + "".join("\n= SYS_%s" % call for call in sorted(allowed) + ["socket"])
    numbers = [int(n) for n in re.findall(r"^= (\d+)$", subprocess.run(["cc", "-E", "-P", "-"], input=source, text=True, check=True,
                                                                       stdout=subprocess.PIPE).stdout, re.M)]

    def code(operation, value, yes=0, no=0):
        return struct.pack("HBBI", operation, yes, no, value)

    LOAD, IF_EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
    families = [getattr(socket, name) for name in settings("RestrictAddressFamilies")[0].split()]
    program = code(LOAD, 0) + code(IF_EQUAL, numbers.pop(), 0, len(families) * 2 + 2) + code(LOAD, 16)
    for family in families:
        program += code(IF_EQUAL, family, 0, 1) + code(RETURN, ALLOW)
    program += code(RETURN, REFUSE | 97)  # EAFNOSUPPORT
    for number in sorted(set(numbers)):
        program += code(IF_EQUAL, number, 0, 1) + code(RETURN, ALLOW)
    return program + code(RETURN, REFUSE | 1)


def confine(program, capabilities):
    """The user, the capabilities and the filters that systemd gives the service."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(*arguments):
        if libc.prctl(*[ctypes.c_ulong(a) for a in arguments + (0,) * (5 - len(arguments))]) != 0:
            raise OSError(ctypes.get_errno(), "prctl%r" % (arguments,))

    prctl(8, 1)  # PR_SET_KEEPCAPS
    for capability in range(64):
        if capability not in capabilities:
            libc.prctl(*[ctypes.c_ulong(a) for a in (24, capability, 0, 0, 0)])  # PR_CAPBSET_DROP
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    mask = sum(1 << capability for capability in capabilities)
    if libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", mask, mask, mask, 0, 0, 0)) != 0:
        raise OSError("capset")
    for capability in capabilities:
        prctl(47, 2, capability)  # PR_CAP_AMBIENT_RAISE
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    buffer = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))
    prctl(22, 2, ctypes.addressof(filters))  # SECCOMP_MODE_FILTER


def exec_start(options=None):
    """The command line of the unit, with these options in place of the unit's own."""
    environment = dict(re.match('"?([^=]*)=(.*?)"?$', line).groups() for line in settings("Environment"))
    words = settings("ExecStart")[0].replace("/run/pcwatch", work + "/run").split()
    assert words.pop() == "$PCWATCH_OPTIONS" and words.pop(0) == "/usr/bin/pcwatch"
    return [PCWATCH, *words, *shlex.split(environment["PCWATCH_OPTIONS"] if options is None else options)], environment


os.chmod(work, 0o755)
notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notified.bind("manager")
os.chmod("manager", 0o777)
notified.settimeout(60)
os.mkdir("run")
os.chmod("run", 0o777)


def serve(**options):
    command, environment = exec_start()
    return subprocess.Popen(command, text=True, env={**os.environ, **environment, "NOTIFY_SOCKET": work + "/manager",
                                                     "WATCHDOG_USEC": "3000000"}, **options)


promise = "as the service's user, with its capabilities and filters, pcwatch works, and reports that to the manager"
if os.geteuid() == 0 and shutil.which("systemd-analyze"):
    program = seccomp_program()
    capabilities = [CAPABILITIES[name] for name in settings("AmbientCapabilities")[0].split()]
    with open("service.out", "w") as out, open("service.err", "w") as err:
        service = serve(stdout=out, stderr=err, preexec_fn=lambda: confine(program, capabilities))
    atexit.register(service.kill)
    heard = [notified.recv(4096).decode() for _ in range(3)]
    with open("/proc/%d/status" % service.pid) as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    service.terminate()
    last = notified.recv(4096).decode()
    code = service.wait(60)
    with open("service.out") as out, open("service.err") as err:
        lines, said = [json.loads(line) for line in out], err.read()
    values = metrics("run/pcwatch.prom") if text_string_to_metric_families else {("queue_bytes",): 37748736}
    ok(code == 0 and said == "" and heard[0] == "READY=1" and last == "STOPPING=1"
       and all(re.fullmatch(r"WATCHDOG=1\nSTATUS=\d+ events received, \d+ lost; \d+ lines written, \d+ dropped", ping) for ping in heard[1:])
       and lines[-1]["event"] == "stats" and values["queue_bytes",] == 37748736
       and status["CapEff"] == "%016x" % sum(1 << capability for capability in capabilities) and status["Seccomp"] == "2",
       promise, (code, said, heard, last, values, status.get("CapEff")))
    unconfined = json.loads(run("--json", "--stats", "--duration", "0.1").stdout.splitlines()[-1])
    ok(lines[-1]["wake"] == unconfined["wake"], "the service gets the same slice as any user", (lines[-1], unconfined))
else:
    skip(promise, "root and systemd-analyze are needed")

said = []
for options in "--evnts exec", "--events exe", "--show user,exec", "--user no-such-user", "--metrics-top=1000", "stray", "--drop=1":
    command, environment = exec_start(options)
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    said += [(options, ran.returncode, ran.stderr)]
ok(all(code == 2 and re.fullmatch("pcwatch: /etc/default/pcwatch: .*\n", line) for _, code, line in said),
   "about wrong options, the service's log has one line, which names the file", said)
# Each example of the file is right, and the first one is what the unit does by itself.
with open(DEFAULTS) as file:
    examples = re.findall('^#PCWATCH_OPTIONS="(.*)"$', file.read(), re.M)
wrong = []
for example in examples:
    if "--cgroup" not in example:  # a cgroup that need not be here
        command, environment = exec_start(example + " --help")
        wrong += [example] * (subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0)
ok(len(examples) == 7 and exec_start(examples[0]) == exec_start() and not wrong, "each example of /etc/default/pcwatch is right", wrong)
if shutil.which("systemd-analyze"):
    with open(UNIT) as source, open("pcwatch.service", "w") as copy:
        copy.write(source.read().replace("/usr/bin/pcwatch", PCWATCH))
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", "./pcwatch.service"], capture_output=True, text=True)
    ok(ran.returncode == 0 and ran.stderr == "", "systemd-analyze verify finds nothing wrong with the unit", ran)
    ran = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", "./pcwatch.service"],
                         capture_output=True, text=True)
    ok(ran.returncode == 0, "systemd-analyze security finds an exposure of at most 2.0", ran.stdout[-300:] + ran.stderr)
else:
    skip("systemd-analyze finds nothing wrong with the unit", "systemd-analyze is needed")


# ---- The FD store ----

class Store:
    """What systemd keeps: descriptors by their names."""
    def __init__(self):
        self.kept = {}
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind("store")
        self.manager.settimeout(60)
        self.outputs = []

    def start(self, *options):
        output = "run-%d" % len(self.outputs)
        self.outputs.append(output)
        name, fd = next(iter(self.kept.items()), ("", -1))
        listen = 'export SYSTEMD_EXEC_PID=$$; test -z "$LISTEN_FDNAMES" || export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
        with open(output, "w") as out:
            service = subprocess.Popen(
                ["sh", "-c", listen, PCWATCH, "--json", "--no-threads", *options], stdout=out, close_fds=False,
                preexec_fn=lambda: name and os.dup2(fd, 3),
                env={**os.environ, "NOTIFY_SOCKET": work + "/store", "FDSTORE": "1", "LISTEN_FDNAMES": name})
        self.hear("READY=1")
        return service

    def hear(self, awaited):
        """Receives messages up to the awaited one."""
        lines = []
        while awaited not in lines:
            text, ancillary, _, _ = self.manager.recvmsg(4096, 1024)
            lines = text.decode().split("\n")
            name = lines[-1].replace("FDNAME=", "")
            if "FDSTOREREMOVE=1" in lines and name in self.kept:
                os.close(self.kept.pop(name))
            if "FDSTORE=1" in lines:
                self.kept[name], = array.array("i", ancillary[0][2])
                os.set_inheritable(self.kept[name], False)

    def stop(self, service, number):
        service.send_signal(number)
        service.send_signal(signal.SIGCONT)
        if number == signal.SIGTERM:
            self.hear("FDSTORE=1")  # the state in which this run ends
        return service.wait(60)


def stored_name(manager):
    """The name under which pcwatch has asked the manager to keep its socket when it ended."""
    name = ""
    while manager in select.select([manager], [], [], 0)[0]:
        text, ancillary, _, _ = manager.recvmsg(4096, 1024)
        for fd in ancillary:
            os.close(*array.array("i", fd[2]))
        if text.startswith(b"FDSTORE=1"):
            name = text.decode().split("FDNAME=")[1]
    return name


stores = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
stores.bind("stores")
STORE = {"NOTIFY_SOCKET": work + "/stores", "FDSTORE": "1"}
names = []
for limit in resource.RLIM_INFINITY, 1:
    watch = Watch("--json", "--drop", "--output", "unwritten", environ=STORE,
                  prefix=["sh", "-c", 'export SYSTEMD_EXEC_PID=$$; exec "$0" "$@"'])
    resource.prlimit(watch.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for _ in range(3):
        watch.execed()
    time.sleep(1)
    watch.stop()
    names += [stored_name(stores)]
ok(names[0].startswith("events-complete-") and names[1].startswith("events-running-"),
   "a run that could not write its last lines does not tell the next run that it has shown everything", names)

def successor(*options, name, count=1, kept="&9", **more):
    """A pcwatch that continues with the socket of a previous run, which the manager has kept under a name."""
    script = 'export SYSTEMD_EXEC_PID=$$ LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s; exec "$0" "$@" 3<%s' % (count, name, kept)
    return Watch(*options, prefix=["sh", "-c", script], environ=STORE, **more)


ALL = "events-complete-bfe-0-1-"  # the end of the name is how many lost events were reported
# The previous run has reported as many as 2^32 - 127: so 127 more than those are lost when the number is 0 again.
watch = successor("--json", "--stats", "--metrics", "between.prom", name=ALL + "4294967169")
first = json.loads(watch.process.stdout.readline())
watch.stop()
final = json.loads(watch.process.stdout.readlines()[-1])
ok((first["event"], first["lost"], first["reason"]) == ("overrun", 127, "queue") and final["lost"] == 127
   and "\npcwatch_lost_events_total 127\n" in contents("between.prom"),
   "the totals have the events that were lost between two runs", (first, final))
stored = stored_name(stores)
ok(stored.endswith("-0"), "the next run knows that these losses were reported", stored)

watch = Watch("--json", environ={**STORE, "SYSTEMD_EXEC_PID": "1"})
watch.execed()
watch.process.stdout.readline()
watch.stop()
stored = stored_name(stores)
ok(stored == "", "a pcwatch that is not the main process of a service hands over no socket", stored)

script = 'test -e /proc/$$/fd/3 && echo "descriptor 3"; env | grep "^LISTEN_"; echo all'
said = []
for count in 1, 2:
    watch = successor("--output", "command.out", "--", "sh", "-c", script, name=ALL + "0", count=count)
    said.append(watch.process.stdout.readline())
    watch.kill()
ok(said == [b"all\n"] * 2, "a command that pcwatch runs gets no descriptor that the manager has kept", said)
stored_name(stores)
begins = []


def report(watch):
    """How the lines of a run begin, and the name under which the manager then keeps its socket."""
    watch.comm()
    lines = [json.loads(watch.process.stdout.readline())]
    if lines[0]["event"] == "overrun":
        lines.append(json.loads(watch.process.stdout.readline()))
    watch.stop()
    begins.extend(lines)
    return ([line["event"] for line in lines], lines[0].get("reason"), lines[0].get("lost")), stored_name(stores)


GAP, NO_GAP = (["overrun", "comm"], "restart", None), (["comm"], None, None)
few, threads = ("--events", "comm"), ("--events", "comm", "--no-threads")
many = ("--events", "exec,exit,comm")
said = []
for before, after in ((few, few), (threads, threads), (few, threads), (("--events", "comm,ptrace"), few), (threads, few), (few, many),
                      (few, (*few, "--metrics", "filter.prom"))):
    first = Watch("--json", *before, environ=STORE, prefix=["sh", "-c", 'export SYSTEMD_EXEC_PID=$$; exec "$0" "$@"'])
    said.append(report(successor("--json", *after, name=report(first)[1]))[0])
ok(said == [NO_GAP] * 4 + [GAP] * 3, "if the options select more than those of the previous run, an overrun reports the gap; if they select less, there is none",
   said)
said = [report(successor("--json", **kept)) for kept in ({"name": ALL + "0", "kept": "/dev/null"}, {"name": "events-of-another-version"})]
ok([begin for begin, _ in said] == [GAP] * 2 and all(re.fullmatch(r"events-complete-bfe-0-\d+-0", name) for _, name in said),
   "if the kept descriptor cannot be taken over, pcwatch subscribes again, and an overrun reports that events may be missing", said)
ok(not invalid(begins), "the schema describes these overruns", begins)

promise = "across restarts with an FD store no exec is missed", \
    "after a kill, or with a filter that selects more, the next run reports that events may be missing", \
    "while pcwatch is restarted, the kernel applies the filter of the previous run", \
    "a view that follows the table leaves no descriptor in the store"
if run("--duration", "0.1").returncode == 0:
    store, pids = Store(), []

    def execute():
        """Runs 20 programs. Returns their pids."""
        for _ in range(20):
            child = subprocess.Popen(["true"])
            pids.append(child.pid)
            child.wait()
        return set(pids[-20:])

    def shown(number):
        with open(store.outputs[number]) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    service, during, between = store.start("--events", "exec"), [], []
    for end, kinds in (signal.SIGTERM, "exec"), (signal.SIGTERM, "exec,exit"), (signal.SIGTERM, "exec"), (signal.SIGKILL, "exec"):
        during.append(execute())
        within(60, lambda: any(line.get("pid") == pids[-1] for line in shown(len(store.outputs) - 1)))
        if end == signal.SIGTERM:  # what is queued at a signal is for the next run
            service.send_signal(signal.SIGSTOP)
            execute()
        store.stop(service, end)
        between.append(execute())
        service = store.start("--events", kinds)
    within(60, lambda: any(line.get("pid") == pids[-1] for line in shown(4)))
    store.stop(service, signal.SIGTERM)
    lines = [line for number in range(5) for line in shown(number)]
    times = [sum(line.get("pid") == pid and line["event"] == "exec" for line in lines) for pid in pids]
    ok(set(times) == {1}, promise[0], times)
    losses = [(number, line["lost"], line["reason"], line["line"]) for number in range(5) for line in shown(number)
              if line["event"] == "overrun"]
    ok(losses == [(2, None, "restart", 1), (4, None, "restart", 1)], promise[1], losses)
    exits = {line["pid"] for line in lines if line["event"] == "exit"}
    # Run 2 may have ended before it received the last exit.
    ok(not exits & between[1] and len(during[2] - exits) < 2, promise[2], (sorted(exits), pids))
    service = store.start("--failed")
    store.stop(service, signal.SIGKILL)
    ok(store.kept == {}, promise[3], store.kept)
else:
    for each in promise:
        skip(each, "no process events")

conclude()
