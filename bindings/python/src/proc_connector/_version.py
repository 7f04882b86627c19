"""The version of the library."""

from __future__ import annotations

from ._native import lib


def library_version() -> tuple[int, int, int]:
    """Returns the version of the C library: major, minor, patch."""
    version = int(lib.pc_version())
    return version >> 16, version >> 8 & 0xFF, version & 0xFF
