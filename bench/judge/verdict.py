"""Verdicts: a result held against the published number, within a tolerance that is measured."""

import math
from collections import Counter
from dataclasses import dataclass

from bench.judge.ledger import Published, published
from bench.plan.protocol import PROTOCOLS
from bench.store.results import PEAK_255_OF_UNIT, Result

DRAW_RATIO = 0.6
"""Deviation of one image's output PSNR over noise draws, over that of its input, per square root of sigma."""

DRAW_CORRELATION = 0.3
"""Correlation of the output PSNR of two images that share a noise field.

Both are measured: `python -m bench draws` gives the table results/measured/draws.csv (DnCNN-S on the
ten 256x256 photographs of `builtin`, 20 draws).
"""


@dataclass(frozen=True)
class Verdict:
    """A result held against the ledger.

    Attributes
    ----------
    word : str
        ``"reproduced"``, ``"above"``, ``"below"`` or ``"not comparable"``.
    reason : str
        Why, in a line.
    published : Published
        The number it was held against.
    difference : float
        Measured minus published, in dB.
    allowed : float
        The largest difference that still counts as reproduced.
    """

    word: str
    reason: str
    published: Published
    difference: float
    allowed: float


def judge(result: Result) -> Verdict | None:
    """Hold a result's PSNR against the reference row of the ledger; None where nothing was published.

    The allowed difference is the largest that two agreeing measurements may have: the rounding of the printed
    number, and twice the standard deviation that the two noise draws have (`draw_deviation`), the
    published one and the mean over the seeds measured here. Where the paper scored float outputs
    and this protocol rounds them (or the reverse), the known effect of rounding is allowed too.

    Parameters
    ----------
    result : Result
        The measured result.
    """
    if not result.has_reference:
        return None
    row = reference(result, "psnr") or reference(result, "psnr_noise_255")
    if row is None:
        return None
    measured = result.mean("psnr") if row.metric == "psnr" else result.mean("noise_psnr") + PEAK_255_OF_UNIT
    difference = measured - row.number
    shapes = [(image["height"], image["width"]) for image in result.records[0].images]
    channels = 3 if result.about["dataset"]["colour"] == "rgb" else 1
    theirs = draw_deviation(shapes, channels, result.sigma, shared=True)
    ours = draw_deviation(shapes, channels, result.sigma, shared=result.about["protocol"]["noise_draw"] == "reset")
    draw = 2 * math.hypot(theirs, ours / math.sqrt(len(result.seeds)))
    rounded = _rounding_effect(result, row)
    allowed = row.rounding + draw + rounded
    terms = f"rounding {row.rounding:.3f} + noise draw {draw:.3f}" + (
        f" + 8-bit output {rounded:.3f}" if rounded else ""
    )
    against = f"{row.value} dB in {row.source}"
    if row.metric == "psnr_noise_255":
        against += f" (of the predicted noise with peak 255 for white 1; here {measured:.2f} in that convention)"
    why_not = _incomparable(result, row)
    agrees = abs(difference) <= allowed
    if why_not and not (agrees and row.protocol == "unstated"):
        return Verdict("not comparable", f"{against}: {why_not}", row, difference, allowed)
    word = "reproduced" if agrees else "above" if difference > 0 else "below"
    unstated = "; its protocol is not stated" if row.protocol == "unstated" else ""
    return Verdict(word, f"{against}; allowed ±{allowed:.3f} = {terms}{unstated}", row, difference, allowed)


def reference(result: Result, metric: str) -> Published | None:
    """Return the row of the ledger that a result is held against; None where nothing was published.

    A self-ensemble is held against the row of one, and against the plain row where there is none.
    """
    if result.ledger is None:
        return None
    dataset, colour = result.ledger
    for names in [result.published_ensemble] * result.ensembled + [result.published_as]:
        rows = published(names, dataset=dataset, colour=colour, degradation=result.degradation, metric=metric)
        if rows:
            return rows[0]
    return None


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


def _incomparable(result: Result, row: Published) -> str:
    """Say which choice of protocol makes the two numbers incomparable; empty if none does."""
    clipped = PROTOCOLS[result.protocol].noisy == "uint8"
    how = result.about["identity"].get("inference", {})
    if result.ensembled and (row.method, row.variant) != result.published_ensemble:
        return "here with self-ensemble, there without (worth 0.05 dB for DnCNN on Set12 at sigma 25)"
    if "tile" in how:
        return "here in tiles, which change what the method sees of an image"
    if row.protocol == "derived":
        return "the published value is derived or was read off a chart"
    if row.protocol == "other":
        return f"published under another protocol ({row.note})"
    if row.protocol == "unstated":
        return "the source does not state its protocol"
    if "sigma" in how:
        return f"here the method was told sigma {how['sigma']:g}, whatever the noise"
    if (row.protocol == "sr") != (result.protocol == "sr"):
        return "a border as wide as the scale is left out in one of the two only (PROTOCOL=sr)"
    if clipped and row.protocol != "clipped":
        return "here the noisy image is clipped to 8 bit, there not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    if not clipped and row.protocol == "clipped":
        return "there the noisy image is clipped, here not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    return ""
