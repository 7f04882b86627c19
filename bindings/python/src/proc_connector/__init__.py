"""Linux process events that are never silently lost.

A Connector is the stream of all events: every fork, exec, exit, id change, ptrace, rename and core dump. A Table lists
all processes, follows them, and recovers from losses by itself. Choose the table if you want to know which processes
exist, or what became of them:

    from proc_connector import Table, wake_soon

    wake_soon()
    with Table(text_bytes=4096) as table:
        for change in table:
            if change.exited and change.returncode != 0:
                print(change.returncode, table.command(change.process), flush=True)

help(proc_connector) is long: read help(proc_connector.Table) or help(proc_connector.Connector) first.
"""

from ._connector import Connector
from ._errors import ClosedError, ProcConnectorError
from ._events import (
    Comm,
    Coredump,
    Event,
    EventKind,
    Exec,
    Exit,
    Fork,
    Gid,
    LostReason,
    Mask,
    Overrun,
    Ptrace,
    Sid,
    Uid,
    Unknown,
    parse,
)
from ._handle import Stats
from ._process import Fields, Liveness, Process, ProcessState, alive, read_process
from ._table import Change, ChangeFlags, ChangeKind, Command, Table
from ._texts import Text, TextKind
from ._version import library_version
from ._wake import Wake, wake_soon

__all__ = [
    "Change",
    "ChangeFlags",
    "ChangeKind",
    "ClosedError",
    "Comm",
    "Command",
    "Connector",
    "Coredump",
    "Event",
    "EventKind",
    "Exec",
    "Exit",
    "Fields",
    "Fork",
    "Gid",
    "Liveness",
    "LostReason",
    "Mask",
    "Overrun",
    "ProcConnectorError",
    "Process",
    "ProcessState",
    "Ptrace",
    "Sid",
    "Stats",
    "Table",
    "Text",
    "TextKind",
    "Uid",
    "Unknown",
    "Wake",
    "alive",
    "library_version",
    "parse",
    "read_process",
    "wake_soon",
]
