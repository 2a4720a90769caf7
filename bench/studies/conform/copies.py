"""Copies of datasets that go by one name: what each is worth in dB to the same method."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.studies.conform import definitions
from bench.studies.conform.measured import Row, Way, rows

if TYPE_CHECKING:
    from datasets import Dataset

COUNT = 16
"""Images of a set that are measured, the first ones."""

METHOD, SIGMA = "wavelet", 25
"""A quick method, and the noise it is tried with: the same field on every copy."""


def copies(known: "Mapping[str, Dataset]") -> "Iterator[tuple[str, str, dict[str, Dataset]]]":
    """Yield what is copied, which set counts, and copies of it that are about, by what tells them apart."""
    from datasets.gray import GRAYS, as_gray

    grays = {f"cbsd68, gray={formula}": as_gray(known["cbsd68"], formula) for formula in GRAYS}
    small = {f"bsd68 as JPEG of quality {q}": _changed(known["bsd68"], partial(_jpeg, quality=q)) for q in (95, 75)}
    half = {"bsd68 at half its size": _changed(known["bsd68"], _halved)}
    yield "BSD68", "bsd68", {"bsd68": known["bsd68"], **grays, **small, **half}
    crops = {"kodak24-500, its crops of 500x500": known["kodak24-500"]}
    yield "Kodak24", "kodak24", {"kodak24": known["kodak24"], **crops}


def measured(known: "Mapping[str, Dataset]", is_here: "Callable[[Dataset], bool]") -> Iterator[Row]:
    """Yield a row for each copy whose files are here: its PSNR, and that on the registered set.

    Parameters
    ----------
    known : mapping
        The registered datasets.
    is_here : callable
        Whether a dataset's files are on this machine.
    """
    for title, counts, of_it in copies(known):
        if not is_here(known[counts]):
            continue
        right = math.nan
        for name, dataset in of_it.items():
            if not is_here(dataset):
                continue
            inputs = [(dataset, counts, place) for place in range(min(COUNT, len(dataset.images)))]
            (row,) = rows(
                f"{title}, copies: PSNR of {METHOD} in dB", f"the first {len(inputs)} images, gaussian:{SIGMA}", right,
                [Way(name, "", lambda: _score)], inputs,
            )  # fmt: skip
            right = row.value if name == counts else right
            remark = row.remark or _equal(known[counts], dataset, len(inputs))
            yield replace(row, reference=right, difference=row.value - right, remark=remark)


def _score(dataset: "Dataset", counts: str, place: int) -> float:
    import torch

    import methods
    from bench.degradation import degrade, parse
    from bench.run.images import pictures

    (picture,) = pictures(dataset, [dataset.images[place].name])
    # One field for all copies: that of the place.
    made = degrade(picture.clean, parse(f"gaussian:{SIGMA}"), dataset=counts, image=str(place), seed=0)
    method = methods.available()[METHOD]
    noisy = torch.from_numpy(made.noisy).permute(2, 0, 1)[None]
    output = method.load(method.nets[0], None, method.options)(noisy, SIGMA / 255)[0].permute(1, 2, 0).numpy()
    clean = np.asarray(made.clean)
    shown = np.clip(np.rint(255 * output), 0, 255)
    return definitions.psnr(clean.reshape(len(clean), -1), shown.reshape(len(clean), -1))


def _equal(one: "Dataset", other: "Dataset", count: int) -> str:
    """Say how many of the images are the very pixels of the registered set."""
    from bench.run.images import pictures

    both = (pictures(d, [image.name for image in d.images[:count]]) for d in (one, other))
    same = [np.array_equal(a.clean, b.clean) for a, b in zip(*both, strict=True)]
    return f"{sum(same)} of {count} images equal, pixel by pixel"


def _changed(dataset: "Dataset", change: Callable[[np.ndarray], np.ndarray]) -> "Dataset":
    return replace(dataset, convert=change)


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    import cv2

    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED)).reshape(image.shape)


def _halved(image: np.ndarray) -> np.ndarray:
    from bench.degradation.resize import imresize

    small = imresize(image, (image.shape[0] // 2, image.shape[1] // 2))
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
