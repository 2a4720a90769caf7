"""Whether one channel of colour outputs is shifted against the others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.score.displacement import displaced

if TYPE_CHECKING:
    import numpy as np

    Images = tuple[np.ndarray, np.ndarray, np.ndarray]

WHOLE = ", in pixels"
"""In the words for a shift that is of no part of a pixel."""


def shifted_channels(images: "Sequence[Images]") -> list[tuple[str, str, int]]:
    """Return each channel that is shifted by itself on most images, how, and on how many.

    Parameters
    ----------
    images : sequence of tuple of ndarray
        Clean, noisy and denoised image, (H, W, 3), 1.0 = white; of gray ones nothing is returned.
    """
    if images[0][0].shape[2] != 3:
        return []
    whole = [displaced(*(part[None] for part in parts))[0][0] for parts in images]
    found = []
    for place, name in enumerate(("red", "green", "blue")):
        causes = [displaced(*(part[None, ..., place : place + 1] for part in parts))[0][0] for parts in images]
        alone = [cause for cause, of_all in zip(causes, whole, strict=True) if WHOLE in cause and WHOLE not in of_all]
        if 2 * len(alone) > len(images):
            found.append((name, max(alone, key=alone.count), len(alone)))
    return found
