"""Chest radiographs: 32 with drawn lungs, each under its own licence, and the tiny ones of PneumoniaMNIST."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.archives import read_member
from datasets.description import Dataset, Entries, File, Image, Part, listed
from datasets.images import centre_crop, picture, to_gray

if TYPE_CHECKING:
    import numpy as np

_FRAME = 2
"""Pixels at the border that may be transparent: one image is a screen shot and has such a frame."""

_LUNGS = {"left_lung": 1, "right_lung": 2}
_SHORT_SIDE = 256
_TESTED = 8


def radiograph(path: Path, at: tuple[int | str, ...] = ()) -> "np.ndarray":
    """Read a radiograph as gray, whatever pixel format its publisher chose.

    Equal channels become that one channel, coloured marks become gray as in MATLAB's `rgb2gray`. An alpha
    channel is dropped; it must be opaque except in a frame of 2 pixels, where the colours count as stored.

    A reader of `datasets.Dataset`, of gray, RGB and RGBA pictures of 8 bits; returns uint8, (H, W, 1).

    Raises
    ------
    ValueError
        If the picture has another pixel format, is transparent inside, or cannot be read.
    """
    import numpy as np

    pixels, mode = picture(path)
    if mode not in ("L", "RGB", "RGBA"):
        raise ValueError(f"radiograph {path}: it is {mode}; expected 8-bit gray, RGB or RGBA")
    if mode == "RGBA":
        inside = pixels[_FRAME:-_FRAME, _FRAME:-_FRAME, 3]
        if (inside != 255).any():
            raise ValueError(
                f"radiograph {path}: it is transparent at {int((inside != 255).sum())} pixels inside; expected an "
                f"opaque picture: save it without its alpha channel"
            )
        pixels = pixels[..., :3]
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    same = all(np.array_equal(pixels[..., 0], pixels[..., i]) for i in range(1, pixels.shape[2]))
    return np.ascontiguousarray(pixels[..., :1]) if same else to_gray(pixels)


def reduction(height: int, width: int) -> int:
    """Return the factor by which chest-xray-256 reduces an image: the shorter side stays 256 or more, if it was."""
    return max(1, min(height, width) // _SHORT_SIDE)


def reduced(image: "np.ndarray") -> "np.ndarray":
    """Average squares of f x f pixels, f = `reduction`; what is over at the borders is cropped off first.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 1)

    Returns
    -------
    ndarray of uint8, shape (H // f, W // f, 1)
        Means in whole numbers, halves rounded up.
    """
    import numpy as np

    sums, factor = _square_sums(image[..., 0])
    return ((sums + factor**2 // 2) // factor**2).astype(np.uint8)[..., None]


def lung(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read the outline of one lung as a map of the whole image.

    A label reader of `datasets.Dataset`, of RGBA cut-outs of the image: a pixel belongs to the lung where red is above
    0. `at` is the label, then where the cut-out begins (x, y), then width and height of the image, in pixels. Returns
    int32, (1, H, W): the label in the lung, 0 elsewhere.

    Raises
    ------
    ValueError
        If it is no RGBA cut-out, or reaches outside the image.
    """
    import numpy as np

    label, left, top, width, height = (int(value) for value in at)
    cut, mode = picture(path)
    if mode != "RGBA":
        raise ValueError(f"lung mask {path}: it is {mode}; expected an RGBA cut-out")
    bottom, right = top + cut.shape[0], left + cut.shape[1]
    if min(left, top) < 0 or bottom > height or right > width:
        raise ValueError(
            f"lung mask {path}: rows {top} to {bottom} and columns {left} to {right} reach outside its image of "
            f"{height}x{width}; expected a cut-out of that image"
        )
    drawn = np.zeros((1, height, width), np.int32)
    drawn[0, top:bottom, left:right] = np.where(cut[..., 0] > 0, label, 0)
    return drawn


def reduced_lung(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read the outline of one lung for the image reduced: the label where more than half of a square is lung."""
    import numpy as np

    sums, factor = _square_sums(lung(path, at)[0] > 0)
    return np.where(2 * sums > factor**2, int(at[0]), 0).astype(np.int32)[None]


def _square_sums(plane: "np.ndarray") -> "tuple[np.ndarray, int]":
    import numpy as np

    factor = reduction(*plane.shape)
    height, width = (side // factor for side in plane.shape)
    inside = centre_crop(plane, height * factor, width * factor)
    return inside.reshape(height, factor, width, factor).sum(axis=(1, 3), dtype=np.int64), factor


def _facts() -> dict[str, dict[str, str]]:
    """Return the rows of `chest_images.csv` by the name of the image."""
    with (Path(__file__).parent / "chest_images.csv").open(newline="") as table:
        return {Path(row["image"]).stem: row for row in csv.DictReader(table)}


_FACTS = _facts()
LICENCES: Mapping[str, tuple[str, str]] = {name: (row["licence"], row["source"]) for name, row in _FACTS.items()}
"""Licence and source address of each image, by its name."""


def _tested() -> frozenset[str]:
    """Choose the test images: 8 of the sources that have one image, those with the smallest sha256 of their address.

    Images of one source (one patient's course, or one paper) are never on both sides, and the test images are
    of eight sources.
    """
    images = Counter(source for _, source in LICENCES.values())
    alone = sorted(
        (source for source, count in images.items() if count == 1), key=lambda s: hashlib.sha256(s.encode()).digest()
    )
    return frozenset(name for name, (_, source) in LICENCES.items() if source in alone[:_TESTED])


_FILES = {
    Path(file.path).name: file
    for file in listed(
        "CXR", "GeneralBlockchain/covid-19-chest-xray-segmentations-dataset/377a49490e910a66a7f7aee1b92cdc3d5ac4bddf"
    )
}


def _image(name: str) -> Image:
    row = _FACTS[name]
    size = int(row["width"]), int(row["height"])
    lungs = tuple(
        Part(_FILES[row[side]], (label, int(row[f"{side}_x"]), int(row[f"{side}_y"]), *size))
        for side, label in _LUNGS.items()
    )
    return Image(name, Part(_FILES[row["image"]]), labels=lungs)


def _radiographs(name: str, title: str, role: str, *, small: bool = False) -> Dataset:
    tested = _tested()
    names = [image for image in _FACTS if (image in tested) == (role == "test")]
    terms = Counter(LICENCES[image][0] for image in names).most_common()
    conversion = "gray: equal channels are one, else MATLAB rgb2gray; alpha dropped"
    if small:
        conversion += f"; mean of f x f pixels, f = shorter side // {_SHORT_SIDE}, of the centre; halves rounded up"
    return Dataset(
        name=name,
        title=title,
        colour="gray",
        images=tuple(_image(image) for image in names),
        source="https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset; the address of each "
        "image is in datasets/chest_images.csv",
        licence=f"per image, see datasets/chest_images.csv: {', '.join(f'{count} {term}' for term, count in terms)}; "
        "lung masks CC BY 4.0",
        convert=reduced if small else None,
        conversion=conversion,
        reader=radiograph,
        label_reader=reduced_lung if small else lung,
        classes={0: "outside", **{label: side.replace("_", " ") for side, label in _LUNGS.items()}},
        role=role,
    )


def tiny(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read one image of an archive of MedMNIST.

    A reader of `datasets.Dataset`, of npz files; `at` is the array, such as ``"test_images"``, and the image's number
    in it. Returns uint8, (28, 28, 1).

    Raises
    ------
    ValueError
        If the archive has no such array or image, or cannot be read.
    """
    key, number = str(at[0]), int(at[1])
    status = path.stat()
    images = _array(path, key, status.st_size, status.st_mtime_ns)
    if number >= len(images):
        raise ValueError(f"archive {path}: {key} has {len(images)} images and number {number} was asked for")
    return images[number][..., None].copy()


@lru_cache(maxsize=3)
def _array(path: Path, key: str, size: int, changed: int) -> "np.ndarray":
    import numpy as np

    content = read_member(path, f"{key}.npy")
    try:
        images = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except ValueError:
        raise ValueError(
            f"archive {path}: its {key} is no array of numbers; expected pneumoniamnist.npz of MedMNIST"
        ) from None
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        shape = "x".join(str(side) for side in images.shape)
        raise ValueError(f"archive {path}: {key} is {shape} of {images.dtype}; expected Nx28x28 of uint8")
    return images


def _numbered(file: File, key: str, number: int) -> Image:
    return Image(f"{number:04d}", Part(file, (key, number)))


def _pneumonia(name: str, part: str, count: int, role: str) -> Dataset:
    (file,) = listed("PneumoniaMNIST", "varun19424/pneumonia_mnist/9361a718d67e8a40f1ef8929db8c5682add8bd70/data")
    return Dataset(
        name=name,
        title=f"PneumoniaMNIST ({part})",
        colour="gray",
        images=Entries(count, partial(_numbered, file, f"{part}_images"), [file]),
        source="https://github.com/varun19424/pneumonia_mnist; not the official file (md5 28209eda...): val and test "
        "have its sizes, train has 3882 of 4708 images; 8 images are in both train and val, none in test",
        licence="CC BY 4.0 (MedMNIST, https://zenodo.org/records/10519652); the repository states none",
        reader=tiny,
        role=role,
    )


DATASETS = (
    _radiographs("chest-xray", "Chest X-ray (8 test images)", "test"),
    _radiographs("chest-xray-train", "Chest X-ray (24 training images)", "train"),
    _radiographs("chest-xray-256", "Chest X-ray, reduced (8 test images)", "test", small=True),
    _radiographs("chest-xray-256-train", "Chest X-ray, reduced (24 training images)", "train", small=True),
    _pneumonia("pneumonia-mnist", "test", 624, "test"),
    _pneumonia("pneumonia-mnist-val", "val", 524, "train"),
    _pneumonia("pneumonia-mnist-train", "train", 3882, "train"),
)
