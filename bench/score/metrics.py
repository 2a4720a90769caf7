"""Metrics: functions of a reference and an image, in float64, for a batch on any device.

Adding a metric is adding one function with the signature of `psnr` to `METRICS`: records, tables, files and charts then
have it. `SHOWN` may give it a title, a unit and a form.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

STRIP = 100_000
"""Pixels scored at a time on the CPU: its caches hold so many, and a large image needs little memory."""

STRIP_ON_GPU = 4_000_000
"""Pixels of all images and channels scored at a time on a GPU, which take 8 bytes each in some 12 arrays."""

PEAK = 255.0
LEAST_MSE = 1 / 12
"""Squared grey levels that PSNR counts at least: the variance of rounding to 8 bit. Below it images differ by less than
their rounding, and without it one image that comes out exact would make the mean of a set infinite."""

WINDOW, WINDOW_SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03


def mse(reference: "Tensor", image: "Tensor") -> "Tensor":
    """Mean squared error over all pixels and channels of each image.

    Parameters
    ----------
    reference, image : Tensor, shape (B, C, H, W)
        Grey levels, 255 = white, of any number type; computed in float64.

    Returns
    -------
    Tensor of float64, shape (B,)
        In squared grey levels.
    """
    strips = [_squared_error(a, b) for a, b in _strips(reference, image, overlap=0)]
    total = sum(strips[1:], strips[0])
    return total / reference[0].numel()


def absolute_error(reference: "Tensor", image: "Tensor") -> "Tensor":
    """Mean absolute error over all pixels and channels of each image, in grey levels.

    Parameters and return value as for `mse`.
    """
    strips = [(a - b).abs().sum(dim=(1, 2, 3)) for a, b in _strips(reference, image, overlap=0)]
    total = sum(strips[1:], strips[0])
    return total / reference[0].numel()


def psnr(reference: "Tensor", image: "Tensor") -> "Tensor":
    """Peak signal-to-noise ratio in dB of each image, peak 255; at most 58.92 dB, also for equal images (`LEAST_MSE`).

    Parameters and return value as for `mse`.
    """
    return 10 * (PEAK**2 / mse(reference, image).clamp_min(LEAST_MSE)).log10()


def decibels(error: float) -> float:
    """Return the PSNR of a mean squared error, as `psnr` counts it.

    Examples
    --------
    >>> round(decibels(25**2), 2), round(decibels(0), 2)
    (20.17, 58.92)
    """
    return 10 * math.log10(PEAK**2 / max(error, LEAST_MSE))


def ssim(reference: "Tensor", image: "Tensor") -> "Tensor":
    """Structural similarity of each image, as Wang et al. 2004 define and their code computes it.

    Gaussian window 11x11 of standard deviation 1.5, population covariance (not the unbiased one),
    K1 = 0.01, K2 = 0.03, L = 255, the map on the valid region only; mean over map and channels.
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 2004, eq. 13.

    Parameters and return value as for `mse`, without unit.

    Raises
    ------
    ValueError
        If an image is smaller than the window.
    """
    if min(reference.shape[-2:]) < WINDOW:
        height, width = reference.shape[-2:]
        raise ValueError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got {height}x{width}")
    strips = [_ssim_sum(a, b) for a, b in _strips(reference, image, overlap=WINDOW - 1)]
    total = sum(strips[1:], strips[0])
    channels, height, width = reference.shape[1:]
    return total / (channels * (height - WINDOW + 1) * (width - WINDOW + 1))


METRICS: "dict[str, Callable[[Tensor, Tensor], Tensor]]" = {"psnr": psnr, "ssim": ssim, "mse": mse}
"""Names in records and files, and what computes them."""


@dataclass(frozen=True)
class Shown:
    """How tables and charts show a metric; no key of a cell depends on it.

    Attributes
    ----------
    title, unit : str
        Of headings and axes.
    form : str
        How a value is printed, as `format` takes it.
    better : str
        ``"high"`` or ``"low"``: the direction of better values; empty where it is not said.
    """

    title: str
    unit: str = ""
    form: str = ".4f"
    better: Literal["high", "low", ""] = ""


SHOWN = {
    "psnr": Shown("PSNR", "dB", ".2f", "high"),
    "ssim": Shown("SSIM", "", ".4f", "high"),
    "mse": Shown("MSE", "squared grey levels", ".1f", "low"),
}


def shown() -> dict[str, Shown]:
    """Return how each metric is shown; one that says nothing of it, by its name in capitals."""
    return {name: SHOWN.get(name, Shown(name.upper())) for name in METRICS}


def _strips(reference: "Tensor", image: "Tensor", overlap: int) -> "Iterator[tuple[Tensor, Tensor]]":
    """Cut both images into strips of rows, in float64; neighbours share `overlap` rows."""
    height, width = reference.shape[-2:]
    on_cpu = reference.device.type == "cpu"
    step = max(1, STRIP // width if on_cpu else STRIP_ON_GPU * height // reference.numel())
    for top in range(0, height - overlap, step):
        rows = slice(top, min(top + step + overlap, height))
        yield reference[..., rows, :].double(), image[..., rows, :].double()


def _squared_error(reference: "Tensor", image: "Tensor") -> "Tensor":
    return (reference - image).square().sum(dim=(1, 2, 3))


def _ssim_sum(reference: "Tensor", image: "Tensor") -> "Tensor":
    """Sum of the SSIM map over the valid region."""
    mean_x, mean_y = _window_mean(reference), _window_mean(image)
    product, squares = mean_x * mean_y, mean_x.square().addcmul_(mean_y, mean_y)
    # Of the two variances the map needs the sum alone, and so one mean of both squares.
    variances = _window_mean(reference.square().addcmul_(image, image)).sub_(squares)
    cov = _window_mean(reference * image).sub_(product)
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    luminance = (2 * product + c1).div_(squares + c1)
    structure = (2 * cov + c2).div_(variances + c2)
    return luminance.mul_(structure).sum(dim=(1, 2, 3))


def _window_mean(image: "Tensor") -> "Tensor":
    """Gaussian-weighted mean around each pixel of the valid region; separable and symmetric."""
    weights, half = _weights(), WINDOW // 2
    if image.device.type == "cpu":
        return _window_mean_by_opencv(image, weights)[..., half:-half, half:-half]
    for dim in (-2, -1):
        length = image.shape[dim] - WINDOW + 1
        shifted = [image.narrow(dim, i, length) for i in range(WINDOW)]
        total = shifted[half] * weights[half]
        for i in range(half):
            total.add_(shifted[i] + shifted[-1 - i], alpha=weights[i])
        image = total
    return image


def _window_mean_by_opencv(image: "Tensor", weights: list[float]) -> "Tensor":
    """Return the mean around each pixel, the border included, in half the time that PyTorch takes on the CPU."""
    import cv2
    import numpy as np
    import torch

    planes, kernel = image.contiguous().numpy(), np.array(weights)
    means = np.empty_like(planes)
    for place in np.ndindex(planes.shape[:2]):
        cv2.sepFilter2D(planes[place], cv2.CV_64F, kernel, kernel, dst=means[place])
    return torch.from_numpy(means)


@cache
def _weights() -> list[float]:
    raw = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * WINDOW_SIGMA**2)) for i in range(WINDOW)]
    return [value / sum(raw) for value in raw]
