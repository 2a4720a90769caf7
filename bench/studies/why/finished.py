"""What finished outputs are of: whether they are in their place, on their scale, and what they went through."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from statistics import mode
from typing import TYPE_CHECKING, Any

from bench.common import devices
from bench.plan.cell import Cell
from bench.run.one_cell import run_method
from bench.run.sample import samples
from bench.run.settings import Settings
from bench.score import parts, sanity
from bench.score.displacement import squared_error
from bench.score.metrics import decibels
from bench.studies.one_channel import shifted_channels
from bench.studies.why.handling import Finished, cut_to_8_bit, marked, traces
from bench.studies.why.noise_left import noise_of

if TYPE_CHECKING:
    import numpy as np

INNER, ENOUGH = 24, 30
"""Levels from black and white, and blocks between, that the tone of outputs is taken from."""

LEAST_CONTRAST, LEAST_LEVELS = 0.03, 1.0
"""What a denoiser may move contrast and brightness of all images alike."""

CLEARER = 1.3
"""A mean squared error that falls by this factor under another pairing shows a wrong one."""


def diagnosis(cell: Cell, settings: Settings) -> Iterator[str]:
    """Say in sentences what seems to be wrong with finished outputs, and from which noise they were made.

    Pairing first: what is held against the wrong image shows nothing else.
    """
    images = list(_read(cell, settings))
    grids = [f"the outputs seem handled after the method: {line}" for line in traces(images)]
    order = pairing(images)
    if moved := [(images[i].name, images[j].name) for i, j in enumerate(order) if i != j]:
        named = ", ".join(f"that of {a} is of {b}" for a, b in moved[:6]) + (", ..." if len(moved) > 6 else "")
        yield f"{len(moved)} outputs are paired with the wrong image: {named}"
        by_image = {j: images[i].output for i, j in enumerate(order)}
        images = [replace(image, output=by_image[place]) for place, image in enumerate(images)]
        yield f"paired rightly they have {_mean_psnr(images):.2f} dB"
    width = border(images)
    images = [image.within(width) for image in images]
    if marks := marked(images):
        yield from _without(marks, images)
    faults = [sanity.fault(image.clean, image.noisy, image.output) for image in images]
    shifted = [fault for fault in faults if fault and "shifts" in fault.cause]
    if width and 2 * len(shifted) <= len(images):  # what is shifted has a border too
        yield (
            f"a border of {width} {'pixels' if width > 1 else 'pixel'} of the outputs is not of the images, as of "
            f"crops that were padded: without it they have {_mean_psnr(images):.2f} dB"
        )
    found = sanity.warnings(faults, [image.name for image in images])
    alone = [
        f"the {name} channel alone {how}, on {count} of {len(images)} images"
        for name, how, count in shifted_channels([(one.clean, one.noisy, one.output) for one in images])
    ]
    # One channel of three that is shifted by a pixel moves their mean by a part of one.
    yield from (f"the outputs seem wrong {line}" for line in found if not (alone and "a part of a pixel" in line))
    yield from alone
    if all(fault is None or fault.cause == sanity.CONTRAST or sanity.is_tint(fault.cause) for fault in faults):
        clips = cell.protocol.noisy in ("clip", "uint8")
        yield from tone(images, 2 * (cell.degradation.sigma or 0) if clips else 0)
    yield from grids
    yield from _values(images, None if marks else cell.degradation.sigma)  # the edge of a mark is left
    if not any(faults) and cell.degradation.additive_gaussian:
        yield from noise_of(cell, images, width)


def _without(marks: "Mapping[int, np.ndarray]", images: list[Finished]) -> Iterator[str]:
    """Say where outputs have a mark, and put what belongs there in its place."""
    import numpy as np

    for i, mark in marks.items():
        images[i] = replace(images[i], output=np.where(mark[..., None], images[i].clean, images[i].output))
    mark = next(iter(marks.values()))
    rows, columns = (f"{of_it.min()} to {of_it.max()}" for of_it in np.nonzero(mark))
    yield (
        f"{len(marks)} of {len(images)} outputs are far off in the same {mark.sum()} pixels, in rows {rows} and "
        f"columns {columns}, as by a caption, a mark or a mask: without them they have {_mean_psnr(images):.2f} dB"
    )


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
            # A negative is nearer to many a wrong image than to its own, and like none of them.
            of_it = errors[row, column] < clean[column].var()
            if of_it and CLEARER * errors[row, column] < errors[row, row]:
                order[places[row]] = places[column]
    # A wrong image that was taken twice has no place of its own.
    return order if len(set(order)) == len(order) else list(range(len(images)))


def border(images: Sequence[Finished]) -> int:
    """Return how many pixels at the edges of most outputs are not of the images; 0: none.

    What is wider than `parts.left_out` looks is seen first: it shows where its widest is cut off.
    """
    for cut in (parts.WIDEST, 0):
        inner = [image.within(cut) for image in images if min(image.clean.shape[:2]) > 4 * cut]
        widths = [width for width in map(_border, inner) if width]
        if 2 * len(widths) > len(images):
            return cut + mode(widths)
    return 0


def _border(image: Finished) -> int:
    shown = image.output.clip(0, 1)
    before, now = (squared_error(one, image.clean) for one in (image.noisy, shown))
    return parts.left_out(image.clean, image.noisy, shown, before, now)[1]


def tone(images: Sequence[Finished], clipped: float = 0) -> Iterator[str]:
    """Say by what line the values of all outputs differ from those of the images: brightness, contrast, a tint.

    By the means of blocks, in which noise averages out; only what is the same in each image is no accident. So many
    levels from black and white noise is `clipped`, and moves the means.
    """
    import numpy as np

    lines = []
    for image in images:
        clean, output = ((_blocks(part) * 255).reshape(-1, part.shape[2]) for part in (image.clean, image.output))
        least = max(INNER, clipped)
        inner = ((clean > least) & (clean < 255 - least)).all(1)  # what is clipped has another mean
        if inner.sum() < ENOUGH:
            continue
        pairs = [(clean[inner, c], output[inner, c]) for c in range(clean.shape[1])]
        lines.append([(*np.polyfit(x, y, 1), x.mean()) for x, y in pairs])
    if not lines:
        return
    slopes, offsets, means = np.array(lines).transpose(2, 0, 1)
    at_mean = slopes * means + offsets - means
    slope, offset = float(np.median(slopes)), float(np.median(offsets))
    on_each = f"on each of {len(lines)} images" if len(lines) > 1 else "on one image"
    if abs(slope - 1) > LEAST_CONTRAST and abs(slopes - slope).max() < abs(slope - 1) / 2:
        limited = abs(slope - 219 / 255) < 0.02 and abs(offset - 16) < 3
        range_ = " (16 to 235 for 0 to 255)" if limited else ""
        line = f"{slope:.3g} times the images and {offset:+.1f} levels"
        yield f"the outputs are {line}, {on_each}: another contrast{range_}"
        return
    typical = np.median(at_mean, 0)
    same = (np.sign(at_mean) == np.sign(typical)).all(0) & (abs(at_mean - typical).max(0) < abs(typical) / 2)
    if (same & (abs(typical) > LEAST_LEVELS)).any():
        what = "brightness" if len(typical) == 1 or np.ptp(typical) < LEAST_LEVELS else "tint"
        told = ", ".join(f"{level:+.1f}" for level in typical)
        yield f"the outputs are {told} levels off the images, {on_each}: another {what}"


def _blocks(image: "np.ndarray") -> "np.ndarray":
    height, width = (max(1, side // 8) * min(8, side) for side in image.shape[:2])
    rows, columns = min(8, image.shape[0]), min(8, image.shape[1])
    cut = image[:height, :width].reshape(height // rows, rows, width // columns, columns, -1)
    return cut.mean(axis=(1, 3))


def _values(images: Sequence[Finished], sigma: float | None) -> Iterator[str]:
    """Say what the values of the outputs show."""
    import numpy as np

    levels = [image.output * 255 for image in images]
    low, high = min(float(one.min()) for one in levels), max(float(one.max()) for one in levels)
    if low >= 0 and high <= 255 and all(np.abs(one - np.rint(one)).max() < 1e-3 for one in levels):
        cut = ", and half a level too dark, as values that were cut to whole ones, not rounded"
        yield f"the outputs are of 8 bit{cut * cut_to_8_bit(images, sigma)}"
        return
    beyond = f"reach from {low:.1f} to {high:.1f}: not clipped" if low < -0.5 or high > 255.5 else "are clipped"
    yield f"the outputs are not rounded, and {beyond}"


def _mean_psnr(images: Sequence[Finished]) -> float:
    errors = [squared_error(image.output.clip(0, 1), image.clean) * 255**2 for image in images]
    return sum(map(decibels, errors)) / len(errors)
