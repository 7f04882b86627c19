"""The stream of all events."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from ._arguments import INT_MAX, Descriptor, flags, integer
from ._errors import ClosedError, ProcConnectorError
from ._events import MOST, Event, Mask, decode
from ._handle import Handle
from ._layout import allocate
from ._native import ffi, lib


class Connector(Handle):
    """A subscription to process events, its queue and its statistics.

    Opening returns once the kernel has acknowledged the subscription. From then on, every event is delivered or
    counted as lost: an Overrun in the stream reports how many.

        with Connector(Mask.EXEC) as connector:
            for event in connector:
                print(event)

    The loop ends when another thread closes the connector. `async for` works with asyncio and trio. All threads may
    use a connector at any time.

    events:         what to receive; None or Mask(0): everything, kinds that the library does not know included
    no_threads:     discard the events of tasks that are not the leader of their process
    nonzero_exit:   deliver an Exit only if its exit_code is not 0
    rcvbuf_bytes:   the budget of the queue; 0: 36 MiB, at least 32,000 events. stats() shows what the kernel granted
    fd:             a socket, or its descriptor, to use instead of a new one: a netlink socket that another program has
                    opened, or an AF_UNIX socket through which a test sends events. The connector works on a duplicate,
                    which makes the socket non-blocking: close yours, and do not receive from it
    subscribed:     for `fd`: the previous owner of the socket has subscribed it already, as after release()

    Raises ProcConnectorError, whose text says what to do: EPERM (a PermissionError) before Linux 6.6 without
    CAP_NET_ADMIN, ECONNREFUSED and EOPNOTSUPP outside the initial namespaces, ENOSYS and EPROTONOSUPPORT if the kernel
    lacks process events, and others.
    """

    _noun = "connector"
    _fd = lib.pc_fd
    _get_stats = lib.pc_get_stats
    _check = lib.pc_check
    _release = lib.pc_release
    _close = lib.pc_close

    def __init__(
        self,
        events: Mask | None = None,
        *,
        no_threads: bool = False,
        nonzero_exit: bool = False,
        rcvbuf_bytes: int = 0,
        fd: Descriptor | None = None,
        subscribed: bool = False,
    ) -> None:
        if subscribed and fd is None:
            raise ValueError("subscribed needs fd")
        options = _options(events, no_threads, nonzero_exit)
        options.rcvbuf_bytes = integer("rcvbuf_bytes", rcvbuf_bytes, 0, INT_MAX)
        if subscribed:
            options.flags |= lib.PC_OPEN_SUBSCRIBED
        self._pending: deque[Event] = deque()  # received, but not yet taken by a loop
        self._open(lib.pc_open, lib.pc_open_fd, options, fd, subscribed)

    def recv(self, timeout: float | None = None) -> Event | None:
        """Receives one event.

        timeout:  how long to wait for it, in seconds; 0: not at all; None: without limit

        Returns None if no event came in time. Raises ProcConnectorError: ECANCELED after interrupt(), EPIPE at the end
        of an AF_UNIX stream. Raises ClosedError if the connector is closed.
        """
        events = self._wait(lambda: self._take(1), timeout)
        return events[0] if events else None

    def recv_many(self, timeout: float | None = None, *, most: int = MOST) -> list[Event]:
        """Receives the events that are pending, at most 64 of them, by one call into C.

        A short list does not mean that no more events are pending. Only an empty one means that.

        timeout:  how long to wait for the first event, as for recv()
        most:     how many events to receive at most
        """
        most = integer("most", most, 1, INT_MAX)
        return self._wait(lambda: self._take(most), timeout) or []

    def __iter__(self) -> Iterator[Event]:
        """Yields the events as they come. What the loop leaves when it ends is received by the next call."""
        self.fileno()  # raises an error if the connector is closed
        while True:
            try:
                self._wait(self._refill, None)
            except (ClosedError, BrokenPipeError):
                return
            yield from self._taken()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yields the events as they come, as __iter__() does. Other tasks run after each batch of events."""
        self.fileno()
        while True:
            try:
                await self._wait_async(self._refill)
            except (ClosedError, BrokenPipeError):
                return
            for event in self._taken():
                yield event

    def _taken(self) -> Iterator[Event]:
        while True:
            try:
                event = self._pending.popleft()
            except IndexError:
                return
            yield event

    def _refill(self) -> bool | None:
        """Makes events pending, unless some are. None: there are none."""
        with self._own():  # so that events which several threads receive become pending in their order
            if not self._pending:
                events = self._receive(MOST)
                if not events:
                    return None
                self._pending.extend(events)
            self._share(but=1)
            return True

    def _take(self, most: int) -> list[Event] | None:
        with self._own():
            while self._pending:  # the loop of another thread may take it first
                taken = list(islice(self._taken(), most))
                self._share()
                if taken:
                    return taken
            return self._receive(min(most, MOST)) or None

    def _receive(self, most: int) -> list[Event]:
        events = allocate("struct pc_event[]", most)
        return decode(events, self._call(lib.pc_recv_many, events, most, 0))

    def _share(self, but: int = 0) -> None:
        """Wakes a thread that waits, if more events are pending than the caller takes at once."""
        if self._waiting and len(self._pending) > but:
            self._bell.ring()

    def set_filter(self, events: Mask | None = None, *, no_threads: bool = False, nonzero_exit: bool = False) -> None:
        """Replaces the filter, atomically. An event that is queued already is judged when it is received."""
        self._call(lib.pc_set_filter, _options(events, no_threads, nonzero_exit))

    def unsubscribe(self) -> None:
        """Pauses: from now on no event is queued. Pending events can still be received."""
        self._call_and_ring(lib.pc_unsubscribe)

    def subscribe(self) -> None:
        """Resumes after unsubscribe()."""
        self._call_and_ring(lib.pc_subscribe)

    def release(self) -> socket.socket:
        with self._own():
            if self._pending:
                raise ProcConnectorError.of(errno.EBUSY)
            return super().release()

    release.__doc__ = Handle.release.__doc__

    def close(self) -> None:
        super().close()
        if self._handle is None:
            self._pending.clear()

    close.__doc__ = Handle.close.__doc__


def _options(events: Mask | None, no_threads: bool, nonzero_exit: bool) -> Any:
    options = ffi.new("struct pc_options *")
    options.size = ffi.sizeof("struct pc_options")
    options.events = flags("events", events, Mask)
    if no_threads:
        options.flags |= lib.PC_FILTER_NO_THREADS
    if nonzero_exit:
        options.flags |= lib.PC_FILTER_NONZERO_EXIT
    return options
