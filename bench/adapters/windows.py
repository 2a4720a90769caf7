"""Images of any size through a model of one fixed size."""

from collections.abc import Callable

import numpy as np


def in_windows(
    run: Callable[[np.ndarray], np.ndarray], image: np.ndarray, height: int, width: int, overlap: int | None = None
) -> np.ndarray:
    """Run a model of one fixed size over an image of any size.

    Windows overlap, and of each the part is kept that lies at least `overlap` from its inner borders;
    an image smaller than the window is reflected on the right and at the bottom.

    Parameters
    ----------
    run : callable
        Takes arrays (C, height, width), and returns such, or several one behind the other (k * C, height, width).
    image : ndarray (C, H, W)
        The image.
    height, width : int
        The size of a window.
    overlap : int, optional
        In pixels, at most a quarter of the window's side; None: an eighth of it.
    """
    sides = (height, width)
    halos = [min(side // 8 if overlap is None else overlap, side // 4) for side in sides]
    shape = image.shape[1:]
    more = [(0, max(0, side - length)) for side, length in zip(sides, shape, strict=True)]
    large = np.pad(image, [(0, 0), *more], mode="reflect")
    output: np.ndarray | None = None
    tops, lefts = (
        _starts(length, side, side - 2 * halo) for length, side, halo in zip(large.shape[1:], sides, halos, strict=True)
    )
    for top in tops:
        for left in lefts:
            part = run(large[:, top : top + height, left : left + width])
            # Windows come from the top left: what a later one keeps overwrites an earlier one's border.
            up, aside = (halos[0] if top else 0), (halos[1] if left else 0)
            output = np.empty((len(part), *large.shape[1:]), part.dtype) if output is None else output
            output[:, top + up : top + height, left + aside : left + width] = part[:, up:, aside:]
    assert output is not None  # there is a window at least
    return output[:, : shape[0], : shape[1]]


def _starts(length: int, side: int, step: int) -> list[int]:
    return [*range(0, length - side, step), length - side]
