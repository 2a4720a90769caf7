"""Files that appear whole or not at all: written beside, flushed to the disk, renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench.common.errors import BenchError

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where what a process leaves that is killed stays
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".part"
"""Of the folders that files are written in."""

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
    Those that were left by processes that were killed are deleted.
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
        _sweep(str(target.parent))
        with _part(target.parent) as folder:
            beside = folder / target.name
            yield beside
            with beside.open("r+b") as file:
                os.fsync(file.fileno())
            beside.replace(target)
    except errors as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise BenchError(f"cannot write {path} ({cause}); {advice}") from None


@contextmanager
def _part(parent: Path) -> Iterator[Path]:
    """Make a folder for what is being written, and hold its lock, which ends with this process."""
    while True:
        made = tempfile.TemporaryDirectory(dir=parent, prefix=".", suffix=SUFFIX, ignore_cleanup_errors=True)
        with made as name, _lock(Path(name)) as state:
            if state in ("ours", "no locks"):
                yield Path(name)
                return
        # Another process has taken it for one that is left behind, between its birth and its lock.


@cache
def _sweep(parent: str) -> None:
    """Delete, once a process, what others that were killed have left in a folder: nobody holds its lock any more."""
    for path in Path(parent).glob(f".*{SUFFIX}"):
        with _lock(path) as state:
            if state == "ours":
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[str]:
    """Lock a folder; give "ours", or "taken" where another has it or it is gone, or "no locks" where there are none."""
    if fcntl is None:
        yield "no locks"
        return
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        yield "taken"
        return
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            state = "ours" if folder.exists() else "taken"
        except BlockingIOError:
            state = "taken"
        except OSError:  # a file system that has none
            state = "no locks"
        yield state
    finally:
        os.close(number)
