"""Pixels or channels of an output in another place than in the clean image: mirrored, turned, swapped, shifted.

Arrays are (H, W, C) with 1.0 = white.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

CLEARLY, PARTLY = 0.7, 0.9
"""An explanation counts if it leaves at most this share of the squared error; a part of a pixel explains less."""

Image = np.ndarray


def displaced(clean: Image, noisy: Image, denoised: Image) -> tuple[str, float]:
    """Say how pixels or channels are moved, or nothing, and the mean squared error without that."""
    now = squared_error(denoised, clean)
    if now * 255**2 < 1:  # less than a grey level: it is where it belongs
        return "", now
    turned = [(squared_error(moved, clean), cause) for cause, moved in _turned(denoised) if moved.shape == clean.shape]
    # What is no image on the scale of the clean one may be a little nearer to it when it is turned.
    if min(turned)[0] < min(CLEARLY * now, max(float(clean.var()), 2 * squared_error(noisy, clean))):
        return min(turned)[1], min(turned)[0]
    if clean.shape[2] == 3:
        error, order = _order(clean, denoised)
        if error < CLEARLY * now:
            name = "BGR for RGB" if order == (2, 1, 0) else f"{''.join('RGB'[i] for i in np.argsort(order))} for RGB"
            return f"swaps the colour channels ({name})", error
    shifted = _shifted(clean, noisy, denoised)
    return shifted, CLEARLY * now if shifted else now


def _turned(image: Image) -> Iterator[tuple[str, Image]]:
    yield "mirrors the image left to right", image[:, ::-1]
    yield "turns the image upside down (mirrored)", image[::-1]
    yield "turns the image by 180 degrees", image[::-1, ::-1]
    yield "swaps rows and columns (transposed)", image.swapaxes(0, 1)
    yield "turns the image by 90 degrees", np.rot90(image)
    yield "turns the image by 90 degrees", np.rot90(image, -1)


def _order(clean: Image, denoised: Image) -> tuple[float, tuple[int, ...]]:
    """Return the order of the output's channels that comes nearest to the clean image, and its mean squared error."""
    a, b = (image.reshape(-1, 3) - clean.mean() for image in (clean, denoised))
    errors = (a**2).sum(0)[:, None] + (b**2).sum(0) - 2 * a.T @ b
    return min((float(errors[range(3), order].sum()) / a.size, order) for order in permutations(range(3)))


def _shifted(clean: Image, noisy: Image, denoised: Image) -> str:
    """Say by how much an image is shifted, or nothing; a noisy image that is shifted as much is the data's fault."""
    images, (height, width) = (clean, denoised, noisy), clean.shape[:2]
    if min(height, width) < 16:
        return ""
    gray, other, given = (image @ np.full(image.shape[2], 1 / image.shape[2], np.float32) for image in images)
    down, right = _peak(gray, other)
    if (down or right) and max(abs(down), abs(right)) <= min(height, width) // 4:
        errors = [
            squared_error(*_overlap(gray, image, down, right)) / (squared_error(gray, image) + 1e-12)
            for image in (other, given)
        ]
        if errors[0] < CLEARLY and errors[1] > PARTLY:
            return f"shifts the image ({_ways(down, right)}, in pixels)"
    (down_part, right_part), left = _subpixel(gray, other)
    if left < PARTLY and np.hypot(down_part, right_part) > 0.3:
        already = _subpixel(gray, given)[0]
        down_part, right_part = down_part - already[0], right_part - already[1]
        if np.hypot(down_part, right_part) > 0.3:
            return f"shifts the image by a part of a pixel ({_ways(round(down_part, 1), round(right_part, 1), '')})"
    return ""


def _ways(down: float, right: float, number: str = "{:g} ") -> str:
    """Say a shift: ``"2 down and 1 to the left"``."""
    parts = [(down, ("up", "down")[down > 0]), (right, ("to the left", "to the right")[right > 0])]
    return " and ".join(number.format(abs(length)) + way for length, way in parts if length)


def _peak(gray: Image, other: Image) -> tuple[int, int]:
    """Return how far `other` is shifted against `gray`, down and to the right, by phase correlation."""
    from scipy import fft

    shape = gray.shape
    window = np.outer(*(np.hanning(length).astype(np.float32) for length in shape))
    a, b = (fft.rfft2((image - image.mean()) * window) for image in (gray, other))
    cross = b * a.conj()
    # Between correlation and phase correlation: smooth outputs have no phase at high frequencies.
    surface = fft.irfft2(cross / np.sqrt(np.abs(cross) + 1e-12), shape)
    down, right = np.unravel_index(int(surface.argmax()), shape)
    return (
        int(down) - shape[0] * (int(down) > shape[0] // 2),
        int(right) - shape[1] * (int(right) > shape[1] // 2),
    )


def _overlap(gray: Image, other: Image, down: int, right: int) -> tuple[Image, Image]:
    def cut(image: Image, down: int, right: int) -> Image:
        height, width = image.shape
        return image[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]

    return cut(gray, -down, -right), cut(other, down, right)


def _subpixel(gray: Image, other: Image) -> tuple[tuple[float, float], float]:
    """Return the small shift that explains a difference best, and the share of it that is left (Lucas, Kanade 1981)."""
    slopes = [slope.ravel() for slope in np.gradient(gray)]
    error = (gray - other).ravel()
    normal = np.array([[a @ b for b in slopes] for a in slopes], np.float64)
    right_side = np.array([slope @ error for slope in slopes], np.float64)
    total = float(error @ error)
    if total == 0 or np.linalg.det(normal) <= 1e-9 * np.trace(normal) ** 2:
        return (0.0, 0.0), 1.0
    down, right = np.linalg.solve(normal, right_side)
    return (float(down), float(right)), 1 - float(right_side @ (down, right)) / total


def squared_error(one: Image, other: Image) -> float:
    """Return the mean squared error between two images, 0 of empty ones."""
    difference = (one - other).ravel()
    return float(difference @ difference) / max(1, difference.size)
