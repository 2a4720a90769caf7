"""The dataset registry: every module of this folder that has `DATASETS` is part of it.

Nothing here knows `bench` or `methods`.
"""

import importlib
import pkgutil
from functools import cache

from datasets.description import Dataset, Entries, File, Image, Part

__all__ = ["Dataset", "Entries", "File", "Image", "Part", "available"]


@cache
def available() -> dict[str, Dataset]:
    """Return every registered dataset by name.

    Raises
    ------
    ValueError
        If two entries have one name.
    """
    found: dict[str, Dataset] = {}
    for module in pkgutil.iter_modules(__path__):
        for entry in getattr(importlib.import_module(f"{__name__}.{module.name}"), "DATASETS", ()):
            if entry.name in found:
                raise ValueError(
                    f"two datasets are named {entry.name!r}; the second stands in datasets/{module.name}.py"
                )
            found[entry.name] = entry
    return found
