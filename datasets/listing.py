"""The image files of a folder or an archive, by their paths in it; what lies beside them is passed over, and named."""

import fnmatch
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datasets.archives import is_archive, members
from datasets.description import Part
from datasets.own_images import is_image
from datasets.personal import file_at
from datasets.walking import files_below, is_hidden, typed_path

NAMED = 3
"""A line names up to so many files."""


@dataclass(frozen=True)
class Listing:
    """Image files that lie at one place.

    Attributes
    ----------
    path : Path
        A folder, or an archive.
    parts : mapping
        What is in each file, by its path below the folder, with ``/`` and its ending.
    passed_over : tuple of str
        The other files there, and the folders that were not looked into.
    """

    path: Path
    parts: Mapping[str, Part]
    passed_over: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """A line on what was passed over; empty where nothing was."""
        if not self.passed_over:
            return ()
        count = len(self.passed_over)
        return (f"passed over {counted(count, 'file')} that {'is' if count == 1 else 'are'} no image "
                f"({some(self.passed_over)})",)  # fmt: skip


def listing(path: Path) -> Listing:
    """List the image files of a folder and its subfolders, of an archive, or the one file.

    Raises
    ------
    ValueError
        If there is none, or the archive is refused.
    """
    if is_archive(path) and not path.is_dir():
        return _of_archive(path)
    if path.is_dir():
        return _of_files(path, sorted(files_below(path, f"DATA={path}")), "the folder has no image")
    return Listing(path.parent, {path.name: Part(file_at(path, path.parent))})


def matching(pattern: str) -> Listing:
    """List the image files that a pattern matches (``*``, ``?``, ``[ab]``; ``**`` stands for folders).

    Raises
    ------
    ValueError
        If it matches none.
    """
    parts = typed_path(pattern).parts
    first = next(place for place, part in enumerate(parts) if set(part) & set("*?["))
    root, wanted = Path(*parts[:first]), parts[first:]
    if "**" in wanted:
        below = files_below(root, f"DATA={pattern}")
        there = sorted(path for path in below if _fits(path.relative_to(root).parts, wanted))
    else:
        there = sorted(root.glob(str(Path(*wanted))))
    files = [path for path in there if path.is_file()]
    return _of_files(root, files or there, "the pattern matches no image")


def counted(count: int, what: str) -> str:
    """Return a number of things in words: ``1 file``, ``2 files``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _fits(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether a path is one that a pattern means, both in parts; ``**`` stands for any number of folders."""
    if wanted[:1] == ("**",):
        return any(_fits(parts[place:], wanted[1:]) for place in range(len(parts) + 1))
    if not parts or not wanted:
        return parts == wanted
    return fnmatch.fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def _of_files(root: Path, files: Iterable[Path], none: str) -> Listing:
    named = {file.relative_to(root).as_posix(): file for file in files}
    kept = _checked(root, [name for name, file in named.items() if file.is_file()], named, none)
    return Listing(root, {name: Part(file_at(named[name], root)) for name in kept}, _others(named, kept))


def _of_archive(path: Path) -> Listing:
    """List the images of an archive; a folder that holds all of them is no part of their names."""
    names = sorted(members(path))
    kept = _checked(path, names, names, "the archive has no image")
    parents = [PurePosixPath(name).parent.parts for name in kept]
    top = sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parents, strict=False)))
    file = file_at(path, path.parent)
    return Listing(
        path, {"/".join(PurePosixPath(name).parts[top:]): Part(file, (name,)) for name in kept}, _others(names, kept)
    )


def _checked(path: Path, files: Iterable[str], there: Iterable[str], none: str) -> list[str]:
    kept = [name for name in files if is_image(Path(name)) and not any(map(is_hidden, name.split("/")))]
    if not kept:
        beside = f"; there is {some(there)}" if there else ""
        raise ValueError(f"DATA={path}: {none}; expected PNG, TIFF, JPEG, BMP, PNM, WebP, GIF or NPY files{beside}")
    return kept


def _others(names: Iterable[str], kept: Iterable[str]) -> tuple[str, ...]:
    known = set(kept)
    return tuple(name for name in names if name not in known)
