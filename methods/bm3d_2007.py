"""BM3D and CBM3D as the papers print them: the algorithm of 2007, with the parameters of its authors' MATLAB code.

The package of the same authors (`methods.bm3d`) has another algorithm since 2020. This one was written from the paper
(Dabov et al., IEEE TIP 2007), from the parameters in the MATLAB files of release 2, whose two stages are compiled, and
by holding it against the PSNRs of single images that were printed for that code, under the very noise that it draws.
What follows from printed numbers and stands in no paper: blocks are compared by their transforms, also where no
threshold is applied to them first; the estimate of each block is clipped to [0, 1] before it is aggregated. In colour
a group has one weight in the first stage, by what is left of all its channels (the 15 photographs of CC15), and
groups have no limit of distance, nor other parameters above sigma 40 (the means of CBSD68 and Kodak24).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from methods.classical import per_image, without_mean
from methods.description import Method, Net

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

REACH = 19
"""How far away, in pixels and in both directions, blocks are sought: a window of 39."""


@dataclass(frozen=True)
class Stage:
    """Parameters of one of the two stages, with their names in the paper (Table I).

    Attributes
    ----------
    block : int
        Side of a block: N1.
    step : int
        Pixels from one reference block to the next: N step.
    most : int
        Blocks in a group at most, a power of two: N2.
    distance : float
        Largest mean squared difference of two blocks of a group, in 8-bit levels: tau match.
    threshold : float
        Of coefficients, in standard deviations of the noise: lambda 3D; 0: the Wiener stage.
    flat : int
        Where fewer coefficients than these are left of a group, the next reference block of the row is `block` - 1
        pixels away.
    """

    block: int
    step: int
    most: int
    distance: float
    threshold: float = 0.0
    flat: int = 0


WEAK = Stage(8, 3, 16, 3000, 2.7, 8), Stage(8, 3, 32, 400)
"""Both stages up to sigma 40: profile ``np``."""

STRONG = Stage(8, 4, 32, 25000, 2.8, 3), Stage(11, 6, 32, 3500)
"""Both stages above sigma 40: profile ``vn`` (Hou et al., IEEE TIP 2011), which ``np`` turns to there."""

COLOUR = tuple(replace(stage, distance=1e9) for stage in WEAK)
"""Both stages in colour, at every sigma: groups are as large as they may be, however different their blocks are."""


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return BM3D (gray) or CBM3D (RGB), on one thread."""
    return per_image(_on_one_thread)


def _on_one_thread(image: "np.ndarray", sigma: float) -> "np.ndarray":
    """Do as `denoise`: its matrix products are small, and threads that share them wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return denoise(image, sigma)


def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
    """Denoise an image by hard thresholding, and again by Wiener filtering with that result as the pilot.

    Parameters
    ----------
    image : array (H, W, C)
        C is 1 or 3; 1.0 = white. Colour is filtered in the opponent space, with the groups of its luminance.
    sigma : float
        Standard deviation of the noise, on that scale.
    """
    import numpy as np

    height, width, channels = image.shape
    stages = COLOUR if channels > 1 else STRONG if sigma * 255 > 40 else WEAK
    smallest = max(stage.block for stage in stages)
    missing = [(0, max(0, smallest - side)) for side in (height, width)]  # a smaller image is mirrored
    image = np.pad(image, (*missing, (0, 0)), mode="symmetric")
    opponent, offset = _colours(channels)
    planes = np.moveaxis(image @ opponent.T + offset, 2, 0)
    sigmas = sigma * np.linalg.norm(opponent, axis=1)
    basic = _filtered(planes, planes, sigmas, stages[0])
    final = _filtered(planes, basic, sigmas, stages[1])
    restored: np.ndarray = (np.moveaxis(final, 0, 2) - offset) @ np.linalg.inv(opponent).T
    return restored[:height, :width]


def _colours(channels: int) -> "tuple[np.ndarray, np.ndarray]":
    """Return the matrix of the opponent colour space, and what brings each of its channels into [0, 1]."""
    import numpy as np

    if channels == 1:
        return np.eye(1), np.zeros(1)
    return np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0, -0.5], [0.25, -0.5, 0.25]]), np.array([0, 0.5, 0.5])


def _filtered(planes: "np.ndarray", pilots: "np.ndarray", sigmas: "np.ndarray", stage: Stage) -> "np.ndarray":
    """Return what a stage makes of channels (C, H, W); in the first one they are their own `pilots`."""
    import numpy as np

    side = stage.block
    channels, height, width = planes.shape
    blocks, guides = (
        np.lib.stride_tricks.sliding_window_view(of.astype(np.float32), (side, side), (1, 2)) for of in (planes, pilots)
    )
    transform = _transform(stage)
    back = np.linalg.inv(transform).astype(np.float32)
    window = np.outer(np.kaiser(side, 2), np.kaiser(side, 2)).ravel()
    inside = (np.arange(side)[:, None] * width + np.arange(side)).ravel()
    features = _features(guides[0], transform)
    total, weight = np.zeros((2, channels, height * width))
    for y in _grid(height - side + 1, stage.step):
        start = max(0, y - REACH)
        rows = slice(start * width, (min(y + REACH, height - side) + side) * width)
        for ys, xs in _groups(features, y, blocks[0], transform, sigmas[0], stage):
            pixels = ((ys - start) * width + xs)[..., None] + inside
            spectra = [_spectra(plane[ys, xs], transform) for plane in blocks]
            pilots_of = [None if stage.threshold else _spectra(guide[ys, xs], transform) for guide in guides]
            left = [_shrink(*of, stage) for of in zip(spectra, pilots_of, sigmas, strict=True)]
            for channel, sigma in enumerate(sigmas):
                estimates = np.clip(_haar(ys.shape[1]).T @ spectra[channel] @ back.T, 0, 1)
                weights = _weights(np.sum(left, axis=0) if stage.threshold else left[channel], sigma, stage)
                shares = np.broadcast_to(weights[:, None, None] * window, pixels.shape)
                length = rows.stop - rows.start
                total[channel, rows] += np.bincount(pixels.ravel(), (estimates * shares).ravel(), length)
                weight[channel, rows] += np.bincount(pixels.ravel(), shares.ravel(), length)
    return (total / weight).reshape(planes.shape)


def _groups(
    features: "np.ndarray", y: int, blocks: "np.ndarray", transform: "np.ndarray", sigma: float, stage: Stage
) -> "Iterator[tuple[np.ndarray, np.ndarray]]":
    """Give the groups of the reference blocks of a row, those of one size together: rows and columns (R, size)."""
    import numpy as np

    columns = features.shape[1]
    # Where the step depends on what came of a group, any column may have a reference block.
    ys, xs, sizes = _alike(features, y, range(columns) if stage.flat else _grid(columns, stage.step), stage)
    together = {size: np.flatnonzero(sizes == size) for size in np.unique(sizes)}
    reference = np.full(len(sizes), not stage.flat)
    if stage.flat:
        kept = np.empty(columns)
        for size, group in together.items():
            spectra = _spectra(blocks[ys[group, :size], xs[group, :size]], transform)
            kept[group] = _shrink(spectra, None, sigma, stage)
        x = 0
        while not reference[-1]:
            reference[x] = True
            x = min(x + (stage.step if kept[x] >= stage.flat else stage.block - 1), columns - 1)
    for size, group in together.items():
        if len(chosen := group[reference[group]]):
            yield ys[chosen, :size], xs[chosen, :size]


def _alike(
    features: "np.ndarray", y: int, xs: Sequence[int], stage: Stage
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return the blocks most like each of some blocks of a row, the nearest first, and how many make its group.

    Parameters
    ----------
    features : array (rows, columns, coefficients)
        The transform of the block at each place.
    y, xs : int, sequence of int
        The row, and the columns, rising.
    stage : Stage
        Its parameters.

    Returns
    -------
    rows, columns : int array (`xs`, `stage.most`)
    sizes : int array (`xs`,)
        Powers of two.
    """
    import numpy as np

    columns, coefficients = features.shape[1:]
    span = 2 * REACH + 1
    top = max(0, y - REACH)
    strip = features[top : y + REACH + 1].astype(np.float64)
    around = np.zeros((len(strip), columns + 2 * REACH, coefficients))
    around[:, REACH:-REACH] = strip
    norms = np.full(around.shape[:2], np.inf)  # no block lies outside of the image
    norms[:, REACH:-REACH] = (strip**2).sum(axis=2)
    places = np.asarray(xs)
    distances = np.empty((len(places), len(strip) * span), np.float32)
    for x in range(0, columns, _CHUNK):
        own = strip[y - top, x : x + _CHUNK]
        near = around[:, x : x + len(own) + span - 1]
        squares = norms[:, x : x + near.shape[1]] + (own**2).sum(axis=1)[:, None, None]
        squares -= 2 * (own @ near.reshape(-1, coefficients).T).reshape(len(own), *near.shape[:2])
        a, b, c = squares.strides  # the window of each block begins one column further than that of the one before
        windows = np.lib.stride_tricks.as_strided(squares, (len(own), len(strip), span), (a + c, b, c))
        chosen = slice(*np.searchsorted(places, (x, x + len(own))))
        distances[chosen] = windows[places[chosen] - x].reshape(-1, len(strip) * span)
    distances[:, (y - top) * span + REACH] = -1  # a block is the first of its own group
    most = min(stage.most, distances.shape[1])
    best = np.argpartition(distances, most - 1, axis=1)[:, :most]
    best = np.take_along_axis(best, np.argsort(np.take_along_axis(distances, best, 1), axis=1, kind="stable"), 1)
    largest = stage.distance * stage.block**2 / 255**2
    alike = (np.take_along_axis(distances, best, 1) <= largest).sum(axis=1)
    return top + best // span, places[:, None] + best % span - REACH, 2 ** np.log2(alike).astype(int)


_CHUNK = 32
"""Reference blocks that are compared with their surroundings in one matrix product."""


def _grid(count: int, step: int) -> list[int]:
    """Return every `step`-th of `count` places, and the last."""
    return [*range(0, count - 1, step), count - 1]


def _spectra(blocks: "np.ndarray", transform: "np.ndarray") -> "np.ndarray":
    """Return the 3D transform of groups of blocks (R, size, side, side): (R, size, side * side)."""
    spectra: np.ndarray = _haar(blocks.shape[1]) @ (blocks.reshape(*blocks.shape[:2], -1) @ transform.T)
    return spectra


def _features(blocks: "np.ndarray", transform: "np.ndarray") -> "np.ndarray":
    """Return the 2D transform of the block at each place: (rows, columns, side * side)."""
    import numpy as np

    return np.stack([row.reshape(len(row), -1) @ transform.T for row in blocks])


def _shrink(spectra: "np.ndarray", pilot: "np.ndarray | None", sigma: float, stage: Stage) -> "np.ndarray":
    """Shrink the spectra of groups in place; return how many coefficients of each group are left, as their squares say.

    Thresholding is equation (5) of the paper, Wiener filtering (7) and (8).
    """
    import numpy as np

    if pilot is None:
        spectra *= np.abs(spectra) > stage.threshold * sigma
        kept: np.ndarray = np.count_nonzero(spectra, axis=(1, 2))
        return kept
    share = pilot**2 / (pilot**2 + np.float32(max(sigma**2, _TINY)))
    spectra *= share
    of_squares: np.ndarray = (share**2).sum(axis=(1, 2), dtype=np.float64)
    return of_squares


def _weights(left: "np.ndarray", sigma: float, stage: Stage) -> "np.ndarray":
    """Return the weights of groups, equations (10) and (11) of the paper without their common 1 / sigma^2."""
    import numpy as np

    none = max(sigma**2, _TINY) if stage.threshold else 1 / _TINY
    weights: np.ndarray = np.where(left > 0, 1 / np.maximum(left, _TINY), none)
    return weights


_TINY = 1e-12
"""Stands for a variance or a sum of 0, so that nothing is divided by 0."""


@cache
def _transform(stage: Stage) -> "np.ndarray":
    """Return the 2D transform of a block as a matrix on its pixels: biorthogonal splines 1.5, or the DCT."""
    import numpy as np
    from scipy.fft import dct

    matrix = _splines(stage.block) if stage.threshold else dct(np.eye(stage.block), axis=0, norm="ortho")
    return np.kron(matrix, matrix).astype(np.float32)


def _splines(size: int) -> "np.ndarray":
    """Return the wavelet transform bior1.5 of `size` values, a power of two: periodic, all levels, rows of norm 1."""
    import numpy as np

    approximation, details = np.eye(size), []
    while (half := len(approximation) // 2) > 0:
        low = np.zeros((half, 2 * half))
        for k in range(half):
            np.add.at(low[k], (2 * k + np.arange(-4, 6)) % (2 * half), _LOW)
        details.append(approximation[::2] - approximation[1::2])
        approximation = low @ approximation
    matrix = np.concatenate([approximation, *details[::-1]])
    normal: np.ndarray = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return normal


_LOW = (3, -3, -22, 22, 128, 128, 22, -22, -3, 3)
"""Low pass of bior1.5, to a factor (Cohen, Daubechies, Feauveau 1992, Table 6.1)."""


@cache
def _haar(size: int) -> "np.ndarray":
    """Return the orthonormal Haar transform of `size` values, a power of two."""
    import numpy as np

    if size == 1:
        return np.ones((1, 1), np.float32)
    half = _haar(size // 2)
    pairs = np.concatenate([np.kron(half, [1, 1]), np.kron(np.eye(size // 2), [1, -1])]) / np.sqrt(2)
    return pairs.astype(np.float32)


METHODS = (
    Method(
        name="bm3d-2007",
        title="BM3D and CBM3D of 2007, as published",
        paper="Dabov, Foi, Katkovnik, Egiazarian, IEEE TIP 2007, https://doi.org/10.1109/TIP.2007.901238",
        nets=(
            Net("bm3d-2007", "BM3D (2007)", "gray", given_sigma=True, published=("BM3D", "")),
            Net("cbm3d-2007", "CBM3D (2007)", "rgb", given_sigma=True, published=("CBM3D", "")),
        ),
        load=partial(without_mean, load),
        options={"mean": "0"},
        processes=True,
        packages=("numpy", "scipy", "threadpoolctl"),
    ),
)
