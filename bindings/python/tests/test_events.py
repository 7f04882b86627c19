"""Events as values: their classes, their order of fields, and how they are made from bytes."""

from __future__ import annotations

import copy
import errno
import os
import pickle
from typing import Any

import pytest

from proc_connector import (
    Comm,
    Connector,
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
    ProcConnectorError,
    Ptrace,
    Sid,
    Uid,
    Unknown,
    parse,
)
from proc_connector._events import CLASSES, HEAD, data_of, decode
from proc_connector._native import ffi, lib
from proc_connector.testing import Feed, datagram

BIG = 2**32 - 1
EVENTS: list[Event] = [
    Fork(1, 2, 3, 4, 5 * 10**18, 6, 7),
    Exec(1, 2, 3, 4, 5),
    Exit(1, 2, 3 << 8, 17, 4, 5, 6, 7, 8),
    Exit(1, 2, 9, -1, 0, 0),
    Uid(1, 2, BIG, 3),
    Gid(1, 2, 3, BIG),
    Sid(1, 2),
    Ptrace(1, 2, 3, 4),
    Comm(1, 2, "fünfzehn bytes"),
    Comm(1, 2, "\udcff\n"),
    Coredump(1, 2, 3, 4),
]


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_an_event_comes_out_as_it_was_sent(event: Event) -> None:
    received = parse(datagram(event))
    assert received == event
    assert type(received) is type(event)
    assert received.kind is EventKind(event.kind)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_fields_of_an_event_are_those_of_the_header(kind: int) -> None:
    member, fields = data_of(kind)
    in_c = [name for name, _ in ffi.typeof(f"struct pc_event_{member}").fields if name != "reserved"]
    assert fields == in_c
    assert CLASSES[kind]._fields == (*in_c, *HEAD)
    assert {name for name, _ in ffi.typeof("struct pc_event").fields} == {*HEAD, "reserved", "data"}


def test_each_kind_and_mask_of_the_header_has_a_name() -> None:
    constants = [name for name in dir(lib) if name.startswith(("PC_EVENT_", "PC_MASK_", "PC_LOST_"))]
    names = [f"PC_EVENT_{kind.name}" for kind in EventKind] + [f"PC_LOST_{reason.name}" for reason in LostReason]
    names += [f"PC_MASK_{name}" for name in Mask.__members__]
    assert sorted(constants) == sorted(names)
    assert all(getattr(lib, f"PC_EVENT_{kind.name}") == kind for kind in EventKind)


def test_an_event_is_immutable_and_can_be_copied() -> None:
    event: Any = Exec(1, 2)
    with pytest.raises(AttributeError):
        event.pid = 3
    with pytest.raises(AttributeError):
        event.other = 3
    assert copy.copy(event) == pickle.loads(pickle.dumps(event)) == event
    assert hash(event) == hash(Exec(1, 2))


def test_events_of_two_kinds_differ_even_if_their_data_agree() -> None:
    events: set[Event] = {Exec(1, 2), Sid(1, 2), Ptrace(1, 2, 3, 4), Coredump(1, 2, 3, 4)}
    assert len(events) == 4


def test_an_exit_has_the_code_that_subprocess_would_have() -> None:
    assert Exit(1, 1, 3 << 8, 17, 0, 0).returncode == 3
    assert Exit(1, 1, 9, 17, 0, 0).returncode == -9


def test_an_event_is_a_line_for_logs() -> None:
    assert str(Exec(7, 7, 3 * 10**9)).startswith("exec pid=7 tgid=7")
    assert f"{Overrun(5, 10**9, LostReason.QUEUE, 2 * 10**9)}".startswith("overrun lost=5")
    assert str(Comm(7, 7, "x")).startswith("comm pid=7")
    assert str(Unknown(77, 4, b"1234")).startswith("unknown what=0x0000004d size=4")
    assert str(Unknown(0, 0, b"", kind=99)).startswith("unknown")


def test_an_event_has_the_id_of_its_process() -> None:
    events: list[Event] = [Fork(1, 2, 3, 4), Exec(1, 2), Overrun(1, 0, LostReason.DEAF)]
    assert [event.tgid for event in events] == [4, 2, 0]


def test_a_kernel_event_that_the_library_does_not_know_is_delivered() -> None:
    unknown = bytearray(datagram(Exec(1, 2, 3, 4, 5)))
    unknown[36:40] = (0x20000000).to_bytes(4, "little")
    event = parse(bytes(unknown))
    assert isinstance(event, Unknown)
    assert (event.what, event.size, event.raw[:8]) == (0x20000000, 24, b"\1\0\0\0\2\0\0\0")
    assert (event.timestamp_ns, event.cpu, event.seq) == (3, 4, 5)


def test_an_event_of_a_kind_that_only_a_newer_library_has_is_delivered() -> None:
    events = ffi.new("struct pc_event[2]")
    events[0].kind, events[0].data.exec.pid = 77, 5
    events[1].kind, events[1].data.exec.pid = EventKind.EXEC, 6
    newer, known = decode(events, 2)
    assert isinstance(newer, Unknown) and newer.kind == 77 and newer.raw[:4] == b"\5\0\0\0" and len(newer.raw) == 32
    assert known == Exec(6, 0)


def test_parse_refuses_what_is_damaged() -> None:
    whole = datagram(Exec(1, 2))
    for damaged in (b"", whole[:-1], b"\0" * 76):
        with pytest.raises(ProcConnectorError) as refused:
            parse(damaged)
        assert refused.value.errno == errno.EBADMSG


def test_a_feed_does_not_send_what_the_kernel_does_not(feed: Feed) -> None:
    with pytest.raises(ValueError, match="event must be one that the kernel sends, not Overrun"):
        feed.send(Overrun(1, 2, LostReason.QUEUE))


def test_a_name_keeps_bytes_that_are_not_utf_8(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        feed.send(Comm(1, 1, os.fsdecode(b"\xff\xfe")))
        event = connector.recv()
        assert isinstance(event, Comm) and os.fsencode(event.comm) == b"\xff\xfe"
