"""async for, on asyncio and on trio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import PATIENCE, run_python

from proc_connector import ChangeKind, Connector, Exec, Exit, Fork, ProcConnectorError, Table
from proc_connector.testing import Feed


def test_async_for_reports_the_changes_of_a_real_table() -> None:
    async def follow() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", "read go; exit 3", stdin=asyncio.subprocess.PIPE)
        with Table() as table:
            async for change in table:
                if change.kind == ChangeKind.SYNCED:
                    assert process.stdin is not None
                    process.stdin.close()
                if change.exited and change.process.pid == process.pid:
                    assert change.returncode is not None
                    await process.wait()
                    return change.returncode
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(follow(), PATIENCE)) == 3


def test_other_tasks_run_while_one_waits(feed: Feed) -> None:
    async def receive(connector: Connector) -> list[int]:
        return [event.tgid async for event in connector]

    async def both() -> list[int]:
        with Connector(fd=feed) as connector:
            task = asyncio.create_task(receive(connector))
            for pid in range(1, 4):
                while not connector._waiting:
                    await asyncio.sleep(0)
                feed.send(Exec(pid, pid))
                await asyncio.sleep(0.001)
            feed.end()
            return await task

    assert asyncio.run(asyncio.wait_for(both(), PATIENCE)) == [1, 2, 3]


def test_other_tasks_run_in_a_flood(feed: Feed) -> None:
    async def flood() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with Connector(fd=feed) as connector:
            for pid in range(1, 201):
                feed.send(Exec(pid, pid))
            feed.end()
            task = asyncio.create_task(other())
            assert len([event async for event in connector]) == 200
            task.cancel()
        return turns

    assert asyncio.run(asyncio.wait_for(flood(), PATIENCE)) >= 3


def test_a_task_can_be_cancelled_and_nothing_is_lost(feed: Feed) -> None:
    async def cancel() -> None:
        with Connector(fd=feed) as connector:

            async def receive() -> None:
                async for event in connector:
                    raise AssertionError(event)

            task = asyncio.create_task(receive())
            while not connector._waiting:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert connector._waiting == 0
            assert not asyncio.get_running_loop().remove_reader(connector._bell._epoll.fileno())
            feed.send(Exec(1, 1, timestamp_ns=1))
            async for event in connector:
                assert event == Exec(1, 1, timestamp_ns=1)
                break

    asyncio.run(asyncio.wait_for(cancel(), PATIENCE))


def test_close_and_interrupt_end_the_wait_of_a_task(feed: Feed) -> None:
    async def end() -> list[Any]:
        connector = Connector(fd=feed)
        results: list[Any] = []

        async def receive() -> None:
            try:
                async for _ in connector:
                    pass
            except ProcConnectorError as error:
                results.append(type(error))
            async for _ in connector:
                pass
            results.append("closed")

        task = asyncio.create_task(receive())
        while not connector._waiting:
            await asyncio.sleep(0)
        connector.interrupt()
        while not (results and connector._waiting):
            await asyncio.sleep(0)
        connector.close()
        await task
        return results

    assert asyncio.run(asyncio.wait_for(end(), PATIENCE)) == [ProcConnectorError, "closed"]


def test_two_tasks_cannot_wait_for_one_connector(feed: Feed) -> None:
    async def wait() -> None:
        with Connector(fd=feed) as connector:

            async def receive() -> None:
                async for _ in connector:
                    pass

            first = asyncio.create_task(receive())
            while not connector._waiting:
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task waits"):
                await receive()
            feed.end()
            await first

    asyncio.run(asyncio.wait_for(wait(), PATIENCE))


def test_async_for_works_with_trio(feed: Feed) -> None:
    trio = pytest.importorskip("trio")
    feed.process(1, 0, "init")

    async def follow() -> list[str]:
        lines: list[str] = []
        with Table(fd=feed, proc=feed.proc) as table:

            async def watch() -> None:
                async for change in table:
                    lines.append(f"{ChangeKind(change.kind).name} {change.process.pid}")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                while len(lines) < 4 or not table._waiting:
                    await trio.sleep(0)
                feed.process(100)
                feed.send(Fork(1, 1, 100, 100))
                while len(lines) < 5 or not table._waiting:
                    await trio.sleep(0)
                feed.remove(100)
                feed.send(Exit(100, 100, 0, 17, 1, 1))
                while len(lines) < 6 or not table._waiting:
                    await trio.sleep(0)
                feed.end()
        return lines

    assert trio.run(follow) == ["FOUND 1", "SYNCED 0", "UNSYNCED 0", "SYNCED 0", "STARTED 100", "EXITED 100"]


def test_async_for_without_an_event_loop_is_refused(feed: Feed) -> None:
    async def receive() -> None:
        async for _ in connector:
            pass

    with Connector(fd=feed) as connector, pytest.raises(RuntimeError, match="no running event loop"):
        receive().send(None)


def test_a_program_without_async_for_does_not_load_asyncio() -> None:
    done = run_python("import proc_connector, sys; print('asyncio' in sys.modules)")
    assert (done.stdout, done.stderr) == ("False\n", "")
