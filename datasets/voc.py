"""PASCAL VOC 2012: photographs with label maps of 20 kinds of objects."""

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.archives import read_member
from datasets.description import Dataset, Entries, File, Image, Part
from datasets.images import picture, read

if TYPE_CHECKING:
    import numpy as np

_PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012"
_HOST = "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012"
_FILE = File(
    "VOC2012/VOCtrainval_11-May-2012.tar",
    md5="6cd6e144f989b92b3379bac3b3de84fd",
    url=f"{_HOST}/VOCtrainval_11-May-2012.tar",
    bytes=1_999_639_040,
)
_INSIDE = "VOCdevkit/VOC2012"
_COUNTS = {"val": 1449, "train": 1464}
_VOID = 255
_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip


def _picture(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read a photograph; `at` is ``"val"`` or ``"train"`` and its place in that list, counted from 0."""
    member = f"{_INSIDE}/JPEGImages/{_id(path, at)}.jpg"
    return read(path / member, read_member(path, member))


def _labels(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read a label map, (1, H, W): the places in the palette are the labels."""
    member = f"{_INSIDE}/SegmentationClass/{_id(path, at)}.png"
    labels, mode = picture(path / member, read_member(path, member))
    if mode != "P" or ((labels >= len(_CLASSES)) & (labels != _VOID)).any():
        raise ValueError(
            f"label map {path}/{member}: expected a PNG file with a palette and labels 0 to {len(_CLASSES) - 1} "
            f"or {_VOID}, got mode {mode} and values up to {labels.max()}; fetch the official file"
        )
    return labels[None]


def _id(path: Path, at: tuple[int | str, ...]) -> str:
    status = path.stat()
    return _ids(path, str(at[0]), status.st_size, status.st_mtime_ns)[int(at[1])]


@lru_cache(maxsize=2)
def _ids(path: Path, split: str, size: int, changed: int) -> tuple[str, ...]:
    member = f"{_INSIDE}/ImageSets/Segmentation/{split}.txt"
    ids = tuple(read_member(path, member).decode("ascii", errors="replace").split())
    if len(ids) != _COUNTS[split]:
        raise ValueError(f"{path}/{member}: it lists {len(ids)} images, expected {_COUNTS[split]}: fetch it again")
    return ids


def _image(split: str, place: int) -> Image:
    part = Part(_FILE, (split, place))
    return Image(f"{split}-{place + 1:04d}", part, labels=part)


def _set(name: str, title: str, split: str, role: str) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        colour="rgb",
        images=Entries(_COUNTS[split], partial(_image, split), [_FILE]),
        source=f"{_PAGE}/; images are named by their line in ImageSets/Segmentation/{split}.txt",
        licence='photographs of Flickr under its terms, see its page ("Database Rights")',
        reader=_picture,
        label_reader=_labels,
        classes=dict(enumerate(_CLASSES)),
        void=_VOID,
        role=role,
    )


DATASETS = (
    _set("voc2012", "PASCAL VOC 2012 segmentation, validation", "val", "test"),
    _set("voc2012-train", "PASCAL VOC 2012 segmentation, training", "train", "train"),
)
