"""DND, the Darmstadt Noise Dataset: 1000 crops of real photographs whose references are kept by its server."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.description import Dataset, Entries, File, Image, Part
from datasets.matlab import Variable, element, grey_levels, read

if TYPE_CHECKING:
    import numpy as np

_PAGE = "https://noise.visinf.tu-darmstadt.de/downloads/"
_PHOTOGRAPHS, _BOXES, _SIDE = 50, 20, 512
_FLOAT = ("float32", "float64")
_SRGB, _RAW = Variable("InoisySRGB", (0, 0, 3), _FLOAT), Variable("Inoisy", (0, 0), _FLOAT)
_POSITIONS = Variable("info.boundingboxes", (_BOXES, 4), _FLOAT)


def _crop(variable: Variable, path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read a crop; `at` is the number of its photograph and of its box, counted from 1 as in the dataset."""
    number, box = (int(place) for place in at)
    crop = read(path, variable, _box(path.parent.parent / "info.mat", number, box))
    if crop.shape[:2] != (_SIDE, _SIDE):
        raise ValueError(
            f"{path}: box {box} of photograph {number} ends outside of it; "
            "this file and info.mat do not belong together: fetch both again"
        )
    return grey_levels(crop, path, variable).reshape(_SIDE, _SIDE, -1)


def _box(info: Path, number: int, box: int) -> tuple[slice, slice]:
    """Return rows and columns of a box; the file has top, left, bottom, right, from 1, the last ones inside."""
    if not info.is_file():
        raise ValueError(f"{info} is not there, and it has the boxes; keep the folder dnd_2017 as {_PAGE} gives it")
    top, left, bottom, right = element(info, _POSITIONS, number - 1)[box - 1].tolist()
    sizes = (bottom - top + 1, right - left + 1)
    if sizes != (_SIDE, _SIDE) or top < 1 or left < 1 or top % 1 or left % 1:
        raise ValueError(
            f"{info}: box {box} of photograph {number} is {top:g}, {left:g}, {bottom:g}, {right:g}; "
            f"expected top, left, bottom and right of {_SIDE}x{_SIDE} pixels, counted from 1"
        )
    return slice(int(top) - 1, int(bottom)), slice(int(left) - 1, int(right))


def _image(folder: str, place: int) -> Image:
    number, box = place // _BOXES + 1, place % _BOXES + 1
    return Image(f"{number:04d}-{box:02d}", noisy=Part(_file(folder, number), (number, box)))


def _file(folder: str, number: int) -> File:
    return File(f"dnd_2017/{folder}/{number:04d}.mat", page=_PAGE)


def _boxes(folder: str) -> Entries:
    files = [_file(folder, number + 1) for number in range(_PHOTOGRAPHS)]
    return Entries(_PHOTOGRAPHS * _BOXES, partial(_image, folder), files)


def _set(name: str, colour: str, variable: Variable, *, published: str = "") -> Dataset:
    """Describe the crops; `colour` is as in the ledger, ``"sRGB"`` or ``"raw"``."""
    raw = colour == "raw"
    return Dataset(
        name=name,
        title=f"DND ({colour})",
        colour="gray" if raw else "rgb",
        images=_boxes(f"images_{colour.lower()}"),
        source=f"{_PAGE} (Plötz and Roth, CVPR 2017)",
        licence="see its page",
        published=published,
        conversion=f"boxes of info.mat, values 0 to 1 {'of the Bayer mosaic, one channel, ' if raw else ''}times 255",
        reader=partial(_crop, variable),
        needs=(File("dnd_2017/info.mat", page=_PAGE),),
        protocol="float" if raw else "standard",
        ledger=("dnd", colour),
    )


DATASETS = (
    _set("dnd", "sRGB", _SRGB, published="sRGB denoising of real photographs, scored by its server only"),
    _set("dnd-raw", "raw", _RAW),
)
