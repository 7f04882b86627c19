"""What the tests share. They look at their own processes only: others run on the machine, too."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Union

import pytest

from proc_connector import Change, Connector, Event, Table
from proc_connector.testing import Feed

# A shell's background job ignores SIGINT, and so would the programs that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE = 60.0  # how long to wait for what must come

Start = Callable[..., "Child"]


class Child:
    """A shell that waits until it is released, and then runs a command."""

    def __init__(self, command: str, *arguments: str) -> None:
        self.process = subprocess.Popen(["sh", "-c", f"read go; {command}", *arguments], stdin=subprocess.PIPE)
        self.pid = self.process.pid

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[Child] = []

    def child(command: str = "exit 3", *arguments: str) -> Child:
        children.append(Child(command, *arguments))
        return children[-1]

    yield child
    for one in children:
        one.end()


@pytest.fixture
def feed() -> Iterator[Feed]:
    with Feed() as made:
        yield made


def await_event(connector: Connector, wanted: Callable[[Event], bool]) -> Event:
    """The next event that is wanted."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        event = connector.recv(PATIENCE)
        if event is not None and wanted(event):
            return event
    raise AssertionError("the event did not come")


def await_change(table: Table, kind: int, pid: int = 0) -> Change:
    """The next change of this kind and of this process."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        change = table.next(PATIENCE)
        if change is not None and change.kind == kind and change.process.pid == pid:
            return change
    raise AssertionError("the change did not come")


def until(condition: Callable[[], Union[bool, int]]) -> None:
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python of its own."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
