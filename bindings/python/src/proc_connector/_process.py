"""A process, as a table or /proc shows it."""

from __future__ import annotations

import os
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from ._arguments import INT_MAX, integer
from ._errors import checked
from ._layout import allocate, codec, name_of, name_to
from ._native import ffi, lib
from ._texts import Text, TextKind, arguments, read


class Fields(IntFlag):
    """Fields of a process that a table keeps up to date.

    PARENT:       `parent_pid`.
    START:        `start_boottime_ns`.
    SESSION:      `session`.
    COMM:         `comm`.
    CREDENTIALS:  `ruid`, `euid`, `rgid` and `egid`.
    """

    PARENT = lib.PC_FIELD_PARENT
    START = lib.PC_FIELD_START
    SESSION = lib.PC_FIELD_SESSION
    COMM = lib.PC_FIELD_COMM
    CREDENTIALS = lib.PC_FIELD_CREDENTIALS


class ProcessState(IntFlag):
    """What is special about a process at this moment.

    KERNEL_THREAD:  It can rename itself without an event, so its name is the one that was read once.
    LEADER_GONE:    The leader has exited, but other threads live on.
    HIDDEN:         /proc did not show the process (hidepid, a security module). Only what events carried is valid.
    PERHAPS:        The process may belong to the family of the table. The event that would show it was lost.
    """

    KERNEL_THREAD = lib.PC_PROCESS_KERNEL_THREAD
    LEADER_GONE = lib.PC_PROCESS_LEADER_GONE
    HIDDEN = lib.PC_PROCESS_HIDDEN
    PERHAPS = lib.PC_PROCESS_PERHAPS


class Liveness(IntEnum):
    """What /proc says of a process. EXITED is false, the others are true.

    EXITED:       The process has exited, is a zombie, or never existed.
    RUNNING:      The process runs, with its leader.
    LEADER_GONE:  The leader has exited, but other threads live on.
    """

    EXITED = 0
    RUNNING = 1
    LEADER_GONE = 2


class Process(NamedTuple):
    """A process of a table, or of read_process(), which leaves `id`, `parent_id` and `user` 0.

    A program can make one of a pid alone. Then the texts are those of any process that has the pid:

    >>> import os
    >>> Process(pid=os.getpid()).nspid() > 0
    True

    Each method that reads a text raises ProcConnectorError: ESRCH (a ProcessLookupError) if the process exited or the
    pid has another owner, EACCES (a PermissionError) if this process may not read it, ENODATA if there is none, EAGAIN
    if the process is taking up another program.

    id:                 The table's number for this process. Unlike a pid, it is not reused while the table is open.
    parent_id:          The parent's id; 0: there is no parent, or it is not known yet.
    start_boottime_ns:  When the process started: CLOCK_BOOTTIME in nanoseconds, rounded down to 10 ms.
    user:               What Table.set_user() has set. `user` is not the user id: see `euid`.
    pid:                The pid of the process: its tgid.
    parent_pid:         The pid of the parent.
    session:            The id of the session.
    valid:              The fields that are known and kept up to date. Test it first: the others may be 0.
    ruid:               The real user id. The four ids are 0, as root's are, if `valid` lacks Fields.CREDENTIALS: test
                        that first.
    euid:               The effective user id.
    rgid:               The real group id.
    egid:               The effective group id.
    comm:               The leader's name. Bytes that are not UTF-8 become what os.fsencode() restores.
    state:              What is special about the process.
    sequence:           The number of the last change that had been reported when this was read.
    pidfd_inode:        The inode of the process's pidfds; 0: not known. See the argument pidfd_inodes of Table.
    """

    id: int = 0
    parent_id: int = 0
    start_boottime_ns: int = 0
    user: int = 0
    pid: int = 0
    parent_pid: int = 0
    session: int = 0
    valid: Fields = Fields(0)
    ruid: int = 0
    euid: int = 0
    rgid: int = 0
    egid: int = 0
    comm: str = ""
    state: ProcessState = ProcessState(0)
    sequence: int = 0
    pidfd_inode: int = 0

    def cmdline(self) -> list[str]:
        """Reads the arguments. Bytes that are not UTF-8 become what os.fsencode() restores."""
        return arguments(self.texts(TextKind.COMMAND_LINE)[0].get())

    def exe(self) -> str:
        """Reads the path of the executable. If that was deleted, the path ends with " (deleted)"."""
        return os.fsdecode(self.texts(TextKind.EXECUTABLE)[0].get())

    def cwd(self) -> str:
        """Reads the path of the working directory. If that was deleted, the path ends with " (deleted)"."""
        return os.fsdecode(self.texts(TextKind.DIRECTORY)[0].get())

    def cgroup(self) -> str:
        """Reads the path of the cgroup of version 2, or of one of version 1."""
        return os.fsdecode(self.texts(TextKind.CGROUP)[0].get())

    def nspid(self) -> int:
        """Reads the pid that the process itself sees, as in a container."""
        return int(self.texts(TextKind.NSPID)[0].get())

    def texts(self, *kinds: TextKind) -> tuple[Text, ...]:
        """Reads several texts at once, in the order of the arguments.

        They are those of one process, and never those of a later owner of the pid, if `pidfd_inode` is known. If only
        the start is known, two owners of the pid within 10 ms cannot be distinguished. If neither is known, the texts
        are those of any process that has the pid. An error of one text is in that text.
        """
        if not kinds:
            raise TypeError("kinds must have at least one TextKind")
        asked = tuple(TextKind(kind) for kind in kinds)
        integer("pid", self.pid, 1, INT_MAX)
        return read(to_c(self), asked)


FIELDS = Process._fields
_unpack = codec("struct pc_process", FIELDS).unpack_from
_VALID, _COMM, _STATE = FIELDS.index("valid"), FIELDS.index("comm"), FIELDS.index("state")


def from_memory(memory: Any, offset: int = 0) -> Process:
    """Returns the process whose C struct is there."""
    values: list[Any] = list(_unpack(memory, offset))
    values[_VALID] = Fields(values[_VALID])
    values[_COMM] = name_of(values[_COMM])
    values[_STATE] = ProcessState(values[_STATE])
    return Process._make(values)


def from_c(process: Any) -> Process:
    """Returns the process that a pointer of C's points to."""
    return from_memory(ffi.buffer(process))


def to_c(process: Process) -> Any:
    """Returns a C struct of a process."""
    return ffi.new("struct pc_process *", {**process._asdict(), "comm": name_to(process.comm)})


def read_process(pid: int) -> Process | None:
    """Reads one process from /proc, without a table. None: the process has exited, is a zombie, or never existed."""
    process = allocate("struct pc_process *")
    if not checked(lib.pc_process_read(integer("pid", pid, 1, INT_MAX), process)):
        return None
    return from_c(process)


def alive(tgid: int) -> Liveness:
    """Looks up in /proc whether a process is alive. The exit of a leader is not always the process exit.

    Raises ProcConnectorError: ESRCH if it is the id of a thread, EACCES if /proc does not show the process.
    """
    return Liveness(checked(lib.pc_process_alive(integer("tgid", tgid, 1, INT_MAX))))
