"""HDF5 files of a person: what they may not do when they are read."""

from pathlib import Path
from typing import Any

from bench.common.errors import BenchError

MOST_BYTES = 1 << 30
"""Of all arrays of a file: a file of some kilobytes may claim terabytes."""

HEADS = (0, 512)
"""Where the signature stands: MATLAB writes a header before it."""


def check(path: Path, where: str) -> None:
    """Raise `BenchError` for an HDF5 file that leads to other files or claims too much; others are not looked at.

    Parameters
    ----------
    path : Path
        Any file.
    where : str
        What the message begins with.
    """
    import h5py

    with path.open("rb") as file:
        head = file.read(HEADS[-1] + 8)
    if not any(head[start:].startswith(b"\x89HDF\r\n\x1a\n") for start in HEADS):
        return
    links: list[Any] = []
    arrays: list[Any] = []
    try:
        with h5py.File(path, "r", locking=False) as file:
            file.visititems_links(lambda _, link: links.append(link))
            file.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
            away = any(isinstance(link, h5py.ExternalLink) for link in links)
            away = away or any(array.external or array.is_virtual for array in arrays)
            claimed = sum(array.nbytes for array in arrays)
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError):
        return  # damaged: who reads it says so
    if away or claimed > MOST_BYTES:
        raise BenchError(f"{where}: its arrays lie in other files, or claim more than {MOST_BYTES >> 30} GiB")
