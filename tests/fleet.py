#!/usr/bin/env python3
"""Tests examples-fleet/: many pcwatch, the nodes, send their lines through an engine to one server. Prints TAP.

fleet.py [--nodes 1,10,50] [--engines rsyslog,nats] [--rate EVENTS] [--steady SECONDS] [--outage SECONDS]
         [--machines COUNT] [--tables FILE]

A node is a pcwatch, to which a recording of this machine's events is replayed, and a shipper for its lines. As root,
each node and the server have their own network namespaces. While lines flow, the server is killed and comes back; a
node is killed and restarted, once while the server is gone and once afterwards; a node's network is cut and restored; and a
node's disk is full for a while. At the end, each line is accounted for.

With --machines, so many machines that tests/machine.sh boots send their own events beside the nodes, in each engine's run
with the most nodes. On each, pcwatch-node.sh configures the packages of this checkout. One machine's network is
cut, and another machine is killed while the server is gone, and boots again. With --tables, what was measured becomes the
tables in FILE.
"""
import argparse, atexit, collections, fcntl, glob, json, os, resource, shutil, signal, socket, struct, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True
from tap import conclude, ok, skip, within

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PCWATCH = ROOT + "/build/pcwatch"
PORTS = {"rsyslog": 2514, "nats": 4222}
SERVER = "server.example.org"
SIOCOUTQ = 0x5411
parser = argparse.ArgumentParser()
parser.add_argument("--nodes", default="3")
parser.add_argument("--engines", default="rsyslog,nats")
parser.add_argument("--rate", type=int, default=600)
parser.add_argument("--steady", type=float, default=3)
parser.add_argument("--outage", type=float, default=4)
parser.add_argument("--machines", type=int, default=0)
parser.add_argument("--tables")
arguments = parser.parse_args()
if arguments.tables:
    arguments.tables = os.path.abspath(arguments.tables)
os.environ["PATH"] += ":/usr/sbin:/sbin"
omrelp = (glob.glob("/usr/lib/*/rsyslog/omrelp.so") or ["/no/omrelp.so"])[0]
if subprocess.run([ROOT + "/tests/needs.sh", "cc", "gcc", "openssl", "openssl", "rsyslogd", "rsyslog", omrelp, "rsyslog-relp",
                   "nats-server", "nats-server", "/usr/include/nats/nats.h", "libnats-dev", "/usr/include/pcap/pcap.h",
                   "libpcap-dev", "/usr/lib/python3/dist-packages/jsonschema", "python3-jsonschema"], stdout=sys.stderr).returncode:
    if os.environ.get("CI") == "true":
        sys.exit(1)
    print("1..0 # SKIP its tools are not installed")
    sys.exit(0)
try:
    from jsonschema import Draft202012Validator
except ImportError:
    if sys.executable == "/usr/bin/python3":
        raise
    # Debian's python3 has what Debian installs.
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
work = tempfile.mkdtemp()
atexit.register(shutil.rmtree, work, ignore_errors=True)
os.chdir(work)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
for command in (["make", "-s", "-C", ROOT, "build/pcwatch", "build/pcwatch-nats", "build/examples-c/testing/record"],
                ["cc", "-w", "-shared", "-fPIC", "-I" + ROOT + "/include", ROOT + "/tests/fleet/feed.c", "-o", "feed.so", "-ldl"]):
    if subprocess.run(command, stdout=sys.stderr).returncode:
        print("Bail out! %s" % command)
        sys.exit(1)
NOTHING = os.open("/dev/null", os.O_RDWR)
os.dup2(NOTHING, 9)  # no other descriptor gets this number


def datagrams(path):
    """The messages of a recording. Its header has 24 bytes. Each message has a header and a pseudo-header of 16 bytes."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = [], 24
    while at < len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        found.append(data[at + 32:at + 16 + size])
        at += 16 + size
    return found


def record():
    workload = "for i in 1 2 3 4 5 6 7 8 9 10; do sh -c '/bin/true; (cat /dev/null; exit 3); sort </dev/null | uniq -c'; done"
    for _ in range(5):
        ran = subprocess.run([ROOT + "/build/examples-c/testing/record", "events.pcap", "sh", "-c", workload], capture_output=True)
        if ran.returncode == 0 and not ran.stderr and len(datagrams("events.pcap")) > 100:
            return datagrams("events.pcap")
    print("Bail out! %s" % ran.stderr.decode())
    sys.exit(1)


EVENTS = record()

# ---- Networks ----

HUB = "pcf%d" % os.getpid()
SPACES = os.geteuid() == 0 and subprocess.run(["ip", "netns", "add", HUB], stderr=subprocess.DEVNULL).returncode == 0
ADDRESS = "10.77.0.1" if SPACES else "127.0.0.1"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def inside(space):
    return ["ip", "netns", "exec", space] if SPACES else []


def remove(space):
    if os.path.exists("/run/netns/" + space):
        ip("netns", "del", space)


if SPACES:
    atexit.register(remove, HUB)
    ip("-n", HUB, "link", "set", "lo", "up")
    ip("-n", HUB, "link", "add", "hub", "type", "bridge")
    ip("-n", HUB, "addr", "add", ADDRESS + "/16", "dev", "hub")
    ip("-n", HUB, "link", "set", "hub", "up")

# ---- Processes ----


def start(command, space=None, log=None, **options):
    process = subprocess.Popen([*(inside(space) if space else []), *command], start_new_session=True,
                               **{"stdin": subprocess.DEVNULL, "stdout": log or subprocess.DEVNULL, "stderr": subprocess.STDOUT, **options})
    if log:
        log.close()
    atexit.register(kill, process)
    return process


def kill(process):
    """Kills a process and what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def usage(processes):
    """Seconds of CPU time and MiB of memory of processes, with what they have started."""
    seconds = memory = 0
    groups = [process.pid for process in processes]
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) in groups:
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            memory += int(fields[21]) * resource.getpagesize() / 2**20
    return seconds, memory


def substituted(text, folder, node):
    """A configuration with this test's folders in place of the system's."""
    for path in "/etc/pcwatch-fleet", "/var/log/pcwatch-fleet", "/var/lib/nats":
        text = text.replace(path, folder + path)
    text = text.replace('"/var/log/pcwatch/', '"%s/' % node)
    return text.replace('target="%s"' % SERVER, 'target="%s"' % ADDRESS).replace("0.0.0.0:", ADDRESS + ":")


class Rsyslog:
    def __init__(self, folder):
        self.folder = folder

    def start(self, source, folder, space):
        with open(source) as file:
            text = substituted(file.read(), self.folder, folder)
        with open(folder + "/rsyslog.conf", "w") as file:
            file.write('global(workDirectory="%s")\n%s' % (folder, text))
        return start(["rsyslogd", "-n", "-f", folder + "/rsyslog.conf", "-i", "NONE"], space, open(folder + "/log", "a"))

    def server(self):
        os.makedirs(self.folder + "/server", exist_ok=True)
        return self.start(self.folder + "/etc/rsyslog.d/pcwatch-server.conf", self.folder + "/server", HUB)

    def shipper(self, node):
        return self.start(self.folder + "/node/etc/rsyslog.d/pcwatch-node.conf", node.folder, node.space)

    def put(self, disk):
        """pcwatch-node.sh is enough."""

    def lines(self):
        found = []
        for path in glob.glob(self.folder + "/var/log/pcwatch-fleet/*/*.json"):
            with open(path, "rb") as file:
                found += file.read().splitlines()
        return found


class Nats:
    def __init__(self, folder):
        self.folder, self.taken = folder, folder + "/taken"
        keys = folder + "/etc/pcwatch-fleet/"
        self.client = [ROOT + "/build/pcwatch-nats", "--server", "tls://%s:4222" % ADDRESS, "--ca", keys + "ca.crt", "--cert",
                       keys + "node.crt", "--key", keys + "node.key", "--name", SERVER]

    def server(self):
        os.makedirs(self.folder + "/server", exist_ok=True)
        with open(ROOT + "/examples-fleet/nats/server.conf") as file, open(self.folder + "/server/nats.conf", "w") as copy:
            copy.write(substituted(file.read(), self.folder, "").replace("100GB", "1GB"))
        return start(["nats-server", "-c", self.folder + "/server/nats.conf"], HUB, open(self.folder + "/server/log", "a"))

    def shipper(self, node):
        follow = ["sh", "-c", 'tail -n +1 -F "$0" 2>/dev/null | "$@"', node.folder + "/events.json"]
        return start([*follow, *self.client], node.space, open(node.folder + "/log", "a"))

    def consumer(self):
        command = ["sh", "-c", 'exec "$@" 2>"$0"', self.folder + "/follow.log", *self.client, "--take", "follow"]
        return start(command, HUB, open(self.folder + "/followed", "w"))

    def followed(self):
        with open(self.folder + "/followed", "rb") as file:
            return set(file.read().split(b"\n")[:-1])  # the last one has no end yet

    def put(self, disk):
        """Debian stable may have another version of the client library."""
        os.mkdir(disk + "nats")
        used = subprocess.run(["ldd", self.client[0]], capture_output=True, text=True, check=True).stdout.split()
        for path in [self.client[0], *(word for word in used if word.startswith("/") and ("libnats" in word or "libprotobuf" in word))]:
            shutil.copy(path, disk + "nats")

    def lines(self):
        with open(self.taken, "ab") as file:
            subprocess.run([*inside(HUB), *self.client, "--take", "account", "--once"], stdout=file, check=True)
        with open(self.taken, "rb") as file:
            return file.read().splitlines()


class Node:
    def __init__(self, engine, folder, number):
        self.engine, self.number, self.name = engine, number, "node-%02d" % number
        self.space = "%s-%d" % (HUB, number)
        self.folder = "%s/%s" % (folder, self.name)
        self.at = number * 7  # in the recording
        self.fed = []  # how many events each run of pcwatch got
        self.killed = set()  # runs
        os.mkdir(self.folder)
        if SPACES:
            ip("netns", "add", self.space)
            atexit.register(remove, self.space)
            ip("-n", HUB, "link", "add", "n%d" % number, "type", "veth", "peer", "name", "eth0", "netns", self.space)
            ip("-n", HUB, "link", "set", "n%d" % number, "master", "hub", "up")
            ip("-n", self.space, "addr", "add", "10.77.1.%d/16" % (1 + number), "dev", "eth0")
            ip("-n", self.space, "link", "set", "eth0", "up")
        self.start()

    def start(self):
        self.fed.append(0)
        self.feed, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.feed.settimeout(60)
        os.dup2(theirs.fileno(), 9)
        theirs.close()
        # In the namespace, sysfs is mounted again, and nothing else differs.
        self.watch = start([PCWATCH, "--json", "--host=" + self.name, "--drop=131072", "--stats", "--show",
                            "user,parent,tty,session,nspid,container,cgroup", "--output", self.folder + "/events.json", "--append",
                            "--metrics", self.folder + "/pcwatch.prom"], log=open(self.folder + "/watch.log", "a"),
                           pass_fds=[9], env={**os.environ, "LD_PRELOAD": work + "/feed.so"})
        os.dup2(NOTHING, 9)
        self.ship = self.engine.shipper(self)

    def send(self, count=1):
        for _ in range(count):
            self.feed.send(EVENTS[self.at % len(EVENTS)])
            self.at += 1
        self.fed[-1] += count

    def kill(self):
        self.killed.add(len(self.fed) - 1)
        kill(self.watch)
        kill(self.ship)
        self.feed.close()

    def has_read_all(self):
        return struct.unpack("i", fcntl.ioctl(self.feed, SIOCOUTQ, struct.pack("i", 0)))[0] == 0

    def stop(self):
        """Stops pcwatch as a service manager does. The shipper continues."""
        within(10, self.has_read_all)
        time.sleep(0.05)
        self.watch.terminate()
        self.watch.wait(60)

    def runs(self):
        """The numbers of the lines that pcwatch wrote, by run, in their order."""
        found = collections.OrderedDict()
        with open(self.folder + "/events.json", "rb") as file:
            for line in file:
                record = json.loads(line)
                found.setdefault((record["boot_id"], record["run"]), []).append(record["line"])
        return found


class Machine:
    """A booted machine. tests/fleet-inside.sh, which runs there, describes what it says."""

    def __init__(self, engine, folder, number):
        self.name, self.link, self.address = "machine-%d" % number, "m%d" % number, "10.77.2.%d" % (1 + number)
        self.folder = "%s/%s" % (folder, self.name)
        self.boots = []  # the file with what each boot has said
        self.killed = set()  # boots
        disk = self.folder + "/disk/"
        os.makedirs(disk)
        for path in [ROOT + "/tests/fleet-inside.sh", folder + "/pcwatch-node.sh", *glob.glob(work + "/packages/*.deb")]:
            shutil.copy(path, disk)
        os.rename(disk + "fleet-inside.sh", disk + "inside")
        for name, text in ("address", self.address), ("hosts", "%s %s\n" % (ADDRESS, SERVER)):
            with open(disk + name, "w") as file:
                file.write(text)
        engine.put(disk)
        with open(self.folder + "/copy", "w") as file:
            file.truncate(2**28)
        # The machine of the engine before may have had it.
        if subprocess.run(["ip", "-n", HUB, "link", "show", self.link], capture_output=True).returncode:
            ip("-n", HUB, "tuntap", "add", self.link, "mode", "tap")
            ip("-n", HUB, "link", "set", self.link, "master", "hub", "up")
        self.boot()

    def boot(self):
        self.boots.append("%s/said-%d" % (self.folder, len(self.boots)))
        command = [ROOT + "/tests/machine.sh", "boot", self.folder, "systemd.hostname=" + self.name,
                   "-drive", "file=%s/copy,format=raw,if=virtio" % self.folder, "-device",
                   "virtio-net-pci,netdev=net,mac=52:54:00:77:02:%s" % self.link[1:].zfill(2),
                   "-netdev", "tap,id=net,ifname=%s,script=no,downscript=no" % self.link]
        with open(self.folder + "/log", "a") as log:
            self.process = start(command, HUB, open(self.boots[-1], "w"), stdin=subprocess.PIPE, stderr=log, text=True)

    def said(self, word, boot=-1):
        with open(self.boots[boot], errors="replace") as file:
            lines = file.read().split("\n")[:-1]  # only whole lines
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == word]

    def says(self, word, count=1):
        """Waits until the machine has said this. The time of a boot is limited by machine.sh."""
        while len(self.said(word)) < count:
            if self.process.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def command(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def stored(self, boot=-1):
        return int((self.said("stored", boot) or ["0"])[-1])

    def kill(self):
        self.killed.add(len(self.boots) - 1)
        kill(self.process)

    def why(self):
        """What explains a failure."""
        said = []
        for path in self.folder + "/console", self.folder + "/log", self.boots[-1]:
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    said += file.read().splitlines()[-4:]
        return "\n".join(said)

    def events(self):
        """The lines that its disk has."""
        with open(self.folder + "/copy", "rb") as file:
            return file.read(int(self.said("copied")[0])).splitlines()

    def faults(self, records):
        """Compares the records of this machine at the server with what it has said. Returns what is wrong, how many lines were
        announced as dropped, and how many programs and lines of killed boots are not at the server."""
        found, announced, unknown = [], 0, 0
        boots = collections.OrderedDict()
        for record in sorted(records, key=lambda record: (record["time"], record["line"])):
            boots.setdefault(record["boot_id"], collections.defaultdict(list))[record["run"]].append(record)
        if len(boots) != len(self.boots):
            return [(self.name, "boots", len(boots), len(self.boots))], 0, 0
        for boot, runs in enumerate(boots.values()):
            for name, run_records in runs.items():
                run_records.sort(key=lambda record: record["line"])
                fault, dropped = account(run_records, None)
                announced += dropped
                if fault:
                    found.append((self.name, boot, name, fault))
            execs = collections.Counter(record["pid"] for each in runs.values() for record in each if record["event"] == "exec")
            ran = [execs[int(pid)] for pid in self.said("ran", boot)]
            if boot in self.killed:
                unknown += ran.count(0)
                if sum(map(len, runs.values())) < self.stored(boot):
                    found.append((self.name, boot, "lines that were on the disk are missing", self.stored(boot)))
                if ran != sorted(ran, reverse=True) or max(ran) > 1:
                    found.append((self.name, boot, "a program is missing between others", ran))
            elif any(count != 1 for count in ran):
                found.append((self.name, boot, "programs that are not there once", len(ran) - ran.count(1)))
            elif not any(each[-1]["event"] == "stats" for each in runs.values()):
                found.append((self.name, boot, "the end is missing"))
        return found, announced, unknown


def account(records, fed):
    """Checks that lines received + announced lost == produced in a run. Returns what is wrong, or None, and how many
    lines were announced as dropped. fed: None if pcwatch was killed, because what it had read is unknown then."""
    last = announced = received = 0
    for record in records:
        missing = record["dropped"] if record["event"] == "dropped" else 0
        if record["line"] - last - 1 != missing:
            return "line %d follows %d" % (record["line"], last), announced
        announced += missing
        last = record["line"]
        received += record["event"] not in ("dropped", "stats")
    if fed is not None and received + announced != fed:
        return "%d received, %d announced, %d produced" % (received, announced, fed), announced
    return None, announced


def feed(nodes, seconds, rate):
    """Feeds these nodes together with so many events per second. Returns the rate that was reached."""
    begin, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds:
        due = int(rate * elapsed)
        for index in range(sent, due if nodes else 0):
            nodes[index % len(nodes)].send()
        sent = due
        time.sleep(0.01)
    return sent / (time.monotonic() - begin)


with open(ROOT + "/docs/pcwatch.schema.json") as schema_file:
    SCHEMA = Draft202012Validator(json.load(schema_file))


def invalid(lines):
    """Lines that the schema does not describe. Of the lines with the same keys and types, checks the first: the
    validator checks some hundred lines a second."""
    shapes = {}
    for record in map(json.loads, lines):
        shapes.setdefault((record["event"], *((key, type(value)) for key, value in record.items())), record)
    return [record for record in shapes.values() if not SCHEMA.is_valid(record)], len(shapes)


def key_of(line):
    record = json.loads(line)
    return record["host"], record["boot_id"], record["run"], record["line"]


rows, machine_rows = [], []


def run(name, count):
    folder = "%s/%s-%d" % (work, name, count)
    title = "%s, %d node%s: " % (name, count, "s" * (count > 1))
    os.makedirs(folder + "/node")
    subprocess.run(["sh", ROOT + "/examples-fleet/setup.sh", SERVER], cwd=folder, env={**os.environ, "ROOT": folder},
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["sh", "pcwatch-node.sh"], cwd=folder, env={**os.environ, "ROOT": folder + "/node"}, check=True)
    engine = {"rsyslog": Rsyslog, "nats": Nats}[name](folder)
    server = engine.server()

    def listens():
        probe = "import socket; socket.create_connection(('%s', %d), 1)" % (ADDRESS, PORTS[name])
        return subprocess.run([*inside(HUB), sys.executable, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0
    if not within(10, listens):
        ok(False, title + "the server starts", open(folder + "/server/log").read())
        return
    consumer = engine.consumer() if name == "nats" else None
    nodes = [Node(engine, folder, number) for number in range(count)]
    feed(nodes, 1 + count / 10, arguments.rate)
    first = nodes[0]
    before, node_before = usage([server]), usage([first.watch, first.ship])
    began = time.monotonic()
    rate = feed(nodes, arguments.steady, arguments.rate)
    elapsed = (time.monotonic() - began) / 100
    after, node_after = usage([server]), usage([first.watch, first.ship])
    rows.append((name, count, rate, (after[0] - before[0]) / elapsed, after[1], (node_after[0] - node_before[0]) / elapsed, node_after[1]))

    machines = [Machine(engine, folder, number) for number in range(MACHINES)] if count == max(COUNTS) else []
    if machines:
        faults = [machine.why() for machine in machines if not machine.says("ready") or not machine.says("ran", 100)]
        ok(not faults, title + "the machines boot, and pcwatch-node.sh makes them send", "\n".join(faults))
        machines = [] if faults else machines

    def restart():
        first.kill()
        feed(nodes[1:], 1, arguments.rate)
        first.start()
    if consumer:
        within(60, engine.followed)
    # The machines go on, so a consumer that ends when nothing is left might never end.
    seen = engine.followed() if consumer else engine.lines()
    had = sum(key_of(line)[0] == machines[-1].name for line in seen) if machines else 0
    kill(server)
    feed(nodes, arguments.outage / 2, arguments.rate)
    restart()
    for machine in machines[-1:]:
        within(60, lambda: machine.stored() > had + 20 or machine.process.poll() is not None)
        machine.kill()
        print("# %s was killed when the server had some %d of its lines, and its disk %d" % (machine.name, had, machine.stored()))
        machine.boot()
    feed(nodes, arguments.outage / 2, arguments.rate)
    server = engine.server()
    feed(nodes, 2, arguments.rate)
    restart()
    cut, full = nodes[-1], nodes[count // 2]
    links = ["n%d" % cut.number, *(machine.link for machine in machines[:1])] if SPACES else []
    for link in links:
        ip("-n", HUB, "link", "set", link, "down")
    # A limit for the size of files stands for a full disk.
    limit = os.stat(full.folder + "/events.json").st_size, resource.RLIM_INFINITY
    resource.prlimit(full.watch.pid, resource.RLIMIT_FSIZE, limit)
    full.send(2000)
    feed(nodes, arguments.outage / 2, arguments.rate)
    resource.prlimit(full.watch.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for link in links:
        ip("-n", HUB, "link", "set", link, "up")
    feed(nodes, 3, arguments.rate)
    for node in nodes:
        node.stop()
    faults = []
    for machine in machines:
        if machine.says("ready") and machine.says("ran", 100):
            machine.command("stop")
        if not machine.says("copied"):
            faults.append(machine.why())
    if machines:
        ok(not faults, title + "the machines run until the end, and one boots again after it was killed", "\n".join(faults))
        machines = [] if faults else machines

    produced, parts = {}, set()
    for path in glob.glob(folder + "/node-*/events.json"):
        with open(path, "rb") as file:
            produced.update((key_of(line), line) for line in file.read().splitlines())
    for machine in machines:
        for line in machine.events():
            try:
                produced[key_of(line)] = line
            except ValueError:  # a part of a line, because the machine was killed. rsyslog escapes control characters.
                parts |= {line, line.replace(b"\0", b"#000")}
    received = []

    def complete():
        received[:] = engine.lines()
        return set(produced.values()) <= set(received)
    begin = time.monotonic()
    while not complete() and time.monotonic() - begin < 60 + 10 * arguments.outage:
        time.sleep(1)
    seconds = time.monotonic() - begin
    unique, wrong, killed = {}, [], {machine.name for machine in machines if machine.killed}
    for line in received:
        try:
            key = key_of(line)
        except ValueError:  # a part of a line
            if line not in parts:
                wrong.append(line)
            continue
        # When a machine is killed, the server may have lines that the disk of the machine had not.
        if unique.setdefault(key, line) != line or produced.get(key, line if key[0] in killed else None) != line:
            wrong.append(line)
    undescribed, shapes = invalid(unique.values())
    ok(not undescribed, title + "the schema describes the lines at the server", undescribed[:3])
    lost = sorted(set(produced) - set(unique))
    ok(not wrong, title + "each line at the server is as pcwatch wrote it", wrong[:3])
    ok(not lost, title + "each line that a node wrote is at the server", "%d: %s" % (len(lost), lost[:5]))
    announced, faults, held = collections.Counter(), [], 0
    for node in nodes:
        runs = node.runs()
        if len(runs) != len(node.fed):
            faults.append((node.name, len(runs), len(node.fed)))
        for index, ((boot, run_name), numbers) in enumerate(runs.items()):
            here = [json.loads(unique[key]) for number in numbers if (key := (node.name, boot, run_name, number)) in unique]
            killed = index in node.killed
            fault, dropped = account(here, None if killed else node.fed[index])
            announced[node.name] += dropped
            if killed:
                held += node.fed[index] - len(here) - dropped
            if fault:
                faults.append((node.name, run_name, fault))
    ok(not faults, title + "for each node, received + announced lost == produced", faults[:5])
    machine_faults = []
    for machine in machines:
        records = [json.loads(line) for key, line in unique.items() if key[0] == machine.name]
        found, dropped, unknown = machine.faults(records)
        machine_faults += found
        twice = sum(key_of(line)[0] == machine.name for line in received if line not in parts) - len(records)
        programs = sum(len(machine.said("ran", boot)) for boot in range(len(machine.boots)))
        machine_rows.append((name, machine.name + (", killed once" if machine.killed else ""), machine.said("system")[0], programs, unknown,
                             len(records), dropped, twice))
        machine.command("off")
    if machines:
        ok(not machine_faults, title + "for each machine, received + announced lost == produced", machine_faults[:5])
        ended = [machine.process.wait() for machine in machines]
        ok(not any(ended), title + "the machines power off by themselves", "\n".join(machine.why() for machine in machines))
    ok(announced[full.name] > 0, title + "what pcwatch dropped while a disk was full is announced", announced)
    again = len(received) - len(unique) - sum(line in parts for line in received)
    print("# %s%d lines; %d more announced as dropped; %d duplicates; %d combinations of keys; all there %.0f s after the end; "
          "%d events were in the hands of a pcwatch that was killed" % (title, len(unique), sum(announced.values()), again, shapes, seconds, held))
    if consumer:
        # If an acknowledgement was lost, the server delivers the line again 30 seconds later.
        all_lines = set(produced.values())
        within(100, lambda: consumer.poll() is not None or engine.followed() >= all_lines)
        followed = engine.followed()
        ok(consumer.poll() is None and all_lines <= followed <= set(received), title + "a consumer continues when the server comes back",
           (consumer.poll(), len(all_lines - followed), list(followed - all_lines)[:3], open(folder + "/follow.log").read()))
        ran = subprocess.run([*inside(HUB), *engine.client, "--take", "follow"], capture_output=True, text=True)
        ok((ran.returncode, ran.stdout, ran.stderr) == (1, "", "pcwatch-nats: follow: consumer is already bound to a subscription\n"),
           title + "a second consumer with the same name is refused", ran)
        ran = subprocess.run(["timeout", "30", engine.client[0], "--server", "http://" + SERVER], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        ok((ran.returncode, ran.stderr) == (1, "pcwatch-nats: http://%s: must begin with nats:// or tls://\n" % SERVER),
           title + "a server whose URL has an unknown scheme is refused", ran)
        unreachable, list_of_two = ("tls://%s:1" % ADDRESS, "tls://%s:1,tls://%s:4222" % (ADDRESS, ADDRESS))
        waiting = start([*engine.client, "--server", unreachable, "--take", "nobody"], HUB, open(folder + "/waiting.log", "w"))
        with open(folder + "/waiting.log") as file:
            log = []
            within(20, lambda: log.append(file.read()) or "".join(log).endswith("\n") or waiting.poll() is not None)
        ok(waiting.poll() is None and "".join(log).startswith("pcwatch-nats: no answer from the server, trying again: "),
           title + "a client reports that the server does not answer, and waits for it", (waiting.poll(), log))
        kill(waiting)
        ran = subprocess.run([*inside(HUB), "timeout", "100", *engine.client, "--server", list_of_two, "--take", "second", "--once"], capture_output=True)
        ok(ran.returncode == 0 and set(ran.stdout.splitlines()) == set(received),
           title + "of several servers, a client finds the one that answers", ran.stderr)
        with open(first.folder + "/events.json") as file:  # once more, on purpose
            ran = subprocess.run([*inside(first.space), *engine.client], stdin=file, capture_output=True, text=True)
        sent = sum(map(len, first.runs().values()))
        ok(again == 0 and ran.stderr == "pcwatch-nats: %d lines, of which the server had %d already\n" % (sent, sent)
           and len(engine.lines()) == len(received), title + "the server drops what is sent twice", (again, ran.stderr))
        rest = b'"boot_id":"b","run":"r","line":%d,"event":"exec"'
        odd = [b'{"host":null,' + rest % 1 + b"}", b'{"host":"' + b"h" * 100 + b'",' + rest % 2 + b"}", b"\0" * 999999, b'{"host":"torn","boo',
               b'{"host":"last",' + rest % 3 + b"}", b'{"host":"unfinished",' + rest % 4]
        ran = subprocess.run([*inside(first.space), *engine.client], input=b"\n".join(odd), capture_output=True)
        ok(ran.returncode == 0 and ran.stderr.count(b"\n") == 3 and b"\npcwatch-nats: 5 lines were not lines of" in ran.stderr
           and sorted(engine.lines()[len(received):]) == sorted([*odd, b""]),
           title + "lines that are not as expected arrive, too, and are reported once", (ran, engine.lines()[len(received):]))
        endless = """n=0; while sleep 0.1; do n=$((n + 1)); echo '{"host":"h","boot_id":"b","run":"e","line":'$n',"event":"exec"}'; done | "$@" """
        talker = start(["sh", "-c", endless, "sh", *engine.client], first.space)
        ran = subprocess.run([*inside(HUB), "timeout", "100", *engine.client, "--take", "look", "--once"], capture_output=True)
        kill(talker)
        ok(ran.returncode == 0 and set(received) <= set(ran.stdout.splitlines()),
           title + "a consumer with --once ends after what the server had, even if lines arrive all the time", ran.stderr)
        kill(server)
        shutil.rmtree(folder + "/var/lib/nats")
        server = engine.server()
        with open(folder + "/follow.log") as file:
            within(60, lambda: consumer.poll() is not None)
            reported = file.read()
        ok(consumer.poll() == 1 and reported.endswith("pcwatch-nats: follow: stream not found\n"),
           title + "a consumer ends with an error when the server has lost the stream", (consumer.poll(), reported))
    if lost or wrong or faults or machine_faults:
        for path in [folder + "/server/log", first.folder + "/log", cut.folder + "/log", full.folder + "/watch.log"]:
            with open(path) as file:
                print("".join("# %s: %s" % (path[len(work):], line) for line in file.readlines()[-8:]))
    for process in [*(node.ship for node in nodes), server]:
        kill(process)
    for node in nodes:
        remove(node.space)


def set_up():
    """setup.sh where openssl fails first, and pcwatch-node.sh where the administrator has options already."""
    folder = work + "/setup"
    os.makedirs(folder + "/bin")
    os.makedirs(folder + "/node/etc/default")
    with open(folder + "/bin/openssl", "w") as file:
        file.write('#!/bin/sh\n[ "$1" != x509 ] || { echo no luck >&2; exit 1; }\nPATH=${PATH#*:} exec openssl "$@"\n')
    os.chmod(folder + "/bin/openssl", 0o755)
    open(folder + "/pcwatch-node.sh", "w").close()
    os.chmod(folder + "/pcwatch-node.sh", 0o644)

    def script(path, *words, root=folder, search=""):
        return subprocess.run(["sh", path, *words], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "ROOT": root, "PATH": search + os.environ["PATH"]})
    setup = ROOT + "/examples-fleet/setup.sh"
    bad = script(setup, SERVER, search=folder + "/bin:")
    missing = not os.path.exists(folder + "/etc/pcwatch-fleet/server.crt")
    good = script(setup, SERVER)
    ok(bad.returncode == 1 and bad.stderr == "setup.sh: openssl failed:\nno luck\n" and missing and good.returncode == 0
       and os.path.exists(folder + "/etc/pcwatch-fleet/server.crt"), "setup.sh shows why openssl failed, and works the next time", (bad, good))
    mode = os.stat(folder + "/pcwatch-node.sh").st_mode & 0o777
    ok(mode == 0o600, "only its owner may read pcwatch-node.sh, even if others could before", oct(mode))
    defaults = folder + "/node/etc/default/pcwatch"
    with open(defaults, "w") as file:
        file.write("mine\n")
    ran = [script("pcwatch-node.sh", root=folder + "/node")]
    with open(defaults, "a") as file:
        file.write("# changed\n")
    ran.append(script("pcwatch-node.sh", root=folder + "/node"))
    with open(defaults) as file, open(defaults + ".before-fleet") as copy:
        ok([each.returncode for each in ran] == [0, 0] and file.read().endswith("# changed\n") and copy.read() == "mine\n",
           "pcwatch-node.sh keeps a copy of the administrator's options, and later changes", ran)

    ran = []
    for number, line in enumerate(("$PrivDropToUser syslog", "  privdrop.user.name=\"syslog\"", "#$PrivDropToUser syslog")):
        root = "%s/drop-%d" % (folder, number)
        os.makedirs(root + "/etc")
        with open(root + "/etc/rsyslog.conf", "w") as file:
            file.write("module(load=\"imuxsock\")\n%s\n" % line)
        ran += [script(setup, SERVER, root=root), script("pcwatch-node.sh", root=root)]
    ok([each.returncode for each in ran] == [1, 1, 1, 1, 0, 0] and all(each.stderr.count("\n") == 1 for each in ran[:4])
       and os.listdir(folder + "/drop-0/etc") == ["rsyslog.conf"], "both scripts refuse where rsyslogd does not stay root", ran)


def unix_socket():
    """rsyslog's imptcp as the server of --output unix:PATH, as docs/fleet.md describes it."""
    folder = work + "/unix"
    os.mkdir(folder)
    with open(ROOT + "/docs/fleet.md") as file:
        described = file.read().split("```\nglobal(")[1].split("```")[0]
    with open(folder + "/rsyslog.conf", "w") as file:
        described = described.replace("/run/shipper.sock", folder + "/socket").replace("/var/log", folder)
        file.write('global(workDirectory="%s" %s' % (folder, described))
    feed, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.dup2(theirs.fileno(), 9)
    theirs.close()
    watch = start([PCWATCH, "--json", "--host", "--drop", "--stats", "--output", "unix:%s/socket" % folder],
                  log=open(folder + "/watch.log", "w"), pass_fds=[9], env={**os.environ, "LD_PRELOAD": work + "/feed.so"})
    os.dup2(NOTHING, 9)
    server = start(["rsyslogd", "-n", "-f", folder + "/rsyslog.conf", "-i", "NONE"], log=open(folder + "/log", "w"))
    for event in EVENTS:
        feed.send(event)
    path = folder + "/pcwatch.json"

    def lines():
        if not os.path.exists(path):
            return []
        with open(path, "rb") as file:
            return file.read().split(b"\n")[:-1]
    within(60, lambda: len(lines()) == len(EVENTS))
    watch.terminate()
    watch.wait(60)
    within(60, lambda: len(lines()) == len(EVENTS) + 1)
    try:
        wrong = account(list(map(json.loads, lines())), len(EVENTS))[0]
    except ValueError as error:
        wrong = error
    mode = os.stat(folder + "/socket").st_mode & 0o777
    ok(not wrong and mode == 0o666, "rsyslog's imptcp takes the lines of pcwatch from a Unix socket, to which every user may write",
       (wrong, oct(mode), lines()[:1], open(folder + "/log").read()))
    kill(server)


def prepare_machines():
    """Returns how many machines can be booted."""
    def machine(*words):
        return subprocess.run([ROOT + "/tests/machine.sh", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    needs = machine("needs")
    if needs.returncode or not SPACES:
        skip("booted machines send, too", needs.stdout.strip().split("\n")[-1] or "network namespaces need root")
        return 0
    for words, sentence in ((["disk"], "Debian stable, its kernel and systemd can be put on a disk"),
                            (["packages", work + "/packages"], "the packages are built")):
        ran = machine(*words)
        ok(ran.returncode == 0, sentence, ran.stdout)
        if ran.returncode:
            return 0
    return arguments.machines


set_up()
if "rsyslog" in arguments.engines:
    unix_socket()
COUNTS = [int(count) for count in arguments.nodes.split(",")]
MACHINES = prepare_machines() if arguments.machines else 0
for engine_name in arguments.engines.split(","):
    for nodes_count in COUNTS:
        run(engine_name, nodes_count)
if not SPACES:
    skip("a node whose network was cut sends all lines later", "network namespaces need root")


def show(name, head, form, found):
    """Prints a table, and puts it into the file that has a place for it."""
    table = "| %s |\n%s\n" % (" | ".join(head), "|---" * len(head) + "|") + "".join("| %s |\n" % (form % row) for row in found)
    print("".join("# %s\n" % line for line in table.splitlines()), end="")
    if arguments.tables and found:
        subprocess.run([ROOT + "/tests/table.sh", name, arguments.tables], input=table, text=True, check=True)


show("fleet", ["engine", "nodes", "lines/s in all", "server: CPU", "server: memory", "a node: CPU", "a node: memory"],
     "%s | %d | %.0f | %.1f %% | %.0f MiB | %.1f %% | %.0f MiB", rows)
show("fleet-machines", ["engine", "machine", "system", "kernel", "systemd", "programs", "of these lost with it", "lines at the server",
                        "announced as dropped", "duplicates"], "%s | %s | %s | %d | %d | %d | %d | %d", machine_rows)
conclude()
