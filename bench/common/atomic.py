"""Files that appear whole or not at all: written beside, flushed to the disk, renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.common.errors import BenchError

ADVICE = "make room there, or name another folder"


ROOM = 2**16
"""Bytes that there must be room for before work is done for a file."""


def write_whole(path: Path, content: bytes | str, *, advice: str = ADVICE) -> None:
    """Write a file; a reader sees the whole of it, or what was there before.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    content : bytes or str
        All of it; text goes as UTF-8.
    advice : str
        What a person does where it cannot be written.

    Raises
    ------
    BenchError
        If it cannot be written; nothing is left of it then.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_whole(folder / "new" / "table.csv", "a,b")
    >>> [str(path.relative_to(folder)) for path in folder.rglob("*.*")]
    ['new/table.csv']
    """
    with whole(path, advice=advice) as beside:
        # A person's path need not be UTF-8, and is no reason to lose what it stands beside.
        beside.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def check_writable(path: Path, *, advice: str = ADVICE) -> None:
    """Check that something can be written at a path, before work is done for it; nothing is left there.

    Parameters
    ----------
    path : Path
        A file or a folder, there or not.
    advice : str
        As of `write_whole`.

    Raises
    ------
    BenchError
        If it cannot.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            return  # a pipe or a device
        target = path.resolve()
        places = target.parents if target.is_file() else (target, *target.parents)
        with tempfile.TemporaryFile(dir=next(place for place in places if place.exists())) as file:
            file.write(bytes(ROOM))  # a full disk has room for a name
            file.flush()
    except OSError as error:
        raise BenchError(f"cannot write {path} ({error.strerror}); {advice}") from None


@contextmanager
def whole(path: Path, *, advice: str = ADVICE, errors: tuple[type[Exception], ...] = (OSError,)) -> Iterator[Path]:
    """Give a path to write to, for writers that need one; what lies there after the block becomes the file.

    The path has the name of the file, since writers tell the format by its ending, in a folder ``.*.part`` beside it.
    A pipe or a device, as ``/dev/stdout``, cannot be renamed over: it is written to as it is.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be. Where it is a link, the file that it leads to.
    advice : str
        What a person does where it cannot be written.
    errors : tuple of type
        What the writer raises where it cannot write.

    Raises
    ------
    BenchError
        If it cannot be written; what was there before stays. Other errors of the block pass, and nothing is written.
    """
    try:
        if path.exists() and not path.is_file():
            yield path
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=".", suffix=".part", ignore_cleanup_errors=True
        ) as folder:
            beside = Path(folder) / target.name
            yield beside
            with beside.open("r+b") as file:
                os.fsync(file.fileno())
            beside.replace(target)
    except errors as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise BenchError(f"cannot write {path} ({cause}); {advice}") from None
