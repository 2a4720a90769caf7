"""Which noise finished outputs were made from, by what they have left of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench import degradation
from bench.plan.cell import Cell
from bench.score.belonging import blocks
from bench.studies.why.available import SIGMAS
from bench.studies.why.choices import FIELDS, Choices
from bench.studies.why.handling import Finished, inside
from bench.studies.why.inputs import trials

if TYPE_CHECKING:
    import numpy as np

SEEDS = 10
"""Seeds of each kind of noise field that are tried."""

IMAGES = 3
"""Images, the first of the set, on which fields are tried."""

SURE = 6.0
"""Standard deviations from which a correlation is no accident: thousands of pixels, a hundred fields."""

SIDE, FEWEST, INNER = 32, 100, 24 / 255
"""No method can tell the noise from the image in means of blocks of so many rows and columns, so that it stays in its
output; of fewer blocks, those with means near black and white left out, nothing is said."""

WEAKER, STRONGER, TYPICAL = 0.55, 1.2, 0.87
"""Shares of the noise in means of blocks that no output has: they have 0.65 to 1.02, of sigma 5 to 100."""

SMOOTH, NEAR, ENOUGH, CLIPPED, SURELY = 1.5, 0.15, 2000, -0.03, 4.0
"""Standard deviation in pixels over which noise that is clipped away is looked for in the output; the share of such
pixels around one that counts, and the fewest of these; the coefficient that divides outputs of clipped noise (-0.2 to
-0.02) from others (-0.02 to 0.5); and its standard errors."""

BRIGHTER = 0.85
"""Share of the brightness of clipped noise in black, and of its darkness in white, that is in outputs of it: 1.0 to 1.3
there, -0.3 to 0.5 in others."""


def noise_of(cell: Cell, images: Sequence[Finished], border: int = 0) -> Iterator[str]:
    """Say which noise field the errors of outputs correlate with: what a denoiser leaves of its noise.

    The fields are tried on the first images; of each of the others it is seen whether the one that is found fits it.
    The images come without a border of so many pixels.
    """
    few, first = images[:IMAGES], (cell, Choices())
    pixels = math.sqrt(sum(image.output.size for image in few))
    own = best = _mean(_agreements(few, border, *first))
    found, words = first, ""
    if own * pixels <= SURE:
        fields = list(_fields(cell))
        tried = [_mean(_agreements(few, border, *field)) for _, field in fields]
        best, (words, found) = max(zip(tried, fields, strict=True), key=lambda one: one[0])
        if best * pixels <= SURE:
            yield (
                f"the outputs fit none of the {len(fields) + 1} noise fields that were tried: their noise was drawn in "
                "another way, or is too well removed; their score holds within a noise draw only"
            )
            yield from _strength(cell, images)
            return
        yield f"the outputs fit another noise: {words} (correlation {best:.2f}; with this cell's {own:.2f})"
    else:
        yield f"the outputs fit the noise field of this cell (correlation of their errors with it {best:.2f})"
    of_all = list(_of_field(images, border, *found))
    each = {one.name: one.agreement() for one in of_all}
    without = [
        one.name for one in of_all if each[one.name] * math.sqrt(one.error.size) <= SURE and each[one.name] < best / 4
    ]
    if without:
        some = ", ".join(without[:6]) + ", ..." * (len(without) > 6)
        yield f"but {len(without)} of {len(each)} images do not fit it, and are of another noise: {some}"
    fitting = [one for one in of_all if one.noise is not None and one.name not in without]
    clips = cell.protocol.noisy in ("clip", "uint8")
    clipped = _clipped(found[0], fitting)
    if clipped and not clips:
        yield (
            "they are as of noise that was clipped to 0 to 255, and this protocol does not clip it: PROTOCOL=clipped "
            "compares like with like"
        )
    elif clipped is False and clips:
        yield "they are as of noise that was not clipped, and this protocol clips it: PROTOCOL=standard does not"
    yield from _share(found[0], fitting, clipped=clips if clipped is None else clipped)


@dataclass(frozen=True)
class Left:
    """An output's error, the image, and the noise, not clipped, that it may be left of; None: of another size."""

    name: str
    clean: "np.ndarray"
    error: "np.ndarray"
    noise: "np.ndarray | None"

    def agreement(self) -> float:
        """Return the correlation of error and noise."""
        if self.noise is None:
            return 0.0
        a, b = (part.ravel() - part.mean() for part in (self.error, self.noise))
        return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b) + 1e-30)


def _of_field(images: Sequence[Finished], border: int, cell: Cell, choices: Choices) -> Iterator[Left]:
    """Give for images the noise of a cell under choices."""
    by_name = {image.name: image for image in images}
    wanted = tuple(image for image in cell.dataset.images if image.name in by_name)
    for trial in trials(replace(cell, dataset=replace(cell.dataset, images=wanted)), choices):
        image, noise = by_name[trial.name], None
        if trial.clean is not None:
            noise = inside(trial.noisy - trial.clean.astype("float32") / 255, border)
        same = noise is not None and noise.shape == image.output.shape
        yield Left(trial.name, image.clean, image.output - image.clean, noise if same else None)


def _agreements(images: Sequence[Finished], border: int, cell: Cell, choices: Choices) -> Mapping[str, float]:
    return {one.name: one.agreement() for one in _of_field(images, border, cell, choices)}


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def _share(cell: Cell, images: Sequence[Left], *, clipped: bool) -> Iterator[str]:
    """Say whether outputs hold less or more of their noise, in means of blocks, than any method leaves."""
    import numpy as np

    pairs = []
    for one in images:
        if one.noise is not None:
            noise = (one.clean + one.noise).clip(0, 1) - one.clean if clipped else one.noise
            pairs.append(_means(one.clean, one.error, noise))
    error, noise = np.concatenate(pairs, 1) if pairs else np.empty((2, 0))
    if error.size < FEWEST:
        return
    share = float(error @ noise) / float(noise @ noise)
    if WEAKER < share < STRONGER:
        return
    sigma = f"of sigma {max(0.0, share) * (cell.degradation.sigma or 0) / TYPICAL:.0f} or so"
    cause = (
        f"their noise was stronger, {sigma}"
        if share > 1
        else f"their noise was weaker, {sigma}, or the clean images are mixed in"
    )
    yield f"but they hold {share:.2f} of it in means of {SIDE}x{SIDE} pixels, where methods leave 0.65 to 1: {cause}"


def _strength(cell: Cell, images: Sequence[Finished]) -> Iterator[str]:
    """Say how strong the noise was that outputs of an unknown draw were made from."""
    import numpy as np

    (error,) = np.concatenate([_means(image.clean, image.output - image.clean) for image in images], 1)
    if error.size < FEWEST or not (wanted := cell.degradation.sigma):
        return
    sigma = float(np.sqrt(np.mean(error**2))) * SIDE * 255 / 0.95
    line = f"by the means of {SIDE}x{SIDE} pixels, where a method leaves its noise, it was of sigma {sigma:.3g} or so"
    weak = f", and that is too good for sigma {wanted:g}: it was weaker, or the clean images are mixed in"
    strong = f": stronger than sigma {wanted:g}, or the method moves brightness"
    yield line + weak * (sigma < WEAKER * wanted) + strong * (sigma > 1.5 * wanted)


def _means(clean: "np.ndarray", *others: "np.ndarray") -> "np.ndarray":
    """Return what others have in the means of blocks that are neither black nor white in the clean image."""
    import numpy as np

    of_clean = blocks(clean, SIDE)
    inner = (of_clean > INNER) & (of_clean < 1 - INNER)
    return np.array([blocks(other, SIDE)[inner] for other in others], np.float64)


def _clipped(cell: Cell, images: Sequence[Left]) -> bool | None:
    """Return whether outputs are as of noise that was clipped; None: that cannot be told.

    What was clipped away cannot have moved them. Noise and what is clipped of it have their means, given the image,
    taken off: then what a method does to the image itself correlates with neither. A median sees no clipping, but
    blackest black is no brighter after it.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter
    from scipy.special import ndtr

    sigma = (cell.degradation.sigma or 0) / 255
    if not sigma:
        return None
    products, target, spread, count = np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)), 0
    brighter = np.zeros(2)
    for one in images:
        if one.noise is None:
            continue
        noisy = one.clean + one.noise
        away = noisy - noisy.clip(0, 1)
        low, high = one.clean / sigma, (1 - one.clean) / sigma
        density = [np.exp(-(part**2) / 2) / math.sqrt(2 * math.pi) for part in (low, high)]
        mean = sigma * (low * ndtr(-low) - density[0] + density[1] - high * ndtr(-high))
        shown = (one.clean + one.error).clip(0, 1)
        kept, lost, where, error, bias = (
            gaussian_filter(part.astype(np.float64), (SMOOTH, SMOOTH, 0))
            for part in (one.noise - away + mean, away - mean, away != 0, shown - one.clean, -mean)
        )
        near = where > NEAR
        brighter += np.array([error[near] @ bias[near], bias[near] @ bias[near]])
        error = error[near] - error[near].mean() if near.any() else error[near]
        both = np.stack([kept[near], lost[near]])
        products += both @ both.T
        target += both @ error
        spread += (both * error) @ (both * error).T
        count += error.size
    if count < ENOUGH:
        return None
    inverse = np.linalg.inv(products)
    coefficient, deviation = (inverse @ target)[1], math.sqrt((inverse @ spread @ inverse)[1, 1])
    as_clipped = brighter[0] > BRIGHTER * brighter[1]
    if abs(coefficient - CLIPPED) < SURELY * deviation or as_clipped != (coefficient < CLIPPED):
        return None
    return bool(as_clipped)


def _fields(cell: Cell) -> Iterator[tuple[str, tuple[Cell, Choices]]]:
    """Give noise fields other than the cell's own by their words: seeds, generators, and noise levels."""
    own = Choices()
    for seed in range(SEEDS):
        for field in ("independent", "reset", "numpy-ongoing", "torch-ongoing", "generator"):
            words = FIELDS[field][0].replace("seed 0", f"seed {seed}").replace("(0)", f"({seed})")
            yield words.removeprefix("the noise is "), (replace(cell, seed=seed), replace(own, field=field))
    for field in ("torch-0", "torch-12", "matlab-0"):
        yield FIELDS[field][0].removeprefix("the noise is "), (cell, replace(own, field=field))
    for sigma in SIGMAS:
        if sigma != cell.degradation.sigma:
            other = replace(cell, degradation=degradation.parse(str(sigma)))
            yield f"sigma {sigma} (NOISE={sigma}, seed {cell.seed})", (other, own)
