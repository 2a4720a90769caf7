"""A person's own images: any folder of them, or one file, by its path."""

import hashlib
from pathlib import Path

from datasets.description import Dataset, File, whole
from datasets.images import is_image, read


def from_path(path: Path) -> Dataset:
    """Describe the images in a folder (not in its subfolders), or one image file.

    The colour of the set is that of its first image; a later image of another colour is an error
    when it is read.

    Raises
    ------
    ValueError
        If there is no image there, two images share a name, or the first one cannot be read.
    """
    paths = sorted(p for p in path.iterdir() if is_image(p)) if path.is_dir() else [path]
    if not paths:
        raise ValueError(f"DATA={path}: the folder has no image; expected PNG, TIFF, BMP or JPEG files in it")
    names = [p.stem for p in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"DATA={path}: two images are named {twice[0]!r}; give each its own name")
    # A name that no registered dataset has: a folder called set12 is not judged as Set12.
    name = f"folder {path.resolve().name}" if path.is_dir() else path.name
    return Dataset(
        name=name,
        title=name,
        colour="gray" if read(paths[0]).shape[2] == 1 else "rgb",
        images=whole([File(p.name, hashlib.sha256(p.read_bytes()).hexdigest(), local=str(p)) for p in paths]),
        source=str(path),
        licence="your own images",
    )
