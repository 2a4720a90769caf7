"""What finished outputs are of: which noise they were made from, and whether they are in their place."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench import degradation
from bench.common import devices
from bench.plan.cell import Cell
from bench.run.one_cell import run_method
from bench.run.sample import samples
from bench.run.settings import Settings
from bench.score import sanity
from bench.score.displacement import squared_error
from bench.score.metrics import decibels
from bench.studies.why.available import SIGMAS
from bench.studies.why.choices import FIELDS, Choices
from bench.studies.why.inputs import trials

if TYPE_CHECKING:
    import numpy as np

SEEDS = 10
"""Seeds of each kind of noise field that are tried."""

IMAGES = 3
"""Images, the first of the set, on which fields are tried."""

SURE = 6.0
"""Standard deviations from which a correlation is no accident: thousands of pixels, a hundred fields."""

CLEARER = 1.3
"""A mean squared error that falls by this factor under another pairing shows a wrong one."""


@dataclass(frozen=True)
class Finished:
    """An image and its finished output, (H, W, C), 1.0 = white."""

    name: str
    clean: "np.ndarray"
    noisy: "np.ndarray"
    output: "np.ndarray"


def diagnosis(cell: Cell, settings: Settings) -> Iterator[str]:
    """Say in sentences what seems to be wrong with finished outputs, and from which noise they were made.

    Pairing first: what is held against the wrong image shows nothing else.
    """
    images = list(_read(cell, settings))
    order = pairing(images)
    if moved := [(images[i].name, images[j].name) for i, j in enumerate(order) if i != j]:
        named = ", ".join(f"that of {a} is of {b}" for a, b in moved[:6]) + (", ..." if len(moved) > 6 else "")
        yield f"{len(moved)} outputs are paired with the wrong image: {named}"
        by_image = {j: images[i].output for i, j in enumerate(order)}
        images = [replace(image, output=by_image[place]) for place, image in enumerate(images)]
        yield f"paired rightly they have {_mean_psnr(images):.2f} dB"
    faults = [sanity.fault(image.clean, image.noisy, image.output) for image in images]
    found = sanity.warnings(faults, [image.name for image in images])
    yield from (f"the outputs seem wrong {line}" for line in found)
    yield from _values(images)
    if not any(faults) and cell.degradation.additive_gaussian:
        yield noise_of(cell, images[:IMAGES])


def _read(cell: Cell, settings: Settings) -> Iterator[Finished]:
    how: dict[str, Any] = {}
    with closing(run_method(cell, samples(cell), settings, devices.chosen("cpu"), how, {})) as outputs:
        for one in outputs:
            for sample, image in zip(one.samples, one.denoised.permute(0, 2, 3, 1).float().numpy(), strict=True):
                clean = None if sample.clean is None else sample.clean.astype("float32") / 255
                if clean is not None:
                    yield Finished(sample.name, clean, sample.noisy, image)


def pairing(images: Sequence[Finished]) -> list[int]:
    """Return for each output the place of the image that it is of, by blocks of 8x8 pixels; its own if in doubt."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    order = list(range(len(images)))
    for shape in {image.clean.shape for image in images}:
        places = [i for i, image in enumerate(images) if image.clean.shape == shape]
        clean, output = (
            np.array([_blocks(getattr(images[i], kind)).ravel() for i in places]) for kind in ("clean", "output")
        )
        errors = ((output[:, None] - clean[None]) ** 2).mean(2)
        rows, columns = linear_sum_assignment(errors)
        for row, column in zip(rows, columns, strict=True):
            if CLEARER * errors[row, column] < errors[row, row]:
                order[places[row]] = places[column]
    # A wrong image that was taken twice has no place of its own.
    return order if len(set(order)) == len(order) else list(range(len(images)))


def _blocks(image: "np.ndarray") -> "np.ndarray":
    height, width = (max(1, side // 8) * min(8, side) for side in image.shape[:2])
    rows, columns = min(8, image.shape[0]), min(8, image.shape[1])
    cut = image[:height, :width].reshape(height // rows, rows, width // columns, columns, -1)
    return cut.mean(axis=(1, 3, 4))


def _values(images: Sequence[Finished]) -> Iterator[str]:
    """Say what the values of the outputs show."""
    import numpy as np

    levels = [image.output * 255 for image in images]
    low, high = min(float(one.min()) for one in levels), max(float(one.max()) for one in levels)
    if low >= 0 and high <= 255 and all(np.abs(one - np.rint(one)).max() < 1e-3 for one in levels):
        yield "the outputs are of 8 bit"
        return
    beyond = f"reach from {low:.1f} to {high:.1f}: not clipped" if low < -0.5 or high > 255.5 else "are clipped"
    yield f"the outputs are not rounded, and {beyond}"


def _mean_psnr(images: Sequence[Finished]) -> float:
    errors = [squared_error(image.output.clip(0, 1), image.clean) * 255**2 for image in images]
    return sum(map(decibels, errors)) / len(errors)


def noise_of(cell: Cell, images: Sequence[Finished]) -> str:
    """Say which noise field the errors of outputs correlate with: what a denoiser leaves of its noise."""
    errors = {image.name: image.output - image.clean for image in images}
    part = replace(cell, dataset=replace(cell.dataset, images=cell.dataset.images[: len(errors)]))
    found = [(_agreement(errors, other, choices), words) for words, other, choices in _fields(part)]
    (own, first), (best, words) = found[0], max(found)
    if best * math.sqrt(sum(error.size for error in errors.values())) <= SURE:
        return (
            f"the outputs fit none of the {len(found)} noise fields that were tried: their noise was drawn in another "
            "way, or is too well removed; their score holds within a noise draw only"
        )
    if words == first:
        return f"the outputs fit the noise of this cell (correlation of their errors with it {best:.2f})"
    return f"the outputs fit another noise: {words} (correlation {best:.2f}; with this cell's {own:.2f})"


def _agreement(errors: "Mapping[str, np.ndarray]", cell: Cell, choices: Choices) -> float:
    """Return the mean correlation of the errors of images with the noise that a cell gives them."""
    found = []
    for trial in trials(cell, choices):
        if trial.clean is None or errors[trial.name].shape != trial.noisy.shape:
            return 0.0
        noise = trial.noisy - trial.clean.astype("float32") / 255
        a, b = (part.ravel() - part.mean() for part in (errors[trial.name], noise))
        found.append(float(a @ b) / math.sqrt(float(a @ a) * float(b @ b) + 1e-30))
    return sum(found) / len(found)


def _fields(cell: Cell) -> "Iterator[tuple[str, Cell, Choices]]":
    """Give noise fields by their words, the cell's own first: seeds, generators, and noise levels."""
    own = Choices()
    yield "the cell's own", cell, own
    for seed in range(SEEDS):
        for field in ("independent", "reset", "numpy-ongoing", "torch-ongoing", "generator"):
            words = FIELDS[field][0].replace("seed 0", f"seed {seed}").replace("(0)", f"({seed})")
            yield words.removeprefix("the noise is "), replace(cell, seed=seed), replace(own, field=field)
    for field in ("torch-0", "torch-12", "matlab-0"):
        yield FIELDS[field][0].removeprefix("the noise is "), cell, replace(own, field=field)
    for sigma in SIGMAS:
        if sigma != cell.degradation.sigma:
            other = replace(cell, degradation=degradation.parse(str(sigma)))
            yield f"sigma {sigma} (NOISE={sigma}, seed {cell.seed})", other, own
