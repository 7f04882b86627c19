"""Who catches the command lines of short programs? pcwatch, its peers, and the smallest reader.

Each reader runs through each load by itself, one after another, in an order that turns around from round
to round. A command line is caught if the reader's output has the argument that only this program got.
"""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/bench"

Load = collections.namedtuple("Load", "what program count parents period_us")
LOADS = [
    Load("`/bin/true`, one each 2 ms", "/bin/true", 1000, 1, 2000),
    Load("`/bin/true`, no gap", "/bin/true", 2000, 1, 0),
    Load("`/bin/true`, no gap, two parents", "/bin/true", 2000, 2, 0),
    Load("static, one each 1 ms", BUILD / "brief", 2000, 1, 1000),
    Load("static, no gap, two parents", BUILD / "brief", 4000, 2, 0),
]

READERS = {
    "pcwatch": (ROOT / "build/pcwatch", "--events", "exec"),
    "pcwatch --realtime": (ROOT / "build/pcwatch", "--events", "exec", "--realtime"),
    "forkstat": ("forkstat", "-e", "exec"),
    "extrace": ("extrace",),
    "smallest": (BUILD / "smallest",),
    "smallest, `pc_wake_soon`": (BUILD / "smallest", "soon"),
    "smallest, SCHED_FIFO": (BUILD / "smallest", "realtime"),
    "smallest, spinning": (BUILD / "smallest", "spin"),
    "execsnoop (eBPF)": ("execsnoop",),
}

# execsnoop finds its tracepoint in tracefs, which may not be mounted.
IN_TRACEFS = "unshare", "-m", "sh", "-c", 'mount -t tracefs none /sys/kernel/tracing; exec "$0" "$@"'

START_SECONDS = 2  # to subscribe; eBPF has to load a program
REST_SECONDS = 0.5  # to catch up, after the load

Run = collections.namedtuple("Run", "caught cpu_ms")


def listeners():
    """The inodes of the sockets that process events go to."""
    table = pathlib.Path("/proc/net/netlink").read_text().splitlines()[1:]
    sockets = (line.split() for line in table)
    return {inode for _, protocol, _, groups, *_, inode in sockets if int(protocol) == 11 and int(groups, 16) & 1}


def listens(pid):
    sockets = {f"socket:[{inode}]" for inode in listeners()}
    return any(os.readlink(fd) in sockets for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())


def start(command, output):
    reader = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    patience = time.monotonic() + START_SECONDS
    while time.monotonic() < patience:
        if reader.poll() is not None:
            return None
        with contextlib.suppress(OSError):  # it has closed a descriptor meanwhile
            if listens(reader.pid):
                break
        time.sleep(0.02)
    time.sleep(0.2)
    return reader if reader.poll() is None else None


def stop(reader):
    """Ends a reader as Ctrl-C does, and returns what it has used."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGKILL:
        reader.send_signal(number)
        patience = time.monotonic() + 3
        while time.monotonic() < patience:
            pid, _, usage = os.wait4(reader.pid, os.WNOHANG)
            if pid:
                reader.returncode = 0
                return usage
            time.sleep(0.01)
    raise RuntimeError(f"{reader.args} does not end")


def run(command, load, share=1):
    """One reader in one load; None if the reader does not work here."""
    path = BUILD / "race.out"
    with path.open("wb") as output:
        reader = start(command, output)
        if reader is None:
            return None
        name = f"race{time.monotonic_ns()}"
        count = int(load.count * share)
        arguments = load.program, name, str(count), str(load.parents), str(load.period_us)
        subprocess.run((BUILD / "load", *arguments), check=True)
        time.sleep(REST_SECONDS)
        usage = stop(reader)
    caught = set(re.findall(rb"\b%s-\d+\b" % name.encode(), path.read_bytes()))
    return Run(len(caught) / share, (usage.ru_utime + usage.ru_stime) * 1000)


def available():
    """The readers that work on this kernel and machine."""
    found = {}
    for name, (program, *options) in READERS.items():
        path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        before = IN_TRACEFS if program == "execsnoop" else ()
        command = *before, path, *options
        if path and run(command, LOADS[0], 0.01):
            found[name] = command
        else:
            print(f"# {name} does not work here", file=sys.stderr)
    return found


def race(rounds, share=1, undisturbed=lambda run, what: run()):
    """Runs all readers through all loads, alternating. The result: runs[load, reader] is a list."""
    # A shell that runs this in the background has SIGINT ignored, and so would the readers.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    readers = available()
    runs = collections.defaultdict(list)
    for load in LOADS:
        for number in range(rounds):
            for name in sorted(readers, reverse=number % 2 == 1):
                what = f"{name} in {load.what}"
                runs[load, name].append(undisturbed(lambda: run(readers[name], load, share), what))
                print(f"# {what}: {runs[load, name][-1]}", file=sys.stderr)
    return runs


def median(runs, field):
    return statistics.median(getattr(run, field) for run in runs)


def table(runs, cell):
    """A row for each load, a column for each reader."""
    names = [name for name in READERS if (LOADS[0], name) in runs]
    lines = [["load", *names], ["---"] * (len(names) + 1)]
    for load in LOADS:
        lines.append([f"{load.count:,} × {load.what}", *(cell(runs[load, name]) for name in names)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def caught(runs):
    counts = [run.caught for run in runs]
    return f"**{median(runs, 'caught'):,.0f}** ({min(counts):,.0f}–{max(counts):,.0f})"


def cpu(runs):
    return f"{median(runs, 'cpu_ms'):,.0f}"


def cpu_of_forkstats(runs):
    """The range of pcwatch's CPU time as a share of forkstat's, whatever they caught."""
    pairs = [(runs[load, "pcwatch"], runs[load, "forkstat"]) for load in LOADS if (load, "forkstat") in runs]
    shares = [median(ours, "cpu_ms") / max(median(theirs, "cpu_ms"), 1) for ours, theirs in pairs]
    return f"{min(shares):.2f} to {max(shares):.2f}" if shares else "(not measured)"


def bounds(runs):
    """What must be reached on Linux 6.12 and later: what, the bound, and the value."""

    def share(name, load):
        return median(runs[load, name], "caught") / load.count

    peers = [name for name in ("forkstat", "extrace") if (LOADS[0], name) in runs]
    least = dict(zip(LOADS, (0.995, 0.995, 0.975, 0.975, None), strict=True))
    for load in LOADS:
        if least[load]:
            yield f"pcwatch, share of {load.what}", f">= {least[load]}", share("pcwatch", load)
    if (LOADS[2], "pcwatch --realtime") in runs:
        what = f"pcwatch --realtime, share of {LOADS[2].what}"
        yield what, ">= 0.999", share("pcwatch --realtime", LOADS[2])
    for load in LOADS if peers else ():
        ratio = share("pcwatch", load) / max(share(name, load) for name in peers)
        yield f"pcwatch against the best of {' and '.join(peers)}, {load.what}", ">= 1", ratio
    for load in LOADS if "forkstat" in peers else ():
        each = [
            median(runs[load, name], "cpu_ms") / max(median(runs[load, name], "caught"), 1)
            for name in ("pcwatch", "forkstat")
        ]
        yield f"CPU for each command line, pcwatch against forkstat, {load.what}", "<= 0.6", each[0] / each[1]


if __name__ == "__main__":
    results = race(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 1)
    print(table(results, caught))
    print(table(results, cpu))
    for what, bound, value in bounds(results):
        print(f"{value:.4f} {bound} {what}")
