"""Checks of arguments. Each error names the argument."""

from __future__ import annotations

import enum
import operator
from typing import Protocol, TypeVar, Union

INT_MAX = 2**31 - 1
UINT32_MAX = 2**32 - 1


class HasFileno(Protocol):
    """An object with a descriptor, such as a socket."""

    def fileno(self) -> int: ...


Descriptor = Union[int, HasFileno]
Flags = TypeVar("Flags", bound=enum.IntFlag)


def integer(name: str, value: int, low: int, high: int) -> int:
    """Returns a value that is an integer from low to high."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {number}")
    return number


def flags(name: str, value: Flags | None, known: type[Flags]) -> int:
    """Returns the bits of a value, all of which are known. None stands for 0."""
    if value is None:
        return 0
    number = integer(name, value, 0, UINT32_MAX)
    unknown = number
    for flag in known.__members__.values():
        unknown &= ~flag.value
    if unknown:
        raise ValueError(f"{name} has bits that {known.__name__} does not have: {unknown:#x}")
    return number


def descriptor(name: str, value: Descriptor) -> int:
    """Returns the descriptor of a file or socket."""
    if not isinstance(value, int):
        if not hasattr(value, "fileno"):
            raise TypeError(f"{name} must be a descriptor or have fileno(), not be a {type(value).__name__}")
        value = value.fileno()
    return integer(name, value, 0, INT_MAX)


def timeout(value: float | None) -> float | None:
    """Returns a time in seconds; None stands for no limit."""
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"timeout must not be negative, but is {value}; None waits without limit")
    return value
