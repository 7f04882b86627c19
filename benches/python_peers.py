"""Python's bindings and pyroute2's ProcEventSocket, side by side in one run.

    python_peers.py [--rounds N] [--write README.md]

Each reader runs by itself, one after another, in an order that turns around from round to round:
- drain: the events of some thousand programs are queued. How many does the reader's loop take per second of CPU time?
- stall: the reader has its default queue, and is held up while more programs run than the queue has room for. How many
  of their exits does it get, and what does it report about the others?
- lines: the reader reads the command line at each exec. How many does it catch?

The table is printed, and written between the marks of a file.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOAD, BRIEF = ROOT / "build/bench/load", ROOT / "build/bench/brief"
READERS = ["proc_connector", "pyroute2"]
JOBS = {  # what runs: program, number, parents
    "drain": (BRIEF, 4000, 1),
    "stall": (BRIEF, 20000, 2),
    "lines": ("/bin/true", 2000, 1),
    "brief lines": (BRIEF, 4000, 2),
}
QUEUE = 36 << 20
BEGIN, END = "<!-- measured: benches/python_peers.py -->", "<!-- end of measured -->"


# ---- The readers, each in a process of its own: they yield kind, tgid, parent, name of the command ----


def ours(job: str) -> Iterator[tuple[str, int, int]]:
    from proc_connector import Connector, Exec, Exit, Fork, Overrun, wake_soon

    if job.endswith("lines"):
        wake_soon()
    with Connector() as connector:
        ready(job)
        for event in connector:
            if type(event) is Exit:
                yield "exit", event.tgid if event.pid == event.tgid else 0, event.parent_tgid
            elif type(event) is Exec:
                yield "exec", event.tgid, 0
            elif type(event) is Fork:
                yield "fork", event.child_tgid, event.parent_tgid
            elif type(event) is Overrun:
                yield "lost", event.lost, 0
            else:
                yield "other", 0, 0


def pyroute2(job: str) -> Iterator[tuple[str, int, int]]:
    from pyroute2.netlink.connector.cn_proc import ProcEventSocket

    events = ProcEventSocket()
    events.bind()
    events.control(listen=True)
    if job == "drain":  # the same queue for both
        with socket.socket(fileno=os.dup(events.fileno())) as raw:
            raw.setsockopt(socket.SOL_SOCKET, 33, QUEUE)  # SO_RCVBUFFORCE
    ready(job)
    failures = 0
    while failures < 100:  # then it is not going to recover
        try:
            messages = events.get()
            failures = 0
        except OSError:  # ENOBUFS says that something was lost, but not how much
            failures += 1
            yield "told", 0, 0
            continue
        except struct.error:  # a control message of another listener, which is shorter than an event
            continue
        for event in messages:
            what = event["what"]
            if what == 0x80000000:
                leader = event["process_pid"] == event["process_tgid"]
                yield "exit", event["process_tgid"] if leader else 0, event["parent_tgid"]
            elif what == 2:
                yield "exec", event["process_tgid"], 0
            elif what == 1:
                yield "fork", event["child_tgid"], event["parent_tgid"]
            else:
                yield "other", 0, 0


def ready(job: str) -> None:
    print("ready", flush=True)
    if not job.endswith("lines"):
        sys.stdin.readline()  # until all events are queued


def line_of_ours(tgid: int) -> str:
    from proc_connector import Process

    try:
        return Process(pid=tgid).cmdline()[-1]
    except (OSError, IndexError):
        return ""


def line_of_proc(tgid: int) -> str:
    try:
        with open(f"/proc/{tgid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[-2].decode(errors="replace")
    except (OSError, IndexError):
        return ""


def read(reader: str, job: str, root: int) -> None:
    """Reads until the process root exits, or until SIGINT."""
    line_of = line_of_ours if reader == "proc_connector" else line_of_proc
    parents: set[int] = set()
    children: set[int] = set()
    count = exits = lost = told = 0
    caught: set[str] = set()
    begin = 0.0
    try:
        for kind, tgid, parent in (ours if reader == "proc_connector" else pyroute2)(job):
            begin = begin or time.process_time()
            count += 1
            if kind == "fork":
                if parent == root:
                    parents.add(tgid)
                elif parent in parents:
                    children.add(tgid)
            elif kind == "exit":
                exits += parent in parents or tgid in children  # the parent is 0 if the process was reaped before
                if tgid == root:
                    break
            elif kind == "exec" and job.endswith("lines"):
                line = line_of(tgid)
                if line.startswith("measured-"):
                    caught.add(line)
            elif kind == "lost":
                lost, told = lost + tgid, told + 1
            elif kind == "told":
                told += 1
    except KeyboardInterrupt:
        pass
    seconds = time.process_time() - begin if begin else 1.0
    print(json.dumps({"rate": count / seconds, "exits": exits, "lost": lost, "told": told, "lines": len(caught)}))


# ---- The measurement ----


def measure(reader: str, job: str) -> dict[str, Any]:
    program, number, parents = JOBS[job]
    load = f'read go; exec "{LOAD}" "{program}" measured {number} {parents} 0'
    with subprocess.Popen(["sh", "-c", load], stdin=subprocess.PIPE) as root:
        assert root.stdin is not None
        command = [sys.executable, __file__, "--read", reader, job, str(root.pid)]
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None and running.stdin is not None
        assert running.stdout.readline() == "ready\n"
        root.stdin.write(b"\n")
        root.stdin.close()
        assert root.wait() == 0
        running.stdin.write("go\n")
        running.stdin.flush()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:  # it has lost the exit of root
            running.send_signal(signal.SIGINT)
        result: dict[str, Any] = json.loads(running.stdout.read())
        return result


def table(results: dict[str, dict[str, list[dict[str, Any]]]], versions: dict[str, str]) -> str:
    def middle(job: str, reader: str, value: str) -> float:
        return statistics.median(result[value] for result in results[job][reader])

    rows = [f"| | {' | '.join(versions[reader] for reader in READERS)} | ratio |", "|---|---|---|---|"]
    one, other = (middle("drain", reader, "rate") for reader in READERS)
    rows.append(f"| events per second of CPU time | {one:,.0f} | {other:,.0f} | {one / other:.0f} |")
    number = JOBS["stall"][1]
    one, other = (middle("stall", reader, "exits") for reader in READERS)
    ratio = f"{one / other:.1f}" if other else ""
    rows.append(f"| exits received of {number:,} programs after a stall, default queues | {one:,.0f} | {other:,.0f} | {ratio} |")
    told = []
    for reader in READERS:
        lost, times = middle("stall", reader, "lost"), middle("stall", reader, "told")
        complete = middle("stall", reader, "exits") == number
        told.append("nothing was lost" if complete else f"{lost:,.0f} events, exactly" if lost else
                    "ENOBUFS, by every call from then on" if times >= 100 else
                    f"ENOBUFS, {times:.0f} times" if times else "nothing")
    rows.append(f"| what the reader was told about the others | {' | '.join(told)} | |")
    for job, what in (("lines", "`/bin/true`, no gap"), ("brief lines", "static, no gap, two parents")):
        one, other = (middle(job, reader, "lines") / JOBS[job][1] for reader in READERS)
        ratio = f"{one / other:.1f}" if other else ""
        rows.append(f"| command lines caught: {what} | {one:.1%} | {other:.1%} | {ratio} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares Python's bindings with pyroute2.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=pathlib.Path, help="a file in which the table is replaced")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        reader, job, root = arguments.read
        read(reader, job, int(root))
        return
    import pyroute2 as peer

    import proc_connector

    ours_version = ".".join(map(str, proc_connector.library_version()))
    versions = {"proc_connector": f"proc_connector {ours_version}", "pyroute2": f"pyroute2 {peer.__version__}"}
    results: dict[str, dict[str, list[dict[str, Any]]]] = {job: {reader: [] for reader in READERS} for job in JOBS}
    for number in range(arguments.rounds):
        for job in JOBS:
            for reader in READERS[:: 1 - number % 2 * 2]:
                results[job][reader].append(measure(reader, job))
                print(f"# {job}, {reader}: {results[job][reader][-1]}", file=sys.stderr, flush=True)
    text = table(results, versions)
    print(text)
    if arguments.write:
        document = arguments.write.read_text()
        before, rest = document.split(BEGIN)
        arguments.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
