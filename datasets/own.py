"""A person's own images, by the path to them: a folder, one image, an archive, or radiographs."""

from pathlib import Path

from datasets import archives, folder, radiographs, zipped
from datasets.description import Dataset


def from_path(path: Path) -> Dataset:
    """Describe the images that lie at a path.

    A folder of DICOM files or of 16-bit PNG files is read as radiographs, a .zip or .tar file as an archive
    of images, anything else as a folder of images or one of them.

    Raises
    ------
    ValueError
        If there is no image there, or it cannot be read.
    """
    if radiographs.is_radiographs(path):
        return radiographs.from_folder(path)
    if archives.is_archive(path):
        return zipped.from_archive(path)
    return folder.from_path(path)
