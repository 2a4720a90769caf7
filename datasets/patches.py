"""Fixed 32x32 colour patches of BSDS500, for methods that work at the size of CIFAR.

The number of a patch settles it for ever. Patch i (from 0) is of image i mod n. Its place is drawn from a stream of
64-bit words: the bare Philox 4x64-10 generator, whose key is the first 16 bytes (two little-endian words) of the
sha256 of ``set name/patch name``. One word modulo 450 is the place along the long side (481 pixels), the next modulo
290 the place across it (321); where that overlaps an earlier patch of the image, the next two words count.
"""

import hashlib
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import bsd, image_folders
from datasets.description import Dataset, Entries, File, Image, Part
from datasets.images import read

if TYPE_CHECKING:
    import numpy as np

SIDE = 32
_ALONG, _ACROSS = 481 - SIDE + 1, 321 - SIDE + 1


def _patch(name: str, files: tuple[File, ...], count: int, number: int) -> Image:
    image, turn = number % len(files), number // len(files)
    return Image(_patch_name(count, number), Part(files[image], _places(name, image, len(files), count)[turn]))


def _patch_name(count: int, number: int) -> str:
    return f"{number + 1:0{len(str(count))}d}"


@cache
def _places(name: str, image: int, images: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return the places (along, across) of all patches of one image, in the order of their numbers."""
    import numpy as np

    taken: list[tuple[int, int]] = []
    for number in range(image, count, images):
        text = f"{name}/{_patch_name(count, number)}"
        key = np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], "<u8")
        # The words of the bit generator itself: numpy promises them, and does not promise those of its methods.
        stream = np.random.Philox(key=key)
        while True:
            place = (int(stream.random_raw() % _ALONG), int(stream.random_raw() % _ACROSS))
            if all(abs(place[0] - a) >= SIDE or abs(place[1] - b) >= SIDE for a, b in taken):
                break
        taken.append(place)
    return tuple(taken)


def _cut(name: str, images: tuple[str, ...], count: int, path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read a patch; `at` is its place along the long side and across it, whichever way the image stands."""
    patches = _all_of(path, _places(name, images.index(path.name), len(images), count))
    return patches[at].copy()


@lru_cache(512)
def _all_of(path: Path, places: tuple[tuple[int, int], ...]) -> "dict[tuple[int | str, ...], np.ndarray]":
    # Neighbouring patches are of different images: each image is decoded once, and its patches are kept (31 MB).
    image = read(path)
    corners = {place: place if image.shape[0] > image.shape[1] else place[::-1] for place in places}
    return {place: image[top : top + SIDE, left : left + SIDE].copy() for place, (top, left) in corners.items()}


def _patches(name: str, title: str, whole: Dataset, count: int) -> Dataset:
    files = tuple(image.clean.file for image in whole.images if image.clean)
    return Dataset(
        name=name,
        title=title,
        colour="rgb",
        images=Entries(count, partial(_patch, name, files, count), files),
        source=f"{count} patches of 32x32 that do not overlap, spread evenly over {whole.source}",
        licence=whole.licence,
        published="nowhere: they stand beside CIFAR-100, on which the small RDN was studied",
        conversion="patches of 32x32 at (along, across)",
        reader=partial(_cut, name, tuple(Path(file.path).name for file in files), count),
        role=whole.role,
        noise="rdn-grid",
    )


def _named(entries: tuple[Dataset, ...], name: str) -> Dataset:
    return next(entry for entry in entries if entry.name == name)


DATASETS = (
    _patches("bsd-patches32", "BSD patches 32x32", _named(bsd.DATASETS, "cbsd68"), 1_000),
    _patches("bsd-patches32-train", "BSD patches 32x32 (training)", _named(image_folders.DATASETS, "cbsd432"), 10_000),
)
