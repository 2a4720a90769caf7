"""The sigma that a method gets for an image: known, given by a person, or estimated from the image."""

import math
from typing import TYPE_CHECKING

from bench.common.errors import BenchError

if TYPE_CHECKING:
    import numpy as np

    from bench.degradation import Degraded
    from bench.plan.cell import Cell


LEAST = 0.1 / 255
"""The smallest estimate, on the unit scale."""


QUARTILE = 0.6744897501960817
"""Third quartile of N(0, 1): half of its absolute values are below."""

_ROOT = math.sqrt(3)
HIGH_PASS = tuple(value / (4 * math.sqrt(2)) for value in (-1 - _ROOT, 3 + _ROOT, _ROOT - 3, 1 - _ROOT))
"""The high-pass filter of Daubechies' wavelet with two vanishing moments (Ten Lectures on Wavelets, table 6.1)."""


def sigma_for(cell: "Cell", image: "Degraded") -> float | None:
    """Return sigma on the unit scale that a method gets for an image; None where it is blind and nothing is known.

    What a person gives on SIGMA comes first, then what the noise was made with; where neither is there,
    a method that needs one gets the estimate of `estimated`.
    """
    asked = cell.inference.sigma
    if isinstance(asked, str):
        return estimate(asked, image.noisy)
    if asked is not None:
        return asked / 255
    if image.sigma is not None:
        return image.sigma / 255
    return estimated(image.noisy) if cell.net.given_sigma else None


def estimate(word: str, noisy: "np.ndarray") -> float:
    """Estimate sigma as `bench.plan.inference.Inference.sigma` says, as ``"patches:4"``, on the unit scale."""
    name, _, times = word.partition(":")
    return float(times or 1) * (estimated if name == "wavelet" else from_patches)(noisy)


def estimated(noisy: "np.ndarray") -> float:
    """Estimate the standard deviation of white Gaussian noise in an image.

    The median of the absolute diagonal wavelet coefficients of the finest scale over 0.6745 (Donoho
    and Johnstone, Ideal spatial adaptation by wavelet shrinkage, Biometrika 1994, section 4.2), the mean
    over the channels. Noise that is not white, and fine texture, mislead it.

    Parameters
    ----------
    noisy : ndarray of float32, shape (H, W, C)
        1.0 = white.

    Returns
    -------
    float
        On the scale of the image; at least `LEAST`, since methods divide by it.
    """
    import numpy as np

    sizes = [np.abs(detail[detail != 0]) for detail in np.moveaxis(_diagonal(noisy), 2, 0)]
    if not all(map(len, sizes)):  # of an image without any detail there is no median
        return LEAST
    found = float(np.mean([np.median(size) for size in sizes])) / QUARTILE
    return max(found, LEAST) if math.isfinite(found) else LEAST


SIDE, STEP = 8, 3
"""Side of the patches of `from_patches`, and pixels from one to the next; the last ones end with the image."""


def from_patches(noisy: "np.ndarray") -> float:
    """Estimate the standard deviation of noise from how patches of an image vary.

    The covariance of the patches of a channel has eigenvalues of the image, and for the rest those of the noise: the
    largest are left out until the mean of the others is their median (Chen, Zhu and Heng, An efficient statistical
    method for image noise level estimation, ICCV 2015, algorithm 1); of channels, the root mean square. Noise that
    neighbouring pixels share, as after JPEG or demosaicking, is taken for image: the estimate is then too small.

    Parameters
    ----------
    noisy : ndarray of float32, shape (H, W, C)
        1.0 = white.

    Returns
    -------
    float
        On the scale of the image; at least `LEAST`.

    Raises
    ------
    BenchError
        If the image has too few patches for their covariance.
    """
    import numpy as np

    variances = []
    for channel in np.moveaxis(noisy.astype(np.float64), 2, 0):
        if min(channel.shape) >= SIDE:
            windows = np.lib.stride_tricks.sliding_window_view(channel, (SIDE, SIDE))
            rows, columns = ([*range(0, count - 1, STEP), count - 1] for count in windows.shape[:2])
            patches = windows[np.ix_(rows, columns)].reshape(-1, SIDE * SIDE)
        if min(channel.shape) < SIDE or len(patches) <= SIDE * SIDE:
            height, width = channel.shape
            raise BenchError(
                f"SIGMA=patches: an image of {width}x{height} has too few patches of {SIDE}x{SIDE}, one in {STEP} "
                f"pixels; expected more than {SIDE * SIDE} of them, as in 32x32"
            )
        values = np.linalg.eigvalsh(np.cov(patches, rowvar=False, bias=True))  # rising
        while (values > (mean := values.mean())).sum() != (values < mean).sum():
            values = values[:-1]
        variances.append(max(mean, 0.0))
    return max(math.sqrt(sum(variances) / len(variances)), LEAST)


def _diagonal(image: "np.ndarray") -> "np.ndarray":
    """Return the diagonal coefficients of the finest scale (Daubechies 2), of an image that is mirrored outside."""
    import numpy as np

    found = np.pad(image.astype(np.float64), ((3, 3), (3, 3), (0, 0)), mode="symmetric")
    for _ in range(2):
        length = found.shape[0] - 3
        products = [weight * found[3 - i : 3 - i + length] for i, weight in enumerate(HIGH_PASS)]
        found = np.sum(products, axis=0)[1::2].swapaxes(0, 1)
    return found
