"""Colour images made gray: by which formula, and the dataset of them."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from datasets.description import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

GRAYS = {
    "bt601": ((0.298936021293775, 0.587043074451121, 0.114020904255103), 0),
    "y-limited": ((65.481 / 255, 128.553 / 255, 24.966 / 255), 16),
    "mean": ((1 / 3, 1 / 3, 1 / 3), 0),
    "red": ((1, 0, 0), 0),
    "green": ((0, 1, 0), 0),
    "blue": ((0, 0, 1), 0),
}
"""Weights of red, green and blue, and the level of black: `bt601` is MATLAB's `rgb2gray`, `y-limited` the Y of its
`rgb2ycbcr`."""

EQUAL = (
    "the three channels of the first image are equal, and it is measured in colour, with noise of its own in each: "
    "PROTOCOL=standard,gray=bt601 measures gray images"
)
"""The warning of colour images that are gray ones."""


def as_gray(dataset: Dataset, formula: str) -> Dataset:
    """Return a dataset of colour images made gray, clean and noisy ones alike; it is known by the same contents.

    Parameters
    ----------
    dataset : Dataset
        Colour images.
    formula : str
        One of `GRAYS`.
    """
    warnings = tuple(line for line in dataset.warnings if line != EQUAL)
    convert = partial(in_gray, formula=formula, before=dataset.convert)
    return replace(dataset, colour="gray", convert=convert, warnings=warnings)


def in_gray(
    image: "np.ndarray", formula: str, before: "Callable[[np.ndarray], np.ndarray] | None" = None
) -> "np.ndarray":
    """Return an image made gray.

    Parameters
    ----------
    image : ndarray, shape (H, W, 3)
        uint8, or float32 grey levels (255 = white).
    formula : str
        One of `GRAYS`.
    before : callable, optional
        Applied to the image before.

    Returns
    -------
    ndarray, shape (H, W, 1)
        uint8, rounded, where the image is; else float32, not rounded.
    """
    import numpy as np

    image = image if before is None else before(image)
    weights, black = GRAYS[formula]
    gray = black + image.astype(np.float64) @ np.array(weights)
    gray = np.rint(gray).astype(np.uint8) if image.dtype == np.uint8 else gray.astype(np.float32)
    return gray[..., None]
