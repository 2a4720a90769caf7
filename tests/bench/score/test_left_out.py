"""A part of the image that an output leaves out is named, and no whole output has one."""

import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter
from skimage import data
from skimage.restoration import denoise_nl_means

from bench.score import parts, sanity
from bench.score.sanity import fault


def images(name, sigma, height=96, width=128):
    clean = getattr(data, name)()
    clean = clean[..., None] if clean.ndim == 2 else clean
    clean = clean[60 : 60 + height, 150 : 150 + width].astype(np.float32) / 255
    noisy = clean + np.random.default_rng(0).normal(0, sigma / 255, clean.shape).astype(np.float32)
    return clean, noisy, gaussian_filter(noisy, (0.8, 0.8, 0))


def left_out(clean, noisy, denoised):
    shown = np.clip(denoised, 0, 1)
    return parts.left_out(clean, noisy, shown, *(float(((x - clean) ** 2).mean()) for x in (noisy, shown)))


def framed(width, value):
    def change(noisy, out):
        inner = out[width:-width, width:-width]
        return np.pad(inner, ((width, width), (width, width), (0, 0)), constant_values=value)

    return change


UNTOUCHED = {
    "the last row": np.s_[-1:],
    "the last eight columns": np.s_[:, -8:],
    "every 16th row": np.s_[::16],
    "half of it": np.s_[:48],
    "a tile of 32": np.s_[32:64, 64:96],
}
BORDERS = {
    "the last column black": (lambda noisy, out: np.pad(out[:, :-1], ((0, 0), (0, 1), (0, 0))), "row or column"),
    "four pixels black": (framed(4, 0.0), "4 rows or columns"),
    "eight pixels black": (framed(8, 0.0), "8 rows or columns"),
    "three pixels white": (framed(3, 1.0), "3 rows or columns"),
    "a side that wraps around": (
        lambda noisy, out: np.concatenate([out[:, 64:72], out[:, 8:]], 1),
        "[2-8] rows or columns",
    ),
}
CASES = [("astronaut", 25), ("camera", 15), ("camera", 25), ("coffee", 30)]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", UNTOUCHED)
@pytest.mark.parametrize("rounded", [False, True])
def test_what_is_left_as_it_was(kind, case, rounded):
    clean, noisy, out = images(*case)
    place = UNTOUCHED[kind]
    out[place] = np.rint(255 * noisy[place].clip(0, 1)) / 255 if rounded else noisy[place]
    assert fault(clean, noisy, out).cause == parts.UNTOUCHED


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", BORDERS)
def test_a_border_that_is_not_of_the_image(kind, case):
    clean, noisy, out = images(*case)
    change, words = BORDERS[kind]
    found = fault(clean, noisy, change(noisy, out))
    assert re.fullmatch(f"returns something else in the outermost {words} of the image", found.cause)


def sparing(noisy, sigma):
    """Leave most pixels as they are, as non-local means do where they find nothing like them."""
    chosen = np.random.default_rng(3).random(noisy.shape[:2]) < 0.3
    chosen[:, :8], chosen[40] = False, False
    return np.where(chosen[..., None], gaussian_filter(noisy, (1, 1, 0)), noisy)


FILTERS = {
    "sparing": sparing,
    "gaussian": lambda noisy, sigma: gaussian_filter(noisy, (1, 1, 0)),
    "strong": lambda noisy, sigma: gaussian_filter(noisy, (2, 2, 0), mode="nearest"),
    "median": lambda noisy, sigma: median_filter(noisy, (3, 3, 1)),
    "weak": lambda noisy, sigma: 0.9 * noisy + 0.1 * gaussian_filter(noisy, (1, 1, 0)),
    "nlm": lambda noisy, sigma: denoise_nl_means(noisy, h=sigma / 255, sigma=sigma / 255, channel_axis=-1).reshape(
        noisy.shape
    ),
    "rounded": lambda noisy, sigma: np.rint(gaussian_filter(noisy, (1, 1, 0)).clip(0, 1) * 255) / 255,
}


@pytest.mark.parametrize("sigma", [0, 2, 5, 15, 50, 100])
@pytest.mark.parametrize("kind", FILTERS)
def test_filters_leave_out_nothing(kind, sigma):
    for name in ("astronaut", "camera", "brick", "moon", "grass", "gravel"):
        clean, noisy, _ = images(name, sigma)
        assert left_out(clean, noisy, FILTERS[kind](noisy, max(sigma, 1)).astype(np.float32)) == ("", 0)


def test_what_has_no_noise_may_stay_as_it_is():
    """Impulses that a switching median takes away, and the blocks of a JPEG picture that have no error."""
    clean, _, _ = images("camera", 0)
    salted = clean.copy()
    salted[np.random.default_rng(1).random(clean.shape) < 0.02] = 1
    assert left_out(clean, salted, np.where(salted == 1, median_filter(salted, (3, 3, 1)), salted)) == ("", 0)
    flat = clean.copy()
    flat[:, :64] = 0.5
    half = flat.copy()
    half[:, 64:] += np.random.default_rng(1).normal(0, 0.1, (96, 64, 1)).astype(np.float32)
    assert left_out(flat, half, np.where(flat == 0.5, half, gaussian_filter(half, (0, 1, 0)))) == ("", 0)


@pytest.mark.parametrize(
    ("tint", "words"),
    [
        (lambda out: out * np.array([1, 1, 0.8], np.float32), "of blue "),
        (lambda out: out + np.array([0.05, 0, 0], np.float32), "of red "),
        (lambda out: out + np.array([0.05, -0.05, 0], np.float32), "of red and green "),
    ],
)
def test_a_tint(tint, words):
    """As of a mean and deviation that are of another channel."""
    for name in ("astronaut", "coffee", "chelsea"):
        clean, noisy, out = images(name, 25)
        assert fault(clean, noisy, out) is None
        found = fault(clean, noisy, tint(out))
        assert found.cause.startswith("returns another tint") or found.cause == sanity.CONTRAST
        assert found.cause == sanity.CONTRAST or words in found.cause


def test_gray_for_colour_has_no_tint():
    clean, noisy, out = images("coffee", 25)
    assert fault(clean, noisy, np.repeat(out.mean(2, keepdims=True), 3, 2)).cause == sanity.GRAY
