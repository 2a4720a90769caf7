"""A person's own images, by the path to them: a folder, one image, an archive, or radiographs."""

from pathlib import Path

from datasets import archives, folder, radiographs, zipped
from datasets.description import Dataset


def from_path(path: Path, *, noisy: bool = False) -> Dataset:
    """Describe the images that lie at a path.

    A folder of DICOM files or of 16-bit PNG files is read as radiographs, a .zip or .tar file as an archive
    of images, anything else as a folder of images or one of them.

    Parameters
    ----------
    path : Path
        Where they lie.
    noisy : bool
        Whether images that come without noisy versions are noisy as they are, and have no reference.

    Raises
    ------
    ValueError
        If there is no image there, or it cannot be read.
    """
    found = _from_path(path)
    return folder.as_noisy(found) if noisy and not found.has_noisy else found


def _from_path(path: Path) -> Dataset:
    if radiographs.is_radiographs(path):
        return radiographs.from_folder(path)
    if archives.is_archive(path):
        return zipped.from_archive(path)
    return folder.from_path(path)
