"""The images of a dataset, read one after another from wherever their files lie."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common import files
from bench.common.parsing import unknown
from bench.degradation import Degraded, degrade

if TYPE_CHECKING:
    import numpy as np

    from bench.plan.cell import Cell
    from datasets import Dataset, Image


@dataclass(frozen=True)
class Picture:
    """An image of a dataset, read.

    Attributes
    ----------
    name : str
        Its name.
    clean, noisy : ndarray of shape (H, W, C), optional
        The reference, and the dataset's own noisy version of it: uint8, or float32 grey levels (255 = white).
    labels : ndarray of int, shape (A, H, W), optional
        Its label maps, one an annotator.
    """

    name: str
    clean: "np.ndarray | None"
    noisy: "np.ndarray | None" = None
    labels: "np.ndarray | None" = None


def pictures(
    dataset: "Dataset",
    names: Sequence[str] | None = None,
    *,
    labels: bool = False,
    advance: Callable[[int, int], None] = lambda done, total: None,
    failed: dict[str, Exception] | None = None,
) -> Iterator[Picture]:
    """Read images of a dataset, in its order.

    Parameters
    ----------
    dataset : Dataset
        Where from.
    names : sequence of str, optional
        Which images; all of them if not given.
    labels : bool
        Whether label maps are wanted; their files are left alone otherwise.
    advance : callable
        Called with (files there, files wanted) while files are downloaded.
    failed : dict, optional
        Gets the error of each image that cannot be read, which is left out; otherwise it is raised.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged, or a name is unknown.
    """
    wanted = list(_chosen(dataset, names))
    parts = [part for image in wanted for part in (*image.parts, *(image.label_parts if labels else ()))]
    needed = list({file.path: file for file in (*(part.file for part in parts), *dataset.needs)}.values())
    found = files.fetch("data", f"dataset {dataset.name}", needed, advance)
    paths = {file.path: path for file, path in zip(needed, found, strict=True)}
    for image in wanted:
        try:
            picture = _read(dataset, image, paths, labels=labels)
        except ValueError as error:
            if failed is None:
                raise
            failed[image.name] = error
            continue
        yield picture


def degraded(cell: "Cell", picture: Picture) -> Degraded:
    """Return a picture with the noise of a cell."""
    return degrade(
        picture.clean,
        cell.degradation,
        dataset=cell.dataset.noise_name,
        image=picture.name,
        seed=cell.seed,
        recorded=picture.noisy,
        noise_draw=cell.protocol.noise_draw,
        noisy=cell.protocol.noisy,
    )


def spread(count: int, of: int) -> list[int]:
    """Return up to `count` numbers below `of`, evenly spread.

    Examples
    --------
    >>> spread(3, 12)
    [2, 6, 10]
    >>> spread(5, 3)
    [0, 1, 2]
    """
    count = min(count, of)
    return [math.floor((i + 0.5) * of / count) for i in range(count)]


def _chosen(dataset: "Dataset", names: Sequence[str] | None) -> "Sequence[Image]":
    if names is None:
        return dataset.images
    by_name = {image.name: image for image in dataset.images}
    for name in names:
        if name not in by_name:
            raise unknown(f"image of {dataset.name}", name, by_name)
    return [by_name[name] for name in names]


def _read(dataset: "Dataset", image: "Image", paths: dict[str, Path], *, labels: bool) -> Picture:
    clean = dataset.picture(image.clean, paths[image.clean.file.path]) if image.clean else None
    noisy = dataset.picture(image.noisy, paths[image.noisy.file.path]) if image.noisy else None
    if clean is not None and noisy is not None and clean.shape != noisy.shape:
        raise ValueError(
            f"dataset {dataset.name}, image {image.name}: the noisy image is {noisy.shape[0]}x{noisy.shape[1]} and its "
            f"reference {clean.shape[0]}x{clean.shape[1]}; expected one size: the two do not belong together"
        )
    shown = clean if clean is not None else noisy
    maps = None
    if labels and image.label_parts and shown is not None:
        import numpy as np

        height, width = shown.shape[:2]
        parts = [dataset.label_maps(p, paths[p.file.path], (height, width)) for p in image.label_parts]
        maps = np.maximum.reduce(parts)
    return Picture(image.name, clean, noisy, maps)
