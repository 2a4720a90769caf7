"""Verdicts: a result held against the published number, within a tolerance that is measured."""

from dataclasses import dataclass

from bench.judge.ledger import Published, published
from bench.judge.tolerance import tolerance
from bench.store.results import PEAK_255_OF_UNIT, Result


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
    allowed, terms = tolerance(result, row)
    against = f"{row.value} dB in {row.source}"
    if row.metric == "psnr_noise_255":
        against += f" (of the predicted noise with peak 255 for white 1; here {measured:.2f} in that convention)"
    own = _own_choices(result)
    if own:
        return Verdict("not comparable", f"{against}: here {own}, as no published number", row, difference, allowed)
    why_not = f"{result.counted} images, there all" if result.failed_images else _incomparable(result, row)
    agrees = abs(difference) <= allowed
    if why_not and (result.failed_images or not (agrees and row.protocol == "unstated")):
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


def _own_choices(result: Result) -> str:
    """Name the choices of a person's protocol that no row of the ledger has, however near the numbers are."""
    own = {name: value for name, value in result.rules.changes.items() if name in ("channel", "gray", "crop")}
    return " and ".join(f"{name}={value}" for name, value in own.items() if value != "scale")


def _incomparable(result: Result, row: Published) -> str:
    """Say which choice of protocol makes the two numbers incomparable; empty if none does."""
    clipped = result.rules.noisy == "uint8"
    inference = result.about["identity"].get("inference", {})
    if result.ensembled and (row.method, row.variant) != result.published_ensemble:
        return "here with self-ensemble, there without (worth 0.05 dB for DnCNN on Set12 at sigma 25)"
    if "tile" in inference:
        return "here in tiles, which change what the method sees of an image"
    if row.protocol == "derived":
        return "the published value is derived or was read off a chart"
    if row.protocol == "other":
        return f"published under another protocol ({row.note})"
    if row.protocol == "unstated":
        return "the source does not state its protocol"
    if "sigma" in inference:
        return f"here the method was told sigma {inference['sigma']:g}, whatever the noise"
    if (row.protocol == "sr") != (result.rules.crop == "scale"):
        return "a border as wide as the scale is left out in one of the two only (PROTOCOL=sr)"
    if clipped and row.protocol != "clipped":
        return "here the noisy image is clipped to 8 bit, there not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    if not clipped and row.protocol == "clipped":
        return "there the noisy image is clipped, here not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    return ""
