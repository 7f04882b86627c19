"""The table of all processes."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import AsyncIterator, Iterator
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Optional

from ._arguments import INT_MAX, UINT32_MAX, Descriptor, descriptor, flags, integer
from ._errors import ClosedError, ProcConnectorError
from ._handle import Handle
from ._layout import allocate, codec
from ._native import ffi, lib
from ._process import Fields, Process, from_c, from_memory, to_c
from ._texts import Text, arguments

_MOST_TEXT = 8_388_608


class ChangeKind(IntEnum):
    """What a change reports. A newer library may report other kinds, too.

    FOUND:        The process was running when the table read /proc for the first time: before the first SYNCED.
    STARTED:      The process started.
    EXECED:       The process runs a new program.
    RENAMED:      The process's leader has a new name.
    CREDENTIALS:  The process has other user or group ids.
    SESSION:      The process is in another session.
    REPARENTED:   The process's parent exited, and the process has another parent.
    EXITED:       The process exited: its last thread is gone.
    VANISHED:     The process exited, as a reading of /proc has shown. Its exit code is not known.
    SYNCED:       The table agrees with /proc, and every difference has been reported. This change is about no
                  process.
    UNSYNCED:     The table may differ from /proc until the next SYNCED: events were lost, rescan() was called, or the
                  table was opened with fd.
    """

    FOUND = lib.PC_CHANGE_FOUND
    STARTED = lib.PC_CHANGE_STARTED
    EXECED = lib.PC_CHANGE_EXECED
    RENAMED = lib.PC_CHANGE_RENAMED
    CREDENTIALS = lib.PC_CHANGE_CREDENTIALS
    SESSION = lib.PC_CHANGE_SESSION
    REPARENTED = lib.PC_CHANGE_REPARENTED
    EXITED = lib.PC_CHANGE_EXITED
    VANISHED = lib.PC_CHANGE_VANISHED
    SYNCED = lib.PC_CHANGE_SYNCED
    UNSYNCED = lib.PC_CHANGE_UNSYNCED


class ChangeFlags(IntFlag):
    """How a change was found.

    RECOVERED:    By reading /proc, after a loss of events or a rescan(). The timestamp is that of the reading.
    EXIT_CODE:    The exit code is known.
    DEAF:         With SYNCED: the kernel reported to nobody for a while. The events of that time are not counted in
                  `lost`.
    LEADER_CODE:  The exit code is the leader's. It is the process's own too, unless another thread outlived the
                  leader.
    """

    RECOVERED = lib.PC_CHANGE_RECOVERED
    EXIT_CODE = lib.PC_CHANGE_EXIT_CODE
    DEAF = lib.PC_CHANGE_DEAF
    LEADER_CODE = lib.PC_CHANGE_LEADER_CODE


class Change(NamedTuple):
    """A change of a process. `str()` makes a line for logs.

    kind:          A ChangeKind, or the number of a kind that a newer library reports: then str() has "unknown".
    flags:         How the change was found.
    timestamp_ns:  CLOCK_MONOTONIC in nanoseconds.
    lost:          With SYNCED: how many events were lost since the last SYNCED. With UNSYNCED: how many were lost so
                   far.
    since_ns:      With SYNCED and UNSYNCED, if events were lost: the earliest time at which one may be missing.
    exit_code:     With EXITED: a wait status, or None if it is not known. See also `returncode`.
    hidden:        With SYNCED: how many processes are ProcessState.HIDDEN.
    sequence:      The number of this change: one more than that of the change before, from 1 on.
    process:       The process after the change; if it exited, as it last was.
    """

    kind: int
    flags: ChangeFlags = ChangeFlags(0)
    timestamp_ns: int = 0
    lost: int = 0
    since_ns: int = 0
    exit_code: Optional[int] = None
    hidden: int = 0
    sequence: int = 0
    process: Process = Process()

    @property
    def exited(self) -> bool:
        """Whether the process exited: EXITED or VANISHED."""
        return self.kind in (ChangeKind.EXITED, ChangeKind.VANISHED)

    @property
    def returncode(self) -> int | None:
        """The exit status, or the negative number of the signal that killed the process; None if not known."""
        return None if self.exit_code is None else os.waitstatus_to_exitcode(self.exit_code)

    def __str__(self) -> str:
        fields = {**self._asdict(), "exit_code": self.exit_code or 0, "process": to_c(self.process)[0]}
        text = allocate("char[256]")
        lib.pc_change_format(ffi.new("struct pc_change *", fields), text, 256)
        return os.fsdecode(ffi.string(text))


class Command(NamedTuple):
    """The command of a process, as a table keeps it. `str()` quotes it for a shell.

    command_line:  The command line: each argument with a NUL byte behind it.
    executable:    The path of the program. If the file was deleted, the path ends with " (deleted)".
    cut:           Only the beginning of the command line is kept.
    doubtful:      Events were lost after it was read: the process may have run another program since.
    """

    command_line: Text
    executable: Text
    cut: bool = False
    doubtful: bool = False

    @property
    def arguments(self) -> list[str]:
        """The arguments. Raises ProcConnectorError if the command line could not be read."""
        return arguments(self.command_line.get())

    def __str__(self) -> str:
        if self.command_line.error is not None:
            return f"({self.command_line.error.strerror})"
        return shlex.join(self.arguments) + (" ..." if self.cut else "")


_DATA = [field for field in Change._fields if field != "process"]
_unpack = codec("struct pc_change", _DATA).unpack_from
_PROCESS = ffi.offsetof("struct pc_change", "process")
_KINDS = {int(kind): kind for kind in ChangeKind}


def _change(memory: Any) -> Change:
    kind, bits, timestamp_ns, lost, since_ns, exit_code, hidden, sequence = _unpack(memory)
    return Change(
        _KINDS.get(kind, kind),
        ChangeFlags(bits),
        timestamp_ns,
        lost,
        since_ns,
        exit_code if bits & lib.PC_CHANGE_EXIT_CODE else None,
        hidden,
        sequence,
        from_memory(memory, _PROCESS),
    )


class Table(Handle):
    """A table of all processes, and the connector that keeps it up to date.

        with Table() as table:
            for change in table:
                print(change)

    The loop first gets every process that exists (FOUND), then SYNCED, then every change. The table has processes, not
    threads. It reports each process once as FOUND or STARTED, and later once as EXITED or VANISHED. When events were
    lost, it reports UNSYNCED, reads /proc again, and reports the differences and SYNCED.

    The loop ends when another thread closes the table. `async for` works with asyncio and trio. All threads may use a
    table at any time.

    fields:          what to keep up to date; None: all. PARENT and START always are
    rcvbuf_bytes:    the budget of the queue; 0: 36 MiB
    max_work:        how many processes one step may read from /proc, at 10 to 30 us each; 0: 64
    max_watches:     how many processes that live on without their leaders the table may wait for, with a descriptor
                     each; 0: 64
    family:          the pid of a process that exists: the table reports only this process and its descendants by
                     birth. None: every process
    text_bytes:      how many bytes to keep of the command line and the executable of each process together, for
                     command(); 0: none; at most 8,388,608
    ignore_threads:  do not receive the forks of threads. Then an exit code that is not read in time is only the leader's
    pidfd_inodes:    identify each process by the inode of its pidfds, from Linux 6.9 on, so that two owners of a pid
                     within 10 ms are distinguished
    proc:            a directory to read instead of /proc, as a path or a descriptor: the host's /proc at another path,
                     or in tests a directory with made-up processes. With the kernel's events, it must show pid 1 and
                     this process
    fd:              as for Connector. Such a table reads /proc twice, because the socket may have lost events before:
                     SYNCED, UNSYNCED and SYNCED follow FOUND. Call next() until `synced` is true; do not wait for the
                     first SYNCED
    subscribed:      as for Connector

    Raises what Connector() raises, and ProcConnectorError: EACCES (a PermissionError) if /proc, or `proc`, is not
    mounted, hides processes, or belongs to another PID namespace; ESRCH (a ProcessLookupError) if there is no process `family`.
    """

    _noun = "table"
    _fd = lib.pc_table_fd
    _get_stats = lib.pc_table_get_stats
    _check = lib.pc_table_check
    _release = lib.pc_table_release
    _close = lib.pc_table_close
    _last: Any = None  # what was allocated for the last change

    def __init__(
        self,
        *,
        fields: Fields | None = None,
        rcvbuf_bytes: int = 0,
        max_work: int = 0,
        max_watches: int = 0,
        family: int | None = None,
        text_bytes: int = 0,
        ignore_threads: bool = False,
        pidfd_inodes: bool = False,
        proc: str | os.PathLike[str] | Descriptor | None = None,
        fd: Descriptor | None = None,
        subscribed: bool = False,
    ) -> None:
        if subscribed and fd is None:
            raise ValueError("subscribed needs fd")
        options = ffi.new("struct pc_table_options *")
        options.size = ffi.sizeof("struct pc_table_options")
        options.fields = flags("fields", fields, Fields)
        options.rcvbuf_bytes = integer("rcvbuf_bytes", rcvbuf_bytes, 0, INT_MAX)
        options.max_work = integer("max_work", max_work, 0, UINT32_MAX)
        options.max_watches = integer("max_watches", max_watches, 0, UINT32_MAX)
        options.text_bytes = integer("text_bytes", text_bytes, 0, _MOST_TEXT)
        if family is not None:
            options.family = integer("family", family, 2, INT_MAX)  # pid 1 adopts all orphans
        for wanted, flag in (
            (ignore_threads, lib.PC_TABLE_IGNORE_THREADS),
            (pidfd_inodes, lib.PC_TABLE_PIDFD_INODES),
            (subscribed, lib.PC_TABLE_SUBSCRIBED),
            (proc is not None, lib.PC_TABLE_PROC_FD),
        ):
            if wanted:
                options.flags |= flag
        opened = None
        if isinstance(proc, (str, os.PathLike)):
            opened = _open_directory("proc", proc)
            options.proc_fd = opened
        elif proc is not None:
            options.proc_fd = descriptor("proc", proc)
        try:
            self._open(lib.pc_table_open, lib.pc_table_open_fd, options, fd, subscribed)
        finally:
            if opened is not None:
                os.close(opened)

    def next(self, timeout: float | None = None) -> Change | None:
        """Returns the next change.

        timeout:  how long to wait for it, in seconds; 0: not at all; None: without limit

        Returns None if no change came in time. With timeout 0, a limited amount of work is done: None does not mean
        that no work is left. Raises ProcConnectorError: ECANCELED after interrupt(), EPIPE at the end of an AF_UNIX
        stream, ENOMEM and EMFILE. After the last two nothing is lost: call again. The table rests for up to 100 ms.
        Raises ClosedError if the table is closed.
        """
        return self._wait(self._take, timeout)

    def __iter__(self) -> Iterator[Change]:
        """Yields the changes as they come. After an error nothing is lost: begin another loop."""
        self.fileno()  # raises an error if the table is closed
        while True:
            try:
                change = self._wait(self._take, None)
            except (ClosedError, BrokenPipeError):
                return
            if change is not None:
                yield change

    async def __aiter__(self) -> AsyncIterator[Change]:
        """Yields the changes as they come, as __iter__() does. Other tasks run after each change."""
        self.fileno()
        while True:
            try:
                change = await self._wait_async(self._take)
            except (ClosedError, BrokenPipeError):
                return
            yield change

    def _take(self) -> Change | None:
        self._last = change = allocate("struct pc_change *")
        return _change(ffi.buffer(change)) if self._call(lib.pc_table_next, change, 0) else None

    def get(self, pid: int) -> Process | None:
        """Looks a process up by its pid, as the changes reported so far have left it. None: there is none."""
        process = allocate("struct pc_process *")
        found = self._call(lib.pc_table_get, integer("pid", pid, 0, INT_MAX), process)
        return from_c(process) if found else None

    def processes(self) -> Iterator[Process]:
        """Yields the processes in the order of pids.

        Changes may be reported during the walk: a process that stays in the table throughout is visited exactly once.
        To list all processes once, call next() until `synced` is true before.
        """
        self.fileno()  # raises an error if the table is closed
        return self._walk()

    def _walk(self) -> Iterator[Process]:
        cursor = ffi.new("uint64_t *")
        process = allocate("struct pc_process *")
        while self._call(lib.pc_table_each, cursor, process):
            yield from_c(process)

    def command(self, process: Process) -> Command:
        """Returns what the table keeps of the command of a process that it has reported, such as `change.process`.

        The table reads a command when it handles a fork or an exec of the process, and keeps it until the process has
        left the table: with EXITED and VANISHED it is still there. A process that has not called execve(2) shows the
        command of the process that forked it.

        Raises ProcConnectorError: ESRCH (a ProcessLookupError) if the process is not in the table and did not leave it
        with the last change, ENODATA if the table was opened without text_bytes.
        """
        if not isinstance(process, Process):
            raise TypeError(f"process must be a Process, not {type(process).__name__}")
        asked, kept = to_c(process), ffi.new("struct pc_command *")
        command = Command(Text(), Text())

        def copy(table: Any) -> int:  # during a call, because the texts are the table's
            nonlocal command
            while True:
                last = self._last
                result: int = lib.pc_table_command(table, asked, kept)
                if result < 0:
                    return result
                command = Command(
                    _kept(kept.command_line, kept.command_line_length, kept.command_line_error),
                    _kept(kept.executable, kept.executable_length, kept.executable_error),
                    bool(kept.flags & lib.PC_COMMAND_CUT),
                    bool(kept.flags & lib.PC_COMMAND_DOUBTFUL),
                )
                if last is self._last:  # otherwise a signal handler took a change, and the texts may be another's
                    return result

        try:
            self._call(copy)
        except ProcConnectorError as error:
            if error.errno == errno.ENODATA:
                raise ProcConnectorError.of(errno.ENODATA, "open the table with text_bytes") from None
            raise
        return command

    def set_user(self, pid: int, user: int) -> None:
        """Keeps a number of the caller's with a process, which `Process.user` has from then on.

        `user` is not the user id: see `euid`.

        Raises ProcConnectorError (ESRCH, a ProcessLookupError) if there is no such process in the table.
        """
        self._call(lib.pc_table_set_user, integer("pid", pid, 0, INT_MAX), integer("user", user, 0, 2**64 - 1))

    def count(self) -> int:
        """Returns how many processes the changes reported so far have left in the table, or in its family."""
        return self._call(lib.pc_table_count)

    @property
    def synced(self) -> bool:
        """Whether the table agrees with /proc, but for events that it has not handled."""
        return self._call(lib.pc_table_is_synced) == 1

    def rescan(self) -> None:
        """Makes the table read /proc again, as if events had been lost.

        It reports UNSYNCED, the differences, then SYNCED. This is for programs that must be sure: a deafness that
        another listener has repaired leaves no trace.
        """
        self._call_and_ring(lib.pc_table_rescan)


def _open_directory(name: str, path: str | os.PathLike[str]) -> int:
    """Opens the directory that an argument names."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except OSError as error:
        raise ProcConnectorError.of(error.errno or 0, error.strerror, os.fspath(path)) from None


# Why a table has no text of a process. The library's own texts for these numbers are about a process that is read now.
_WHY = {
    errno.ESRCH: "the process exited or ran another program before this was read, or this is empty",
    errno.ENODATA: "there is none, as for a kernel thread",
}


def _kept(data: Any, length: int, error: int) -> Text:
    if data == ffi.NULL:
        number = abs(error) or errno.ENODATA
        return Text(error=ProcConnectorError.of(number, _WHY.get(number)))
    return Text(bytes(ffi.buffer(data, length)))
