"""Events of the kernel, each kind as an immutable tuple with named fields."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Union

from ._errors import checked
from ._layout import allocate, codec, name_of, name_to
from ._native import ffi, lib

MOST = 64
"""How many events one call of the library receives at most."""


class EventKind(IntEnum):
    """What an event reports. A newer library may deliver other kinds, too."""

    FORK = lib.PC_EVENT_FORK
    EXEC = lib.PC_EVENT_EXEC
    EXIT = lib.PC_EVENT_EXIT
    UID = lib.PC_EVENT_UID
    GID = lib.PC_EVENT_GID
    SID = lib.PC_EVENT_SID
    PTRACE = lib.PC_EVENT_PTRACE
    COMM = lib.PC_EVENT_COMM
    COREDUMP = lib.PC_EVENT_COREDUMP
    OVERRUN = lib.PC_EVENT_OVERRUN
    UNKNOWN = lib.PC_EVENT_UNKNOWN


class LostReason(IntEnum):
    """Why events were lost.

    QUEUE:  The queue was full. The number is exact.
    DEAF:   The kernel reported to nobody until Connector.check() repaired that. The number is unknown.
    """

    QUEUE = lib.PC_LOST_QUEUE
    DEAF = lib.PC_LOST_DEAF


class Mask(IntFlag):
    """Which events to receive. Overruns pass every mask. Mask(0) stands for everything, not for nothing.

    UNKNOWN:  Events of kinds that the library does not know.
    ALL:      The nine kinds that kernels send today.
    """

    FORK = lib.PC_MASK_FORK
    EXEC = lib.PC_MASK_EXEC
    EXIT = lib.PC_MASK_EXIT
    UID = lib.PC_MASK_UID
    GID = lib.PC_MASK_GID
    SID = lib.PC_MASK_SID
    PTRACE = lib.PC_MASK_PTRACE
    COMM = lib.PC_MASK_COMM
    COREDUMP = lib.PC_MASK_COREDUMP
    UNKNOWN = lib.PC_MASK_UNKNOWN
    ALL = lib.PC_MASK_ALL


class Fork(NamedTuple):
    """A task was created: a process, or a thread if `child_pid != child_tgid`.

    The parent is the child's real parent. For a thread, that is the parent of the process.
    """

    parent_pid: int
    parent_tgid: int
    child_pid: int
    child_tgid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.FORK

    @property
    def tgid(self) -> int:
        """The id of the process that the event is about: the child."""
        return self.child_tgid

    def __str__(self) -> str:
        return line(self)


class Exec(NamedTuple):
    """A process runs a new program."""

    pid: int
    tgid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.EXEC

    def __str__(self) -> str:
        return line(self)


class Exit(NamedTuple):
    """A task exited. This is not always a process exit: other threads may live on. See alive().

    exit_code:    A wait status, for os.WIFEXITED() and the like; see also `returncode`.
    exit_signal:  The signal that the parent gets, mostly SIGCHLD; -1 for a thread.
    parent_pid:   0 when the kernel names no parent.
    """

    pid: int
    tgid: int
    exit_code: int
    exit_signal: int = int(signal.SIGCHLD)
    parent_pid: int = 1
    parent_tgid: int = 1
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.EXIT

    @property
    def returncode(self) -> int:
        """The exit status, or the negative number of the signal that killed the task, as `subprocess` has it."""
        return os.waitstatus_to_exitcode(self.exit_code)

    def __str__(self) -> str:
        return line(self)


class Uid(NamedTuple):
    """A task's user ids changed. These are the new ones, as the initial user namespace sees them."""

    pid: int
    tgid: int
    ruid: int
    euid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.UID

    def __str__(self) -> str:
        return line(self)


class Gid(NamedTuple):
    """A task's group ids changed. These are the new ones, as the initial user namespace sees them."""

    pid: int
    tgid: int
    rgid: int
    egid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.GID

    def __str__(self) -> str:
        return line(self)


class Sid(NamedTuple):
    """A process started a session, whose id is the tgid."""

    pid: int
    tgid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.SID

    def __str__(self) -> str:
        return line(self)


class Ptrace(NamedTuple):
    """A tracer attached, or detached: then the tracer's ids are 0."""

    pid: int
    tgid: int
    tracer_pid: int
    tracer_tgid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.PTRACE

    def __str__(self) -> str:
        return line(self)


class Comm(NamedTuple):
    """A task was renamed. Bytes of the name that are not UTF-8 become what os.fsencode() restores."""

    pid: int
    tgid: int
    comm: str
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.COMM

    def __str__(self) -> str:
        return line(self)


class Coredump(NamedTuple):
    """A process dumps core; its Exit follows."""

    pid: int
    tgid: int
    parent_pid: int
    parent_tgid: int
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.COREDUMP

    def __str__(self) -> str:
        return line(self)


class Overrun(NamedTuple):
    """Events were lost: they are missing between `since_ns` and `timestamp_ns`.

    lost:      The exact number of lost events; 0 if it is unknown (LostReason.DEAF).
    since_ns:  The earliest time at which an event may be missing.
    """

    lost: int
    since_ns: int
    reason: LostReason
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: EventKind = EventKind.OVERRUN

    @property
    def tgid(self) -> int:
        """0: the event is about no process."""
        return 0

    def __str__(self) -> str:
        return line(self)


class Unknown(NamedTuple):
    """A kernel event that this version does not know. Ignore it.

    what:  The kernel's number for this kind of event.
    size:  How many bytes of data the kernel sent after the event's header.
    raw:   The first bytes of that data.
    """

    what: int
    size: int
    raw: bytes
    timestamp_ns: int = 0
    cpu: int = 0
    seq: int = 0
    kind: int = EventKind.UNKNOWN

    @property
    def tgid(self) -> int:
        """0: it is not known which process the event is about."""
        return 0

    def __str__(self) -> str:
        return line(self)


Event = Union[Fork, Exec, Exit, Uid, Gid, Sid, Ptrace, Comm, Coredump, Overrun, Unknown]
"""Any event. Each has `kind`, `tgid`, `timestamp_ns`, `cpu` and `seq`. `str()` makes a line for logs.

`pid` is the id of a task, and `tgid` the id of its process. `timestamp_ns` is CLOCK_MONOTONIC in nanoseconds. `cpu` is the
CPU that reported the event, and `seq` is that CPU's number for the event. The kernel numbers filtered events, too, so a
gap does not mean a loss.
"""

CLASSES: dict[int, Any] = {
    EventKind.FORK: Fork,
    EventKind.EXEC: Exec,
    EventKind.EXIT: Exit,
    EventKind.UID: Uid,
    EventKind.GID: Gid,
    EventKind.SID: Sid,
    EventKind.PTRACE: Ptrace,
    EventKind.COMM: Comm,
    EventKind.COREDUMP: Coredump,
    EventKind.OVERRUN: Overrun,
    EventKind.UNKNOWN: Unknown,
}

HEAD = ("timestamp_ns", "cpu", "seq", "kind")
"""The fields that follow the data in each class."""

# What C keeps in another form.
_FROM_C: dict[str, Callable[[Any], Any]] = {"comm": name_of, "reason": LostReason}
_TO_C: dict[str, Callable[[Any], Any]] = {"comm": name_to}

_Decoder = Callable[[Any, int, tuple[int, int, int]], Event]


def data_of(kind: int) -> tuple[str, list[str]]:
    """Returns the name of a kind's member of the union, and the fields of its class that are in that member."""
    member = str(ffi.string(lib.pc_event_name(kind)), "ascii")
    return member, [field for field in CLASSES[kind]._fields if field not in HEAD]


def _decoder(kind: EventKind) -> _Decoder:
    member, fields = data_of(kind)
    unpack = codec(f"struct pc_event_{member}", fields).unpack_from
    make = CLASSES[kind]._make
    end = (kind,)
    convert = [(at, _FROM_C[field]) for at, field in enumerate(fields) if field in _FROM_C]

    def plain(memory: Any, offset: int, head: tuple[int, int, int]) -> Event:
        event: Event = make(unpack(memory, offset) + head + end)
        return event

    def converted(memory: Any, offset: int, head: tuple[int, int, int]) -> Event:
        values = list(unpack(memory, offset))
        for at, function in convert:
            values[at] = function(values[at])
        event: Event = make((*values, *head, *end))
        return event

    return converted if convert else plain


_DECODERS = {int(kind): _decoder(kind) for kind in CLASSES if isinstance(kind, EventKind)}
_STEP = ffi.sizeof("struct pc_event")
_DATA = ffi.offsetof("struct pc_event", "data")
_heads = codec("struct pc_event", ("kind", "cpu", "timestamp_ns", "seq")).iter_unpack


def decode(events: Any, count: int) -> list[Event]:
    """Returns the first events of an array of C's."""
    memory = ffi.buffer(events, count * _STEP)
    decoded: list[Event] = []
    offset = _DATA
    for kind, cpu, timestamp_ns, seq in _heads(memory):
        decoder = _DECODERS.get(kind)
        if decoder is not None:
            decoded.append(decoder(memory, offset, (timestamp_ns, cpu, seq)))
        else:
            decoded.append(Unknown(0, 0, bytes(memory[offset : offset + 32]), timestamp_ns, cpu, seq, kind))
        offset += _STEP
    return decoded


def line(event: Event) -> str:
    """Returns an event as one line, for logs. The wording may change."""
    data: dict[str, Any] = {}
    if event.kind in CLASSES:
        member, fields = data_of(event.kind)
        data[member] = {field: _TO_C.get(field, _same)(getattr(event, field)) for field in fields}
    head = {field: getattr(event, field) for field in HEAD}
    text = allocate("char[256]")
    checked(lib.pc_event_format(ffi.new("struct pc_event *", {**head, "data": data}), text, 256))
    return os.fsdecode(ffi.string(text))


def _same(value: Any) -> Any:
    return value


def parse(datagram: bytes) -> Event | None:
    """Parses a datagram that the program has received by other means, such as a recording.

    The caller must check the sender: only a datagram with nl_pid 0 is from the kernel. The result is None for a
    control message, which carries no event. A datagram that is truncated or damaged raises ProcConnectorError (EBADMSG).
    """
    event = allocate("struct pc_event *")
    memory = ffi.from_buffer(datagram)
    return decode(event, 1)[0] if checked(lib.pc_parse(memory, len(memory), event)) else None
