"""What a dataset is: named images, each file known by its checksum, with licence and source."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.images import read

if TYPE_CHECKING:
    import numpy as np

    Reader = Callable[[Path, tuple[int | str, ...]], np.ndarray]

RAW = "https://raw.githubusercontent.com"

MOST_BYTES = 100_000_000
"""A dataset of more is downloaded only where a person names it."""


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    Attributes
    ----------
    path : str
        Where it lies below the `data/` folder of a mirror or of the cache.
    sha256 : str
        The digest that every copy must have, however it came; empty where its publisher states
        none, see `md5` and `pinned`.
    url : str
        Where it can be downloaded; empty when it comes with a package, from a person's folder, or
        from a page that only a person can use (`page`).
    bytes : int
        Its size, for the progress of a download.
    local : str
        Where it is known to lie on this machine; empty for files that are searched and downloaded.
    md5 : str
        The digest that its publisher states, where that is all there is.
    page : str
        The page on which a person gets it, where it cannot be downloaded.
    """

    path: str
    sha256: str = ""
    url: str = ""
    bytes: int = 0
    local: str = ""
    md5: str = ""
    page: str = ""

    @property
    def pinned(self) -> bool:
        """Whether its address names a commit, so that it cannot change."""
        return any(len(part) == 40 and set(part) <= set("0123456789abcdef") for part in self.url.split("/"))

    @property
    def checksum(self) -> str:
        """The digest every copy must have, with its kind; empty where its publisher states none."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}" if self.md5 else ""

    @property
    def identity(self) -> str:
        """What its content is known by before it is here; empty where nothing says."""
        return self.sha256 or self.checksum or (self.url if self.pinned else "")


@dataclass(frozen=True)
class Part:
    """One picture in a file.

    Attributes
    ----------
    file : File
        The file.
    at : tuple
        Which of its pictures, as the dataset's reader understands it; empty where it is the only one.
    """

    file: File
    at: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class Image:
    """One image of a dataset.

    Attributes
    ----------
    name : str
        Its name in tables, one in a set.
    clean : Part, optional
        The reference; None where there is none.
    noisy : Part, optional
        The dataset's own noisy version of it.
    labels : Part or tuple of Part, optional
        Its label map or maps; several parts where one map is put together from several files, each 0
        where another one speaks.
    """

    name: str
    clean: Part | None = None
    noisy: Part | None = None
    labels: Part | tuple[Part, ...] | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its pictures: the reference and the noisy version, as far as there are."""
        return tuple(part for part in (self.clean, self.noisy) if part is not None)

    @property
    def label_parts(self) -> tuple[Part, ...]:
        """The parts of its label maps; empty where it has none."""
        if isinstance(self.labels, Part):
            return (self.labels,)
        return self.labels or ()


class Entries(Sequence[Image]):
    """The images of a large archive, each made when it is asked for.

    Parameters
    ----------
    count : int
        How many.
    make : callable
        Gives image `i`.
    files : sequence of File
        Those in which their pictures are, each once.
    """

    def __init__(self, count: int, make: Callable[[int], Image], files: Sequence[File]) -> None:
        self._count, self._make, self.files = count, make, tuple(files)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place):  # type: ignore[no-untyped-def] # Sequence has two overloads of it
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(self._count)))
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return self._make(place % self._count)


def _whole(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    return read(path)


@dataclass(frozen=True)
class Dataset:
    """Images that methods are compared on, or trained on.

    Attributes
    ----------
    name : str
        What a person types on DATA, and the `dataset` of the ledger.
    title : str
        Its name in papers.
    colour : str
        ``"gray"`` or ``"rgb"``: the images that `picture` returns. Raw (Bayer) images are ``"gray"``.
    images : sequence of Image
        In the order of the tables.
    source, licence : str
        Where the images come from and on which terms they may be used.
    published : str
        Which papers print numbers on it.
    convert : callable, optional
        Applied to every clean and noisy image as it was read, (H, W, C) to (H, W, C).
    conversion : str
        What `convert` and the reader do, in words; part of the fingerprint.
    reader : callable
        ``reader(path, at)`` returns a picture (H, W, C): uint8, or float32 grey levels (255 = white) where
        the file is deeper than 8 bits. `path` is a file, `at` says which of its pictures (`Part`), and is empty where
        it is the only one. A `ValueError` says in one line what is wrong with the file.
    label_reader : callable, optional
        ``label_reader(path, at)``, as for `reader`, returns label maps (A, H, W) of integers, one an annotator.
    classes : mapping
        What a label's value means.
    void : int, optional
        The label of pixels that do not count.
    role : str
        ``"test"`` or ``"train"``. A training set is for `make train` and `make audit`; ``DATA=all``
        leaves it out.
    noise : str
        What NOISE is when a person does not say; empty: ``"pairs"`` where the images have noisy
        versions of their own, else ``"25"``.
    protocol : str
        What PROTOCOL is when a person does not say.
    needs : tuple of File
        Files that the reader looks into besides those of the images.
    ledger : tuple of str, optional
        Its `dataset` and `colour` in the ledger of published numbers, where they are not `name` and `colour`: the
        registry puts those in. None of a person's own images: no number is known for them, whatever they are named.
    notes : tuple of str
        How a person's images were understood, a line each: as pairs, as 12-bit data, without the files that are none.
    warnings : tuple of str
        What is likely wrong with a person's images, a line each.
    whole : str
        The name of the set that it is a part of, in which its images have the same noise; empty where it is none.
    word : str
        What a person typed on DATA to get it, where that is not `name`.
    white : float, optional
        What a person said on RANGE, with which `word` gives it again.
    printed : tuple of str
        What tables of papers call its images, in their order; empty where none has them one by one.
    """

    name: str
    title: str
    colour: str
    images: Sequence[Image]
    source: str
    licence: str
    published: str = ""
    convert: "Callable[[np.ndarray], np.ndarray] | None" = None
    conversion: str = ""
    reader: "Reader" = _whole
    label_reader: "Reader | None" = None
    classes: Mapping[int, str] = field(default_factory=dict)
    void: int | None = None
    role: str = "test"
    noise: str = ""
    protocol: str = "standard"
    needs: tuple[File, ...] = ()
    ledger: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: str = ""
    word: str = ""
    white: float | None = None
    printed: tuple[str, ...] = ()

    @property
    def noise_name(self) -> str:
        """The name that its noise is a function of: a part of a set has the noise of the whole."""
        return self.whole or self.name

    @property
    def files(self) -> list[File]:
        """Every file of its clean and noisy images, each once; label maps are fetched when they are asked for."""
        if isinstance(self.images, Entries):
            return [*self.images.files, *self.needs]
        pictures = {part.file.path: part.file for image in self.images for part in image.parts}
        return [*pictures.values(), *self.needs]

    @property
    def has_noisy(self) -> bool:
        """Whether the images have noisy versions of their own."""
        return self.images[0].noisy is not None

    @property
    def has_clean(self) -> bool:
        """Whether the images have references."""
        return self.images[0].clean is not None

    @property
    def in_all(self) -> bool:
        """Whether ``DATA=all`` means it too: a test set that comes by itself and is not large."""
        files = self.files
        return self.role == "test" and not any(f.page for f in files) and sum(f.bytes for f in files) < MOST_BYTES

    @property
    def default_noise(self) -> str:
        """What NOISE is when a person does not say."""
        return self.noise or ("pairs" if self.has_noisy else "25")

    def image_names(self) -> list[str]:
        """Return the names of the images."""
        return [image.name for image in self.images]

    def picture(self, part: Part, path: Path) -> "np.ndarray":
        """Read the clean or noisy picture of an image from its file.

        Returns
        -------
        ndarray, shape (H, W, C)
            uint8, or float32 grey levels (255 = white) of data deeper than 8 bits. C is 1 for gray
            and 3 (RGB) for colour.

        Raises
        ------
        ValueError
            If the file cannot be read, or the picture is not of the dataset's colour.
        """
        image = self.reader(path, part.at)
        if self.convert is not None:
            image = self.convert(image)
        colour = "gray" if image.shape[2] == 1 else "rgb"
        if colour != self.colour:
            raise ValueError(
                f"dataset {self.name}: {path.name} is {colour} and the images before it are {self.colour}: "
                "put gray and colour images in two folders, and give pairs one colour"
            )
        return image

    def label_maps(self, part: Part, path: Path, shape: tuple[int, int]) -> "np.ndarray":
        """Read the label maps of an image.

        Parameters
        ----------
        part : Part
            Where they are.
        path : Path
            The file.
        shape : (int, int)
            Height and width of the image.

        Returns
        -------
        ndarray of int, shape (A, H, W)
            One map an annotator.

        Raises
        ------
        ValueError
            If the file cannot be read, a map has another size than the image, or a value means nothing.
        """
        if self.label_reader is None:
            raise ValueError(f"dataset {self.name}: {path.name}: nothing says how its label maps are read")
        maps = self.label_reader(path, part.at)
        if maps.shape[1:] != shape:
            height, width = maps.shape[1:]
            raise ValueError(
                f"dataset {self.name}: label map {path.name} is {height}x{width} and its image {shape[0]}x{shape[1]}; "
                "expected one size: the two do not belong together"
            )
        if self.classes:
            import numpy as np

            known = {*self.classes, *(() if self.void is None else (self.void,))}
            strange = sorted(set(np.unique(maps).tolist()) - known)
            if strange:
                raise ValueError(
                    f"dataset {self.name}: label map {path.name} has the value {strange[0]}; expected "
                    f"{', '.join(str(value) for value in sorted(known))}: it is another kind of map"
                )
        return maps


def whole(files: Sequence[File], ending: str = "") -> tuple[Image, ...]:
    """Return one image a file, named as the file is without its suffix, and without `ending` where it has that."""
    return tuple(Image(Path(file.path).stem.removesuffix(ending), Part(file)) for file in files)


def listed(folder: str, address: str) -> tuple[File, ...]:
    """Return the files of one folder of `files.csv`, with the address each can be had from.

    Parameters
    ----------
    folder : str
        The folder's name in `files.csv` and in a mirror; files of its subfolders belong to it.
    address : str
        Repository, commit and path on GitHub: `owner/name/commit/path`.
    """
    return tuple(
        File(path, row["sha256"], f"{RAW}/{address}/{path.removeprefix(f'{folder}/')}", int(row["bytes"]))
        for path, row in _below(folder)
    )


def _below(folder: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    return ((path, row) for path, row in _rows().items() if path.startswith(f"{folder}/"))


@cache
def _rows() -> dict[str, dict[str, str]]:
    with (Path(__file__).parent / "files.csv").open(newline="") as table:
        return {row["path"]: row for row in csv.DictReader(table)}
