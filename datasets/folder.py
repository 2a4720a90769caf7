"""A person's own images: any folder of them, pairs in two folders, or one file, by its path."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets.description import Dataset, File, Image, Part, own_name
from datasets.images import is_image, read

CLEAN, NOISY = "clean", "noisy"
"""Folders in which pairs lie, with the same names in both."""


def from_path(path: Path) -> Dataset:
    """Describe the images in a folder (not in its subfolders), or one image file.

    A folder with the subfolders `clean` and `noisy` holds pairs. The colour of the set is that of its first
    image; a later image of another colour is an error when it is read.

    Raises
    ------
    ValueError
        If there is no image there, two images share a name, a pair is not complete, or the first one cannot be read.
    """
    if (path / CLEAN).is_dir() and (path / NOISY).is_dir():
        clean, noisy = _images(path / CLEAN), _images(path / NOISY)
        alone = sorted(clean.keys() ^ noisy.keys())
        if alone:
            there, missing = (CLEAN, NOISY) if alone[0] in clean else (NOISY, CLEAN)
            raise ValueError(f"DATA={path}: {alone[0]} is in {there}/ and not in {missing}/; give each image its pair")
        images = [Image(name, Part(_file(clean[name], path)), Part(_file(noisy[name], path))) for name in clean]
        first = next(iter(clean.values()))
    else:
        found = _images(path)
        images = [Image(name, Part(_file(file, file.parent))) for name, file in found.items()]
        first = next(iter(found.values()))
    return Dataset(
        name=own_name(path),
        title=own_name(path),
        colour="gray" if read(first).shape[2] == 1 else "rgb",
        images=tuple(images),
        source=str(path),
        licence="your own images",
    )


def as_noisy(dataset: Dataset) -> Dataset:
    """Return a dataset whose images are noisy as they are, and have no reference."""
    images: Sequence[Image] = [Image(image.name, noisy=image.clean) for image in dataset.images]
    return replace(dataset, images=tuple(images))


def _images(path: Path) -> dict[str, Path]:
    """Return the image files of a folder, or the one file, by their names without ending."""
    paths = sorted(p for p in path.iterdir() if is_image(p)) if path.is_dir() else [path]
    if not paths:
        raise ValueError(f"DATA={path}: the folder has no image; expected PNG, TIFF, BMP or JPEG files in it")
    names = [p.stem for p in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"DATA={path}: two images are named {twice[0]!r}; give each its own name")
    return dict(zip(names, paths, strict=True))


def _file(path: Path, folder: Path) -> File:
    return File(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest(), local=str(path))
