"""The sigma that a method gets for an image: known, given by a person, or estimated from the image."""

import math
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from bench.degradation import Degraded
    from bench.plan.cell import Cell


LEAST = 0.1 / 255
"""The smallest estimate, on the unit scale."""


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
    from skimage.restoration import estimate_sigma

    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of an image without any detail there is no median
        estimate = float(estimate_sigma(noisy, channel_axis=2, average_sigmas=True))  # type: ignore[no-untyped-call]
    return max(estimate, LEAST) if math.isfinite(estimate) else LEAST
