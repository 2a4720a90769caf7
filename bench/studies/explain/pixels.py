"""Which pixels `make explain` looks at: a flat one, one on an edge, one in texture, or those asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.common.parsing import whole

if TYPE_CHECKING:
    import numpy as np

SIDE = 256
"""Side in pixels of the part of a large image that is looked at."""
MARGIN = 32
"""Pixels that are found lie so far inside, so that their filters are not those of the image's border."""
AREA = 15
"""Side in pixels of the surroundings that make a pixel flat, an edge or texture."""


@dataclass(frozen=True)
class Pixel:
    """A pixel of the whole image, and what it is: ``"flat"``, ``"edge"``, ``"texture"`` or ``"given"``."""

    kind: str
    y: int
    x: int


@dataclass(frozen=True)
class Window:
    """A rectangle of an image."""

    # In pixels of the image.
    top: int
    left: int
    height: int
    width: int
    whole: bool  # whether it is the whole image

    @property
    def rows(self) -> slice:
        """Its rows of the image."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Its columns of the image."""
        return slice(self.left, self.left + self.width)

    def __str__(self) -> str:
        """Say it as ``crop 256x256 at 128,128``: height, width, row, column."""
        return "whole" if self.whole else f"crop {self.height}x{self.width} at {self.top},{self.left}"


def read_pixels(text: str) -> tuple[tuple[int, int], ...]:
    """Read ``y,x;y,x``, row and column from 0.

    Raises
    ------
    BenchError
        If a piece is not two whole numbers.

    Examples
    --------
    >>> read_pixels("12,30; 7,8")
    ((12, 30), (7, 8))
    """
    found = []
    for piece in filter(None, (p.strip() for p in text.split(";"))):
        numbers = [number for n in piece.split(",") if (number := whole(n.strip())) is not None]
        if len(numbers) != 2 or piece.count(",") != 1:
            raise BenchError(
                f"PIXEL={text}: {piece!r} is no pixel; expected row,column from 0, as in PIXEL='12,30;7,8'"
            )
        found.append((numbers[0], numbers[1]))
    return tuple(dict.fromkeys(found))


def window_of(shape: Sequence[int], pixels: Sequence[tuple[int, int]]) -> Window:
    """Return the whole of a small image, or `SIDE` x `SIDE` pixels of a large one around some pixels, or its middle.

    Raises
    ------
    BenchError
        If a pixel lies outside the image, or they lie too far apart.
    """
    height, width = shape[:2]
    for y, x in pixels:
        if y >= height or x >= width:
            raise BenchError(f"PIXEL={y},{x}: outside the image of {height} rows and {width} columns")
    places = [
        _span([p[axis] for p in pixels], length)
        for axis, length in enumerate((height, width))
    ]  # fmt: skip
    (top, rows), (left, columns) = places
    return Window(top, left, rows, columns, whole=(rows, columns) == (height, width))


def _span(wanted: Sequence[int], length: int) -> tuple[int, int]:
    """Return begin and length of the part of an axis that holds what is wanted."""
    if length <= SIDE:
        return 0, length
    first, last = (min(wanted), max(wanted)) if wanted else (length // 2, length // 2)
    if last - first >= SIDE:
        raise BenchError(
            f"PIXEL: two pixels lie {last - first} apart, and {SIDE} pixels of a large image are looked at; "
            "ask for them one after the other"
        )
    return min(max(0, (first + last) // 2 - SIDE // 2), length - SIDE), SIDE


def choose(clean: "np.ndarray", top: int = 0, left: int = 0) -> tuple[Pixel, ...]:
    """Find a flat pixel, one on an edge, and one in texture, by the gradients of the clean image.

    A function of the image alone. With g the gradient's magnitude at a scale of one pixel, and the
    surroundings 15x15 pixels: flat is where the mean of g^2 is least; texture where the lower
    quartile of g is greatest, which a lone edge leaves near 0; the edge is where g^2 times the
    coherence ((l1 - l2) / (l1 + l2))^2 of the structure tensor is greatest, less what texture there is.

    Parameters
    ----------
    clean : ndarray of uint8, shape (H, W, C)
        The clean image.
    top, left : int
        Added to the pixels.
    """
    import numpy as np
    from scipy import ndimage

    gray = clean.mean(axis=2) / 255
    dy = ndimage.gaussian_filter(gray, 1, order=(1, 0))
    dx = ndimage.gaussian_filter(gray, 1, order=(0, 1))
    yy, xx, yx = (ndimage.uniform_filter(product, AREA) for product in (dy * dy, dx * dx, dy * dx))
    energy = yy + xx
    spread = np.sqrt((yy - xx) ** 2 + 4 * yx**2)
    coherence = (spread / np.maximum(energy, 1e-12)) ** 2
    magnitude = np.sqrt(dy * dy + dx * dx)
    texture = ndimage.percentile_filter(magnitude, 25, AREA)
    edge = magnitude**2 * coherence - texture**2
    margins = [min(MARGIN, length // 4) for length in gray.shape]
    inside = tuple(slice(margin, length - margin) for margin, length in zip(margins, gray.shape, strict=True))
    found = []
    for kind, score in (("flat", -energy), ("edge", edge), ("texture", texture)):
        y, x = np.unravel_index(int(np.argmax(score[inside])), score[inside].shape)
        found.append(Pixel(kind, int(y) + margins[0] + top, int(x) + margins[1] + left))
    return tuple(found)
