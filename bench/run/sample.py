"""A sample: an image of a dataset and its noisy version, as they go through a cell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.child_process import ChildEndedError
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.images import Picture, degraded, pictures
from bench.run.noise_level import sigma_for

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """An image of the dataset and its noisy version.

    Attributes
    ----------
    name : str
        Of the image.
    clean : ndarray of shape (H, W, C), optional
        uint8 or float32 grey levels (255 = white); None: there is no reference.
    noisy : ndarray of float32, shape (H, W, C)
        1.0 = white; may leave [0, 1].
    sigma : float, optional
        What the method is told, 1.0 = white.
    """

    name: str
    clean: "np.ndarray | None"
    noisy: "np.ndarray"
    sigma: float | None = None


@dataclass(frozen=True)
class Output:
    """What a method made of some samples.

    Attributes
    ----------
    samples : list of Sample
        Of one shape.
    denoised : Tensor, shape (B, C, H, W)
        What it made of them, 1.0 = white.
    seconds : float
        Its time for each.
    self_scores : list of (float, float)
        The self-supervised score of each and its standard error; empty where there are references.
    """

    samples: list[Sample]
    denoised: "Tensor"
    seconds: float
    self_scores: list[tuple[float, float]]


SMALL = 64
"""An image with a side of fewer pixels may be too small for a method: then it fails alone, and the others go on."""

MOST_ALONE = 20
"""Where more images fail, it is the cell that fails."""


def samples(
    cell: Cell,
    advance: Callable[[int, int], None] = lambda done, total: None,
    failed: dict[str, Exception] | None = None,
) -> Iterator[Sample]:
    """Read and degrade the images of a cell's dataset one after another.

    Parameters
    ----------
    cell : Cell
        Says dataset, degradation, protocol and seed.
    advance : callable
        Called with (files there, files wanted) while files are downloaded.
    failed : dict, optional
        Gets the error of each image that cannot be read or is too small, which is left out; otherwise it is raised.
    """
    failed = {} if failed is None else failed
    for picture in pictures(cell.dataset, advance=advance, failed=failed):
        with alone(failed, picture):
            image = degraded(cell, picture)
            sample = Sample(picture.name, image.clean, image.noisy, sigma_for(cell, image))
        if picture.name not in failed:
            yield sample


@contextmanager
def alone(failed: dict[str, Exception], *images: Sample | Picture) -> Iterator[None]:
    """Note what goes wrong with small images, which then fail alone; with larger ones it is the cell that fails."""
    try:
        yield
    except (BenchError, ValueError) as error:
        if isinstance(error.__cause__, ChildEndedError):  # there is no method any more
            raise
        shown = [image.noisy if image.noisy is not None else image.clean for image in images]
        if len(failed) >= MOST_ALONE or any(pixels is None or min(pixels.shape[:2]) >= SMALL for pixels in shown):
            raise
        failed |= {image.name: error for image in images}
