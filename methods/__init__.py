"""The method registry: every module of this folder that has `METHODS` is part of it.

Nothing here knows `bench` or `datasets`.
"""

import importlib
from functools import cache
from pathlib import Path

from methods.description import Method, Net, Weights

__all__ = ["Method", "Net", "Weights", "available", "labels", "problems"]


def available() -> dict[str, Method]:
    """Return every registered method by name, also those whose weights this project trained.

    Raises
    ------
    ValueError
        If two methods have one name.
    """
    return read()[0]


def labels() -> set[str]:
    """Return the names that registered methods have in tables, and no other may have."""
    return {net.label for method in available().values() for net in method.nets}


def problems() -> tuple[str, ...]:
    """Return one line on each training record that names no method and is left out, or was changed by hand."""
    return read()[1]


@cache
def read() -> tuple[dict[str, Method], tuple[str, ...]]:
    """Read the registry, once: what `available` and `problems` return.

    Raises
    ------
    ValueError
        If two methods have one name.
    """
    from methods import trained_here

    registered: dict[str, Method] = {}
    for module in sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")):
        for entry in getattr(importlib.import_module(f"{__name__}.{module}"), "METHODS", ()):
            if entry.name in registered:
                raise ValueError(f"two methods are named {entry.name!r}; the second stands in methods/{module}.py")
            registered[entry.name] = entry
    trained, left_out = trained_here.read(registered, trained_here.FOLDER)
    return registered | {method.name: method for method in trained}, tuple(left_out)
