"""Waits for a descriptor, and for other threads."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class Bell:
    """Waits until a descriptor is readable, or until another thread rings. Signal handlers run meanwhile."""

    def __init__(self) -> None:
        out, into = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._out, self._in = open(out, "rb", buffering=0), open(into, "wb", buffering=0)
        try:
            self._epoll = select.epoll()
        except OSError:
            self._out.close()
            self._in.close()
            raise
        self._epoll.register(out, select.EPOLLIN)
        self._awaited = threading.Lock()

    def watch(self, descriptor: int) -> None:
        """From now on, waits for this descriptor, too."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def wait(self, seconds: float | None) -> None:
        """Waits, in a thread. In the main thread, may return after a second without a reason."""
        if threading.current_thread() is threading.main_thread():
            # A signal that arrives just before epoll_wait(2) does not end it, but its Python handler must run.
            seconds = 1.0 if seconds is None else min(seconds, 1.0)
        self._hear(self._epoll.poll(seconds))

    async def wait_async(self) -> None:
        """Waits, in a task of asyncio or trio."""
        if not self._awaited.acquire(blocking=False):
            raise RuntimeError("another task waits already")
        try:
            await _readable(self._epoll.fileno())
        finally:
            self._awaited.release()
        self._hear(self._epoll.poll(0))

    def _hear(self, readable: list[tuple[int, int]]) -> None:
        if any(descriptor == self._out.fileno() for descriptor, _ in readable):
            self._out.read(4096)  # None, if another thread has read it

    def ring(self) -> None:
        """Ends the current or the next wait of one thread or task. After close(), does nothing."""
        try:
            self._in.write(b"!")  # None, if there is more than enough in the pipe
        except ValueError:
            pass  # a signal handler has closed it

    def close(self) -> None:
        """Gives the descriptors back. Nobody may wait any more. Closing again does nothing."""
        self._epoll.close()
        self._out.close()
        self._in.close()


async def _readable(descriptor: int) -> None:
    trio = _running_trio()
    if trio is not None:
        await trio.lowlevel.wait_readable(descriptor)
        return
    import asyncio  # here, because only a program that has a loop of it needs it

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.add_reader(descriptor, _set, future)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def checkpoint() -> None:
    """Lets other tasks run."""
    trio = _running_trio()
    if trio is not None:
        await trio.lowlevel.checkpoint()
        return
    import asyncio

    asyncio.get_running_loop()  # raises RuntimeError if there is none
    await asyncio.sleep(0)


def _running_trio() -> Any:
    """Returns the module trio if a task of trio calls this."""
    trio = sys.modules.get("trio")
    try:
        if trio is not None:
            trio.lowlevel.current_trio_token()
    except RuntimeError:
        return None
    return trio
