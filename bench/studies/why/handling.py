"""What outputs went through after the method: JPEG files, another size, a mark in the same place, a cut to 8 bit.

Images are (H, W, C) with 1.0 = white.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from bench.run.images import spread
from bench.studies.why.outputs import as_jpeg

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Finished:
    """An image and its finished output, (H, W, C), 1.0 = white."""

    name: str
    clean: "np.ndarray"
    noisy: "np.ndarray"
    output: "np.ndarray"

    def within(self, width: int) -> "Finished":
        """Return it without a border."""
        return Finished(self.name, *(inside(part, width) for part in (self.clean, self.noisy, self.output)))


def inside(image: "np.ndarray", width: int) -> "np.ndarray":
    """Return an image without a border."""
    return image[width : image.shape[0] - width, width : image.shape[1] - width]


LOOKED_AT, SIDE = 6, 256
"""Outputs, spread over the set, of which the top left corner is looked at, so many pixels wide and high."""

CLEARLY = 0.5
"""Share of the error beside a grid that is left on it where it is there; honest outputs have 0.7 to 1."""

ROUNDING = 0.4 / 255
"""Error of what was enlarged and rounded to 8 bit, at most; wavelets that take all detail away have 0.8 / 255."""

QUALITIES = range(40, 100)
"""Of JPEG files that are looked for."""

SIZES = (512, 256, 128)
"""Sides that images are resized to for networks, beside parts of their own."""

FAR, SPREAD, SHARE, LEAST, FEWEST, CHANCE = 0.25, 3.0, 0.75, 4, 16, 20.0
"""A pixel is far off with so much error and so many times the typical one of its image; a mark is so many
pixels that are so in this share of the images of one shape, in `LEAST` images at least, and `CHANCE` times as many as
there would be by chance."""

CUT, NEVER, HIGHEST = 0.42, 0.2, 25.0
"""Levels by which the median of the outputs is darker where values were cut, and three quarters of them are, up to this
sigma: honest outputs are up to 0.3 darker."""


def traces(images: Sequence[Finished]) -> Iterator[str]:
    """Say whether outputs have the grid of a JPEG file or of another size, and their noisy images have not."""
    some = [images[i] for i in spread(LOOKED_AT, len(images))]
    for look, line in ((jpeg_quality, "were JPEG files of quality {}"), (grid_of, "were resized to {} and back")):
        found = [(look(image.output), image) for image in some]
        grids = Counter(grid for grid, image in found if grid and look(image.noisy) != grid)
        if 2 * grids.total() > len(some):
            words = line.format(" or ".join(str(grid) for grid, _ in grids.most_common()))
            yield f"{grids.total()} of {len(some)} outputs that were looked at {words}"


def jpeg_quality(image: "np.ndarray") -> int:
    """Return the quality of the JPEG file that an image comes from, by what another such file changes; 0: of none."""
    import numpy as np

    luma = _corner(image) * 255
    if min(luma.shape) < 32:
        return 0

    def changed(part: "np.ndarray", quality: int) -> float:
        return float(np.abs(as_jpeg(part[..., None], quality)[..., 0] - np.rint(part)).mean())

    beside = luma[4:, 4:]
    left = {q: changed(luma, q) / (changed(beside, q) + 0.01) for q in QUALITIES}
    best = min(left, key=left.__getitem__)
    return best if left[best] < CLEARLY else 0


def grid_of(image: "np.ndarray") -> str:
    """Return the smaller size that an image was enlarged from, as ``"128x128"``; empty: from none."""
    gray = _corner(image)
    wholes = height, width = image.shape[:2]
    if min(gray.shape) < 32:
        return ""
    sizes = {(side, side): f"{side}x{side}" for side in SIZES if side < max(wholes)}
    sizes |= {(height // n, width // n): f"1/{n} of their size" for n in (2, 3, 4)}
    left = {}
    for size, words in sizes.items():
        axes = [axis for axis in zip((gray, gray.T), wholes, size, strict=True) if axis[2] < axis[1]]
        left[words] = min(max(_left(*axis, kernel) for axis in axes) for kernel in KERNELS)
    best = min(left, key=left.__getitem__)
    return best if left[best] < CLEARLY else ""


def _corner(image: "np.ndarray") -> "np.ndarray":
    """Return the clipped luma of the top left corner, (H, W)."""
    import numpy as np

    part = image[:SIDE, :SIDE].clip(0, 1).astype(np.float64)
    return part[..., 0] if part.shape[2] == 1 else part @ np.array([0.299, 0.587, 0.114])


def _cubic(a: float) -> "Callable[[np.ndarray], np.ndarray]":
    def weight(x: "np.ndarray") -> "np.ndarray":
        import numpy as np

        near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    return weight


def _linear(x: "np.ndarray") -> "np.ndarray":
    return (1 - x).clip(0)


def _lanczos(x: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


KERNELS: "Mapping[str, Callable[[np.ndarray], np.ndarray]]" = {
    "bilinear": _linear, "bicubic": _cubic(-0.5), "bicubic of OpenCV and PyTorch": _cubic(-0.75),
    "Lanczos": _lanczos,
}  # fmt: skip
"""Weights by the distance in pixels of the small image; the nearest alone is what Haar wavelets without detail are."""


@lru_cache(64)
def _basis(rows: int, whole: int, part: int, kernel: str) -> "np.ndarray":
    """Return an orthonormal basis of the first rows of what is enlarged from `part` pixels to `whole`."""
    import numpy as np

    centres = (np.arange(rows) + 0.5) * part / whole - 0.5
    columns = np.arange(min(part, int(centres[-1]) + 4))
    weights = KERNELS[kernel](np.abs(centres[:, None] - columns))
    basis, triangle = np.linalg.qr(weights / np.maximum(weights.sum(1, keepdims=True), 1e-9))
    return basis[:, np.abs(np.diag(triangle)) > 1e-6]


def _left(image: "np.ndarray", whole: int, part: int, kernel: str) -> float:
    """Return the error of the rows as enlarged ones, over that of the rows that are one further on; 1: it is larger."""
    import numpy as np

    rows = len(image) - 1
    basis = _basis(rows, whole, part, kernel)

    def error(lines: "np.ndarray") -> float:
        rest = (lines - basis @ (basis.T @ lines))[8:-8]
        return float(np.sqrt((rest**2).mean()))

    on_grid = error(image[:-1])
    return (on_grid + 1e-6) / (error(image[1:]) + 1e-6) if on_grid < ROUNDING else 1.0


def marked(images: Sequence[Finished]) -> "dict[int, np.ndarray]":
    """Return for each output that has a mark in the place of the others' a map of its pixels, (H, W), by its place."""
    import numpy as np

    found: dict[int, np.ndarray] = {}
    for shape in {image.clean.shape for image in images}:
        places = [i for i, image in enumerate(images) if image.clean.shape == shape]
        if len(places) < LEAST:
            continue
        errors = np.array([np.abs(images[i].output - images[i].clean).max(2) for i in places])
        far = errors > FAR + SPREAD * np.median(errors, axis=(1, 2))[:, None, None]
        needed = max(LEAST, int(np.ceil(SHARE * len(places))))
        mark = far.sum(0) >= needed
        by_chance = mark.size * _at_least(needed, far.mean((1, 2)))
        noise = np.array([np.abs(images[i].noisy - images[i].clean).max(2) for i in places])
        denoised = (errors[:, ~mark] ** 2).mean() < (noise[:, ~mark] ** 2).mean()  # else more is wrong than a mark
        if mark.sum() >= FEWEST + CHANCE * by_chance and denoised:
            found |= dict.fromkeys(places, mark)
    return found if 2 * len(found) > len(images) else {}


def _at_least(needed: int, chances: "np.ndarray") -> float:
    """Return the probability that so many of some independent events happen."""
    import numpy as np

    counts = np.array([1.0])
    for chance in chances:
        counts = np.convolve(counts, [1 - chance, chance])
    return float(counts[needed:].sum())


def cut_to_8_bit(images: Sequence[Finished], sigma: float | None) -> bool:
    """Whether outputs of whole levels are darker by half a level, without the mean of their noise."""
    import numpy as np

    if sigma is None or sigma > HIGHEST:
        return False
    darker = []
    for image in images:
        inner = (image.clean > 40 / 255) & (image.clean < 215 / 255)  # what is clipped has another mean
        if inner.any():
            darker.append(float((image.noisy - image.output)[inner].mean(dtype=np.float64) * 255))
    return len(darker) > 2 and bool(CUT < np.median(darker) < 1 and np.quantile(darker, 0.25) > NEVER)
