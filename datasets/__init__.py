"""The dataset registry: every module of this folder that has `DATASETS` is part of it.

Nothing here knows `bench` or `methods`.
"""

import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from datasets.description import Dataset, Entries, File, Image, Part

__all__ = ["Dataset", "Entries", "File", "Image", "Part", "available"]


@cache
def available() -> dict[str, Dataset]:
    """Return every registered dataset by name. Only these are in the ledger of published numbers.

    Raises
    ------
    ValueError
        If two entries have one name.
    """
    datasets: dict[str, Dataset] = {}
    for module in sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")):
        for entry in getattr(importlib.import_module(f"{__name__}.{module}"), "DATASETS", ()):
            if entry.name in datasets:
                raise ValueError(f"two datasets are named {entry.name!r}; the second stands in datasets/{module}.py")
            datasets[entry.name] = replace(entry, ledger=entry.ledger or (entry.name, entry.colour))
    return datasets
