"""SSIM as several codes compute it: windows, borders, covariances; each in one function of two images.

Held to scikit-image and to the definition in `tests/bench/studies/test_why.py`.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from bench.score.metrics import K1, K2, WINDOW, WINDOW_SIGMA

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Window:
    """A kind of SSIM.

    Attributes
    ----------
    side : int
        Of the square window.
    gaussian : bool
        Whether its weights are those of a Gaussian of standard deviation 1.5; else uniform.
    border : str
        ``""``: only where the window fits; else how the image goes on: ``"reflect"``, ``"constant"`` (zeros).
    sample : bool
        Whether covariances are the unbiased ones, of as many samples as the window has.
    smaller : str
        ``"matlab"``: averaged over squares so that the smaller side has about 256 pixels; ``"half"``: at half the size.
    whole : bool
        Whether the whole image is the window.
    luminance : bool
        Whether the term of the means counts.
    """

    side: int = WINDOW
    gaussian: bool = True
    border: str = ""
    sample: bool = False
    smaller: str = ""
    whole: bool = False
    luminance: bool = True
    volume: bool = False


KINDS = {
    "wang": Window(),
    "reflect": Window(border="reflect"),
    "zero": Window(border="constant"),
    "uniform7": Window(7, gaussian=False, sample=True),
    "uniform7-population": Window(7, gaussian=False),
    "uniform8": Window(8, gaussian=False),
    "uniform11": Window(11, gaussian=False),
    "taps13": Window(13),
    "sample": Window(sample=True),
    "taps13-sample": Window(13, sample=True),
    "down": Window(smaller="matlab"),
    "halved": Window(smaller="half"),
    "global": Window(whole=True),
    "contrast": Window(luminance=False),
    "volume": Window(volume=True),
}
"""By the values of `Choices.window`."""

Moments = tuple["np.ndarray", "np.ndarray", "np.ndarray", "np.ndarray", "np.ndarray"]


def smaller(image: "np.ndarray", kind: Window) -> "np.ndarray":
    """Return an image (H, W, C) as large as a kind of SSIM looks at it."""
    factor = 2 if kind.smaller == "half" else max(1, round(min(image.shape[:2]) / 256)) if kind.smaller else 1
    if factor == 1:
        return image
    from scipy.ndimage import uniform_filter1d

    for axis in (0, 1):  # MATLAB's imfilter: an even window lies as far to the upper left as it can
        image = uniform_filter1d(image, factor, axis=axis, mode="reflect", origin=0 if factor % 2 else -1)
    return image[::factor, ::factor]


def means(image: "np.ndarray", kind: Window) -> "tuple[np.ndarray, np.ndarray]":
    """Return the mean and the mean square around each pixel of an image (H, W, C), valid region or all."""
    return _mean(image, kind), _mean(image * image, kind)


def moments(
    reference: "np.ndarray", of_reference: "tuple[np.ndarray, np.ndarray]", image: "np.ndarray", kind: Window
) -> Moments:
    """Return both means, both variances and the covariance around each pixel, (H, W, C), valid region or all.

    The `means` of the reference, `of_reference`, are the same for all that is held against it.
    """
    (x, xx), (y, yy), xy = of_reference, means(image, kind), _mean(reference * image, kind)
    count = reference.shape[0] * reference.shape[1] if kind.whole else kind.side**2
    scale = count / (count - 1) if kind.sample else 1.0
    return x, y, scale * (xx - x * x), scale * (yy - y * y), scale * (xy - x * y)


def similarity(of: Moments, span: float, *, luminance: bool = True) -> "np.ndarray":
    """Return the map of SSIM for a data range."""
    x, y, of_x, of_y, both = of
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    structure = (2 * both + c2) / (of_x + of_y + c2)
    return structure * (2 * x * y + c1) / (x * x + y * y + c1) if luminance else structure


def _mean(image: "np.ndarray", kind: Window) -> "np.ndarray":
    import cv2
    from scipy.ndimage import correlate1d

    if kind.whole:
        return image.mean((0, 1), keepdims=True)
    weights = _weights(kind.side, gaussian=kind.gaussian)
    border = cv2.BORDER_CONSTANT if kind.border == "constant" else cv2.BORDER_REFLECT
    # In a quarter of SciPy's time.
    image = cv2.sepFilter2D(image, cv2.CV_64F, weights, weights, borderType=border).reshape(image.shape)
    if kind.volume:
        image = correlate1d(image, weights, axis=2, mode="nearest")
    if kind.border:
        return image
    before, behind = kind.side // 2, (kind.side - 1) // 2
    return image[before : image.shape[0] - behind, before : image.shape[1] - behind]


@cache
def _weights(side: int, *, gaussian: bool) -> "np.ndarray":
    import numpy as np

    if not gaussian:
        return np.full(side, 1 / side)
    raw = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * WINDOW_SIGMA**2))
    return raw / raw.sum()
