"""Pixels or channels of an output in another place than in the clean image: mirrored, turned, swapped, shifted.

Arrays are (B, H, W, C) with 1.0 = white, unless another shape is said. What is found for an image does not depend on
the others of its batch.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations

import numpy as np

CLEARLY, PARTLY = 0.7, 0.9
"""An explanation counts if it leaves at most this share of the squared error; a part of a pixel explains less."""

Image = np.ndarray


def displaced(clean: Image, noisy: Image, denoised: Image) -> list[tuple[str, float]]:
    """Say for each image how pixels or channels are moved, or nothing, and the mean squared error without that."""
    now = squared_errors(denoised, clean)
    found = [("", float(error)) for error in now]
    places = np.flatnonzero(now * 255**2 >= 1)  # less than a grey level: it is where it belongs
    for explained in (_turned, _reordered, _shifted):
        moved = explained(clean[places], noisy[places], denoised[places], now[places]) if len(places) else []
        for place, (cause, error) in zip(places, moved, strict=True):
            found[place] = (cause, error)
        places = np.array([place for place in places if not found[place][0]], np.intp)
    return found


def _turned(clean: Image, noisy: Image, denoised: Image, now: Image) -> Iterator[tuple[str, float]]:
    ways = [(cause, moved) for cause, moved in _turns(denoised) if moved.shape == clean.shape]
    # What is no image on the scale of the clean one may be a little nearer to it when it is turned.
    limits = np.minimum(CLEARLY * now, np.maximum(_flat(clean).var(1), 2 * squared_errors(noisy, clean)))
    errors = np.array([squared_errors(moved, clean) for _, moved in ways])
    for i, way in enumerate(errors.argmin(0)):
        cause, error = ways[way][0], float(errors[way, i])
        yield (cause, error) if error < limits[i] else ("", float(now[i]))


def _turns(image: Image) -> Iterator[tuple[str, Image]]:
    yield "mirrors the image left to right", image[:, :, ::-1]
    yield "swaps rows and columns (transposed)", image.swapaxes(1, 2)
    yield "turns the image by 180 degrees", image[:, ::-1, ::-1]
    yield "turns the image by 90 degrees", np.rot90(image, 1, (1, 2))
    yield "turns the image by 90 degrees", np.rot90(image, -1, (1, 2))
    yield "turns the image upside down (mirrored)", image[:, ::-1]


def _reordered(clean: Image, _: Image, denoised: Image, now: Image) -> Iterator[tuple[str, float]]:
    """Find the order of the output's channels that comes nearest to the clean image."""
    if clean.shape[3] != 3:
        yield from (("", float(error)) for error in now)
        return
    means = _flat(clean).mean(1)[:, None, None]
    a, b = (image.reshape(len(image), -1, 3) - means for image in (clean, denoised))
    of_pairs = (a**2).sum(1)[:, :, None] + (b**2).sum(1)[:, None] - 2 * a.swapaxes(1, 2) @ b
    for i, pairs in enumerate(of_pairs):
        error, order = min((float(pairs[range(3), way].sum()) / a[i].size, way) for way in permutations(range(3)))
        name = "BGR for RGB" if order == (2, 1, 0) else f"{''.join('RGB'[j] for j in np.argsort(order))} for RGB"
        moved = error < CLEARLY * now[i]
        yield (f"swaps the colour channels ({name})", error) if moved else ("", float(now[i]))


def _shifted(clean: Image, noisy: Image, denoised: Image, now: Image) -> Iterator[tuple[str, float]]:
    """Find by how much images are shifted; a noisy image that is shifted as much is the data's fault."""
    if min(clean.shape[1:3]) < 16:
        yield from (("", float(error)) for error in now)
        return
    weights = np.full(clean.shape[3], 1 / clean.shape[3], np.float32)
    gray, other, given = (image @ weights for image in (clean, denoised, noisy))
    whole, (parts, left) = _peaks(gray, other), _subpixel(gray, other)
    for i, error in enumerate(now):
        cause = _whole_shift(gray[i], other[i], given[i], *whole[i])
        if not cause and left[i] < PARTLY and np.hypot(*parts[i]) > 0.3:
            already = _subpixel(gray[i : i + 1], given[i : i + 1])[0][0]
            down, right = (parts[i] - already).tolist()
            if np.hypot(down, right) > 0.3:
                ways = _ways(round(down, 1), round(right, 1), "")
                cause = f"shifts the image by a part of a pixel ({ways})"
        yield cause, float(CLEARLY * error if cause else error)


def _whole_shift(gray: Image, other: Image, given: Image, down: int, right: int) -> str:
    """Say a shift by whole pixels of an image (H, W), or nothing where it explains little."""
    if not (down or right) or max(abs(down), abs(right)) > min(gray.shape) // 4:
        return ""
    errors = [
        squared_error(*_overlap(gray, image, down, right)) / (squared_error(gray, image) + 1e-12)
        for image in (other, given)
    ]
    # The share that is left must also be of the one image: another one shares less with it than its own mean does.
    same = squared_error(*_overlap(gray, other, down, right)) < float(gray.var())
    moved = same and errors[0] < CLEARLY and errors[1] > PARTLY
    return f"shifts the image ({_ways(down, right)}, in pixels)" if moved else ""


def _ways(down: float, right: float, number: str = "{:g} ") -> str:
    """Say a shift: ``"2 down and 1 to the left"``."""
    parts = [(down, ("up", "down")[down > 0]), (right, ("to the left", "to the right")[right > 0])]
    return " and ".join(number.format(abs(length)) + way for length, way in parts if length)


def _peaks(gray: Image, other: Image) -> list[tuple[int, int]]:
    """Return how far images (B, H, W) are shifted against others, down and to the right, by phase correlation."""
    from scipy import fft

    shape = gray.shape[1:]
    a, b = (fft.rfft2((image - _flat(image).mean(1)[:, None, None]) * _window(shape)) for image in (gray, other))
    cross = b * a.conj()
    # Between correlation and phase correlation: smooth outputs have no phase at high frequencies.
    surface = fft.irfft2(cross / np.sqrt(np.abs(cross) + 1e-12), shape)
    found = []
    for peak in _flat(surface).argmax(1):
        down, right = divmod(int(peak), shape[1])
        found.append((down - shape[0] * (down > shape[0] // 2), right - shape[1] * (right > shape[1] // 2)))
    return found


@lru_cache(8)
def _window(shape: tuple[int, ...]) -> Image:
    down, right = (np.hanning(length).astype(np.float32) for length in shape)
    return np.outer(down, right)


def _overlap(gray: Image, other: Image, down: int, right: int) -> tuple[Image, Image]:
    def cut(image: Image, down: int, right: int) -> Image:
        height, width = image.shape
        return image[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]

    return cut(gray, -down, -right), cut(other, down, right)


def _subpixel(gray: Image, other: Image) -> tuple[Image, Image]:
    """Return the small shifts that explain differences best, and the shares that are left (Lucas, Kanade 1981)."""
    slopes = np.stack(np.gradient(gray, axis=(1, 2)), 1).reshape(len(gray), 2, -1)
    error = _flat(gray - other)
    normal = (slopes @ slopes.swapaxes(1, 2)).astype(np.float64)
    right_side = (slopes @ error[:, :, None]).astype(np.float64)
    total = np.array([row @ row for row in error], np.float64)
    traces = np.trace(normal, axis1=1, axis2=2)
    usable = (total > 0) & (np.linalg.det(normal) > 1e-9 * traces**2)
    shifts, left = np.zeros((len(gray), 2)), np.ones(len(gray))
    solved = np.linalg.solve(normal[usable], right_side[usable])
    shifts[usable] = solved[:, :, 0]
    left[usable] -= (solved * right_side[usable]).sum((1, 2)) / total[usable]
    return shifts, left


def squared_errors(one: Image, other: Image) -> Image:
    """Return the mean squared error between the images of two batches, 0 of empty ones; (B,) of float64."""
    rows = _flat(one - other)
    return np.array([row @ row for row in rows], np.float64) / max(1, rows.shape[1])


def squared_error(one: Image, other: Image) -> float:
    """Return the mean squared error between two images of any shape, 0 of empty ones."""
    return float(squared_errors(one[None], other[None])[0])


def _flat(images: Image) -> Image:
    return images.reshape(len(images), math.prod(images.shape[1:]))
