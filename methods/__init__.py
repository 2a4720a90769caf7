"""The method registry: every module of this folder that has `METHODS` is part of it.

Nothing here knows `bench` or `datasets`.
"""

import importlib
import pkgutil
from functools import cache

from methods.description import Method, Net, Weights

__all__ = ["Method", "Net", "Weights", "available"]


@cache
def available() -> dict[str, Method]:
    """Return every registered method by name.

    Raises
    ------
    ValueError
        If two methods have one name.
    """
    found: dict[str, Method] = {}
    for module in pkgutil.iter_modules(__path__):
        for entry in getattr(importlib.import_module(f"{__name__}.{module.name}"), "METHODS", ()):
            if entry.name in found:
                raise ValueError(f"two methods are named {entry.name!r}; the second stands in methods/{module.name}.py")
            found[entry.name] = entry
    from methods.own import trained

    return found | {method.name: method for method in trained(found)}
