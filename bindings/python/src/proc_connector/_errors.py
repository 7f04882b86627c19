"""Errors of the library as exceptions."""

from __future__ import annotations

from functools import lru_cache

from ._native import ffi, lib


class ProcConnectorError(OSError):
    """An error of the library: `errno` is its number, and `strerror` says what to do about it.

    Where Python has an exception of its own for a number, such as PermissionError for EPERM and EACCES or
    ProcessLookupError for ESRCH, the exception is of that class, too:

    >>> import errno
    >>> isinstance(ProcConnectorError.of(errno.EPERM), PermissionError)
    True
    """

    @staticmethod
    def of(number: int, said: str | None = None, path: str | None = None) -> ProcConnectorError:
        """Returns the exception for a number, whose sign does not matter. A text of its own may say more."""
        return _class_of(abs(number))(abs(number), text(number) if said is None else said, path)

    def __reduce__(self) -> tuple[object, ...]:
        return ProcConnectorError.of, (self.errno, self.strerror, self.filename)


class ClosedError(ValueError):
    """The connector or table is closed: before the call, or by another thread during it.

    Like the error of a closed file, this is a ValueError.
    """


@lru_cache(maxsize=None)
def _class_of(number: int) -> type[ProcConnectorError]:
    builtin = type(OSError(number, ""))
    if builtin is OSError:
        return ProcConnectorError
    name = f"ProcConnector{builtin.__name__}"
    return type(name, (ProcConnectorError, builtin), {"__doc__": ProcConnectorError.__doc__})


def text(number: int) -> str:
    """Returns the library's text for a number."""
    return str(ffi.string(lib.pc_strerror(number)), "utf-8")


def checked(result: int) -> int:
    """Returns what a function of the library returned, unless that is an error."""
    if result < 0:
        raise ProcConnectorError.of(result)
    return result
