"""Processes as /proc shows them, and their texts."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile

import pytest
from conftest import Start

from proc_connector import (
    Liveness,
    ProcConnectorError,
    Process,
    Text,
    TextKind,
    Wake,
    alive,
    library_version,
    read_process,
    wake_soon,
)
from proc_connector._native import lib
from proc_connector._texts import arguments


def test_a_process_is_read_as_long_as_it_lives(start: Start) -> None:
    child = start()
    process = read_process(child.pid)
    assert process is not None and process.parent_pid == os.getpid() and process.start_boottime_ns > 0
    assert alive(child.pid) is Liveness.RUNNING and alive(child.pid)
    child.end()
    assert read_process(child.pid) is None
    assert alive(child.pid) is Liveness.EXITED and not alive(child.pid)


def test_the_texts_of_a_process_are_read_at_any_length() -> None:
    long = "0" * 10000 + "1000"
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", long], cwd=folder) as sleep:
        process = read_process(sleep.pid)
        assert process is not None
        try:
            assert process.cmdline() == ["sleep", long]
            assert process.cwd() == os.path.realpath(folder)
            assert process.exe() == os.path.realpath(f"/proc/{sleep.pid}/exe")
            assert process.cgroup() == Process(pid=os.getpid()).cgroup() and process.cgroup().startswith("/")
            assert process.nspid() == sleep.pid
            line, nspid = process.texts(TextKind.COMMAND_LINE, TextKind.NSPID)
            assert line == Text(f"sleep\0{long}\0".encode()) and nspid.get() == str(sleep.pid).encode()
        finally:
            sleep.kill()
    with pytest.raises(ProcessLookupError):
        process.cmdline()


def test_the_texts_of_another_owner_of_the_pid_are_refused() -> None:
    own = read_process(os.getpid())
    assert own is not None and own.cmdline()
    tick = 10_000_000
    for other in (
        own._replace(start_boottime_ns=own.start_boottime_ns + tick),
        own._replace(start_boottime_ns=own.start_boottime_ns - tick),
        own._replace(pidfd_inode=1),
    ):
        with pytest.raises(ProcessLookupError):
            other.exe()


def test_an_error_of_one_text_is_in_that_text() -> None:
    kernel = read_process(2)
    if kernel is None or kernel.comm != "kthreadd":
        pytest.skip("pid 2 is no kernel thread here")
    line, nspid = kernel.texts(TextKind.COMMAND_LINE, TextKind.NSPID)
    assert line.error is not None and line.error.errno == errno.ENODATA and line.data == b""
    assert nspid.get() == b"2"
    with pytest.raises(ProcConnectorError):
        kernel.cmdline()


def test_a_command_line_is_divided_as_the_process_has_left_it() -> None:
    assert arguments(b"a\0b c\0\0") == ["a", "b c", ""]
    assert arguments(b"rewritten title") == ["rewritten title"]
    assert arguments(b"\0") == [""] and arguments(b"") == []
    assert arguments(b"\xff\0") == ["\udcff"]


def test_each_bad_argument_is_named() -> None:
    with pytest.raises(ValueError, match="^pid "):
        read_process(0)
    with pytest.raises(ValueError, match="^tgid "):
        alive(-1)
    with pytest.raises(TypeError, match="^tgid "):
        alive("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^pid "):
        Process().cmdline()
    with pytest.raises(TypeError, match="^kinds "):
        Process(pid=1).texts()
    with pytest.raises(ValueError, match="99 is not a valid TextKind"):
        Process(pid=1).texts(99)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^most "):
        wake_soon(Wake.USUAL)


def test_the_enums_are_those_of_the_header() -> None:
    assert {f"PC_TEXT_{kind.name}" for kind in TextKind} == {name for name in dir(lib) if name.startswith("PC_TEXT_")}
    assert {f"PC_WAKE_{wake.name}" for wake in Wake} == {name for name in dir(lib) if name.startswith("PC_WAKE_")}


def test_a_thread_wakes_soon_if_the_kernel_grants_it() -> None:
    assert wake_soon() in (Wake.USUAL, Wake.SLICE, Wake.REALTIME)


def test_the_version_is_that_of_the_library() -> None:
    assert library_version() == (lib.PC_VERSION_MAJOR, lib.PC_VERSION_MINOR, lib.PC_VERSION_PATCH)
