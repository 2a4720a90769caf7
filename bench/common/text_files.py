"""Text files that a person gives: recipes, training records, tables."""

import errno
from pathlib import Path

from bench.common.errors import BenchError
from datasets.walking import of_system

DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading a JSON file of others raises, and looking for something in what it holds."""

MOST_TEXT = 2**26
"""Bytes of a text that a person gives: a recipe, a training record, a table."""


def file_there(where: str, path: Path, expected: str) -> None:
    """Raise `BenchError` where there is no file, but nothing, or a folder, a pipe or a device."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is a pipe or a device" if path.exists() else "no such file"
        raise BenchError(f"{where}: {found}; expected {expected}")


def read_text(path: Path) -> str:
    """Return the text of a person's file.

    Raises
    ------
    OSError
        If it cannot be read, is a pipe or a device, which may never end, or has more than `MOST_TEXT` bytes.
    UnicodeDecodeError
        If it is no UTF-8.
    """
    if of_system(path) or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "it is no file but a folder, a pipe or a device", str(path))
    with path.open("rb") as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise OSError(errno.EFBIG, f"it has more than {MOST_TEXT >> 20} MB", str(path))
    return content.decode("utf-8-sig")
