"""What pyproject.toml cannot say: the extension, the tag of the wheel, and the version."""

import sysconfig

from setuptools import setup

# A wheel for CPython 3.9 and later. A free-threaded CPython does not have this ABI: its wheel is for one version.
limited = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    version="0.2.0",
    cffi_modules=["build_native.py:builder"],
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if limited else {},
)
