"""Threads and signal handlers that share a handle, on CPython with the GIL and without it."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import PATIENCE, Child, await_change, run_python, until

import proc_connector
from proc_connector import (
    Change,
    ChangeKind,
    ClosedError,
    Connector,
    Event,
    EventKind,
    Exec,
    Exit,
    Fork,
    Mask,
    Process,
    ProcConnectorError,
    Table,
)
from proc_connector.testing import Feed

HERE = os.path.dirname(proc_connector.__file__)

Step = Callable[..., AbstractContextManager[None]]


def each_step() -> Iterator[Step]:
    """For each instruction of this package's bytecode in `with step(action)`: action() runs just before it.

    Instructions at which this thread has the lock of `handle` do not count: another thread would wait then.
    """
    for number in itertools.count():
        reached = False

        @contextmanager
        def step(action: Callable[[], Any], handle: Any = None, number: int = number) -> Iterator[None]:
            left = number

            def trace(frame: FrameType, event: str, _: Any) -> Any:
                nonlocal left, reached
                if not frame.f_code.co_filename.startswith(HERE):
                    return None
                frame.f_trace_opcodes = True
                if event == "opcode" and not reached and not (handle and handle._lock._is_owned()):
                    left -= 1
                    if left < 0:
                        reached = True
                        action()
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                yield
            finally:
                sys.settrace(before)

        yield step
        if not reached:
            assert number > 5
            return


def together(*actions: Callable[[], Any]) -> None:
    """Runs each action in a thread of its own, and raises what one of them raises."""
    errors: list[BaseException] = []

    def run(action: Callable[[], Any]) -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(action,), daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    for error in errors:
        raise error
    assert not any(thread.is_alive() for thread in threads)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def execed(pid: int) -> Exec:
    return Exec(pid, pid, timestamp_ns=1)


def rest_of(connector: Connector) -> list[int]:
    """Receives all that is pending."""
    pids: list[int] = []
    while (event := connector.recv(0)) is not None:
        pids.append(event.tgid)
    return pids


def in_order(pids: list[int]) -> bool:
    return all(a < b for a, b in zip(pids, pids[1:]))


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this CPython has a GIL")
def test_importing_the_package_does_not_enable_the_gil() -> None:
    done = run_python("import proc_connector, sys; print(sys._is_gil_enabled())")
    assert (done.stdout, done.stderr) == ("False\n", "")


# ---- A signal handler, or another thread, at any instruction ----


CALLS_OF_A_CONNECTOR: dict[str, Callable[[Connector], Any]] = {
    "recv": lambda connector: connector.recv(PATIENCE),
    "recv_many": lambda connector: connector.recv_many(0),
    "iter": lambda connector: next(iter(connector), None),
    "check": Connector.check,
    "close": Connector.close,
    "fileno": Connector.fileno,
    "interrupt": Connector.interrupt,
    "release": lambda connector: connector.release().close(),
    "set_filter": Connector.set_filter,
    "stats": Connector.stats,
    "subscribe": Connector.subscribe,
    "unsubscribe": Connector.unsubscribe,
    "wait": lambda connector: connector.recv_many(0) and connector.recv(0.001),
}


@pytest.mark.parametrize("name", CALLS_OF_A_CONNECTOR)
def test_a_signal_handler_may_close_a_connector_at_any_instruction(name: str) -> None:
    before = descriptors()
    for step in each_step():
        with Feed() as feed, Connector(fd=feed) as connector:
            feed.send(execed(1))
            with suppress(ClosedError), step(connector.close):
                CALLS_OF_A_CONNECTOR[name](connector)
            connector.close()
            assert connector._handle is None
        assert descriptors() == before


CALLS_OF_A_TABLE: dict[str, Callable[[Table], Any]] = {
    "check": Table.check,
    "close": Table.close,
    "count": Table.count,
    "get": lambda table: table.get(1),
    "iter": lambda table: next(iter(table), None),
    "next": lambda table: table.next(0),
    "processes": lambda table: list(table.processes()),
    "release": lambda table: table.release().close(),
    "rescan": Table.rescan,
    "set_user": lambda table: table.set_user(1, 5),
    "synced": lambda table: table.synced,
}


@pytest.mark.parametrize("name", CALLS_OF_A_TABLE)
def test_a_signal_handler_may_close_a_table_at_any_instruction(name: str) -> None:
    before = descriptors()
    for step in each_step():
        with Feed() as feed:
            feed.process(1, 0)
            feed.process(2)
            with Table(fd=feed, proc=feed.proc) as table:
                if name != "release":
                    await_change(table, ChangeKind.FOUND, 1)
                with suppress(ClosedError), step(table.close):
                    CALLS_OF_A_TABLE[name](table)
                table.close()
                assert table._handle is None
        assert descriptors() == before


def made_up_command(feed: Feed, pid: int) -> None:
    feed.process(pid)
    Path(feed.proc, str(pid), "cmdline").write_bytes(b"program\0%d\0" % pid)


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("what", ["close", "next"])
def test_a_signal_handler_or_a_thread_may_do_so_while_a_command_is_copied(what: str, where: str) -> None:
    for step in each_step():
        with Feed() as feed:
            for pid in (1, 100):
                made_up_command(feed, pid)
            with Table(fd=feed, proc=feed.proc, text_bytes=64) as table:
                process = await_change(table, ChangeKind.FOUND, 100).process
                while not table.synced:
                    table.next(0)

                def replace() -> None:  # other processes get the memory of the command
                    feed.remove(100)
                    feed.send(Exit(100, 100, 0))
                    for pid in (200, 300):
                        made_up_command(feed, pid)
                        feed.send(Fork(1, 1, pid, pid))
                        await_change(table, ChangeKind.STARTED, pid)

                action = table.close if what == "close" else replace
                with suppress(ClosedError, ProcessLookupError):
                    with step(action) if where == "here" else step(lambda: together(action), table):
                        assert table.command(process).arguments == ["program", "100"]
