"""The programs and the examples of the documentation work."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import pytest
from conftest import PATIENCE, until

import proc_connector
from proc_connector import (
    Change,
    ChangeFlags,
    ChangeKind,
    Command,
    Fields,
    Liveness,
    LostReason,
    Process,
    ProcessState,
    Stats,
)

DOCUMENTS = [Path(name) for name in os.environ.get("PROC_CONNECTOR_DOCUMENTS", "").split(":") if name]
README = Path(__file__).parent.parent / "README.md"


def pieces(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


PROGRAMS = [piece for document in (README, *DOCUMENTS) for piece in pieces(document, "python")]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_reports_a_program_that_fails(program: str) -> None:
    command = [sys.executable, "-u", "-c", program]
    stops = "SIGTERM" in program
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        output: list[str] = []
        assert running.stdout is not None
        reader = threading.Thread(target=output.extend, args=(running.stdout,))
        reader.start()
        reported: list[int] = []

        def fails_and_is_reported() -> bool:
            failing = subprocess.run(["sh", "-c", "exit 3", "it fails"])
            assert failing.returncode == 3 and running.poll() is None
            reported[:] = [at for at, line in enumerate(output) if re.search(r"\b3\b.*it fails", line)]
            return bool(reported)

        try:
            until(fails_and_is_reported)
        finally:
            running.send_signal(signal.SIGTERM if stops else signal.SIGINT)
            reader.join(PATIENCE)
            try:
                running.wait(PATIENCE)
            finally:
                running.kill()  # if the signal did not end it
        assert running.stderr is not None
        complaint = running.stderr.read()
    if stops:
        assert (running.returncode, complaint) == (0, "")
    else:
        assert running.returncode in (0, -signal.SIGINT), complaint


def test_the_first_program_is_short() -> None:
    first = pieces(README, "python")[0]
    assert first.count("\n") <= 8 and "command" in first


@pytest.mark.parametrize("document", [README, *DOCUMENTS], ids=str)
def test_the_examples_of_a_document_give_what_it_says(document: Path) -> None:
    text = "\n\n".join(pieces(document, "pycon"))
    examples = doctest.DocTestParser().get_doctest(text, {}, document.name, str(document), 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples).failed == 0
    assert document == README or examples.examples


def modules() -> list[str]:
    found = [f"proc_connector.{module.name}" for module in pkgutil.iter_modules(proc_connector.__path__)]
    return ["proc_connector", *(name for name in found if name != "proc_connector._native")]


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_give_what_it_says(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_docstring_of_a_class_describes_each_member_that_it_lists() -> None:
    members: dict[type, Iterable[str]] = {Change: Change._fields, Command: Command._fields}
    members.update({Process: Process._fields, Stats: Stats._fields})
    enums: tuple[type[Enum], ...] = (ChangeFlags, ChangeKind, Fields, Liveness, LostReason, ProcessState)
    members.update((enum, enum.__members__) for enum in enums)
    for thing, names in members.items():
        details = (thing.__doc__ or "").partition("\n")[2]
        assert re.findall(r"^ *(\w+): +\S", details, re.MULTILINE) == list(names)


def test_everything_public_is_documented() -> None:
    public = [getattr(proc_connector, name) for name in proc_connector.__all__]
    for thing in public:
        assert isinstance(thing, type) is False or thing.__doc__
    undocumented = [
        f"{thing.__name__}.{name}"
        for thing in public
        if isinstance(thing, type)
        for name, value in vars(thing).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property)) and not value.__doc__
    ]
    assert undocumented == []
