"""Claims in another unit: an MSE of images from 0 to 1, an SSIM in percent, a PSNR given as MSE, or the reverse."""

import math
from collections.abc import Callable

FAR, NEAR = 3.0, 1.0
"""dB that a number is off as it is claimed, and at most off as it seems to be meant."""

FAR_SSIM, NEAR_SSIM = 0.1, 0.02
"""The same of SSIM."""

TINY = 1000
"""No two methods differ so much: an MSE that is smaller by this factor is of images from 0 to 1 if no unit fits."""

MOST_DB = 30
"""An SSIM in dB, -10 log10(1 - SSIM), is smaller."""

OF_UNIT = "an MSE of images from 0 to 1"

OF_PEAK = 20 * math.log10(255)
"""dB that the peak 255 adds to a PSNR of images from 0 to 1."""

Reading = tuple[str, Callable[[float], float]]


def _psnr(mse: float) -> float:
    return 10 * math.log10(255**2 / mse) if mse > 0 else math.inf


def _mse(psnr: float) -> float:
    return 255**2 / 10 ** (psnr / 10)


READINGS: dict[str, tuple[Reading, ...]] = {
    "psnr": (("an MSE", _psnr), ("an RMSE", lambda value: _psnr(value**2))),
    "mse": (
        (OF_UNIT, lambda value: value * 255**2),
        ("an RMSE", lambda value: value**2),
        ("an RMSE of images from 0 to 1", lambda value: (value * 255) ** 2),
        ("a PSNR", _mse),
    ),
    "ssim": (("1 - SSIM", lambda value: 1 - value), ("(1 - SSIM) / 2", lambda value: 1 - 2 * value)),
}
"""By the metric that a number is claimed of: what it may be instead, and what the metric is then."""


def other_unit(metric: str, claimed: float, measured: float) -> str:
    """Say which other unit a claim seems to be in; empty where it is not far off, or no other unit brings it near.

    Parameters
    ----------
    metric : str
        ``"psnr"`` in dB, ``"ssim"`` or ``"mse"`` of grey levels from 0 to 255.
    claimed, measured : float
        In that unit.
    """
    far, near = (FAR_SSIM, NEAR_SSIM) if metric == "ssim" else (FAR, NEAR)
    if not _apart(metric, claimed, measured) > far:
        return ""
    read = [(words, reading(claimed)) for words, reading in READINGS[metric]]
    found = min(read, key=lambda one: _apart(metric, one[1], measured))
    if metric == "mse" and 0 < claimed < measured / TINY and not _apart(metric, found[1], measured) <= near:
        found = read[0]
    elif not _apart(metric, found[1], measured) <= near:
        return ""
    return f"{claimed:g} seems to be {found[0]}, and that is {metric}:{_digits(metric, found[1])}"


def hint(metric: str, text: str) -> str:
    """Say what a number that no such metric can have may be instead, to be typed so; empty where that is not known."""
    try:
        value = float(text)
    except ValueError:
        return ""
    if metric == "ssim" and 1 < value <= 100:
        in_db = f", and in dB ssim:{1 - 10 ** (-value / 10):.3f}" if value < MOST_DB else ""
        return f"in percent it is ssim:{value / 100:g}{in_db}"
    if metric == "psnr" and 0 < value < 0.1:
        return f"as {OF_UNIT} it is mse:{value * 255**2:.4g}"
    if metric == "psnr" and 0.1 <= value <= 1:
        return f"as an SSIM it is ssim:{value:g}"
    if metric == "psnr" and value > 60:
        return f"as an MSE it is mse:{value:g}, and of images from 0 to 1 with peak 255 a PSNR of {value - OF_PEAK:.2f}"
    return ""


def _apart(metric: str, one: float, other: float) -> float:
    """Return how far two numbers of a metric are apart, in dB or in SSIM."""
    if metric == "mse":
        return abs(_psnr(one) - _psnr(other)) if min(one, other) > 0 else math.inf
    return abs(one - other)


def _digits(metric: str, value: float) -> str:
    return {"psnr": f"{value:.2f}", "ssim": f"{value:.4f}", "mse": f"{value:.4g}"}[metric]
