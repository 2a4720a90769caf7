"""PSNR and the five things that are called SSIM, by their definitions: plain loops, which nothing else uses."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

C1, C2 = 0.01, 0.03


def psnr(reference: np.ndarray, image: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of grey levels (H, W), peak 255.

    Examples
    --------
    >>> round(psnr(np.zeros((4, 4)), np.full((4, 4), 25.0)), 2)
    20.17
    """
    total = 0.0
    for a, b in zip(reference.astype(np.float64), image.astype(np.float64), strict=True):
        total += float(((a - b) ** 2).sum())
    return float(10 * np.log10(255**2 / (total / reference.size)))


def gaussian(taps: int, deviation: float = 1.5) -> np.ndarray:
    """Return the weights (taps, taps) of a Gaussian window, of sum 1."""
    line = np.exp(-((np.arange(taps) - taps // 2) ** 2) / (2 * deviation**2))
    weights = np.outer(line, line)
    return weights / weights.sum()


def uniform(taps: int) -> np.ndarray:
    """Return the weights (taps, taps) of a mean."""
    return np.full((taps, taps), 1 / taps**2)


def ssim(
    reference: np.ndarray,
    image: np.ndarray,
    *,
    weights: np.ndarray,
    peak: float = 255.0,
    correction: float = 1.0,
    padded: bool = False,
    reduced: bool = False,
) -> float:
    """Return the mean structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004, equations 13 to 17).

    Parameters
    ----------
    reference, image : ndarray, shape (H, W)
        Grey levels.
    weights : ndarray, shape (K, K)
        Of the window, of sum 1.
    peak : float
        The L of the paper.
    correction : float
        Variances and covariance are multiplied by it: N / (N - 1) makes them unbiased.
    padded : bool
        Whether windows reach over the edge, where the image is mirrored without its edge pixel; else all lie inside.
    reduced : bool
        Whether both images are made smaller before, as `reduce_by_mean` does.
    """
    pair = [array.astype(np.float64) for array in (reference, image)]
    if reduced:
        pair = [reduce_by_mean(array) for array in pair]
    half = len(weights) // 2
    if padded:
        pair = [np.pad(array, half, mode="reflect") for array in pair]
    rows, columns = (length - 2 * half for length in pair[0].shape)
    c1, c2 = (C1 * peak) ** 2, (C2 * peak) ** 2
    total = 0.0
    for top in range(rows):
        x, y = (
            np.lib.stride_tricks.sliding_window_view(array[top : top + len(weights)], weights.shape)[0]
            for array in pair
        )
        mean_x, mean_y = ((window * weights).sum(axis=(1, 2)) for window in (x, y))
        dx, dy = x - mean_x[:, None, None], y - mean_y[:, None, None]
        var_x, var_y, both = (correction * (part * weights).sum(axis=(1, 2)) for part in (dx * dx, dy * dy, dx * dy))
        total += float(
            ((2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).sum()
        )
    return total / (rows * columns)


def reduce_by_mean(image: np.ndarray) -> np.ndarray:
    """Return the image at about 256 pixels, as Wang's page asks for before SSIM.

    Every f-th pixel of the image of f x f means, f = round(shorter side / 256): a window of even f reaches farther
    to the right and down, and outside the image is mirrored at its edge.
    """
    factor = max(1, round(min(image.shape) / 256))
    before = (factor - 1) // 2
    wide = np.pad(image, (before, factor - 1 - before), mode="symmetric")
    small = np.zeros(tuple(-(-length // factor) for length in image.shape))
    for down in range(factor):
        for right in range(factor):
            small += wide[down : down + image.shape[0] : factor, right : right + image.shape[1] : factor]
    return small / factor**2


PSNR_AND_SSIMS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "PSNR, dB": psnr,
    "SSIM, 11x11 Gaussian 1.5, windows inside": partial(ssim, weights=gaussian(11)),
    "SSIM, 11x11 Gaussian 1.5, padded": partial(ssim, weights=gaussian(11), padded=True),
    "SSIM, 7x7 mean, unbiased": partial(ssim, weights=uniform(7), correction=49 / 48),
    "SSIM, 13x13 Gaussian 1.5, windows inside": partial(ssim, weights=gaussian(13)),
    "SSIM, 11x11 Gaussian 1.5, down-sampled": partial(ssim, weights=gaussian(11), reduced=True),
}
"""What is measured. The five SSIMs are those of Wang's code and of this benchmark; of OpenCV and torchmetrics; of
scikit-image by default; of scikit-image to 0.13, which took 13 taps for 11; of Wang's advice for large images."""
