"""Runs every measurement and writes docs/benchmarks.md and docs/benchmarks.svg.

BENCH_QUICK=1: runs each once, small, into build/bench/, to see that all of it works.
report.py race: runs the race alone, and rewrites its section of the page.
"""

import collections
import glob
import math
import os
import pathlib
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

import chart
import race
from rows import FIGURES, PROGRAMS, RATIOS

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/bench"
QUICK = "BENCH_QUICK" in os.environ
DOCS = BUILD if QUICK else ROOT / "docs"
BY_HAND = "<!-- By hand: make bench keeps what is below this line. -->\n"
LIBRARIES = {
    "libproc_connector.so": ROOT / "build/libproc_connector.so",
    "without the table": ROOT / "build/connector/connector.so",
    "libmnl.so": "/usr/lib/*/libmnl.so.0",
    "libnl-3.so": "/usr/lib/*/libnl-3.so.200",
    "ours with std": ROOT / "build/std/libproc_connector.so",
}

samples = collections.defaultdict(list)
disturbed = []  # measurements that others did not leave alone
disturbed_runs = []  # of the race


def run(*command, **environment):
    """What a program prints. If it fails, so does all of this."""
    print("#", *command, file=sys.stderr)
    options = {"check": True, "text": True, "stdout": subprocess.PIPE, "cwd": ROOT}
    return subprocess.run(command, env=os.environ | environment, **options).stdout


def others_cpu_seconds():
    """Used since boot by all programs but those that were run here."""
    user, nice, system, _idle, _wait, *rest = pathlib.Path("/proc/stat").read_text().split()[1:9]
    everybody = sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    return everybody - mine.ru_utime - mine.ru_stime


def wait_until_quiet(seconds=3):
    """Until others use hardly a CPU for so long, or for BENCH_PATIENCE seconds."""
    patience = time.monotonic() + int(os.environ.get("BENCH_PATIENCE", "60"))
    quiet = 0
    while not QUICK and quiet < seconds and time.monotonic() < patience:
        before = others_cpu_seconds()
        time.sleep(1)
        quiet = quiet + 1 if others_cpu_seconds() - before < 0.04 else 0


def measure(*command, tries=1 if QUICK else 3):
    """Runs a measurement, and again while others use more than 4 % of a CPU meanwhile."""
    for _ in range(tries):
        wait_until_quiet()
        before, begun = others_cpu_seconds(), time.monotonic()
        lines = run(*command).splitlines()
        share = (others_cpu_seconds() - before) / max(1, time.monotonic() - begun)
        print(f"# others used {share:.1%} of a CPU", file=sys.stderr)
        if share < 0.04:
            break
    else:
        disturbed.append(f"{command[-1]} ({share:.0%})")
    for line in lines:
        measurement, contestant, value = line.split("\t")
        samples[measurement, contestant].append(float(value))


def undisturbed(run_once, what):
    """What a run in the race gives, again while others use more than 10 % of a CPU meanwhile."""
    for _ in range(1 if QUICK else 3):
        wait_until_quiet(1)
        before, begun = others_cpu_seconds(), time.monotonic()
        result = run_once()
        share = (others_cpu_seconds() - before) / (time.monotonic() - begun)
        if share < 0.1:
            return result
    print(f"# others used {share:.1%} of a CPU", file=sys.stderr)
    disturbed_runs.append(what)
    return result


def count_instructions(measurement, contestant, function):
    """Instructions in user space for each of 1,024 events, by simulation."""
    out = BUILD / "callgrind.out"
    command = "valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"
    program = BUILD / "bench", "count-" + measurement
    run(*command, f"--toggle-collect={function}", *program, LD_BIND_NOW="1")
    total = re.search(r"^totals: (\d+)", out.read_text(), re.MULTILINE)
    samples["instructions-" + measurement, contestant].append(int(total[1]) / 1024)


def measure_all():
    for name in "recvfrom", "pc_recv", "recvmmsg", "pc_recv_many":
        count_instructions("drain", name, "drain_" + name)
    count_instructions("parse", "pc_parse", "parse_ours")
    count_instructions("parse", "proc-connector", "peer_parse")
    for name, pattern in LIBRARIES.items():
        run("strip", "-o", BUILD / "stripped", glob.glob(str(pattern))[0])
        samples["size", name].append((BUILD / "stripped").stat().st_size)
    measure(BUILD / "allocations")
    for program in PROGRAMS:
        measure(BUILD / program, program)
    measure(BUILD / "bench", "start", *(BUILD / program for program in PROGRAMS))
    for measurement in "drain", "live", "burst", "filter", "latency", "parse", "calls", "table", "variants":
        measure(BUILD / "bench", measurement)


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if values[1:] else values * 3


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def verdict(value, bound):
    if not bound:
        return ""
    sign, limit = bound.split()
    limit = float(limit)
    kept = {"<": value < limit, "<=": value <= limit, ">=": value >= limit}[sign]
    return "yes" if kept else "**no**"


def line(*cells):
    return "| " + " | ".join(cells) + " |\n"


def readable(bound):
    return bound.replace("<=", "≤").replace(">=", "≥").replace("<", "&lt;")


def ratio_line(row):
    ours, theirs = (samples[row.measurement, name] for name in (row.ours, row.theirs))
    pairs = zip(ours, theirs, strict=True)
    low, median, high = quartiles([mine / other if other else math.nan for mine, other in pairs])
    return line(
        *(row.what, row.against, readable(row.bound), f"**{median:.3f}**"),
        f"{low:.3f} – {high:.3f}" if len(ours) > 1 else "",
        f"{number(statistics.median(ours))} : {number(statistics.median(theirs))}",
        *(row.kind, verdict(median, row.bound)),
    )


def figure_line(row):
    medians = [statistics.median(samples[row.measurement, name]) for name in row.contestants]
    each = (f"{name} {number(value)}" for name, value in zip(row.contestants, medians))
    return line(row.what, ", ".join(each), row.unit, readable(row.bound), verdict(medians[0], row.bound))


def caught_in_time():
    """The section about the race, after running it."""
    runs = race.race(1, 0.02) if QUICK else race.race(5, 1, undisturbed)
    return f"""## Command lines caught

A program that runs for less than a millisecond is gone before most readers have read its command line.
The readers run one after the other, in five rounds. A cell is the number of command lines that the reader's
output has: the median of the rounds, with the least and the most. The output goes to a file.
`make bench-race` runs only this.

{race.table(runs, race.caught)}
The CPU time of each reader, user and system, in milliseconds (medians):

{race.table(runs, race.cpu)}
{line("what", "must be", "figure", "reached")}{"|---" * 4}|
{"".join(map(bound_line, race.bounds(runs)))}
{RACE_EXPLANATIONS.format(cpu=race.cpu_of_forkstats(runs))}

Linux {release()}, {os.cpu_count()} cores. Other programs used more than 10 % of a CPU during
{len(disturbed_runs)} of {sum(map(len, runs.values()))} runs.

"""


def release():
    return re.match(r"[\d.]*\d", platform.release())[0]


def page(race_section):
    return f"""# Benchmarks

This page compares the library with bare loops of system calls, with two Rust crates that receive the same
events (the peers: proc-connector and cnproc), and `pcwatch` with other tools. `make bench`, run as root,
measures all this and writes the page, in some fifteen minutes on an idle machine. When other programs are
busy, each measurement waits for them, at most BENCH_PATIENCE=60 seconds. A measurement that they disturbed
is repeated at most twice.

Both sides of a comparison run in one process, pinned to a CPU, in alternating order (A B, B A, …). A ratio
is the median over all pairs, with its quartiles. Ratios differ least between machines: trust the ratios, not
the nanoseconds. `time` and `count` are measured. `instructions` are counted by simulation (callgrind), in
user space only. The last column of a table says whether the figure is within its bound.

Measured on {os.cpu_count()} cores ({platform.machine()}) of a virtual machine, Linux {release()};
other listeners on the machine meanwhile: {len(race.listeners())}; disturbed by other programs, as a share
of a CPU: {", ".join(disturbed) or "nothing"}.

![Nanoseconds for each of 2,048 waiting events](benchmarks.svg)

## Compared

{line("what", "against", "must be", "ratio", "quartiles", "medians", "by", "reached")}{"|---" * 8}|
{"".join(map(ratio_line, RATIOS))}
All contestants have queues of one size, except in "burst held". Bare loops parse nothing. {EXPLANATIONS}

{race_section}## Alone

{line("what", "figures", "unit", "must be", "reached")}{"|---" * 5}|
{"".join(map(figure_line, FIGURES))}
"""


RACE_EXPLANATIONS = """- The bounds are for Linux 6.12 and later. An older kernel grants no short slice, so pcwatch needs
  `--realtime` to catch as many.
- `smallest` is `benches/race/smallest.c`: it receives an EXEC, reads /proc/PID/cmdline and prints it. The
  columns beside it are the same program after one call of `pc_wake_soon(PC_WAKE_SLICE)`, after
  `pc_wake_soon(PC_WAKE_REALTIME)`, and with `spin_us`.
- CPU time is compared for each command line, because a reader that catches less prints less. As the second
  table shows, pcwatch's total CPU time is {cpu} of forkstat's.
- forkstat and extrace are Debian's. execsnoop is that of libbpf-tools, which copies the command line
  inside the kernel, in the execve(2) of the new program. So execsnoop cannot come too late, but needs
  CAP_BPF and a kernel with BTF. Its cost in the kernel is not in its CPU time."""


EXPLANATIONS = """A flood is COMM events, by
prctl(PR_SET_NAME), from one thread.

- "2,048 wait": that number of events is pending. The figures are nanoseconds, or instructions, per event.
- "Our" functions are those of this library's Rust interface.
- `recv` and the two peers do not check the sender's address. That check is the difference between `recv`
  and `recvfrom`.
- "Again" repeats the loop that it is compared with: its distance from 1 is noise.
- Events/s: the flood runs on the other CPU, the queue of 1 MiB is full, the loops wait in `poll`.
- CPU ms: for 1,000,000 COMM events and 10,000 threads. "The flood" is in ns per COMM event.
- Share lost: bursts of 1,000 events, 1 µs of work for each, a queue of 212,992 bytes. The library sets
  `NETLINK_NO_ENOBUFS`; "ENOBUFS mode" is the kernel's default. In a flood without pauses, both modes lose
  equally.
- Latency: from the event's timestamp to the return of the call, one event per wake-up. Our descriptor is
  in an `epoll` instance. "Busy": another program runs on the reader's CPU."""


def bound_line(row):
    what, bound, value = row
    return line(what, readable(bound), f"{value:.3f}", verdict(value, bound))


def drain_chart():
    names = [name for measurement, name in samples if measurement == "drain-few"]
    rows = [(name, "our" in name or "pc_" in name, *quartiles(samples["drain-few", name])) for name in names]
    return chart.bars("Nanoseconds for each of 2,048 waiting events", sorted(rows, key=lambda row: row[3]))


def by_hand(path):
    old = path.read_text() if path.exists() else ""
    return BY_HAND + (old.partition(BY_HAND)[2] or "\n## Variants that lost\n")


DOCS.mkdir(exist_ok=True)
path = DOCS / "benchmarks.md"
if sys.argv[1:] == ["race"]:
    old = path.read_text()
    before, _, after = old.partition("## Alone\n")
    path.write_text(before.partition("## Command lines caught\n")[0] + caught_in_time() + "## Alone\n" + after)
else:
    race_section = caught_in_time()
    measure_all()
    path.write_text(page(race_section) + by_hand(path))
    (DOCS / "benchmarks.svg").write_text(drain_chart())
print(path.read_text())
