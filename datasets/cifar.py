"""CIFAR-100: small colour photographs, on which the study of the small residual dense network was made."""

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import pickled
from datasets.archives import Archive
from datasets.description import Dataset, Entries, File, Image, Part

if TYPE_CHECKING:
    import numpy as np

_FILE = File(
    "CIFAR100/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    bytes=169_001_437,
)
_COUNTS = {"test": 10_000, "train": 50_000}


def _picture(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read an image; `at` is ``"test"`` or ``"train"`` and its row there."""
    status = path.stat()
    row = _rows(path, str(at[0]), status.st_size, status.st_mtime_ns)[int(at[1])]
    # A row is the red plane, then green, then blue, each 32 rows of 32.
    return row.reshape(3, 32, 32).transpose(1, 2, 0).copy()


@lru_cache(maxsize=2)
def _rows(path: Path, split: str, size: int, changed: int) -> "np.ndarray":
    import numpy as np

    member = f"cifar-100-python/{split}"
    with Archive(path) as archive:
        rows = pickled.load(archive.read(member), f"{path}/{member}").get("data")
    expected = (_COUNTS[split], 3072)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape != expected:
        kind = f"{rows.shape} {rows.dtype}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"{path}/{member}: its data is {kind}, expected {expected} uint8: fetch the official file")
    return rows


def _image(split: str, row: int) -> Image:
    return Image(f"{row:05d}", Part(_FILE, (split, row)))


def _set(name: str, title: str, split: str) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        colour="rgb",
        images=Entries(_COUNTS[split], partial(_image, split), [_FILE]),
        source="https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009); images are named by their row",
        licence="none stated; its page asks to cite Krizhevsky, Learning Multiple Layers of Features, 2009",
        published="the small residual dense network, nine Gaussian noises" if split == "test" else "",
        reader=_picture,
        role=split,
        noise="rdn-grid",
    )


DATASETS = (_set("cifar100", "CIFAR-100 test", "test"), _set("cifar100-train", "CIFAR-100 train", "train"))
