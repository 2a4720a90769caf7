"""The tolerance of a verdict: how far two measurements of one method may differ and still agree."""

import math
from collections import Counter

from bench.judge.ledger import Published
from bench.store.results import Result

DRAW_RATIO = 0.6
"""Deviation of one image's output PSNR over noise draws, over that of its input, per square root of sigma."""

DRAW_CORRELATION = 0.3
"""Correlation of the output PSNR of two images that share a noise field.

Both are measured: `python -m bench draws` gives the table results/measured/draws.csv (DnCNN-S on the
ten 256x256 photographs of `builtin`, 20 draws).
"""


def tolerance(result: Result, row: Published) -> tuple[float, str]:
    """Return the largest difference in dB that two agreeing measurements may have, and its terms in words.

    The terms are the rounding of the printed number, and twice the standard deviation that the two noise draws have
    (`draw_deviation`), the published one and the mean over the seeds measured here. Where the paper scored float
    outputs and this protocol rounds them (or the reverse), the known effect of rounding is allowed too.
    """
    shapes = [(image["height"], image["width"]) for image in result.records[0].images]
    channels = 3 if result.about["dataset"]["colour"] == "rgb" else 1
    theirs = draw_deviation(shapes, channels, result.sigma, shared=True)
    ours = draw_deviation(shapes, channels, result.sigma, shared=result.about["protocol"]["noise_draw"] == "reset")
    draw = 2 * math.hypot(theirs, ours / math.sqrt(len(result.seeds)))
    rounded = _rounding_effect(result, row)
    terms = f"rounding {row.rounding:.3f} + noise draw {draw:.3f}"
    return row.rounding + draw + rounded, terms + (f" + 8-bit output {rounded:.3f}" if rounded else "")


def draw_deviation(shapes: list[tuple[int, int]], channels: int, sigma: float, *, shared: bool) -> float:
    """Return the standard deviation in dB of a method's mean PSNR over noise draws.

    What is left after denoising varies `DRAW_RATIO` sqrt(sigma) times as much as the input, since fewer of its samples
    are independent. Where the generator is reset for every image, images of one shape share one field, and their PSNRs
    correlate (`DRAW_CORRELATION`).

    Parameters
    ----------
    shapes : list of (int, int)
        Height and width of each image.
    channels : int
        1 or 3.
    sigma : float
        Standard deviation of the noise, 0-255 scale.
    shared : bool
        Whether images of one shape have the same noise field.
    """
    return DRAW_RATIO * math.sqrt(sigma) * input_deviation(shapes, channels, DRAW_CORRELATION if shared else 0.0)


def input_deviation(shapes: list[tuple[int, int]], channels: int, correlation: float) -> float:
    """Return the standard deviation in dB of the mean PSNR of noisy images over noise draws.

    The PSNR of N noisy samples has deviation (10 / ln 10) sqrt(2 / N).

    Parameters
    ----------
    shapes, channels
        As for `draw_deviation`.
    correlation : float
        Of the PSNRs of two images of one shape: 0 with independent noise fields, 1 with a shared one.
    """
    variance = 0.0
    for (height, width), n in Counter(shapes).items():
        single = (10 / math.log(10)) ** 2 * 2 / (height * width * channels)
        variance += n * (1 + (n - 1) * correlation) * single
    return math.sqrt(variance) / len(shapes)


def _rounding_effect(result: Result, row: Published) -> float:
    """Return what rounding the output to 8 bit costs, in dB: it adds 1/12 to the mean squared error."""
    theirs = {"standard": "uint8", "sr": "uint8", "float": "float", "clipped": "float"}.get(row.protocol)
    if theirs in (None, result.about["protocol"]["output"]):
        return 0.0
    return 10 * math.log10(1 + 1 / (12 * result.mean("mse")))
