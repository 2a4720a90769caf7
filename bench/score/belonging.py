"""Whether images belong together: one scene in both, and the noise of one in what a method left of it.

Arrays are (H, W, C) with 1.0 = white, unless another shape is said.
"""

import math
from collections.abc import Iterable

import numpy as np

from bench.score.displacement import Image, displaced

SIDE = 8
"""Of the blocks whose means are held against each other: noise averages out in them."""

FEWEST = 16
"""Blocks below which nothing is said."""

ALIKE = 0.5
"""Images of one scene correlate by more than this: pairs of real noise by 0.98, whatever their exposure."""

TONE = 0.8
"""Share of the squared error below which another tone is the cause; honest methods lie above 0.95."""

COUNTS = 0.02
"""Share of the mean square of the noise up to which a tone is let pass: 3.5 grey levels at sigma 25."""

TINTED, OF_TINT = 0.08, 0.5
"""The same for one channel by itself: 7 grey levels at sigma 25. Some weak nets have 0.05 in one, and 0.57."""

SURE = 3.0
"""Standard deviations above which a trace is no accident."""

LEAST = 60_000
"""Numbers in which every method leaves a trace of the noise: a median of 9x9 at sigma 100 is at 5 deviations."""

OTHER_SCENE = "the noisy image shows another scene than its reference: are pairs mixed up?"
NOT_IN_PLACE = "{}, and so does the noisy image: do it and its reference belong together?"
OTHER_TONE = "the noisy image differs from its reference more by brightness or contrast than by noise"
UNTRACED = (
    "what the outputs differ in from the clean images has nothing of the noise of this cell: they were made from noisy "
    "images of another draw, sigma or protocol, and no number here shows of which; make why looks for it"
)

Trace = tuple[float, float, int]
"""A sum of products, the sum of their squares, and their number."""


def blocks(image: Image, side: int = SIDE) -> Image:
    """Return the means of the blocks of an image, (rows, columns, C)."""
    height, width, channels = image.shape
    rows, columns = height // side, width // side
    cut = image[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side, channels).mean(axis=(1, 3))


def other_scene(clean: Image, image: Image) -> bool:
    """Whether an image clearly shows something else than the clean one; False where one of them shows too little."""
    if (clean.shape[0] // SIDE) * (clean.shape[1] // SIDE) < FEWEST:
        return False
    one, other = (blocks(part).mean(2, dtype=np.float64).ravel() for part in (clean, image))
    if one.std() < 0.02 or other.std() < max(0.02, 2 * _noise(image) / SIDE):
        return False
    return abs(float(np.corrcoef(one, other)[0, 1])) < ALIKE


def pair_fault(clean: Image, noisy: Image) -> str:
    """Say why a noisy image that was recorded cannot be of its reference; empty where it can."""
    moved = displaced(clean[None], clean[None], noisy[None])[0][0]
    # Parts of a pixel are left out: references that are means of several shots lie so, as those of PolyU.
    if moved and "part of a pixel" not in moved:
        return NOT_IN_PLACE.format(moved)
    if other_scene(clean, noisy):
        return OTHER_SCENE
    return OTHER_TONE if _of_tone(clean, noisy, *_tone(clean, noisy)) < 0.5 else ""


def other_tone(clean: Image, noisy: Image, denoised: Image, counts: float = COUNTS, most: float = TONE) -> bool:
    """Whether a brightness or contrast that the noisy image has not is a large part of an output's error.

    `counts` is the share of the noise that it must have, and `most` what it may leave of the error.
    """
    (slope, offset), (given, level) = (_tone(clean, image) for image in (denoised, noisy))
    if min(slope, given) < 0.1:
        return False
    factor = slope / given
    shift = offset - factor * level
    tone, noise = (float((part**2).mean()) for part in ((factor - 1) * clean + shift, noisy - clean))
    return tone > counts * noise and _of_tone(clean, denoised, factor, shift) < most


def other_tint(clean: Image, noisy: Image, denoised: Image) -> str:
    """Return the channels, ``"red and blue"``, that alone have another brightness or contrast; of a gray image none."""
    if clean.shape[2] != 3:
        return ""
    parts = (np.split(image, 3, axis=2) for image in (clean, noisy, denoised))
    named = zip(("red", "green", "blue"), zip(*parts, strict=True), strict=True)
    found = [name for name, (one, two, three) in named if other_tone(one, two, three, TINTED, OF_TINT)]
    return " and ".join(found)


def _of_tone(clean: Image, image: Image, factor: float, shift: float) -> float:
    """Return the share of an image's squared error that is left without the tone ``factor * clean + shift``."""
    error = float(((image - clean) ** 2).mean())
    if not error or factor < 0.1:
        return 1.0
    # Less contrast is less noise too, and a smooth image has less of it: both ways must say the same.
    undone = float((((image - shift) / factor - clean) ** 2).mean())
    without = error - float((((factor - 1) * clean + shift) ** 2).mean())
    return max(undone, without) / error


def trace(clean: Image, noisy: Image, denoised: Image) -> Trace:
    """Return what of the noise of an image is left in its output: each pixel's error times its noise."""
    error, noise = (image.astype(np.float64) - clean for image in (denoised, noisy))
    products = (error * noise).ravel()
    return float(products.sum()), float(products @ products), products.size


def untraced(traces: Iterable[Trace]) -> bool:
    """Whether outputs have nothing of the noise that they should have been made from.

    Where the two have nothing to do with each other, the products are of either sign: their sum, divided by the root
    of the sum of their squares, is about normal.
    """
    found = np.array([*traces, (0.0, 0.0, 0)])
    total, squares, count = found.sum(0)
    return bool(count >= LEAST and squares > 0 and total / math.sqrt(squares) < SURE)


def _tone(clean: Image, image: Image) -> tuple[float, float]:
    """Return a and b of ``a * clean + b`` that is nearest to an image; noise in it changes neither."""
    x, y = clean.ravel().astype(np.float64), image.ravel().astype(np.float64)
    variance = float(x.var())
    slope = float(((x - x.mean()) * y).mean()) / variance if variance else 0.0
    return slope, float(y.mean()) - slope * float(x.mean())


def _noise(image: Image) -> float:
    """Return the standard deviation of white noise in an image, by its finest differences (Donoho, Johnstone 1994)."""
    fine = image[1:, 1:] - image[:-1, 1:] - image[1:, :-1] + image[:-1, :-1]
    return float(np.median(np.abs(fine))) / 0.6745 / 2
