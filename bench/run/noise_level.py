"""The sigma that a method gets for an image: known, given by a person, or estimated from the image."""

import math
from typing import TYPE_CHECKING

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
    if cell.inference.sigma is not None:
        return cell.inference.sigma / 255
    if image.sigma is not None:
        return image.sigma / 255
    return estimated(image.noisy) if cell.net.given_sigma else None


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
    estimate = float(np.mean([np.median(size) for size in sizes])) / QUARTILE
    return max(estimate, LEAST) if math.isfinite(estimate) else LEAST


def _diagonal(image: "np.ndarray") -> "np.ndarray":
    """Return the diagonal coefficients of the finest scale (Daubechies 2), of an image that is mirrored outside."""
    import numpy as np

    found = np.pad(image.astype(np.float64), ((3, 3), (3, 3), (0, 0)), mode="symmetric")
    for _ in range(2):
        length = found.shape[0] - 3
        products = [weight * found[3 - i : 3 - i + length] for i, weight in enumerate(HIGH_PASS)]
        found = np.sum(products, axis=0)[1::2].swapaxes(0, 1)
    return found
