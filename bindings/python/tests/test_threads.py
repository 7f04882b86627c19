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
import types
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
from proc_connector._bell import Bell
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


def test_events_reach_each_thread_in_their_order() -> None:
    for step in each_step():
        with Feed() as feed, Connector(fd=feed) as connector:
            for pid in range(1, 67):
                feed.send(execed(pid))
            received: list[int] = []
            others: list[int] = []

            def take() -> None:
                others.append(next(iter(connector)).tgid)

            with step(lambda: together(take), connector):
                received.extend(event.tgid for event in itertools.islice(connector, 2))
            rest = rest_of(connector)
            assert in_order(received + rest) and sorted(received + others + rest) == [*range(1, 67)]


def test_a_list_of_events_is_empty_only_if_none_are_pending_whatever_another_loop_takes() -> None:
    for step in each_step():
        with Feed() as feed, Connector(fd=feed) as connector:
            for pid in (1, 2):
                feed.send(execed(pid))
            loop = iter(connector)
            assert next(loop) == execed(1)
            feed.send(execed(3))
            with step(lambda: next(loop)):
                assert connector.recv_many(0) in ([execed(2)], [execed(3)])


def test_a_thread_that_waits_receives_what_the_loop_of_another_one_leaves() -> None:
    for step in each_step():
        with Feed() as feed, Connector(fd=feed) as connector:
            todo = [1]
            received: list[Event | None] = []

            def leave() -> None:
                if todo:
                    feed.send(execed(todo.pop()))
                    feed.send(execed(2))
                    assert next(iter(connector)) == execed(1)

            def wait(seconds: float | None) -> None:  # at the latest, the other thread is there now
                together(leave)
                connector_waits(seconds)

            def receive() -> None:
                with step(lambda: together(leave), connector):
                    received.append(connector.recv(PATIENCE))

            connector._bell._epoll.unregister(connector.fileno())  # as if the other thread were always faster
            connector_waits = connector._bell.wait
            connector._bell.wait = wait  # type: ignore
            together(receive)
            assert received == [execed(2)]


def test_an_interrupted_thread_wakes_the_next_one(feed: Feed) -> None:
    with Connector(fd=feed) as connector:

        def wait() -> None:
            with pytest.raises(ProcConnectorError) as interrupted:
                connector.recv()
            assert interrupted.value.errno == errno.ECANCELED

        def interrupt() -> None:
            until(lambda: connector._waiting)
            connector.interrupt()

        together(wait, interrupt)
        assert connector._bell._epoll.poll(0)  # for a thread whose ring that one has heard


def test_what_a_loop_has_left_is_not_lost_by_a_release_in_another_thread() -> None:
    for step in each_step():
        with Feed() as feed, Connector(fd=feed) as connector:
            received: list[int] = []

            def leave() -> None:
                with suppress(ValueError):
                    received.append(next(iter(connector)).tgid)

            feed.send(execed(1))
            feed.send(execed(2))
            try:
                with step(lambda: together(leave), connector):
                    released = connector.release()
            except ProcConnectorError as busy:
                assert busy.errno == errno.EBUSY
                received += rest_of(connector)
            else:
                with released, Connector(fd=released, subscribed=True) as successor:
                    received += rest_of(successor)
            assert received == [1, 2]


def test_only_one_of_two_tasks_waits_for_a_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    @types.coroutine
    def readable(_: int) -> Iterator[None]:
        yield

    monkeypatch.setattr("proc_connector._bell._readable", readable)
    for step in each_step():
        bell = Bell()
        waiting: list[Any] = []

        def wait() -> None:
            task = bell.wait_async()
            with suppress(RuntimeError):
                task.send(None)
                waiting.append(task)

        with step(wait):
            wait()
        assert len(waiting) == 1
        waiting[0].close()
        bell.close()


# ---- Many threads, on the real kernel ----


def test_threads_that_share_a_connector_receive_each_event_of_the_kernel_once() -> None:
    received: list[list[Event]] = [[] for _ in range(4)]
    pids: list[int] = []
    interrupted: list[int] = []
    connector = Connector(Mask.EXIT | Mask.EXEC, no_threads=True)

    def loop(events: list[Event]) -> None:
        while not connector.closed:
            try:
                for event in connector:
                    events.append(event)
            except ProcConnectorError as error:
                assert error.errno == errno.ECANCELED
                interrupted.append(1)
            except ValueError:
                assert connector.closed

    def take(events: list[Event]) -> None:
        with pytest.raises(ValueError, match="the connector is closed"):
            while True:
                with suppress(ProcConnectorError):
                    events.extend(connector.recv_many(most=2))

    def look() -> None:
        with pytest.raises(ValueError, match="the connector is closed"):
            while True:
                connector.check()
                assert connector.stats().lost == 0 and connector.fileno() >= 0
                assert repr(connector) in ("<Connector open>", "<Connector closed>")

    def work() -> None:
        try:
            for _ in range(20):
                run = [subprocess.Popen(["true"]) for _ in range(20)]
                pids.extend(one.pid for one in run)
                connector.interrupt()
                for one in run:
                    one.wait()
            until(lambda: sum(event.tgid in pids for events in received for event in events) >= 2 * len(pids))
        finally:
            connector.close()

    together(*(lambda events=events: loop(events) for events in received[:3]), lambda: take(received[3]), look, work)
    own = [(event.kind, event.tgid) for events in received for event in events if event.tgid in pids]
    wanted = [(kind, pid) for kind in (EventKind.EXEC, EventKind.EXIT) for pid in pids]
    assert sorted(own) == sorted(wanted) and len(interrupted) <= 20


def test_threads_that_share_a_table_receive_each_change_once_and_its_command() -> None:
    changes: list[list[Change]] = [[] for _ in range(4)]
    names: dict[int, str] = {}
    commands: dict[int, list[str]] = {}
    table = Table(text_bytes=1 << 16)

    def loop(mine: list[Change]) -> None:
        for change in table:
            mine.append(change)
            if change.kind == ChangeKind.EXECED and change.process.parent_pid == os.getpid():
                commands[change.process.pid] = table.command(change.process).arguments

    def look() -> None:
        own = Process(pid=os.getpid())
        line = own.cmdline()
        with pytest.raises(ValueError, match="the table is closed"):
            while True:
                found = table.get(own.pid)
                assert found is None or table.command(found).arguments == line
                assert in_order([process.pid for process in table.processes()])
                table.check()
                assert table.stats().lost == 0 and table.count() >= 0

    def work() -> None:
        try:
            until(lambda: table.synced)
            for _ in range(10):
                children = {str(name): Child("exit 3", str(name)) for name in range(len(names), len(names) + 10)}
                names.update((child.pid, name) for name, child in children.items())
                until(lambda: names.keys() <= commands.keys())
                for child in children.values():
                    child.end()
            until(lambda: names.keys() <= {one.process.pid for mine in changes for one in mine if one.exited})
        finally:
            table.close()

    together(*(lambda mine=mine: loop(mine) for mine in changes), look, look, work)
    everything = sorted((change for mine in changes for change in mine), key=lambda change: change.sequence)
    assert [change.sequence for change in everything] == [*range(1, len(everything) + 1)]
    assert all(in_order([change.sequence for change in mine]) for mine in changes)
    codes = [(one.process.pid, one.returncode) for one in everything if one.exited and one.process.pid in names]
    assert sorted(codes) == sorted((pid, 3) for pid in names)
    assert commands == {pid: ["sh", "-c", "read go; exit 3", name] for pid, name in names.items()}
