"""Sanity of a result: what is likely wrong with an output that cannot be that of a working denoiser.

Everything here is a pure function of the images; arrays are (H, W, C), or (B, H, W, C) in batches, with 1.0 = white.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.score.belonging import NOT_IN_PLACE, blocks, other_scene, other_tint, other_tone, pair_fault
from bench.score.displacement import CLEARLY, Image, displaced, squared_error, squared_errors
from bench.score.metrics import decibels
from bench.score.parts import left_out

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
    weak : bool
        Whether a small image may show it by chance.
    """

    cause: str
    loss: float | None = None
    weak: bool = False


SMALL, BY_CHANCE, MANY = 64, 0.03, 20
"""Of images with a side below `SMALL` pixels, up to this share looks like another one, turned or shifted by chance, and
nothing is said of it where there are `MANY`."""

MOST_LINES = 4
"""Of a result: by chance hundreds of small images show dozens of causes, each on one or two."""

FAR, NEAR, TURN, MATTERS = 0.75, 0.15, 256 / 255, 0.95
"""Errors of pixels, 1.0 = white, that no denoiser makes and that a good one does; one turn of 8 bit, after which far
pixels are near where values ran over; and the share of the squared error that must be left at most without them."""

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
WRAPPED = "returns values that ran over the ends of 8 bit, white as black: clip to 0 to 255 before the change to uint8"
GAMMA = "returns values on another tone curve (gamma)"
CONTRAST = "returns another brightness or contrast"
TINT = "returns another tint: of {} the brightness or contrast is another one"
GRAY = "returns gray for colour"
OTHER = "returns another image: are outputs in the wrong order, or kept from an image before?"
SMOOTH = "smooths away more detail than noise"
NOISIER = "returns more noise than it gets"
UNKNOWN = "returns something farther from the clean image than the noisy one, for no cause that is known"
"""The causes; `bench.score.displacement` gives those of pixels that are in another place."""

_BY_CHANCE = (OTHER, "shifts", "turns", "mirrors", "swaps rows")
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
    return faults([clean], [noisy], [denoised])[0]


def faults(
    clean: Sequence[Image | None],
    noisy: Sequence[Image],
    denoised: Sequence[Image],
    at_once: int = 1,
    *,
    recorded: bool = False,
) -> list[Fault | None]:
    """Say for images of one shape what is likely wrong with each output: what `fault` says, so many at once.

    Where the noisy images were `recorded`, not made here, what is wrong with a pair itself comes first.
    """
    if recorded:
        causes = [
            "" if image is None else pair_fault(_middle(_batch([image]))[0], _middle(_batch([other]))[0])
            for image, other in zip(clean, noisy, strict=True)
        ]
        of_methods = faults(clean, noisy, denoised, at_once)
        return [Fault(cause) if cause else found for cause, found in zip(causes, of_methods, strict=True)]
    if any(image is None for image in clean):
        pairs = (tuple(np.asarray(image, np.float32) for image in pair) for pair in zip(noisy, denoised, strict=True))
        return [
            _without_reference(*pair) if image is None else fault(image, *pair)
            for image, pair in zip(clean, pairs, strict=True)
        ]
    found: list[Fault | None] = []
    for i in range(0, len(clean), at_once):
        found += _faults(*(_batch(images[i : i + at_once]) for images in (clean, noisy, denoised)))  # type: ignore[arg-type]
    return found


def _batch(images: Sequence[Image]) -> Image:
    batch = images[0][None] if len(images) == 1 else np.stack(images)  # of a large image each copy counts
    return np.asarray(batch, np.float32)


def _faults(clean: Image, noisy: Image, denoised: Image) -> list[Fault | None]:
    before, shown = squared_errors(noisy, clean), np.clip(denoised, 0, 1)
    now = squared_errors(shown, clean)
    losses = [decibels(a * 255**2) - decibels(b * 255**2) for a, b in zip(before, now, strict=True)]
    causes = _plain(clean, noisy, denoised, shown, before)
    for i, images in enumerate(zip(clean, noisy, shown, strict=True)):
        if causes[i] in ("", WRAPPED):
            cause, width = left_out(*images, float(before[i]), float(now[i]))
            causes[i] = (width and _within(width, clean[i], noisy[i], denoised[i])) or cause or causes[i]
    del shown
    rest = [i for i, cause in enumerate(causes) if not cause]
    clean, noisy, denoised = (_middle(image)[rest] for image in (clean, noisy, denoised))
    moved = displaced(clean, noisy, denoised)
    values = _values(clean, noisy, denoised, [losses[i] > -FARTHER for i in rest])
    for j, (i, (place, left)) in enumerate(zip(rest, moved, strict=True)):
        causes[i] = _cause(clean[j], noisy[j], denoised[j], place, left, losses[i], *values[j])
    small = min(clean.shape[1:3]) < SMALL
    return [
        Fault(cause, loss, weak=small and cause.startswith(_BY_CHANCE)) if cause else None
        for cause, loss in zip(causes, losses, strict=True)
    ]


def _plain(clean: Image, noisy: Image, denoised: Image, shown: Image, before: Image) -> list[str]:
    """Name the causes that need no looking for: the output is constant, the input, or the reference."""
    axes = (1, 2, 3)
    spread = clean.std(axes)
    constant = (np.ptp(denoised, axes) < 1e-3) & (spread / 5 > 1e-3)
    error = np.abs(denoised - clean)
    reference = (error.max(axes) < 1e-5) & (spread > 0.01)
    wrapped = np.array([_wrapped(*images) for images in zip(clean, noisy, denoised, error > FAR, strict=True)])
    del error
    unchanged = squared_errors(shown, np.clip(noisy, 0, 1)) < 1e-3 * before
    noisier = before > 1e-9
    seen = {CONSTANT: constant, REFERENCE: noisier & reference, UNCHANGED: noisier & unchanged, WRAPPED: wrapped}
    return [next((cause for cause, images in seen.items() if images[i]), "") for i in range(len(clean))]


def _within(border: int, *images: Image) -> str:
    """Say what is wrong within a border of some pixels; it may be shifted, and the border no fault of its own."""
    found = fault(*(image[border:-border, border:-border] for image in images))
    return found.cause if found else ""


def _wrapped(clean: Image, noisy: Image, denoised: Image, far: Image) -> bool:
    """Whether the pixels of an output that are far off are right, and the image smoother, one turn of 8 bit on."""
    if not far.any():
        return False
    off = (denoised - clean)[far]
    on = off - np.sign(off) * TURN
    if np.median(np.abs(on)) > NEAR or np.median(np.abs((noisy - clean)[far])) > FAR / 2:
        return False
    turned = denoised.copy()
    turned[far] = clean[far] + on
    rest = squared_error(np.clip(turned, 0, 1), clean)
    return rest < MATTERS * squared_error(np.clip(denoised, 0, 1), clean) and _variation(turned) < _variation(denoised)


def _variation(image: Image) -> float:
    return sum(float(np.abs(np.diff(image, axis=axis)).sum()) for axis in (0, 1))


def _cause(
    clean: Image, noisy: Image, denoised: Image, place: str, left: float, loss: float, value: str, seen: Image
) -> str:
    """Join what was found of the place of an image's pixels and of their values."""
    if place:
        already = displaced(clean[None], clean[None], noisy[None])[0][0]
        if already:
            return NOT_IN_PLACE.format(already)
    if value and squared_error(seen, clean) <= left:
        place = " and ".join(filter(None, (value, displaced(clean[None], noisy[None], seen[None])[0][0])))
    if place:
        return place
    if other_scene(clean, denoised) and not other_scene(clean, noisy):
        return OTHER
    if other_tone(clean, noisy, denoised):
        return CONTRAST
    if channels := other_tint(clean, noisy, denoised):
        return GRAY if _gray(clean, denoised) else TINT.format(channels)
    return _farther(clean, noisy, denoised) if loss > FARTHER else ""


def is_tint(cause: str) -> bool:
    """Whether a cause is `TINT`, of whichever channels."""
    return cause.startswith(TINT.partition("{")[0])


def warnings(faults: Sequence[Fault | None], names: Sequence[str] = ()) -> list[str]:
    """Return a line for each of the commonest causes, with the number of images that show it and their names.

    What small images show by chance is left out; what is beyond `MOST_LINES` shares the last line. Names are left out
    where all images show a cause.

    Examples
    --------
    >>> warnings([Fault(CONSTANT, 8.0), None, Fault(CONSTANT, 9.0)], ["a", "b", "c"])
    ['on 2 of 3 images (a, c): returns a constant image; 8.50 dB below the noisy image']
    """
    by_cause: dict[str, list[int]] = {}
    for place, found in enumerate(faults):
        if found is not None:
            by_cause.setdefault(found.cause, []).append(place)
    if len(faults) >= MANY:
        least = max(2.0, BY_CHANCE * len(faults))
        weak = {place for place, found in enumerate(faults) if found is not None and found.weak}
        by_cause = {c: places for c, places in by_cause.items() if len(places) >= least or not weak.issuperset(places)}
    common = sorted(by_cause.items(), key=lambda item: -len(item[1]))
    if len(common) > MOST_LINES:
        rare = sorted(place for _, places in common[MOST_LINES - 1 :] for place in places)
        common[MOST_LINES - 1 :] = [(f"{len(common) - MOST_LINES + 1} rarer causes", rare)]
    lines = []
    for cause, places in common:
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
    means, spread = blocks(noisy), float(noisy.std())
    if np.ptp(denoised) < 1e-3 and means.size > 4 and means.std() > max(0.01, 0.25 * spread):
        return Fault(CONSTANT)
    if spread > 0 and np.abs(np.clip(denoised, 0, 1) - np.clip(noisy, 0, 1)).max() < 1e-5:
        return Fault(UNCHANGED)
    return None


def _values(clean: Image, noisy: Image, denoised: Image, wanted: Sequence[bool]) -> list[tuple[str, Image]]:
    """Find for each image that is wanted what was done to its pixels' values, or nothing, and the image without it."""
    found: list[tuple[str, Image]] = [("", image) for image in denoised]
    places = np.flatnonzero(wanted)
    if not len(places):
        return found
    clean, noisy, denoised = clean[places], noisy[places], denoised[places]
    now, before = squared_errors(np.clip(denoised, 0, 1), clean), squared_errors(noisy, clean)
    fit, slopes = _affine(denoised, clean)
    noise, _ = _affine(denoised, noisy - clean)
    best = squared_errors(fit, clean)
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
    of_all = {cause: squared_errors(image(), clean) for cause, image in candidates.items()}
    for i, place in enumerate(places):
        images = clean[i], noisy[i], denoised[i]
        errors = {cause: float(error[i]) for cause, error in of_all.items()}
        if cause := _likeliest(*images, errors, float(before[i]), float(now[i]), float(best[i])):
            found[place] = (cause, candidates[cause]()[i])
        elif _gray(clean[i], denoised[i]):
            found[place] = (GRAY, denoised[i])
        elif best[i] < min(now[i] / 2, CLEARLY * float(clean[i].var())):
            found[place] = (CONTRAST if slopes[i] > 0 else INVERTED, fit[i])
    return found


def _likeliest(
    clean: Image, noisy: Image, denoised: Image, errors: Mapping[str, float], before: float, now: float, best: float
) -> str:
    """Return the cause without which an image is clearly nearer to the clean one, or nothing."""
    # The noise that is left, and so the image, is found from noise alone; a value from the image that is there.
    of_noise = {c: e for c, e in errors.items() if c in _OF_NOISE and e < min(0.9 * before, now / 2)}
    of_image = {c: e for c, e in errors.items() if c not in _OF_NOISE and e < min(2 * best, now / 2)}
    # A scale that fits best is another one only where none is as good, and where the image is not there too.
    if SCALED in of_noise and (len(of_noise) > 1 or errors[SCALED] > best / 2 or _holds_image(clean, noisy, denoised)):
        of_noise.pop(SCALED)
    return min(of_noise | of_image, key=errors.__getitem__, default="")


def _gray(clean: Image, denoised: Image) -> bool:
    return clean.shape[2] == 3 and bool(np.ptp(denoised, axis=2).max() < 1e-3 < np.ptp(clean, axis=2).mean() / 10)


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


def _affine(image: Image, clean: Image) -> tuple[Image, Image]:
    """Return ``a * image + b`` that is nearest to each clean image of a batch, and a."""
    options: dict[str, Any] = {"axis": (1, 2, 3), "dtype": np.float64, "keepdims": True}
    variance = image.var(**options)
    centred = image - image.mean(**options)
    slope = (centred * clean).mean(**options) / np.where(variance == 0, 1, variance)
    fit = slope * centred + clean.mean(**options)
    return np.where(variance == 0, image, fit), np.where(variance == 0, 0, slope).ravel()


def _gamma(image: Image, clean: Image) -> Image:
    """Return the images on the tone curve, of the usual two, that is nearer to the clean ones."""
    positive = np.clip(image, 0, 1)
    one, other = positive**2.2, positive ** (1 / 2.2)
    nearer = squared_errors(one, clean) <= squared_errors(other, clean)
    return np.where(nearer[:, None, None, None], one, other)


def _middle(images: Image) -> Image:
    top, left = (max(0, (length - SIDE) // 2) for length in images.shape[1:3])
    return images[:, top : images.shape[1] - top, left : images.shape[2] - left][:, : SIDE + 1, : SIDE + 1]
