"""What cffi knows of the library is what the C header says. These tests need a C compiler and the header."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proc_connector._native import ffi, lib

INCLUDE = os.environ.get("PROC_CONNECTOR_INCLUDE", "")
SOURCES = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(not INCLUDE, reason="PROC_CONNECTOR_INCLUDE does not name the folder of the header")


def header() -> str:
    return Path(INCLUDE, "proc_connector.h").read_text()


def structs() -> list[str]:
    return re.findall(r"^(?:struct|union) (pc_\w+) \{$", header(), re.MULTILINE)


def compiles(program: str) -> bool:
    command = ["cc", "-x", "c", "-std=c11", "-fsyntax-only", "-I", INCLUDE, "-"]
    return subprocess.run(command, input=program, text=True, stderr=subprocess.DEVNULL).returncode == 0


def layout(change: int = 0) -> str:
    """A C program that compiles only if every size and offset is as cffi has it."""
    lines = ["#include <proc_connector.h>"]
    for name in structs():
        kind = "union" if name == "pc_event_data" else "struct"
        ctype = ffi.typeof(f"{kind} {name}")
        lines.append(f'_Static_assert(sizeof({kind} {name}) == {ffi.sizeof(ctype)}, "");')
        for field, info in ctype.fields:
            place, size = f"__builtin_offsetof({kind} {name}, {field})", f"sizeof((({kind} {name} *)0)->{field})"
            wanted = f"{place} == {info.offset + change} && {size} == {ffi.sizeof(info.type)}"
            lines.append(f'_Static_assert({wanted}, "");')
    return "\n".join(lines)


def test_every_struct_has_the_layout_that_the_compiler_gives_it() -> None:
    assert len(structs()) >= 18
    assert compiles(layout()) and not compiles(layout(change=1))


def test_every_function_of_the_header_can_be_called() -> None:
    code = re.sub(r"/\*.*?\*/", "", header(), flags=re.DOTALL)
    functions = set(re.findall(r"^[a-z].*?\b(pc_\w+)\(", code, re.MULTILINE))
    assert len(functions) >= 40 and functions <= set(dir(lib))


def test_every_constant_of_the_header_is_known() -> None:
    constants = set(re.findall(r"^#define (PC_\w+) [^{\n]*$", header(), re.MULTILINE))
    constants |= set(re.findall(r"^    (PC_\w+) = \d+,$", header(), re.MULTILINE))
    assert len(constants) >= 60 and constants <= set(dir(lib))


def test_the_definitions_are_made_from_the_header_unchanged() -> None:
    code = "import build_native, sys; print(build_native.definitions(build_native.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, os.path.join(INCLUDE, "proc_connector.h")]
    made = subprocess.run(command, cwd=SOURCES, stdout=subprocess.PIPE, text=True, check=True).stdout
    for declaration in ("uint32_t pc_version(void);", "struct pc_change {", "#define PC_MASK_ALL ...", "typedef int... pid_t"):
        assert declaration in made
    assert "PC_OPTIONS_INIT" not in made
