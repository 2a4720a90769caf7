"""Making the noisy image: a pure function of the clean one, the words and the seed."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation.draw import ImageDraw
from bench.degradation.kinds import KINDS
from bench.degradation.parsing import Degradation, Step, sigmas
from bench.degradation.seed import PUBLISHED, image_stream, published_stream

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Degraded:
    """A clean image and its noisy version."""

    # (H, W, C): as it was given, cropped where the degradation needs a multiple; None where there is no reference
    clean: "np.ndarray | None"
    noisy: "np.ndarray"  # float32 (H, W, C): 1.0 = white; may leave [0, 1] unless it was clipped
    sigma: float | None  # standard deviation of additive Gaussian noise, 0-255 scale; None where the noise is another


def degrade(
    clean: "np.ndarray | None",
    degradation: Degradation,
    *,
    dataset: str,
    image: str,
    seed: int,
    recorded: "np.ndarray | None" = None,
    noise_draw: str = "independent",
    noisy: str = "float",
) -> Degraded:
    """Return the noisy version of one clean image.

    A pure function of its arguments: the same on every device and in every order.

    Parameters
    ----------
    clean : ndarray, shape (H, W, C), optional
        The clean image, uint8 or float32 grey levels (255 = white); None only with ``pairs``.
    degradation : Degradation
        The noise.
    dataset, image : str
        Names that tell the noise fields of different images apart.
    seed : int
        The seed of the cell, 0 or more.
    recorded : ndarray, shape (H, W, C), optional
        The dataset's own noisy image, which ``pairs`` takes as it is.
    noise_draw : str
        ``"independent"``: every image has its own noise field; else one of `bench.degradation.seed.PUBLISHED`.
    noisy : {"float", "clip", "uint8"}
        Whether the noisy image stays as it is, or is clipped to [0, 255], or rounded too.

    Raises
    ------
    BenchError
        If there is no such image: no clean one, or none of the dataset's own for ``pairs``.
    """
    import numpy as np

    if degradation.recorded:
        if recorded is None:
            raise BenchError(f"dataset {dataset} has no noisy images of its own for NOISE=pairs; give NOISE=25")
        return Degraded(clean, (recorded / np.float32(255)).astype(np.float32, copy=False), None)
    if clean is None:
        raise BenchError(f"dataset {dataset} has no clean images to add noise to; use NOISE=pairs")
    clean = _cropped(clean, degradation.multiple)
    name = (dataset, image, str(degradation), str(seed))
    levels, values = clean, {}
    # One stream, which the steps share.
    begun = published_stream(noise_draw, seed) if noise_draw in PUBLISHED else None
    for i, step in enumerate(degradation.steps):
        own = name if i == 0 else (*name, str(i))
        values = _drawn(step, own)
        draw = ImageDraw(levels.shape, begun or image_stream(*own))
        levels = np.asarray(KINDS[step.kind].apply(levels, values, draw), np.float64)
    sigma = sigmas(values)[0] if degradation.additive_gaussian else None
    if noisy == "uint8":
        np.rint(levels, out=levels)
    if noisy in ("uint8", "clip"):
        np.clip(levels, 0, 255, out=levels)
    return Degraded(clean, np.divide(levels, 255, out=levels).astype(np.float32), sigma)


def _drawn(step: Step, name: tuple[str, ...]) -> dict[str, float]:
    """Return the parameters of a step, those that are a range drawn for this image."""
    values: dict[str, float] = {}
    for key, value in step.values:
        if isinstance(value, tuple):
            whole = KINDS[step.kind].parameters[key].whole
            drawn = value[0] + (value[1] - value[0] + whole) * float(image_stream(*name, key).random())
            # Whole numbers by the floor: rounding would give both ends half the chance of the others.
            values[key] = float(math.floor(drawn)) if whole else drawn
        else:
            values[key] = value
    return values


def _cropped(clean: "np.ndarray", multiple: int) -> "np.ndarray":
    height, width = (side - side % multiple for side in clean.shape[:2])
    if not height or not width:
        raise BenchError(f"an image of {clean.shape[0]}x{clean.shape[1]} is too small to be scaled down by {multiple}")
    return clean[:height, :width]
