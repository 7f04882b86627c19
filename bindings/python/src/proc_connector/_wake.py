"""How soon a thread runs after an event wakes it."""

from __future__ import annotations

from enum import IntEnum

from ._errors import checked
from ._native import lib


class Wake(IntEnum):
    """How soon a thread runs after it is woken.

    USUAL:     As before: wake_soon() has changed nothing.
    SLICE:     SCHED_OTHER with the shortest slice, 100 us. Needs no privilege, and Linux 6.12.
    REALTIME:  SCHED_FIFO, priority 1. Needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1.
    """

    USUAL = lib.PC_WAKE_USUAL
    SLICE = lib.PC_WAKE_SLICE
    REALTIME = lib.PC_WAKE_REALTIME


def wake_soon(most: Wake = Wake.SLICE) -> Wake:
    """Asks the kernel to run the calling thread soon after an event wakes it, and returns what is in force now.

    A program that reads the command lines of short programs calls this once, in the thread that receives. The threads
    and processes that the thread makes later do not inherit it. REALTIME stands for SLICE where it is not granted.

    Raises ProcConnectorError (EPERM, EIO) if a seccomp filter or an LSM forbids it.
    """
    if most not in (Wake.SLICE, Wake.REALTIME):
        raise ValueError(f"most must be Wake.SLICE or Wake.REALTIME, not {most!r}")
    return Wake(checked(lib.pc_wake_soon(most)))
