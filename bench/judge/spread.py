"""How far a mean score moves with the noise draw: measured, and read from results/measured/draws.csv.

`python -m bench draws` makes that table: the deviation of one image's score over draws, and the correlation of two
images that share a noise field, as most published code has it.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from bench.common.paths import ROOT

TABLE = ROOT / "results" / "measured" / "draws.csv"

PSNR_OF_NOISE = 10 / math.log(10) * math.sqrt(2)
"""Deviation in dB of the PSNR of one sample of noise; that of N samples is 1 / sqrt(N) of it."""


@dataclass(frozen=True)
class Spread:
    """What a noise draw does to the score of one image.

    Attributes
    ----------
    deviation : float
        Standard deviation over draws times the square root of the samples (pixels times channels) of the image.
    correlation : float
        Of the scores of two images of one shape that share a noise field.
    """

    deviation: float
    correlation: float


def spread(metric: str, dataset: str, sigma: float, channels: int) -> Spread:
    """Return what was measured at a sigma: between two of the table linear in it, beyond them by its square root.

    Parameters
    ----------
    metric : str
        ``"psnr"`` or ``"ssim"``.
    dataset : str
        The mean over the datasets of the table that have as many channels stands for one that is not in it.
    sigma : float
        Standard deviation of the noise, 0-255 scale.
    channels : int
        1 or 3.
    """
    curves = _curves(metric, channels)
    wanted = [curves[dataset]] if dataset in curves else list(curves.values())
    found = [_between(curve, sigma) for curve in wanted]
    return Spread(fmean(s.deviation for s in found), fmean(s.correlation for s in found))


def deviation_of_mean(shapes: Sequence[tuple[int, int]], channels: int, one: Spread, *, shared: bool) -> float:
    """Return the standard deviation over noise draws of the mean score of images.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Height and width of each image.
    channels : int
        1 or 3.
    one : Spread
        Of one image.
    shared : bool
        Whether images of one shape have the same noise field: the generator is reset for every image.
    """
    correlation = one.correlation if shared else 0.0
    variance = 0.0
    for (height, width), n in Counter(shapes).items():
        variance += n * (1 + (n - 1) * correlation) * one.deviation**2 / (height * width * channels)
    return math.sqrt(variance) / len(shapes)


def _between(curve: Sequence[tuple[float, Spread]], sigma: float) -> Spread:
    """Read a curve of rising sigma at one sigma."""
    below = [point for point in curve if point[0] <= sigma] or curve[:1]
    above = [point for point in curve if point[0] >= sigma] or curve[-1:]
    (low, first), (high, second) = below[-1], above[0]
    if low == high:
        return Spread(first.deviation * math.sqrt(sigma / low), first.correlation)
    share = (sigma - low) / (high - low)
    return Spread(
        first.deviation + share * (second.deviation - first.deviation),
        first.correlation + share * (second.correlation - first.correlation),
    )


@cache
def _curves(metric: str, channels: int) -> dict[str, list[tuple[float, Spread]]]:
    curves: dict[str, list[tuple[float, Spread]]] = {}
    with TABLE.open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["channels"] == str(channels)]
        for row in sorted(rows, key=lambda row: float(row["sigma"])):
            deviation = (
                float(row["psnr_ratio"]) * PSNR_OF_NOISE if metric == "psnr" else float(row[f"{metric}_deviation"])
            )
            one = Spread(deviation, float(row[f"{metric}_correlation"]))
            curves.setdefault(row["dataset"], []).append((float(row["sigma"]), one))
    return curves
