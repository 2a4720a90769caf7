"""A person's own archive of images, read where it lies."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from datasets.archives import members, read_member
from datasets.description import Dataset, File, Image, Part, own_name
from datasets.images import is_image, read

if TYPE_CHECKING:
    import numpy as np


def from_archive(path: Path) -> Dataset:
    """Describe the images in a zip, tar or tar.gz file, those of its folders among them.

    The colour of the set is that of its first image; a later image of another colour is an error
    when it is read. Nothing is unpacked to the disk.

    Raises
    ------
    ValueError
        If the archive is refused (see `datasets.archives.Archive`), there is no image in it, two images share
        a name, or the first one cannot be read.
    """
    found = sorted(name for name in members(path) if _is_shown(name))
    if not found:
        raise ValueError(f"DATA={path}: the archive has no image; expected PNG, TIFF, BMP or JPEG files in it")
    by_name: dict[str, str] = {}
    for member in found:
        name = PurePosixPath(member).stem
        if name in by_name:
            raise ValueError(
                f"DATA={path}: two images are named {name!r} ({by_name[name]} and {member}); give each its own name"
            )
        by_name[name] = member
    with path.open("rb") as content:
        file = File(path.name, hashlib.file_digest(content, "sha256").hexdigest(), local=str(path))
    return Dataset(
        name=own_name(path),
        title=own_name(path),
        colour="gray" if _picture(path, (found[0],)).shape[2] == 1 else "rgb",
        images=tuple(Image(name, Part(file, (member,))) for name, member in by_name.items()),
        source=str(path),
        licence="your own images",
        reader=_picture,
    )


def _is_shown(member: str) -> bool:
    """Whether a member is an image, and not one of the notes that macOS puts beside each."""
    path = PurePosixPath(member)
    return is_image(Path(member)) and "__MACOSX" not in path.parts and not path.name.startswith("._")


def _picture(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    member = str(at[0])
    return read(path / member, read_member(path, member))
