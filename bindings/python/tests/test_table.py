"""The table: on the real kernel, and with made-up events and processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Start, await_change, run_python, until

from proc_connector import (
    Change,
    ChangeFlags,
    ChangeKind,
    ClosedError,
    Comm,
    Exec,
    Exit,
    Fields,
    Fork,
    Process,
    ProcConnectorError,
    ProcessState,
    Sid,
    Table,
    Uid,
)
from proc_connector._native import ffi, lib
from proc_connector.testing import Feed


@pytest.fixture
def made_up(feed: Feed) -> Iterator[Table]:
    """A table of two made-up processes, which is synced."""
    feed.process(1, 0, "first")
    feed.process(100, 1, "shell")
    with Table(fd=feed, proc=feed.proc) as table:
        await_change(table, ChangeKind.SYNCED)
        await_change(table, ChangeKind.SYNCED)  # an adopted table reads the processes twice
        yield table


# ---- On the real kernel ----


def test_the_life_of_a_process_is_reported(start: Start) -> None:
    with Table() as table:
        assert not table.synced
        await_change(table, ChangeKind.FOUND, os.getpid())
        await_change(table, ChangeKind.SYNCED)
        assert table.synced
        processes = list(table.processes())
        assert [process.pid for process in processes] == sorted({process.pid for process in processes})
        assert len(processes) == table.count() and os.getpid() in {process.pid for process in processes}

        child = start()
        assert table.get(child.pid) is None
        started = await_change(table, ChangeKind.STARTED, child.pid)
        execed = await_change(table, ChangeKind.EXECED, child.pid)
        found = table.get(child.pid)
        assert found == execed.process and found.id == started.process.id and found.sequence == execed.sequence
        assert found.parent_pid == os.getpid() and found.comm == "sh" and found.euid == os.geteuid()
        assert Fields.PARENT | Fields.COMM in found.valid and found.state == ProcessState(0)
        assert found.start_boottime_ns > 0
        table.set_user(child.pid, 2**64 - 1)
        child.end()
        exited = await_change(table, ChangeKind.EXITED, child.pid)
        assert exited.exited and exited.returncode == 3 and exited.process.user == 2**64 - 1
        assert exited.flags == ChangeFlags.EXIT_CODE and exited.kind is ChangeKind.EXITED
        assert str(exited).startswith(f'exited pid={child.pid} parent={os.getpid()} comm="sh" status=3 ts=')
        with pytest.raises(ProcessLookupError):
            table.set_user(child.pid, 1)
        assert table.check() is False and table.stats().received > 0


def test_a_rescan_reports_the_doubt_and_its_end() -> None:
    with Table() as table:
        await_change(table, ChangeKind.SYNCED)
        table.rescan()
        assert await_change(table, ChangeKind.UNSYNCED).process == Process()
        assert not table.synced
        assert ChangeFlags.RECOVERED in await_change(table, ChangeKind.SYNCED).flags
        assert table.synced


def test_a_loss_is_reported_and_recovered_from(start: Start) -> None:
    with Table(rcvbuf_bytes=4096) as table:
        await_change(table, ChangeKind.SYNCED)
        children = [start() for _ in range(20)]
        for child in children[1:]:
            child.end()
        assert await_change(table, ChangeKind.UNSYNCED).lost > 0
        assert await_change(table, ChangeKind.SYNCED).lost > 0
        assert table.get(children[0].pid) is not None
        assert all(table.get(child.pid) is None for child in children[1:])


def test_each_change_is_numbered() -> None:
    with Table() as table:
        for number, change in enumerate(table, 1):
            assert change.sequence == number
            if change.kind == ChangeKind.SYNCED:
                break


def test_a_table_keeps_the_command_of_a_process_that_exited(start: Start) -> None:
    with Table(text_bytes=512) as table:
        await_change(table, ChangeKind.SYNCED)
        child = start("exit 3", os.fsdecode(b"\xff\n"))
        execed = await_change(table, ChangeKind.EXECED, child.pid)
        executable = os.readlink(f"/proc/{child.pid}/exe")
        child.end()
        exited = await_change(table, ChangeKind.EXITED, child.pid)
        command = table.command(exited.process)
        assert command.arguments == ["sh", "-c", "read go; exit 3", "\udcff\n"]
        assert command.command_line.data == b"sh\0-c\0read go; exit 3\0\xff\n\0"
        assert command.executable.data == os.fsencode(executable)
        assert str(command) == "sh -c 'read go; exit 3' '\udcff\n'" and not command.cut and not command.doubtful
        other = start()
        await_change(table, ChangeKind.STARTED, other.pid)
        with pytest.raises(ProcessLookupError):
            table.command(execed.process)
        kernel = table.get(2)
        if kernel is not None and ProcessState.KERNEL_THREAD in kernel.state:
            kept = table.command(kernel)
            assert kept.command_line.error is not None and kept.command_line.error.errno == errno.ENODATA
            assert str(kept) == f"({kept.command_line.error.strerror})"
            with pytest.raises(ProcConnectorError):
                _ = kept.arguments


def test_a_long_command_line_is_cut_and_says_so(start: Start) -> None:
    with Table(text_bytes=64) as table:
        await_change(table, ChangeKind.SYNCED)
        child = start("exit 3", "x" * 100)
        command = table.command(await_change(table, ChangeKind.EXECED, child.pid).process)
        assert command.cut and str(command).startswith("sh -c 'read go; exit 3' xxx") and str(command).endswith(" ...")


def test_a_table_without_text_bytes_keeps_no_commands() -> None:
    with Table() as table:
        await_change(table, ChangeKind.SYNCED)
        own = table.get(os.getpid())
        assert own is not None
        with pytest.raises(ProcConnectorError) as none:
            table.command(own)
        assert none.value.errno == errno.ENODATA and none.value.strerror == "open the table with text_bytes"


def test_a_family_is_the_descendants_of_a_process_orphans_included() -> None:
    script = "read go; sleep 1000 & echo $!; exit 3"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as root:
        assert root.stdin is not None and root.stdout is not None
        with Table(family=root.pid) as table:
            while not table.synced:
                table.next(PATIENCE)
            assert table.count() == 1 and table.get(os.getpid()) is None
            root.stdin.write(b"\n")
            root.stdin.flush()
            orphan = int(root.stdout.readline())
            root.wait()
            await_change(table, ChangeKind.EXITED, root.pid)
            while table.count() > 1:
                table.next(PATIENCE)
            assert [process.pid for process in table.processes()] == [orphan]
            os.kill(orphan, signal.SIGKILL)
            assert await_change(table, ChangeKind.EXITED, orphan).returncode == -9
            assert table.count() == 0
        with pytest.raises(ProcessLookupError):
            Table(family=root.pid)


def test_a_released_table_misses_nothing_until_its_successor_adopts_it(start: Start) -> None:
    table = Table()
    await_change(table, ChangeKind.SYNCED)
    waiting = start()
    while True:
        try:
            released = table.release()
            break
        except ProcConnectorError as error:
            assert error.errno == errno.EBUSY
            while table.next(0) is not None:
                pass
    waiting.end()
    passing = start()
    passing.end()
    with released, Table(fd=released, subscribed=True) as successor:
        for pid in (waiting.pid, passing.pid):
            assert await_change(successor, ChangeKind.EXITED, pid).returncode == 3


def test_the_options_of_a_table_take_effect() -> None:
    with Table(fields=Fields.COMM, max_work=1, max_watches=1, ignore_threads=True, rcvbuf_bytes=1 << 20) as table:
        assert Fields.SESSION not in await_change(table, ChangeKind.FOUND, os.getpid()).process.valid
        assert table.stats().rcvbuf_bytes == 1 << 20


def test_the_inode_of_a_process_is_known_if_it_is_asked_for() -> None:
    with Table(pidfd_inodes=True) as table:
        own = await_change(table, ChangeKind.FOUND, os.getpid()).process
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9):
        assert own.pidfd_inode == 0
    else:
        number = os.pidfd_open(os.getpid())
        assert own.pidfd_inode == os.fstat(number).st_ino
        os.close(number)


@pytest.mark.parametrize("proc", ["/proc", Path("/proc"), 0])
def test_a_table_reads_the_directory_that_it_is_given(proc: Any, start: Start) -> None:
    number = os.open("/proc", os.O_RDONLY)
    with Table(proc=proc or number) as table:
        os.close(number)
        await_change(table, ChangeKind.SYNCED)
        child = start()
        await_change(table, ChangeKind.STARTED, child.pid)


def test_a_table_that_was_given_a_path_leaves_no_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    Table(proc="/proc").close()
    with pytest.raises(ProcessLookupError):
        Table(proc="/proc", family=2**22 + 1)  # no pid is that high
    assert os.listdir("/proc/self/fd") == before


def test_a_user_without_privilege_uses_made_up_events_and_processes() -> None:
    code = (
        "import os\n"
        "from proc_connector import Table\n"
        "from proc_connector.testing import Feed\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "with Feed() as feed:\n"
        "    feed.process(1, 0, 'init')\n"
        "    feed.process(100, 1, 'shell')\n"
        "    with Table(fd=feed, proc=feed.proc) as table:\n"
        "        while not table.synced: table.next()\n"
        "        print(*(process.comm for process in table.processes()))\n"
    )
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("init shell\n", "")


# ---- With made-up events ----


def test_made_up_processes_start_and_exit(feed: Feed, made_up: Table) -> None:
    shell = made_up.get(100)
    first = made_up.get(1)
    assert shell is not None and first is not None and made_up.count() == 2
    assert shell.comm == "shell" and shell.parent_id == first.id
    feed.process(200, 100, "child")
    feed.send(Fork(100, 100, 200, 200))
    started = await_change(made_up, ChangeKind.STARTED, 200).process
    assert started.comm == "child" and started.parent_id == shell.id
    feed.remove(200)
    feed.send(Exit(200, 200, 5 << 8, 17, 100, 100))
    assert await_change(made_up, ChangeKind.EXITED, 200).returncode == 5
    feed.end()
    assert list(made_up) == []
    with pytest.raises(BrokenPipeError):
        made_up.next()


def test_a_made_up_process_has_its_ids_and_its_start(feed: Feed) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    feed.process(1, 0)
    feed.process(100, 1, "a\nUid:\t5\t5", uid=1000, gid=1001)
    with Table(fd=feed, proc=feed.proc) as table:
        await_change(table, ChangeKind.FOUND, 1)
        while not table.synced:
            table.next(PATIENCE)
        first, process = table.get(1), table.get(100)
    assert first is not None and Fields.CREDENTIALS in first.valid and (first.euid, first.egid) == (0, 0)
    assert process is not None and Fields.CREDENTIALS in process.valid and process.comm == "a\nUid:\t5\t5"
    assert (process.ruid, process.euid, process.rgid, process.egid) == (1000, 1000, 1001, 1001)
    assert before - 10**7 <= process.start_boottime_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_a_pid_that_is_made_up_again_has_a_later_start(feed: Feed, made_up: Table) -> None:
    old = made_up.get(100)
    feed.process(100, 1, "renamed")
    made_up.rescan()
    assert await_change(made_up, ChangeKind.RENAMED, 100).process.id == (old and old.id)
    feed.remove(100)
    feed.process(100, 1, "other")
    made_up.rescan()
    new = await_change(made_up, ChangeKind.STARTED, 100).process
    assert old is not None and new.start_boottime_ns > old.start_boottime_ns and new.id != old.id


def test_a_pid_that_is_made_up_again_at_once_has_a_later_start(feed: Feed) -> None:
    feed.process(300)
    feed.remove(300)
    feed._starts[300] += 50  # half a second: as if the first process had started just now, on a slow machine, too
    first = feed._starts[300]
    feed.process(300)
    assert int(Path(feed.proc, "300", "stat").read_text().split()[21]) > first


def test_an_event_that_is_sent_without_a_timestamp_has_the_present_time(feed: Feed, made_up: Table) -> None:
    before = time.monotonic_ns()
    feed.process(100, 1, "shell", uid=1000)
    feed.send(Uid(100, 100, 1000, 1000))
    changed = await_change(made_up, ChangeKind.CREDENTIALS, 100)
    assert changed.process.euid == 1000 and before <= changed.timestamp_ns <= time.monotonic_ns()
    feed.send(Sid(100, 100))
    feed.process(100, 1, "program", uid=1000)
    feed.send(Exec(100, 100))
    assert await_change(made_up, ChangeKind.EXECED, 100).process.comm == "program"
    feed.send(Comm(100, 100, "renamed"))
    assert await_change(made_up, ChangeKind.RENAMED, 100).process.comm == "renamed"
    feed.remove(100)
    feed.send(Exit(100, 100, 3 << 8))
    exited = await_change(made_up, ChangeKind.EXITED, 100)
    assert exited.returncode == 3 and exited.flags == ChangeFlags.EXIT_CODE


@pytest.mark.parametrize("ignore_threads", [False, True])
def test_an_exit_code_is_only_the_leaders_if_threads_are_ignored(feed: Feed, ignore_threads: bool) -> None:
    feed.process(1, 0)
    with Table(fd=feed, proc=feed.proc, ignore_threads=ignore_threads) as table:
        await_change(table, ChangeKind.SYNCED)
        await_change(table, ChangeKind.SYNCED)
        feed.process(200)
        feed.send(Fork(1, 1, 200, 200))
        await_change(table, ChangeKind.STARTED, 200)
        feed.remove(200)
        feed.send(Exit(200, 200, 5 << 8))
        exited = await_change(table, ChangeKind.EXITED, 200)
        assert (ChangeFlags.LEADER_CODE in exited.flags) == ignore_threads


def test_a_command_that_could_not_be_read_says_why(feed: Feed) -> None:
    feed.process(100)
    with Table(fd=feed, proc=feed.proc, text_bytes=512) as table:
        command = table.command(await_change(table, ChangeKind.FOUND, 100).process)
        assert str(command).startswith("(the process exited or ran another program before this was read")


def test_a_process_can_exit_without_its_code(feed: Feed, made_up: Table) -> None:
    feed.remove(100)
    made_up.rescan()
    vanished = await_change(made_up, ChangeKind.VANISHED, 100)
    assert vanished.exited and vanished.exit_code is None and vanished.returncode is None


def test_interrupt_and_close_end_the_waits_of_a_table(feed: Feed, made_up: Table) -> None:
    results: list[Any] = []

    def follow() -> None:
        try:
            made_up.next()
        except ProcConnectorError as error:
            results.append(error.errno)
        results.extend(made_up)

    thread = threading.Thread(target=follow)
    thread.start()
    until(lambda: made_up._waiting)
    made_up.interrupt()
    until(lambda: len(results) == 1 and made_up._waiting)
    made_up.close()
    thread.join(PATIENCE)
    assert results == [errno.ECANCELED]
    with pytest.raises(ClosedError, match="the table is closed"):
        made_up.get(1)
    with pytest.raises(ClosedError, match="the table is closed"):
        made_up.processes()  # which does not wait until the caller takes the first process


def test_a_forked_child_cannot_use_a_table(made_up: Table) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            made_up.get(1)
        except ChildProcessError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert made_up.get(1) is not None


def test_each_bad_argument_of_a_table_is_named(feed: Feed, made_up: Table) -> None:
    bad: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "fields", lambda: Table(fields=Fields(1 << 31))),
        (ValueError, "rcvbuf_bytes", lambda: Table(rcvbuf_bytes=-1)),
        (ValueError, "max_work", lambda: Table(max_work=-1)),
        (ValueError, "max_watches", lambda: Table(max_watches=1 << 32)),
        (ValueError, "text_bytes", lambda: Table(text_bytes=8_388_609)),
        (ValueError, "family", lambda: Table(family=1)),
        (ValueError, "family", lambda: Table(family=-1)),
        (TypeError, "family", lambda: Table(family="1")),  # type: ignore[arg-type]
        (ValueError, "subscribed", lambda: Table(subscribed=True)),
        (TypeError, "proc", lambda: Table(proc=1.5)),  # type: ignore[arg-type]
        (TypeError, "fd", lambda: Table(fd="3")),  # type: ignore[arg-type]
        (ValueError, "pid", lambda: made_up.get(-1)),
        (ValueError, "pid", lambda: made_up.set_user(1 << 31, 0)),
        (ValueError, "user", lambda: made_up.set_user(1, 1 << 64)),
        (ValueError, "timeout", lambda: made_up.next(-0.5)),
        (TypeError, "process", lambda: made_up.command(5)),  # type: ignore[arg-type]
        (ValueError, "proc", lambda: Table(proc="a\0b")),
    ]
    for error, argument, call in bad:
        with pytest.raises(error, match=rf"^{argument}\b"):
            call()
    with open("/dev/null") as null, pytest.raises(NotADirectoryError):
        Table(proc=null, fd=feed)
    for proc, builtin in (("/dev/null", NotADirectoryError), ("/nope", FileNotFoundError)):
        with pytest.raises(ProcConnectorError) as refused:
            Table(proc=proc)
        assert isinstance(refused.value, builtin) and refused.value.filename == proc
    with pytest.raises(ProcConnectorError) as closed:
        Table(fd=10**6)
    assert closed.value.errno == errno.EBADF


# ---- Changes as values ----


def test_each_kind_and_flag_of_the_header_has_a_name() -> None:
    named: dict[str, Any] = {"PC_FIELD_": Fields, "PC_PROCESS_": ProcessState}
    for prefix, enum in named.items():
        assert sorted(name for name in dir(lib) if name.startswith(prefix)) == sorted(
            prefix + name for name in enum.__members__
        )
    changes = {*ChangeKind.__members__, *ChangeFlags.__members__}
    assert {name for name in dir(lib) if name.startswith("PC_CHANGE_")} == {"PC_CHANGE_" + name for name in changes}


def test_the_fields_of_changes_and_processes_are_those_of_the_header() -> None:
    for struct, fields in (("pc_change", Change._fields), ("pc_process", Process._fields)):
        in_c = [name for name, _ in ffi.typeof(f"struct {struct}").fields if not name.startswith("reserved")]
        assert list(fields) == in_c


def test_a_change_is_a_line_for_logs() -> None:
    process = Process(pid=7, parent_pid=6, comm="sh", valid=Fields.PARENT | Fields.COMM)
    exited = Change(ChangeKind.EXITED, ChangeFlags.EXIT_CODE, 3 * 10**9, exit_code=3 << 8, process=process)
    assert str(exited) == 'exited pid=7 parent=6 comm="sh" status=3 ts=3.000000000'
    unsynced = Change(ChangeKind.UNSYNCED, timestamp_ns=3 * 10**9, lost=5, since_ns=10**9)
    assert str(unsynced) == "unsynced lost=5 since=1.000000000 ts=3.000000000"
    assert str(Change(99)).startswith("unknown")


def test_a_change_is_immutable() -> None:
    change: Any = Change(ChangeKind.SYNCED)
    for attribute in ("kind", "other"):
        with pytest.raises(AttributeError):
            setattr(change, attribute, 1)


def test_an_exec_of_a_process_that_has_no_files_does_not_stop_a_table(feed: Feed, made_up: Table) -> None:
    feed.send(Exec(300, 300))
    feed.process(400, 100)
    feed.send(Fork(100, 100, 400, 400))
    await_change(made_up, ChangeKind.STARTED, 400)
    assert made_up.get(300) is None
