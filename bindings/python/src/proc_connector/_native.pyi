"""What cffi has made of the C header, whose types mypy cannot see."""

from typing import Any

ffi: Any
lib: Any
