"""Builds the extension proc_connector._native from the C header and the library.

Both are those of the checkout, if this folder is in one: then the library is linked statically, so that a wheel needs
nothing else. Otherwise they are those that pkg-config finds. PROC_CONNECTOR_STATIC=1 links that library statically.
"""

import os
import re
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import cffi

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent

# Types that C's headers define. The compiler finds out which integers they are.
TYPES = "typedef int... pid_t; typedef int... uid_t; typedef int... gid_t;"


class Library(NamedTuple):
    """Where the header is, and what links the library."""

    header: Path
    arguments: dict[str, Any]


def definitions(header: Path) -> str:
    """The header as cffi takes it: what the preprocessor leaves, and the names of the constants."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as empty:
        # cffi knows the types of these headers, and has no use for what else is in them.
        for name in ("stddef.h", "stdint.h", "sys/types.h"):
            Path(empty, name).parent.mkdir(exist_ok=True)
            Path(empty, name).touch()
        command = [*compiler, "-E", "-P", "-nostdinc", "-I", empty, str(header)]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    constants = re.findall(r"^#define (PC_\w+) [^{\n]*$", header.read_text(), re.MULTILINE)
    return "\n".join([TYPES, text, *(f"#define {name} ..." for name in constants)])


def pkg_config(*options: str) -> list[str]:
    """What pkg-config says about the library."""
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    try:
        done = subprocess.run([tool, *options, "proc_connector"], check=True, stdout=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(
            "The C library proc_connector is missing: install it, so that pkg-config finds it, "
            "or build this package in a checkout of the library."
        ) from None
    return shlex.split(done.stdout)


def of_checkout() -> Library:
    """The library of the checkout, which make builds if it is not there."""
    subprocess.run(["make", "--no-print-directory", "-C", str(CHECKOUT), "build/libproc_connector.a"], check=True)
    return static(CHECKOUT / "include", CHECKOUT / "build")


def installed() -> Library:
    """The library that pkg-config finds."""
    include = Path(*pkg_config("--variable=includedir"))
    if os.environ.get("PROC_CONNECTOR_STATIC") == "1":
        return static(include, Path(*pkg_config("--variable=libdir")))
    flags = pkg_config("--libs")
    arguments = {
        "include_dirs": [str(include)],
        "library_dirs": [flag[2:] for flag in flags if flag.startswith("-L")],
        "libraries": [flag[2:] for flag in flags if flag.startswith("-l")],
        "depends": [str(include / "proc_connector.h")],
    }
    return Library(include / "proc_connector.h", arguments)


def static(include: Path, folder: Path) -> Library:
    """A library that becomes part of the extension, which hides the library's symbols."""
    archive = str(folder / "libproc_connector.a")
    arguments = {
        "include_dirs": [str(include)],
        "extra_objects": [archive],
        "extra_link_args": ["-Wl,--exclude-libs,ALL"],
        "depends": [archive, str(include / "proc_connector.h")],
    }
    return Library(include / "proc_connector.h", arguments)


def builder() -> cffi.FFI:
    """What setuptools calls."""
    library = of_checkout() if (CHECKOUT / "src" / "capi").is_dir() else installed()
    ffi = cffi.FFI()
    ffi.cdef(definitions(library.header))
    ffi.set_source("proc_connector._native", "#include <proc_connector.h>", **library.arguments)
    return ffi
