"""Made-up events and processes, to test a program without root and without the kernel's events.

>>> from proc_connector import Connector, Exec
>>> with Feed() as feed, Connector(fd=feed) as connector:
...     feed.send(Exec(pid=100, tgid=100))
...     feed.end()
...     for event in connector:
...         print(event.tgid, "runs a new program")
100 runs a new program

A process exists for a table as long as it has files:

>>> from proc_connector import Table
>>> with Feed() as feed:
...     feed.process(100, comm="shell", uid=1000)
...     with Table(fd=feed, proc=feed.proc) as table:
...         while not table.synced:
...             change = table.next()
...         for process in table.processes():
...             print(process.comm, process.euid)
shell 1000
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
import time
from types import TracebackType
from typing import Any

from ._events import Event, EventKind, data_of
from ._layout import name_to

# The kernel's numbers (linux/cn_proc.h).
_WHAT: dict[int, int] = {
    EventKind.FORK: 0x1,
    EventKind.EXEC: 0x2,
    EventKind.UID: 0x4,
    EventKind.GID: 0x40,
    EventKind.SID: 0x80,
    EventKind.PTRACE: 0x100,
    EventKind.COMM: 0x200,
    EventKind.COREDUMP: 0x40000000,
    EventKind.EXIT: 0x80000000,
}


def datagram(event: Event) -> bytes:
    """Returns an event as the kernel sends it: `struct nlmsghdr`, `struct cn_msg`, `struct proc_event`."""
    what = _WHAT.get(event.kind)
    if what is None:
        raise ValueError(f"event must be one that the kernel sends, not {type(event).__name__}")
    data = b"".join(_bytes(getattr(event, field)) for field in data_of(event.kind)[1])
    proc_event = struct.pack("=IIQ24s", what, event.cpu, event.timestamp_ns, data)
    cn_msg = struct.pack("=IIIIHH", 1, 1, event.seq, 0, len(proc_event), 0)
    return struct.pack("=IHHII", 76, 3, 0, 0, 0) + cn_msg + proc_event


def _bytes(value: Any) -> bytes:
    return name_to(value).ljust(16, b"\0") if isinstance(value, str) else struct.pack("=I", value & 0xFFFFFFFF)


def _ticks() -> int:
    """Returns the time as /proc has it: since the boot, in units of 10 ms."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10**7


class Feed:
    """A socket that feeds a connector or a table with events, and a directory with processes for a table.

    Give the feed itself as `fd`, and `feed.proc` as `proc`. The socket holds some 280 events: a test that sends more
    before it receives any waits for ever.
    """

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.proc = tempfile.mkdtemp(prefix="processes-")
        """The directory with the made-up processes."""
        self._starts: dict[int, int] = {}

    def fileno(self) -> int:
        """Returns the descriptor from which a connector or a table receives."""
        return self._out.fileno()

    def send(self, event: Event) -> None:
        """Sends an event.

        If its timestamp_ns is 0, the event gets the present time. A table ignores an event that is older than what
        the table has read of the process, or than the start of the process. So a timestamp of your own should be
        time.monotonic_ns() or later.

        Nothing is lost on this socket, so there are no overruns: make one, and pass it to your own function.
        """
        self._in.send(datagram(event if event.timestamp_ns else event._replace(timestamp_ns=time.monotonic_ns())))

    def process(self, pid: int, parent_pid: int = 1, comm: str = "made-up", uid: int = 0, gid: int = 0) -> None:
        """Makes a process, as /proc shows it, or gives a process another parent, name or ids. Do so before its event.

        The process starts when this is first called for it. After remove(), the pid belongs to another process.
        """
        folder = os.path.join(self.proc, str(pid))
        if not os.path.isdir(folder):
            while _ticks() <= self._starts.get(pid, 0):
                time.sleep(0.001)
            self._starts[pid] = _ticks()
            os.mkdir(folder)
        stat = f"{pid} ({comm}) S {parent_pid} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {self._starts[pid]}"
        # The kernel escapes line breaks and backslashes in the name.
        name = comm.replace("\\", "\\\\").replace("\n", "\\n")
        ids = "".join(f"{label}:" + 4 * f"\t{number}" + "\n" for label, number in (("Uid", uid), ("Gid", gid)))
        for file, text in (("stat", stat + 30 * " 0" + "\n"), ("status", f"Name:\t{name}\n{ids}")):
            with open(os.path.join(folder, file), "wb") as output:
                output.write(os.fsencode(text))

    def remove(self, pid: int) -> None:
        """Removes a process. Do so before its exit."""
        shutil.rmtree(os.path.join(self.proc, str(pid)))

    def end(self) -> None:
        """Ends the stream: after the last event, loops end, and recv() raises ProcConnectorError (EPIPE).

        A table first reports every change that the events caused.
        """
        self._in.close()

    def close(self) -> None:
        """Ends the stream, and removes the directory."""
        self._in.close()
        self._out.close()
        shutil.rmtree(self.proc, ignore_errors=True)

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
