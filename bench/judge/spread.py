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
from typing import NamedTuple

from bench.common.paths import ROOT

TABLE = ROOT / "results" / "measured" / "draws.csv"

PSNR_OF_NOISE = 10 / math.log(10) * math.sqrt(2)
"""Deviation in dB of the PSNR of one sample of noise; that of N samples is 1 / sqrt(N) of it."""


REFERENCE = {1: ("DnCNN-S",), 3: ("CDnCNN-B", "CDnCNN-B (10 layers of 16) (own colour-small)")}
"""Whose spread is known on several datasets, by the channels of the images; a second one stands for the first."""


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


Curve = list[tuple[float, Spread]]
"""What was measured at each sigma, from the smallest on."""


def spread(metric: str, method: str, dataset: str, sigma: float, channels: int) -> Spread:
    """Return what was measured at a sigma: between two of the table linear in it, beyond them by its square root.

    It is that of the reference on the dataset, times the factor by which the method moves more or less than the
    reference on the same images. Of several the largest counts.

    Parameters
    ----------
    metric : str
        ``"psnr"`` or ``"ssim"``.
    method : str
        Its label. The largest factor of all stands for one that is not in the table.
    dataset : str
        The mean over the datasets of the table that have as many channels stands for one that is not in it.
    sigma : float
        Standard deviation of the noise, 0-255 scale.
    channels : int
        1 or 3.
    """
    curves, reference = _curves(metric, channels), REFERENCE[channels][0]
    whole = {on.dataset: curve for (name, on), curve in curves.items() if name == reference and not on.side}
    of_sets = [whole[dataset]] if dataset in whole else list(whole.values())
    found = [_between(curve, sigma) for curve in of_sets]
    measured = [of for of in curves if of[0] == method] or curves
    factor = max(
        _between(curves[of], sigma).deviation / _between(curves[reference, of[1]], sigma).deviation for of in measured
    )
    return Spread(factor * fmean(s.deviation for s in found), fmean(s.correlation for s in found))


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


def _between(curve: Curve, sigma: float) -> Spread:
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


class _On(NamedTuple):
    """The images of a measurement: how many, and their side where only the middle of each was taken."""

    dataset: str
    side: str
    images: str


@cache
def _curves(metric: str, channels: int) -> dict[tuple[str, _On], Curve]:
    """Return the curve of each method on each choice of images."""
    curves: dict[tuple[str, _On], Curve] = {}
    with TABLE.open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["channels"] == str(channels)]
    for row in sorted(rows, key=lambda row: float(row["sigma"])):
        deviation = float(row["psnr_ratio"]) * PSNR_OF_NOISE if metric == "psnr" else float(row[f"{metric}_deviation"])
        one = Spread(deviation, float(row[f"{metric}_correlation"]))
        known = REFERENCE[channels]
        method = known[0] if row["method"] in known else row["method"]
        on = _On(row["dataset"], row["side"], row["images"])
        curves.setdefault((method, on), []).append((float(row["sigma"]), one))
    return curves
