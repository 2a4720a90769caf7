"""Which files belong to Python and its packages: their versions are known, and nobody's method is among them."""

import os
import site
import sys
import sysconfig
from functools import cache


@cache
def standard_library() -> str:
    """Return the folder of Python's own library, with a separator behind it."""
    return sysconfig.get_path("stdlib") + os.sep


@cache
def packages() -> tuple[str, ...]:
    """Return the folders of installed packages, each with a separator behind it."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(f"{folder}{os.sep}" for folder in sorted(folders))


def is_installed(path: str) -> bool:
    """Whether a file, by its absolute path, is of Python or of an installed package."""
    return path.startswith((*packages(), standard_library(), f"{sys.base_prefix}{os.sep}lib"))
