"""A sample: an image of a dataset and its noisy version, as they go through a cell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.plan.cell import Cell
from bench.run.images import degraded, pictures
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


def samples(cell: Cell, advance: Callable[[int, int], None] = lambda done, total: None) -> Iterator[Sample]:
    """Read and degrade the images of a cell's dataset one after another.

    Parameters
    ----------
    cell : Cell
        Says dataset, degradation, protocol and seed.
    advance : callable
        Called with (files there, files wanted) while files are downloaded.
    """
    for picture in pictures(cell.dataset, advance=advance):
        image = degraded(cell, picture)
        yield Sample(picture.name, image.clean, image.noisy, sigma_for(cell, image))
