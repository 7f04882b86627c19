"""The stream of events: on the real kernel, and with made-up events."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import PATIENCE, Start, await_event, run_python, until

from proc_connector import ClosedError, Connector, Event, Exec, Exit, Fork, Mask, ProcConnectorError, Sid
from proc_connector._bell import Bell
from proc_connector.testing import Feed


def execed(pid: int) -> Exec:
    """An EXEC with a time of its own: Feed.send() leaves it as it is."""
    return Exec(pid, pid, timestamp_ns=1)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def pids(events: list[Event]) -> list[int]:
    return [event.tgid for event in events]


# ---- On the real kernel ----


def test_the_fork_the_exec_and_the_exit_of_a_program_are_received(start: Start) -> None:
    with Connector() as connector:
        child = start()
        fork = await_event(connector, lambda event: isinstance(event, Fork) and event.child_tgid == child.pid)
        assert isinstance(fork, Fork) and fork.parent_tgid == os.getpid() and fork.timestamp_ns > 0
        await_event(connector, lambda event: isinstance(event, Exec) and event.tgid == child.pid)
        child.end()
        exited = await_event(connector, lambda event: isinstance(event, Exit) and event.pid == child.pid)
        assert isinstance(exited, Exit) and exited.returncode == 3 and exited.exit_signal == signal.SIGCHLD
        stats = connector.stats()
        assert stats.received > 0 and stats.rcvbuf_bytes > 0 and stats.foreign == 0
        assert connector.check() is False


def test_a_mask_lets_through_nothing_else(start: Start) -> None:
    with Connector(Mask.EXIT, no_threads=True, nonzero_exit=True, rcvbuf_bytes=1 << 20) as connector:
        start("exit 0").end()
        child = start()
        child.end()
        until(lambda: select.select([connector], [], [], PATIENCE)[0] != [])
        events: list[Event] = []
        while child.pid not in pids(events):
            events += connector.recv_many(PATIENCE)
        assert all(isinstance(event, Exit) and event.exit_code and event.pid == event.tgid for event in events)
        assert connector.stats().rcvbuf_bytes == 1 << 20


def test_a_loss_is_an_event_and_is_counted(start: Start) -> None:
    with Connector(rcvbuf_bytes=4096) as connector:
        for _ in range(20):
            start().end()
        lost = 0
        while True:
            events = connector.recv_many(0)
            if not events:
                break
            lost += sum(getattr(event, "lost", 0) for event in events)
        assert lost > 0 and lost == connector.stats().lost


def test_a_released_socket_misses_nothing_until_its_successor_adopts_it(start: Start) -> None:
    connector = Connector(Mask.EXIT)
    with connector.release() as released:
        assert connector.closed
        child = start()
        child.end()
        with Connector(Mask.EXIT, fd=released, subscribed=True) as successor:
            await_event(successor, lambda event: event.tgid == child.pid)


@pytest.mark.parametrize("name", ["Connector", "Table"])
def test_only_a_subscribed_socket_is_adopted_in_another_network_namespace(name: str) -> None:
    code = (
        "import proc_connector, sys\n"
        f"subscribed = lambda yes: proc_connector.{name}(fd=int(sys.argv[1]), subscribed=yes)\n"
        "try: subscribed(False)\n"
        "except ConnectionRefusedError: subscribed(True).close(); print('adopted')\n"
    )
    with Connector().release() as released:
        command = ["unshare", "--net", sys.executable, "-c", code, str(released.fileno())]
        done = subprocess.run(command, pass_fds=[released.fileno()], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("adopted\n", "")


# ---- Receiving ----


def test_a_batch_has_at_most_64_events(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        for pid in range(1, 71):
            feed.send(execed(pid))
        assert pids(connector.recv_many(0, most=2)) == [1, 2]
        assert pids(connector.recv_many(most=100)) == [*range(3, 67)]
        assert pids(connector.recv_many(PATIENCE)) == [*range(67, 71)]
        assert connector.recv_many(0) == [] and connector.recv(0) is None and connector.recv(0.001) is None


def test_one_event_at_a_time_leaves_the_descriptor_readable(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        for pid in range(1, 4):
            feed.send(execed(pid))
        for pid in range(1, 4):
            assert select.select([connector], [], [], 0)[0] == [connector]
            event = connector.recv()
            assert event == execed(pid)
        assert select.select([connector], [], [], 0)[0] == []


def test_a_loop_ends_with_the_stream_and_then_recv_raises(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        feed.send(execed(1))
        feed.end()
        assert pids(list(connector)) == [1]
        with pytest.raises(BrokenPipeError) as ended:
            connector.recv()
        assert isinstance(ended.value, ProcConnectorError)


def test_what_a_loop_leaves_is_received_by_the_next_call(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        for pid in range(1, 6):
            feed.send(execed(pid))
        for event in connector:
            break
        assert event.tgid == 1
        with pytest.raises(ProcConnectorError) as busy:
            connector.release()
        assert busy.value.errno == errno.EBUSY
        assert pids(connector.recv_many(0, most=2)) == [2, 3]
        assert connector.recv() == execed(4)
        feed.end()
        assert pids(list(connector)) == [5]


def test_the_filter_can_be_replaced_and_the_subscription_paused(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        connector.set_filter(Mask.SID)
        connector.unsubscribe()
        connector.subscribe()
        feed.send(execed(1))
        feed.send(Sid(2, 2))
        assert pids(connector.recv_many()) == [2]
        assert connector.stats().filtered == 1
        connector.set_filter()
        feed.send(execed(3))
        assert pids(connector.recv_many()) == [3]


def test_the_events_of_threads_can_be_left_out(feed: Feed) -> None:
    with Connector(fd=feed, no_threads=True) as connector:
        for event in (Exit(2, 1, 0, -1, 0, 0, 1), Exit(1, 1, 0, 17, 0, 0, 1)):
            feed.send(event)
        assert connector.recv_many() == [Exit(1, 1, 0, 17, 0, 0, 1)]
        connector.set_filter(nonzero_exit=True)
        for event in (Exit(4, 3, 9, -1, 0, 0, 1), Exit(3, 3, 0, 17, 0, 0, 1)):
            feed.send(event)
        assert connector.recv_many() == [Exit(4, 3, 9, -1, 0, 0, 1)]


def test_the_sockets_owner_keeps_its_descriptor(feed: Feed) -> None:
    before = descriptors()
    with Connector(fd=feed):
        os.fstat(feed.fileno())
    os.fstat(feed.fileno())
    assert descriptors() == before


# ---- Waiting ----


def waits(connector: Connector, wait: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """A thread that waits for events, and what became of it."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(wait())
        except (OSError, ValueError) as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: connector._waiting > 0)
    return thread, results


def test_an_event_ends_a_wait(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        thread, results = waits(connector, connector.recv)
        feed.send(execed(1))
        thread.join(PATIENCE)
        assert results == [execed(1)]


def test_interrupt_ends_one_wait_and_only_one(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        thread, results = waits(connector, connector.recv)
        connector.interrupt()
        thread.join(PATIENCE)
        assert results[0].errno == errno.ECANCELED
        connector.interrupt()
        connector.interrupt()
        assert connector.recv(0) is None
        with pytest.raises(ProcConnectorError):
            connector.recv(PATIENCE)
        assert connector.recv(0.001) is None


def test_close_ends_all_waits_and_the_stream(feed: Feed) -> None:
    for _ in range(50):
        with Feed() as fresh:
            connector = Connector(fd=fresh)
            waiting = [waits(connector, connector.recv), waits(connector, lambda: list(connector))]
            until(lambda: connector._waiting == 2)
            connector.close()
            connector.close()
            for thread, _ in waiting:
                thread.join(PATIENCE)
            assert isinstance(waiting[0][1][0], ClosedError) and waiting[1][1] == [[]]


def test_closing_gives_all_descriptors_back(feed: Feed) -> None:
    before = descriptors()
    for _ in range(3):
        connector = Connector(fd=feed)
        thread, _ = waits(connector, connector.recv)
        connector.close()
        thread.join(PATIENCE)
        assert descriptors() == before


@pytest.mark.parametrize("name", ["recv", "recv_many", "check", "stats", "release", "fileno", "subscribe", "interrupt"])
def test_a_closed_connector_says_so(feed: Feed, name: str) -> None:
    connector = Connector(fd=feed)
    connector.close()
    with pytest.raises(ClosedError, match="the connector is closed"):
        getattr(connector, name)()
    with pytest.raises(ClosedError, match="the connector is closed"):
        next(iter(connector))
    assert connector.closed and repr(connector) == "<Connector closed>"
    assert issubclass(ClosedError, ValueError) and not issubclass(ClosedError, OSError)


def test_a_connector_that_nobody_closes_is_closed_with_a_warning(feed: Feed) -> None:
    before = descriptors()
    connector = Connector(fd=feed)
    with pytest.warns(ResourceWarning, match="unclosed <Connector open>"):
        del connector
        gc.collect()
    assert descriptors() == before


def test_a_signal_handler_may_close_in_the_middle_of_a_call(feed: Feed) -> None:
    connector = Connector(fd=feed)

    def call(handle: Any) -> int:
        connector.close()  # what a handler of a signal would do that arrives now
        assert connector.closed and connector._handle is not None
        with pytest.raises(ValueError):
            connector.stats()
        return 5

    assert connector._call(call) == 5
    assert connector._handle is None


def test_a_signal_handler_that_closes_ends_the_loop() -> None:
    done = run_python(
        "import os, signal, threading\n"
        "from proc_connector import Connector\n"
        "from proc_connector.testing import Feed\n"
        "with Feed() as feed, Connector(fd=feed) as connector:\n"
        "    signal.signal(signal.SIGTERM, lambda *_: connector.close())\n"
        "    def terminate():\n"
        "        while not connector._waiting: pass\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Thread(target=terminate).start()\n"
        "    for event in connector: pass\n"
        "    print('ended')\n"
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_a_wait_of_the_main_thread_ends_soon_even_if_a_signal_comes_just_before() -> None:
    bell = Bell()
    waits: list[Any] = []
    bell._epoll.close()
    bell._epoll = SimpleNamespace(poll=lambda seconds: waits.append(seconds) or [], close=lambda: None)  # type: ignore
    for seconds in (None, 5, 0.5):
        bell.wait(seconds)
    thread = threading.Thread(target=bell.wait, args=(None,))
    thread.start()
    thread.join(PATIENCE)
    bell.close()
    assert waits == [1.0, 1.0, 0.5, None]


def test_ctrl_c_ends_a_wait() -> None:
    done = run_python(
        "import os, signal, threading\n"
        "from proc_connector import Connector\n"
        "with Connector() as connector:\n"
        "    connector.set_filter(nonzero_exit=True)\n"
        "    def interrupt():\n"
        "        while not connector._waiting: pass\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    threading.Thread(target=interrupt).start()\n"
        "    try:\n"
        "        while True: connector.recv()\n"
        "    except KeyboardInterrupt: print('interrupted')\n"
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_other_threads_run_while_one_waits(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        thread, results = waits(connector, lambda: connector.recv(PATIENCE))
        assert connector.stats().received == 0  # this thread runs, and may call the connector
        feed.send(execed(1))
        thread.join(PATIENCE)
        assert results == [execed(1)]


def test_threads_that_share_a_connector_receive_each_event_once(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        received: list[int] = []

        def receive() -> None:
            for event in connector:
                received.append(event.tgid)

        threads = [threading.Thread(target=receive) for _ in range(4)]
        for thread in threads:
            thread.start()
        for pid in range(1, 2001):
            feed.send(execed(pid))
        until(lambda: len(received) == 2000)
        connector.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert sorted(received) == [*range(1, 2001)]


# ---- fork() ----


def in_child(action: Callable[[], None]) -> None:
    """Does something in a forked child."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(PATIENCE))
        try:
            action()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_cannot_use_the_handle_or_harm_it(feed: Feed) -> None:
    with Connector(fd=feed) as connector:

        def use() -> None:
            for method in ("recv", "stats", "interrupt", "release", "check", "subscribe", "fileno"):
                with pytest.raises(ChildProcessError, match="fork"):
                    getattr(connector, method)()
            connector.close()
            assert connector.closed

        in_child(use)
        feed.send(execed(1))
        assert connector.recv(PATIENCE) == execed(1)


def test_a_forked_child_is_not_blocked_by_a_lock_that_another_thread_held(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with connector._lock:
                held.set()
                release.wait(PATIENCE)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(PATIENCE)

        def use() -> None:
            for method in ("recv", "check", "interrupt", "release", "unsubscribe"):
                with pytest.raises(ChildProcessError):
                    getattr(connector, method)()
            connector.close()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CPython 3.12 warns of a fork in a process with threads
            in_child(use)
        release.set()
        thread.join(PATIENCE)


def test_a_forked_child_does_not_end_the_subscription(start: Start) -> None:
    with Connector(Mask.EXIT) as connector:
        in_child(connector.close)
        child = start()
        child.end()
        await_event(connector, lambda event: event.tgid == child.pid)


# ---- Errors ----


def test_an_error_has_the_librarys_text_and_the_class_of_its_number() -> None:
    with open("/dev/null") as null, pytest.raises(ProcConnectorError) as refused:
        Connector(fd=null)
    assert refused.value.errno == errno.EPROTOTYPE
    assert "socket" in str(refused.value) and os.strerror(errno.EPROTOTYPE) not in str(refused.value)
    denied = ProcConnectorError.of(-errno.EPERM)
    assert isinstance(denied, PermissionError) and isinstance(denied, ProcConnectorError)
    assert type(ProcConnectorError.of(errno.EIO)) is ProcConnectorError
    copied = pickle.loads(pickle.dumps(denied))
    assert type(copied) is type(denied) and copied.args == denied.args


def test_opening_in_another_network_namespace_says_why() -> None:
    code = "import proc_connector\ntry: proc_connector.Connector()\nexcept ConnectionRefusedError as e: print(e.strerror)"
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", code], capture_output=True, text=True)
    assert "network namespace" in done.stdout, done


def test_each_bad_argument_is_named(feed: Feed) -> None:
    unbound = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
    bad: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "events", lambda: Connector(1 << 31)),  # type: ignore[arg-type]
        (ValueError, "events", lambda: Connector(-1)),  # type: ignore[arg-type]
        (TypeError, "events", lambda: Connector("exec")),  # type: ignore[arg-type]
        (ValueError, "rcvbuf_bytes", lambda: Connector(rcvbuf_bytes=-1)),
        (ValueError, "rcvbuf_bytes", lambda: Connector(rcvbuf_bytes=1 << 31)),
        (TypeError, "rcvbuf_bytes", lambda: Connector(rcvbuf_bytes=1.5)),  # type: ignore[arg-type]
        (ValueError, "subscribed", lambda: Connector(subscribed=True)),
        (TypeError, "fd", lambda: Connector(fd="3")),  # type: ignore[arg-type]
        (ValueError, "fd", lambda: Connector(fd=-1)),
        (ValueError, "fd", lambda: Connector(fd=unbound)),
    ]
    with Connector(fd=feed) as connector:
        bad += [
            (ValueError, "timeout", lambda: connector.recv(-1)),
            (ValueError, "timeout", lambda: connector.recv(float("nan"))),
            (TypeError, "timeout", lambda: connector.recv("1")),  # type: ignore[arg-type]
            (ValueError, "most", lambda: connector.recv_many(most=0)),
            (ValueError, "events", lambda: connector.set_filter(Mask(1))),
        ]
        before = descriptors()
        for error, argument, call in bad:
            with pytest.raises(error, match=rf"^{argument}\b"):
                call()
        assert descriptors() == before
    unbound.close()


def test_a_failure_to_open_leaves_no_descriptor() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = descriptors()
    failures = 0
    for free in range(20):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        taken: list[int] = []
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            pass
        for number in taken[:free]:
            os.close(number)
        try:
            Connector().close()
            break
        except OSError as error:
            assert error.errno == errno.EMFILE
            failures += 1
        finally:
            for number in taken[free:]:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert failures == 6 and descriptors() == before  # a pipe, an epoll instance, and three of the library's


def test_the_descriptors_are_not_inherited() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Connector():
        for name in set(os.listdir("/proc/self/fd")) - before:
            if os.path.lexists(f"/proc/self/fd/{name}"):
                assert not os.get_inheritable(int(name))


def test_a_timeout_ends_a_wait(feed: Feed) -> None:
    with Connector(fd=feed) as connector:
        begin = time.monotonic()
        assert connector.recv(0.02) is None
        assert time.monotonic() - begin >= 0.02
