"""What a dataset is: named images, each file known by its sha256, with licence and source."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RAW = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    Attributes
    ----------
    path : str
        Where it lies below the `data/` folder of a mirror or of the cache.
    sha256 : str
        The digest that every copy must have, however it came.
    url : str
        Where it can be downloaded; empty when it comes with a package or from a person's folder.
    bytes : int
        Its size, for the progress of a download.
    local : str
        Where it is known to lie on this machine; empty for files that are searched and downloaded.
    """

    path: str
    sha256: str
    url: str = ""
    bytes: int = 0
    local: str = ""


@dataclass(frozen=True)
class Dataset:
    """Images that methods are compared on.

    Attributes
    ----------
    name : str
        What a person types on DATA, and the `dataset` of the ledger.
    title : str
        Its name in papers.
    colour : str
        ``"gray"`` or ``"rgb"``: the images that `read` returns.
    files : tuple of File
        One file an image, in the order of the tables.
    source, licence : str
        Where the images come from and on which terms they may be used.
    published : str
        Which papers print numbers on it.
    convert : callable, optional
        Applied to every image as it was read: (H, W, C) uint8 to (H, W, C) uint8.
    conversion : str
        What `convert` does, in words; part of the fingerprint.
    """

    name: str
    title: str
    colour: str
    files: tuple[File, ...]
    source: str
    licence: str
    published: str = ""
    convert: "Callable[[np.ndarray], np.ndarray] | None" = None
    conversion: str = ""

    def image_names(self) -> list[str]:
        """Return the names of the images: file names without their ending."""
        return [Path(file.path).stem for file in self.files]

    def read(self, path: Path) -> "np.ndarray":
        """Read the image of one of the files.

        Returns
        -------
        ndarray of uint8, shape (H, W, C)
            C is 1 for gray and 3 (RGB) for colour.

        Raises
        ------
        ValueError
            If the file is not an 8-bit gray or RGB image, or not of the dataset's colour.
        """
        from datasets.images import read

        image = read(path)
        if self.convert is not None:
            image = self.convert(image)
        colour = "gray" if image.shape[2] == 1 else "rgb"
        if colour != self.colour:
            raise ValueError(
                f"dataset {self.name}: {path.name} is {colour} and the images before it are {self.colour}: "
                "put gray and colour images in two folders"
            )
        return image


def listed(folder: str, address: str) -> tuple[File, ...]:
    """Return the files of one folder of `files.csv`, with the address each can be had from.

    Parameters
    ----------
    folder : str
        The folder's name in `files.csv` and in a mirror.
    address : str
        Repository, commit and path on GitHub: `owner/name/commit/path`.
    """
    rows = [row for row in _rows() if row["path"].startswith(f"{folder}/")]
    return tuple(
        File(row["path"], row["sha256"], f"{RAW}/{address}/{Path(row['path']).name}", int(row["bytes"])) for row in rows
    )


@cache
def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "files.csv").open(newline="") as table:
        return list(csv.DictReader(table))
