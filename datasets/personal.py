"""What all images of a person share that lie at a path: their names, their files, and how they are described."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from datasets.description import Dataset, File, Image

T = TypeVar("T")


def described(path: Path, images: Sequence[Image], colour: str = "", **more: Any) -> Dataset:
    """Describe a person's own images, with a space or a dot in their name, which no registered dataset has.

    Parameters
    ----------
    path : Path
        Where they lie.
    images : sequence of Image
        In files of `file_at`.
    colour : str
        As of `Dataset`; empty: that of the first image, which is read.
    **more
        Further fields of `Dataset`.
    """
    name = f"folder {path.resolve().name}" if path.is_dir() else path.name if path.suffix else f"file {path.name}"
    dataset = Dataset(name, name, colour, tuple(images), str(path), "your own images", **more)
    if colour:
        return dataset
    first = images[0].parts[0]
    gray = dataset.reader(Path(first.file.local), first.at).shape[2] == 1
    return replace(dataset, colour="gray" if gray else "rgb")


def file_at(path: Path, folder: Path) -> File:
    """Describe a person's own file, known by its path below a folder."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return File(str(path.relative_to(folder)), digest, local=str(path))


def by_name(path: Path, named: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Return the files of a person's images by the names of these, or raise `ValueError` if two images share a name."""
    files: dict[str, T] = {}
    for name, file in named:
        if name in files:
            both = f"{files[name]} and {file}"
            raise ValueError(f"DATA={path}: two images are named {name!r} ({both}); give each its own name")
        files[name] = file
    return files
