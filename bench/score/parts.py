"""Parts of an output that a method left out: the outermost pixels, and rows, columns or tiles that are as they were.

Arrays are (H, W, C) with 1.0 = white.
"""

import numpy as np

from bench.score.displacement import Image

EQUAL = 0.51 / 255
"""Largest difference of what is as it was: an output may have been rounded to whole grey levels."""

NOISE = (3 / 255) ** 2
"""Mean square of the noise from which on no denoiser leaves 48 pixels in a row within `EQUAL` of it."""

OF_NOISE = 0.25
"""A part counts if its noise has at least this share of the mean square of all of it: there was something to do."""

LEAST, TILE, FILLED, ELSEWHERE = 48, 16, 0.95, 0.25
"""Length of a side of the image below which nothing is said, and that of a tile; the share of its bounding box that a
tile fills, and of pixels that may be as they were elsewhere: non-local means leave what they find nothing like."""

BLOCK = 8
"""A tile holds a whole block of so many rows and columns, counted from the first."""

WIDEST = 16
"""Of a border."""

LOST, BEYOND, NEXT, MOST = 8.0, 2.0, 3, 0.7
"""A side of the image is lost where its error is so many times that of all pixels within, and that of its noise; and
more than it differs from the next lines, which a filter mixes into it: some photographs have a dark first row. A border
of many lines has this share of such at least."""

UNTOUCHED = "leaves rows, columns or tiles of the image as it gets them: are the last ones left out?"
BORDER = "returns something else in the outermost {} of the image"


def left_out(clean: Image, noisy: Image, denoised: Image, before: float, now: float) -> tuple[str, int]:
    """Say what part of an output is none.

    Parameters
    ----------
    clean, noisy, denoised : ndarray, shape (H, W, C)
        The reference, what the method got, and what it gave, clipped to [0, 1].
    before, now : float
        Mean squared error of the noisy image and of the output.

    Returns
    -------
    cause : str
        In words that follow the name of the method; empty where nothing is left out.
    width : int
        Of the border, in pixels, where that is the cause.
    """
    if min(clean.shape[:2]) < LEAST or before < NOISE:
        return "", 0
    if _untouched(clean, noisy, denoised, OF_NOISE * before):
        return UNTOUCHED, 0
    width = _border(clean, noisy, denoised, before, now)
    return BORDER.format("row or column" if width == 1 else f"{width} rows or columns") if width else "", width


def _untouched(clean: Image, noisy: Image, denoised: Image, enough: float) -> bool:
    """Whether whole rows, columns or tiles are those of the input, where its noise has `enough` mean square."""
    same = _same(noisy[..., 0], denoised[..., 0])
    if not (same.all(1).any() or same.all(0).any() or _blocks(same).any()):
        return False
    same = np.all(_same(noisy, denoised), 2)
    errors = ((noisy - clean) ** 2).mean(2)
    found = np.zeros_like(same)
    found[same.all(1) & (errors.mean(1) >= enough)] = True
    found[:, same.all(0) & (errors.mean(0) >= enough)] = True
    if _blocks(same).any():
        from scipy.ndimage import binary_opening, find_objects, label

        regions, _ = label(binary_opening(same, np.ones((3, 3))))  # without the neighbours that are equal by chance
        for number, place in enumerate(find_objects(regions), 1):
            here = regions[place] == number
            if min(here.shape) >= TILE and here.mean() >= FILLED and errors[place][here].mean() >= enough:
                found[place] |= here
    return bool(found.any() and not found.all() and same[~found].mean() < ELSEWHERE)


def _same(noisy: Image, denoised: Image) -> Image:
    return np.less_equal(np.abs(denoised - np.clip(noisy, 0, 1)), EQUAL)


def _blocks(same: Image) -> Image:
    rows, columns = (length // BLOCK for length in same.shape)
    return np.all(same[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK), axis=(1, 3))


def _border(clean: Image, noisy: Image, denoised: Image, before: float, now: float) -> int:
    """Return how many of the outermost rows or columns of a side are lost, of the side with most; 0: none."""
    deep = min(WIDEST, min(clean.shape[:2]) // 4)
    size, inside = clean[..., 0].size, clean[deep:-deep, deep:-deep, 0].size
    around, lines = np.zeros(2), []
    for turns in range(4):
        # One side after the other is turned to the top; without its last corner, which the next side has.
        side, *others = (np.rot90(image, turns)[:deep, :-deep] for image in (clean, noisy, denoised))
        errors = [((image - side) ** 2).mean(2) for image in others]
        around += [float(error.sum(dtype=np.float64)) for error in errors]
        middle = np.rot90(clean, turns)[: deep + NEXT, deep:-deep]
        steps = [((middle[:deep] - middle[i : deep + i]) ** 2).mean((1, 2)) for i in range(1, NEXT + 1)]
        lines.append([error[:, deep:].mean(1) for error in errors] + [np.max(steps, 0)])
    noise, within = ((size * total - ring) / inside for total, ring in zip((before, now), around, strict=True))
    if within > noise:
        return 0  # it is no output of this image in its place, or no denoised one
    widths = []
    for of_noise, of_output, step in lines:
        lost = (of_output > LOST * within) & (of_output > BEYOND * of_noise) & (of_output > step)
        share = np.cumsum(lost) / np.arange(1, deep + 1)  # the odd line has no more error than its step to the next
        widths.append(max(np.flatnonzero(lost & (share > MOST)) + 1, default=0) if lost[0] else 0)
    return int(max(widths))
