"""A person's own images, by the path to them: a folder, pairs in two folders, one image, an archive, or radiographs."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from datasets import radiographs
from datasets.archives import is_archive, members, read_member
from datasets.description import Dataset, Image, Part
from datasets.images import is_image, read
from datasets.personal import by_name, described, file_at

if TYPE_CHECKING:
    import numpy as np

CLEAN, NOISY = "clean", "noisy"
"""Folders in which pairs lie, with the same names in both."""


def from_path(path: Path, *, noisy: bool = False) -> Dataset:
    """Describe the images that lie at a path.

    A folder of DICOM files or of 16-bit PNG files is read as radiographs (`datasets.radiographs`), a zip or tar file as
    an archive of images, those of its folders among them, with nothing unpacked to the disk. Of any other folder its
    images count, not those in its subfolders, except that the subfolders `clean` and `noisy` hold pairs. Anything else
    is one image. The colour of the set is that of its first image; a later image of another colour is an error when it
    is read.

    Parameters
    ----------
    path : Path
        Where they lie.
    noisy : bool
        Whether images that come without noisy versions are noisy as they are, and have no reference.

    Raises
    ------
    ValueError
        If there is no image there, two share a name, a pair is not complete, the archive is refused (see
        `datasets.archives.Archive`), or the first image cannot be read.
    """
    if radiographs.is_radiographs(path):
        dataset = radiographs.from_folder(path)
    elif is_archive(path):
        dataset = _from_archive(path)
    else:
        dataset = described(path, _pairs(path) if _has_pairs(path) else _images(path))
    return as_noisy(dataset) if noisy and not dataset.has_noisy else dataset


def as_noisy(dataset: Dataset) -> Dataset:
    """Return a dataset whose images are noisy as they are, and have no reference."""
    return replace(dataset, images=tuple(Image(image.name, noisy=image.clean) for image in dataset.images))


def _has_pairs(path: Path) -> bool:
    return (path / CLEAN).is_dir() and (path / NOISY).is_dir()


def _pairs(path: Path) -> list[Image]:
    clean, noisy = _files(path / CLEAN), _files(path / NOISY)
    alone = sorted(clean.keys() ^ noisy.keys())
    if alone:
        there, missing = (CLEAN, NOISY) if alone[0] in clean else (NOISY, CLEAN)
        raise ValueError(f"DATA={path}: {alone[0]} is in {there}/ and not in {missing}/; give each image its pair")
    return [Image(name, Part(file_at(clean[name], path)), Part(file_at(noisy[name], path))) for name in clean]


def _images(path: Path) -> list[Image]:
    return [Image(name, Part(file_at(file, file.parent))) for name, file in _files(path).items()]


def _files(path: Path) -> dict[str, Path]:
    """Return the image files of a folder, or the one file, by their names without ending."""
    files = sorted(p for p in path.iterdir() if is_image(p)) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"DATA={path}: the folder has no image; expected PNG, TIFF, BMP or JPEG files in it")
    return by_name(path, [(file.stem, file) for file in files])


def _from_archive(path: Path) -> Dataset:
    shown = sorted(name for name in members(path) if _is_shown(name))
    if not shown:
        raise ValueError(f"DATA={path}: the archive has no image; expected PNG, TIFF, BMP or JPEG files in it")
    named = by_name(path, [(PurePosixPath(member).stem, member) for member in shown])
    file = file_at(path, path.parent)
    return described(path, [Image(name, Part(file, (member,))) for name, member in named.items()], reader=_member)


def _is_shown(member: str) -> bool:
    """Whether a member is an image, and not one of the notes that macOS puts beside each."""
    path = PurePosixPath(member)
    return is_image(Path(member)) and "__MACOSX" not in path.parts and not path.name.startswith("._")


def _member(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    member = str(at[0])
    return read(path / member, read_member(path, member))
