"""How the bytes of C's structs become tuples, as the C compiler has laid the structs out."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from ._native import ffi

# Memory that C fills in, which need not be zero before.
allocate = ffi.new_allocator(should_clear_after_alloc=False)

# cffi completes a struct at its first use. Without GIL, two threads could complete one at the same time.
for _name in ffi.list_types()[1]:
    with suppress(ffi.error):  # an opaque struct has no size, and cffi must not be asked for its fields
        ffi.sizeof(f"struct {_name}")
        _ = ffi.typeof(f"struct {_name}").fields

_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}


def codec(name: str, fields: Collection[str]) -> struct.Struct:
    """Returns what unpacks these fields of a C struct, in the order of the struct."""
    ctype = ffi.typeof(name)
    found = [(field, info) for field, info in ctype.fields if field in fields]
    if len(found) != len(fields):
        raise TypeError(f"{name} does not have all of the fields {fields}")
    codes, end = ["="], 0
    for _, info in found:
        codes.append(f"{info.offset - end}x{_code(info.type)}")
        end = info.offset + ffi.sizeof(info.type)
    codes.append(f"{ffi.sizeof(ctype) - end}x")
    return struct.Struct("".join(codes))


def _code(ctype: Any) -> str:
    if ctype.kind == "array":
        return f"{ctype.length}s"
    code = _CODES[ffi.sizeof(ctype)]
    signed = int(ffi.cast(ctype, -1)) < 0
    return code if signed else code.upper()


def name_of(comm: bytes) -> str:
    """Returns the name of a task. Bytes that are not UTF-8 become what os.fsencode() restores."""
    return os.fsdecode(comm.split(b"\0", 1)[0])


def name_to(comm: str) -> bytes:
    """Returns the bytes of the name of a task, as C keeps it."""
    return os.fsencode(comm)[:15]
