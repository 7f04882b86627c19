"""What connectors and tables have in common: a handle of the library, which threads share."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, TypeVar

from ._arguments import Descriptor, descriptor, timeout as checked_timeout
from ._bell import Bell, checkpoint
from ._errors import ClosedError, ProcConnectorError, checked
from ._native import ffi

T = TypeVar("T")
Self = TypeVar("Self", bound="Handle")


class Stats(NamedTuple):
    """The statistics of a connector. Each field by itself is exact.

    received:      Kernel events delivered.
    filtered:      Messages that the kernel admitted and the library rejected: events queued before a set_filter(),
                   for example.
    lost:          Events lost in a full queue: the sum of what all overruns reported.
    foreign:       Forged messages: the kernel did not send them.
    malformed:     Damaged messages.
    repaired:      How often a deaf kernel was repaired.
    rcvbuf_bytes:  The queue budget that the kernel granted.
    hidden:        With Table.stats(): how many processes of the table are ProcessState.HIDDEN.
    """

    received: int
    filtered: int
    lost: int
    foreign: int
    malformed: int
    repaired: int
    rcvbuf_bytes: int
    hidden: int


class Handle:
    """A handle of the library, and its life.

    Each call of the library holds the lock, and none of them waits: what waits is the bell. A signal handler may call
    every method, between any two instructions of another one. If it closes the handle in the middle of a call, the
    call ends first.
    """

    _noun: ClassVar[str]
    _fd: ClassVar[Callable[..., int]]
    _get_stats: ClassVar[Callable[..., int]]
    _check: ClassVar[Callable[..., int]]
    _release: ClassVar[Callable[..., int]]
    _close: ClassVar[Callable[..., None]]

    _handle: Any = None
    _pending: Collection[Any] = ()  # what was received, but not yet taken

    def _open(self, open_new: Any, open_fd: Any, options: Any, fd: Descriptor | None, subscribed: bool) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._calls = self._waiting = 0
        self._closing = self._interrupted = False
        self._bell = Bell()
        out = ffi.new(f"struct pc_{self._noun} **")
        try:
            if fd is None:
                checked(open_new(out, options))
            else:
                _adopt(open_fd, out, fd, options)
            try:
                self._bell.watch(checked(self._fd(out[0])))
            except OSError:
                if subscribed:
                    os.close(self._release(out[0]))  # the subscription remains the caller's
                else:
                    self._close(out[0])
                raise
        except BaseException:
            self._bell.close()
            raise
        self._handle = out[0]

    def _own(self) -> threading.RLock:
        """Returns the lock, unless this is a forked child, where another thread of the parent may have held it."""
        if os.getpid() != self._pid:
            raise ProcConnectorError.of(errno.ECHILD)
        return self._lock

    def _call(self, function: Callable[..., int], *arguments: Any) -> int:
        """Calls a function of the library with the handle."""
        with self._own():
            self._calls += 1
            try:
                if self._handle is None or self._closing:
                    raise ClosedError(f"the {self._noun} is closed")
                return checked(function(self._handle, *arguments))
            finally:
                self._calls -= 1
                if self._closing:
                    self._free()

    def _call_and_ring(self, function: Callable[..., int], *arguments: Any) -> int:
        """Calls a function after which there may be something that does not make the descriptor readable."""
        with self._own():
            result = self._call(function, *arguments)
            self._bell.ring()
        return result

    def _wait(self, take: Callable[[], T | None], seconds: float | None) -> T | None:
        """Calls take() until it returns something other than None, or until the time is over."""
        seconds = checked_timeout(seconds)
        if seconds == 0:
            return take()
        end = None if seconds is None else time.monotonic() + seconds
        self._heed_interrupt()
        taken = take()
        while taken is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            with self._attention():
                if not self._pending:
                    self._bell.wait(left)
            self._heed_interrupt()
            taken = take()
        return taken

    async def _wait_async(self, take: Callable[[], T | None]) -> T:
        """Calls take() until it returns something other than None, in a task."""
        await checkpoint()
        self._heed_interrupt()
        taken = take()
        while taken is None:
            with self._attention():
                if not self._pending:
                    await self._bell.wait_async()
            self._heed_interrupt()
            taken = take()
        return taken

    @contextmanager
    def _attention(self) -> Iterator[None]:
        """While a thread waits, the bell stays open. From now on, a thread that makes more pending rings it."""
        with self._own():
            self._waiting += 1
        try:
            if self._handle is None:
                raise ClosedError(f"the {self._noun} is closed")
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if self._handle is None:
                    self._end_waits()

    def _heed_interrupt(self) -> None:
        if self._interrupted:
            with self._own():
                if self._interrupted:
                    self._interrupted = False
                    self._bell.ring()  # this thread may have heard a ring that was for another one, too
                    raise ProcConnectorError.of(errno.ECANCELED)

    def interrupt(self) -> None:
        """Ends a wait: the current or the next call that may wait raises ProcConnectorError (ECANCELED), once.

        Any thread and any signal handler may call this. Several interrupts before that count as one.
        """
        with self._own():
            self._interrupted = not self.closed
            self._call_and_ring(_nothing)

    def fileno(self) -> int:
        """Returns the descriptor, for select, selectors and the like. Do not read, close or configure it."""
        return self._call(self._fd)

    def check(self) -> bool:
        """Checks that the kernel still reports events, and makes it report again if it has stopped.

        This costs microseconds: a daemon calls it from a timer. True: the kernel was deaf and is repaired; the stream
        reports the loss.
        """
        return self._call_and_ring(self._check) > 0

    def stats(self) -> Stats:
        """Returns the statistics of the connector."""
        stats = ffi.new("struct pc_stats *")
        self._call(self._get_stats, stats, ffi.sizeof("struct pc_stats"))
        return Stats(*(getattr(stats, field) for field in Stats._fields))

    def release(self) -> socket.socket:
        """Ends the handle but not the subscription, and returns the socket, which then belongs to the caller.

        The socket is meant for a successor, such as this daemon after its restart, which opens with `fd=` and
        `subscribed=True` and misses nothing.

        Raises ProcConnectorError (EBUSY) if there is something to report: receive with timeout 0 until there is
        nothing, and release again. After EPIPE, close it instead.
        """

        def give(handle: Any) -> int:
            number = self._release(handle)
            if number >= 0:
                self._handle = None  # before a signal handler's close() takes effect
            return number

        with self._own():
            number = self._call(give)
            self._end_waits()
        return socket.socket(fileno=number)

    def close(self) -> None:
        """Ends the subscription and all waits. Closing again does nothing. In a forked child, closes its copy only."""
        if self._handle is None:
            return
        if os.getpid() != self._pid:
            handle, self._handle = self._handle, None
            self._close(handle)
            self._bell.close()
            return
        with self._lock:
            self._closing = True
            self._free()

    def _free(self) -> None:
        if not self._calls:
            handle = self.__dict__.pop("_handle", None)  # in one step: a signal handler may close, too
            if handle is not None:
                self._close(handle)
                self._end_waits()

    def _end_waits(self) -> None:
        if self._waiting:
            self._bell.ring()  # each that leaves rings for the next
        else:
            self._bell.close()

    @property
    def closed(self) -> bool:
        """Whether close() or release() was called."""
        return self._handle is None or self._closing

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle is not None:
            if os.getpid() == self._pid:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.closed else 'open'}>"


def _nothing(handle: Any) -> int:
    return 0


def _adopt(open_fd: Any, out: Any, fd: Descriptor, options: Any) -> None:
    """Opens a handle on a duplicate of the caller's descriptor."""
    number = descriptor("fd", fd)
    try:
        duplicate = os.dup(number)
    except OSError as error:
        raise ProcConnectorError.of(error.errno or 0, f"fd {number}: {error.strerror}") from None
    result = open_fd(out, duplicate, options)
    if result < 0:
        os.close(duplicate)
        if result == -errno.EINVAL:
            raise ValueError("fd must be a netlink socket that is a member of group 1, or an AF_UNIX socket")
        checked(result)


