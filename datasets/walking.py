"""The files below a folder that a person named, which may be far more than was meant."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

MOST_FILES = 1_000_000
MOST_SECONDS = 60.0
"""More files, and more time to list them, are a slip."""

_KERNEL = ("/proc", "/sys", "/dev")
"""What lies there is no file, some of it leads back to the root, and a read of it may never end."""


def typed_path(text: str) -> Path:
    """Return the path that a person typed, with `~` and `~user` as the home; of a user who is none, as it stands.

    Examples
    --------
    >>> typed_path("~nobody of that name/net.py").as_posix()
    '~nobody of that name/net.py'
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def files_below(folder: Path, where: str) -> Iterator[Path]:
    """Yield the files below a folder, and the folders that are not looked into: hidden ones, and those of the kernel.

    Links are followed, once.

    Parameters
    ----------
    folder : Path
        That a person named.
    where : str
        How a message begins.

    Raises
    ------
    ValueError
        If it is the root of the file system or a folder of the kernel, or there is no end of files.
    """
    refuse_system(folder, where)
    seen, count, end = set(), 0, time.monotonic() + MOST_SECONDS
    for place, folders, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        count += len(files) + len(folders)
        if count > MOST_FILES or time.monotonic() > end:
            raise ValueError(
                f"{where}: {folder} holds more than {MOST_FILES:,} files, or takes more than {MOST_SECONDS:g} s to "
                "list; expected the folder that holds your images, and little else"
            )
        aside = [name for name in folders if is_hidden(name) or _of_kernel(Path(place, name), _KERNEL)]
        folders[:] = [name for name in folders if name not in aside and os.path.realpath(f"{place}/{name}") not in seen]
        yield from (Path(place, name) for name in (*files, *aside))


def refuse_system(path: Path, where: str) -> None:
    """Raise `ValueError` for the root of the file system and what `of_system`; the text begins with `where`."""
    real = os.path.realpath(path)
    if real == os.sep or _below(real, _KERNEL[:2]):
        raise ValueError(f"{where}: {path} is the system's own; expected the folder that holds your images")


def of_system(path: Path) -> bool:
    """Whether it is what the kernel shows as a file, a read of which may never end, or a folder of such."""
    return _of_kernel(path, _KERNEL[:2])


def is_hidden(name: str) -> bool:
    """Whether it is a file or folder that systems put beside one's own."""
    return name.startswith(".") or name.lower() in ("__macosx", "@eadir", "#recycle", "$recycle.bin")


def _of_kernel(folder: Path, places: tuple[str, ...]) -> bool:
    return _below(os.path.realpath(folder), places)


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
