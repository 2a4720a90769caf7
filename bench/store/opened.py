"""What a person's method opened while it ran, by which its record is known to be current, or not to be."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.common.files import sha256
from bench.common.source_hash import digest, of_file

FOLDER = "{folder}"
"""Stands for the method's own folder in names of files, so that a copy of it elsewhere has the same ones."""

LINK = " (link)"
"""Stands behind the name of a symbolic link whose target was asked for."""

ABSENT = "absent"
"""The content of a file that was asked for and is not there."""


@dataclass(frozen=True)
class Opened:
    """What a method opened.

    Attributes
    ----------
    files : mapping
        Files and folders, each with the hash of its content (`content`). Names are absolute, or begin with `FOLDER`, or
        are relative to the folder in which the benchmark was started, where the method named them so.
    environment : mapping
        Variables of the environment that it asked for, each with the hash of its value, empty where it was not set.
    unseen : tuple of str
        What it did that hides files: ``"starts the program ffmpeg"``.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hash of the contents; empty where it opened nothing."""
        return digest([self.files, self.environment])[:8] if self.files or self.environment else ""

    @property
    def plain(self) -> dict[str, Any]:
        """The same as plain data, for a record."""
        return asdict(self)

    def changed(self, folders: Sequence[str]) -> list[str]:
        """Return what has another content now: names of files, and of variables with a dollar sign."""
        files = [name for name, known in self.files.items() if content(_place(name, folders)) != known]
        variables = [f"${name}" for name, known in self.environment.items() if hash_of(os.environ.get(name)) != known]
        return [name.removeprefix(f"{FOLDER}/").replace(FOLDER, "its folder") for name in files] + variables


_LARGE = 2**24
"""Bytes from which on a file is not hashed for each cell."""


def opened_of(about: Mapping[str, Any]) -> Opened:
    """Return what the method of a record opened, by the record's provenance."""
    known = about.get("opened") or {}
    return Opened(known.get("files", {}), known.get("environment", {}), tuple(known.get("unseen", ())))


def content(path: Path) -> str:
    """Hash a file, of Python what is no comment and no docstring, the names in a folder, or the target of a link."""
    try:
        if path.name.endswith(LINK):
            return hash_of(str(path.with_name(path.name.removesuffix(LINK)).readlink()))
        if path.is_dir():
            return digest(sorted(p.name for p in path.iterdir() if p.name[0] != "." and p.name != "__pycache__"))
        if path.suffix == ".py":
            return of_file(path)
        status = path.stat()
        if status.st_size < _LARGE:
            return sha256(path)
        return _of_large(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except (SyntaxError, ValueError):
        return sha256(path)
    except OSError:
        return ABSENT


@cache
def _of_large(path: Path, *state: int) -> str:
    """Hash a file that many cells have opened, once as long as it stays as it is."""
    return sha256(path)


def hash_of(text: str | None) -> str:
    """Hash the value of a variable of the environment; empty where it is not set."""
    return "" if text is None else hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def name_of(path: str, folders: Sequence[str]) -> str:
    """Return the name of a path as `Opened.files` has it."""
    if folders and Path(path).is_relative_to(folders[0]):
        return f"{FOLDER}/{Path(path).relative_to(folders[0]).as_posix()}".removesuffix("/.")
    return path


def _place(name: str, folders: Sequence[str]) -> Path:
    if name.startswith(FOLDER) and folders:
        return Path(folders[0]) / name.removeprefix(FOLDER).lstrip("/")
    return Path(name)
