"""Made-up events and processes, to test a program without root and without the kernel's events.

>>> from proc_connector import Connector, Exec
>>> with Feed() as feed, Connector(fd=feed) as connector:
...     feed.send(Exec(pid=100, tgid=100))
...     feed.end()
...     for event in connector:
...         print(event.tgid, "runs a new program")
100 runs a new program
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
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
    """Returns an event as the kernel sends it: struct nlmsghdr, struct cn_msg, struct proc_event."""
    what = _WHAT.get(event.kind)
    if what is None:
        raise ValueError(f"event must be one that the kernel sends, not {type(event).__name__}")
    data = b"".join(_bytes(getattr(event, field)) for field in data_of(event.kind)[1])
    proc_event = struct.pack("=IIQ24s", what, event.cpu, event.timestamp_ns, data)
    cn_msg = struct.pack("=IIIIHH", 1, 1, event.seq, 0, len(proc_event), 0)
    return struct.pack("=IHHII", 76, 3, 0, 0, 0) + cn_msg + proc_event


def _bytes(value: Any) -> bytes:
    return name_to(value).ljust(16, b"\0") if isinstance(value, str) else struct.pack("=I", value & 0xFFFFFFFF)


class Feed:
    """A socket that feeds a connector or a table with events, and a directory with processes for a table.

    Give the feed itself as `fd`, and `feed.proc` as `proc`. The socket holds some 280 events: a test that sends more
    before it receives any waits for ever.
    """

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.proc = tempfile.mkdtemp(prefix="processes-")
        """The directory with the made-up processes."""

    def fileno(self) -> int:
        """Returns the descriptor from which a connector or a table receives."""
        return self._out.fileno()

    def send(self, event: Event) -> None:
        """Sends an event. Nothing is lost on this socket, so there are no overruns: make one, and pass it on."""
        self._in.send(datagram(event))

    def process(self, pid: int, parent_pid: int = 1, comm: str = "made-up") -> None:
        """Makes a process, as /proc shows it, or gives a process another parent or name. Do so before its fork."""
        folder = os.path.join(self.proc, str(pid))
        os.makedirs(folder, exist_ok=True)
        stat = f"{pid} ({comm}) S {parent_pid} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0" + 31 * " 0" + "\n"
        for file, text in (("stat", stat), ("status", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")):
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
