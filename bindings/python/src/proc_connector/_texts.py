"""The texts of a process: its command line, its executable and the like."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import Any, NamedTuple, Optional

from ._errors import ProcConnectorError, checked
from ._layout import allocate
from ._native import ffi, lib

_ROOM = 4096  # as long as a path can be


class TextKind(IntEnum):
    """The texts that a process has.

    COMMAND_LINE:  Each argument with a NUL byte behind it, as the kernel has it. A process can rewrite its command
                   line.
    EXECUTABLE:    The path of the executable. If that was deleted, the kernel appends " (deleted)".
    DIRECTORY:     The path of the working directory.
    CGROUP:        The path of the cgroup of version 2, or of one of version 1.
    NSPID:         The pid that the process itself sees, as in a container, in decimal digits.
    """

    COMMAND_LINE = lib.PC_TEXT_COMMAND_LINE
    EXECUTABLE = lib.PC_TEXT_EXECUTABLE
    DIRECTORY = lib.PC_TEXT_DIRECTORY
    CGROUP = lib.PC_TEXT_CGROUP
    NSPID = lib.PC_TEXT_NSPID


class Text(NamedTuple):
    """A text of a process, or the error that says why there is none.

    ProcConnectorError has one of these numbers: ENODATA (a kernel thread has no command line and no executable), EACCES
    (this process may not read it), ESRCH (the process exited before this text was read), EAGAIN (the process is taking
    up another program, or its leader is gone), ENAMETOOLONG (a path above 4096 bytes).
    """

    data: bytes = b""
    error: Optional[ProcConnectorError] = None

    def get(self) -> bytes:
        """Returns the text. Raises the error if there is none."""
        if self.error is not None:
            raise self.error
        return self.data


def read(process: Any, kinds: tuple[TextKind, ...], room: int = _ROOM) -> tuple[Text, ...]:
    """Reads texts of the process that a C struct names, all of them under one guard against a reused pid."""
    while True:
        buffers = [allocate("char[]", room) for _ in kinds]
        asked = ffi.new("struct pc_text[]", [(kind, 0, buffer, room, 0) for kind, buffer in zip(kinds, buffers)])
        checked(lib.pc_process_texts_of(process, asked, len(kinds)))
        longest: int = max(text.length for text in asked)
        if longest < room:
            return tuple(_text(text) for text in asked)
        room = longest + 512


def _text(text: Any) -> Text:
    if text.error:
        return Text(error=ProcConnectorError.of(text.error))
    return Text(bytes(ffi.buffer(text.buffer, text.length)))


def arguments(command_line: bytes) -> list[str]:
    """Returns the arguments of a command line. Bytes that are not UTF-8 become what os.fsencode() restores."""
    if not command_line:
        return []
    if command_line.endswith(b"\0"):
        command_line = command_line[:-1]
    return [os.fsdecode(argument) for argument in command_line.split(b"\0")]
