"""Sanity of a result: what is likely wrong with an output that cannot be that of a working denoiser.

Everything here is a pure function of the images; arrays are (H, W, C) with 1.0 = white.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.score.displacement import CLEARLY, Image, displaced, squared_error
from bench.score.metrics import decibels

FARTHER = 1.0
"""An output that is so many dB farther from the clean image than the noisy one is suspicious."""

SIDE = 128
"""Causes are looked for in the middle of an image, at most so many pixels wide and high: that is enough, and quick."""


@dataclass(frozen=True)
class Fault:
    """What is likely wrong with the output for an image.

    Attributes
    ----------
    cause : str
        In words that follow the name of the method: ``"returns the noise"``.
    loss : float, optional
        PSNR of the noisy image less that of the output, in dB; None without a reference.
    """

    cause: str
    loss: float | None = None


CONSTANT = "returns a constant image"
UNCHANGED = "returns its input unchanged"
REFERENCE = "returns the clean image itself: is the reference where the output should be?"
RESIDUAL = "returns the noise, not the image (OUTPUT=residual subtracts it)"
NEGATIVE = "returns the noise with its sign turned (OUTPUT=-residual adds it)"
SCALED = "returns the noise on another scale, not the image"
ADDED = "adds the noise that it should take away"
WHITE_255 = "returns values from 0 to 255 (OUTPUT=255 divides them)"
WHITE_65535 = "returns values from 0 to 65535"
SYMMETRIC = "returns values from -1 to 1 (OUTPUT=-1..1 converts them)"
INVERTED = "returns the negative of the image"
DARK = "returns values that were divided by 255 once too often"
GAMMA = "returns values on another tone curve (gamma)"
CONTRAST = "returns another brightness or contrast"
GRAY = "returns gray for colour"
SMOOTH = "smooths away more detail than noise"
NOISIER = "returns more noise than it gets"
UNKNOWN = "returns something farther from the clean image than the noisy one, for no cause that is known"
"""The causes; `bench.score.displacement` gives those of pixels that are in another place."""

_OF_NOISE = (RESIDUAL, NEGATIVE, SCALED, ADDED)


def fault(clean: Image | None, noisy: Image, denoised: Image) -> Fault | None:
    """Say what is likely wrong with an output, or None where nothing seems to be.

    Parameters
    ----------
    clean : ndarray, shape (H, W, C), optional
        The reference. Without one only a constant and an unchanged image are seen.
    noisy, denoised : ndarray, shape (H, W, C)
        What the method got and what it gave; both may leave [0, 1].
    """
    noisy, denoised = (np.asarray(image, np.float32) for image in (noisy, denoised))
    if clean is None:
        return _without_reference(noisy, denoised)
    clean = np.asarray(clean, np.float32)
    before, shown = squared_error(noisy, clean), np.clip(denoised, 0, 1)
    loss = decibels(before * 255**2) - decibels(squared_error(shown, clean) * 255**2)
    if np.ptp(denoised) < 1e-3 < np.std(clean) / 5:
        return Fault(CONSTANT, loss)
    if before > 1e-9:
        if np.abs(denoised - clean).max() < 1e-5 and clean.std() > 0.01:
            return Fault(REFERENCE, loss)
        if squared_error(shown, np.clip(noisy, 0, 1)) < 1e-3 * before:
            return Fault(UNCHANGED, loss)
    clean, noisy, denoised = (_middle(image) for image in (clean, noisy, denoised))
    place, left = displaced(clean, noisy, denoised)
    if place and (already := displaced(clean, clean, noisy)[0]):
        return Fault(f"{already}, and so does the noisy image: do it and its reference belong together?", loss)
    if loss > -FARTHER:
        value, seen = _value(clean, noisy, denoised)
        if value and squared_error(seen, clean) <= left:
            place = " and ".join(filter(None, (value, displaced(clean, noisy, seen)[0])))
    if not place and loss > FARTHER:
        place = _farther(clean, noisy, denoised)
    return Fault(place, loss) if place else None


def warnings(faults: Sequence[Fault | None], names: Sequence[str] = ()) -> list[str]:
    """Return a line for each cause, with the number of images that show it, and their names where not all do.

    Examples
    --------
    >>> warnings([Fault(CONSTANT, 8.0), None, Fault(CONSTANT, 9.0)], ["a", "b", "c"])
    ['on 2 of 3 images (a, c): returns a constant image; 8.50 dB below the noisy image']
    """
    by_cause: dict[str, list[int]] = {}
    for place, found in enumerate(faults):
        if found is not None:
            by_cause.setdefault(found.cause, []).append(place)
    lines = []
    for cause, places in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        losses = [found.loss for place in places if (found := faults[place]) and found.loss is not None]
        some = (
            ", ".join([*(names[place] for place in places[:3]), *(["..."] if len(places) > 3 else [])]) if names else ""
        )
        which = f" ({some})" if some and len(places) < len(faults) else ""
        lines.append(f"on {len(places)} of {len(faults)} images{which}: {cause}{_level(losses)}")
    return lines


def _level(losses: Sequence[float]) -> str:
    mean = float(np.mean(losses)) if losses else 0.0
    return f"; {mean:.2f} dB below the noisy image" if mean > FARTHER else ""


def _without_reference(noisy: Image, denoised: Image) -> Fault | None:
    # What a noisy image holds besides noise shows in the means of blocks, where noise averages out.
    blocks, spread = _blocks(noisy), float(noisy.std())
    if np.ptp(denoised) < 1e-3 and blocks.size > 4 and blocks.std() > max(0.01, 0.25 * spread):
        return Fault(CONSTANT)
    if spread > 0 and np.abs(np.clip(denoised, 0, 1) - np.clip(noisy, 0, 1)).max() < 1e-5:
        return Fault(UNCHANGED)
    return None


def _value(clean: Image, noisy: Image, denoised: Image) -> tuple[str, Image]:
    """Find what was done to the values of pixels; returns the cause, or nothing, and the image it was done to."""
    now, before = squared_error(np.clip(denoised, 0, 1), clean), squared_error(noisy, clean)
    fit, slope = _affine(denoised, clean)
    noise, _ = _affine(denoised, noisy - clean)
    best = squared_error(fit, clean)
    candidates: Mapping[str, Callable[[], Image]] = {
        RESIDUAL: lambda: noisy - denoised,
        NEGATIVE: lambda: noisy + denoised,
        SCALED: lambda: noisy - noise,
        ADDED: lambda: 2 * noisy - denoised,
        WHITE_255: lambda: denoised / 255,
        WHITE_65535: lambda: denoised / 65535,
        SYMMETRIC: lambda: (denoised + 1) / 2,
        INVERTED: lambda: 1 - denoised,
        DARK: lambda: denoised * 255,
        GAMMA: lambda: _gamma(denoised, clean),
    }
    errors = {cause: squared_error(image(), clean) for cause, image in candidates.items()}
    # The noise that is left, and so the image, is found from noise alone; a value from the image that is there.
    of_noise = {c: e for c, e in errors.items() if c in _OF_NOISE and e < min(0.9 * before, now / 2)}
    of_image = {c: e for c, e in errors.items() if c not in _OF_NOISE and e < min(2 * best, now / 2)}
    # A scale that fits best is another one only where none is as good, and where the image is not there too.
    if len(of_noise) > 1 or errors[SCALED] > best / 2 or _holds_image(clean, noisy, denoised):
        of_noise.pop(SCALED, None)
    cause = min(of_noise | of_image, key=errors.__getitem__, default="")
    if cause:
        return cause, candidates[cause]()
    if clean.shape[2] == 3 and np.ptp(denoised, axis=2).max() < 1e-3 < np.ptp(clean, axis=2).mean() / 10:
        return GRAY, denoised
    if best < min(now / 2, CLEARLY * float(clean.var())):
        return CONTRAST if slope > 0 else INVERTED, fit
    return "", denoised


def _holds_image(clean: Image, noisy: Image, denoised: Image) -> bool:
    """Whether an output is image and noise, by least squares; the noise that a denoiser finds holds a little of it."""
    parts = np.stack([np.ones(clean.size), clean.ravel(), (noisy - clean).ravel()], 1)
    _, of_image, of_noise = np.linalg.lstsq(parts, denoised.ravel(), rcond=None)[0]
    return bool(abs(of_image) > 0.1 * abs(of_noise))


def _farther(clean: Image, noisy: Image, denoised: Image) -> str:
    """Name the cause of an output that is in its place and on its scale, and yet worse than the noisy image."""
    detail, noise, error = clean - _blurred(clean), noisy - clean, denoised - clean
    if -float((error * detail).sum()) > 0.3 * float(np.sqrt((error**2).sum() * (detail**2).sum())):
        return SMOOTH
    return NOISIER if float((error * noise).sum()) > float((noise**2).sum()) else UNKNOWN


def _blurred(image: Image) -> Image:
    from scipy.ndimage import uniform_filter

    return uniform_filter(image, (5, 5, 1), mode="reflect")


def _affine(image: Image, clean: Image) -> tuple[Image, float]:
    """Return ``a * image + b`` that is nearest to the clean image, and a."""
    variance = float(image.var(dtype=np.float64))
    if variance == 0:
        return image, 0.0
    centred = image - image.mean(dtype=np.float64)
    slope = float((centred * clean).mean(dtype=np.float64)) / variance
    return slope * centred + clean.mean(dtype=np.float64), slope


def _gamma(image: Image, clean: Image) -> Image:
    """Return the image on the tone curve, of the usual two, that is nearer to the clean one."""
    positive = np.clip(image, 0, 1)
    curves: list[Image] = [positive**2.2, positive ** (1 / 2.2)]
    return min(curves, key=lambda curve: squared_error(curve, clean))


def _blocks(image: Image, side: int = 8) -> Image:
    height, width, channels = image.shape
    rows, columns = height // side, width // side
    cut = image[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side, channels).mean(axis=(1, 3))


def _middle(image: Image) -> Image:
    top, left = (max(0, (length - SIDE) // 2) for length in image.shape[:2])
    return image[top : image.shape[0] - top, left : image.shape[1] - left][: SIDE + 1, : SIDE + 1]
