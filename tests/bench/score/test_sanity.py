"""Faults that are put into a good output on purpose are named; a good output has none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter
from skimage import data

from bench.score import sanity
from bench.score.sanity import Fault, fault


def photograph(name="astronaut", height=96, width=128, top=60, left=150):
    from skimage import data

    image = getattr(data, name)()
    image = image[..., None] if image.ndim == 2 else image
    return image[top : top + height, left : left + width].astype(np.float32) / 255


def noise(clean, sigma):
    return clean + np.random.default_rng(0).normal(0, sigma / 255, clean.shape).astype(np.float32)


def good(clean, noisy):
    """An output with a tenth of the noise, and a little smooth."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(clean, (0.5, 0.5, 0)) + 0.1 * (noisy - clean)


CASES = [("astronaut", 25), ("astronaut", 60), ("camera", 15), ("camera", 50), ("coffee", 30)]

FAULTS = {
    sanity.CONSTANT: lambda out, noisy: out * 0 + 0.3,
    sanity.UNCHANGED: lambda out, noisy: np.clip(noisy, 0, 1),
    sanity.RESIDUAL: lambda out, noisy: noisy - out,
    sanity.NEGATIVE: lambda out, noisy: out - noisy,
    sanity.ADDED: lambda out, noisy: 2 * noisy - out,
    sanity.WHITE_255: lambda out, noisy: out * 255,
    sanity.WHITE_65535: lambda out, noisy: out * 65535,
    sanity.SYMMETRIC: lambda out, noisy: 2 * out - 1,
    sanity.INVERTED: lambda out, noisy: 1 - out,
    sanity.DARK: lambda out, noisy: out / 255,
    sanity.GAMMA: lambda out, noisy: np.clip(out, 0, 1) ** 2.2,
    sanity.CONTRAST: lambda out, noisy: 0.2 * out + 0.1,
    "mirrors the image left to right": lambda out, noisy: out[:, ::-1],
    "turns the image upside down (mirrored)": lambda out, noisy: out[::-1],
    "turns the image by 180 degrees": lambda out, noisy: out[::-1, ::-1],
    "shifts the image (1 down, in pixels)": lambda out, noisy: np.roll(out, 1, 0),
    "shifts the image (1 up and 2 to the left, in pixels)": lambda out, noisy: np.roll(out, (-1, -2), (0, 1)),
    "shifts the image (5 to the right, in pixels)": lambda out, noisy: np.roll(out, 5, 1),
    "shifts the image by a part of a pixel (down and to the right)": lambda out, noisy: (
        (out + np.roll(out, 1, 0) + np.roll(out, 1, 1) + np.roll(out, (1, 1), (0, 1))) / 4
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_good_output_has_no_fault(case):
    clean = photograph(case[0])
    noisy = noise(clean, case[1])
    for out in (clean + 0.5 * (noisy - clean), good(clean, noisy)):
        assert fault(clean, noisy, out) is None
        assert fault(None, noisy, out) is None


@pytest.mark.parametrize("cause", FAULTS)
def test_each_fault_is_named(cause):
    for name, sigma in CASES:
        clean = photograph(name)
        noisy = noise(clean, sigma)
        found = fault(clean, noisy, FAULTS[cause](good(clean, noisy), noisy))
        assert found is not None
        assert found.cause == cause


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
def test_values_that_ran_over_the_ends_of_8_bit(name):
    clean = photograph(name, 256, 256, 0, 100)  # with black and white in it
    noisy = noise(clean, 25)
    levels = np.rint(gaussian_filter(noisy, (0.8, 0.8, 0)) * 255)
    over = (levels < 0) | (levels > 255)
    assert 0 < over.mean() < 0.1
    found = fault(clean, noisy, levels.astype(np.int64).astype(np.uint8).astype(np.float32) / 255)
    assert found is not None
    assert found.cause == sanity.WRAPPED
    assert fault(clean, noisy, np.clip(levels, 0, 255) / 255) is None


def test_what_is_far_off_for_another_reason_did_not_run_over():
    """Dots of a halftone that a filter takes away, and impulses that it leaves."""
    dots = (photograph("camera") > np.random.default_rng(1).random((96, 128, 1))).astype(np.float32)
    noisy = noise(dots, 25)
    smooth = fault(dots, noisy, gaussian_filter(dots, (1.5, 1.5, 0)))
    removed = fault(dots, noisy, median_filter(noisy, (3, 3, 1)))
    clean = photograph("camera")
    salted = np.where(np.random.default_rng(2).random(clean.shape) < 0.05, 1 - np.rint(clean), clean).astype(np.float32)
    left = fault(clean, salted, 0.9 * salted + 0.1 * clean)
    assert sanity.WRAPPED not in [found and found.cause for found in (smooth, removed, left)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_noise_on_another_scale(case):
    """From 0 to 255, of variance 1 as diffusion predicts it, divided by the variance, and shifted to be seen."""
    clean = photograph(case[0])
    noisy = noise(clean, case[1])
    found = noisy - good(clean, noisy)
    sigma = case[1] / 255
    for out in (found * 255, found / sigma, -found / sigma**2, found + 0.5):
        assert fault(clean, noisy, out).cause == sanity.SCALED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_image_with_much_more_noise_is_not_the_noise_alone(case):
    from scipy.ndimage import uniform_filter

    noisy = noise(clean := photograph(case[0]), case[1])
    for factor in (3, 6):
        out = factor * noisy - (factor - 1) * uniform_filter(noisy, (3, 3, 1))
        assert fault(clean, noisy, out).cause == sanity.NOISIER


def test_an_image_of_mean_0_and_variance_1_is_not_one_that_was_turned():
    """As a network gives it whose normalisation is in training mode."""
    for name, top, left in (("camera", 100, 180), ("coins", 60, 150), ("astronaut", 60, 150)):
        clean = photograph(name, 96, 108, top, left)
        noisy = noise(clean, 25)
        out = (noisy - noisy.mean()) / noisy.std()
        assert fault(clean, noisy, out).cause == sanity.CONTRAST
        assert fault(clean, noisy, -out).cause == sanity.INVERTED


@pytest.mark.parametrize(("order", "name"), [((2, 1, 0), "BGR for RGB"), ((1, 2, 0), "GBR for RGB")])
@pytest.mark.parametrize("sigma", [15, 60])
def test_channels_in_another_order(order, name, sigma):
    clean = photograph()
    noisy = noise(clean, sigma)
    out = good(clean, noisy)[..., order]
    assert fault(clean, noisy, out).cause == f"swaps the colour channels ({name})"
    twice = fault(clean, noisy, 255 * out)
    assert twice.cause == f"{sanity.WHITE_255} and swaps the colour channels ({name})"


def test_faults_of_shape():
    clean = photograph(height=100, width=100)
    noisy = noise(clean, 25)
    out = good(clean, noisy)
    assert fault(clean, noisy, out.swapaxes(0, 1)).cause == "swaps rows and columns (transposed)"
    assert fault(clean, noisy, np.rot90(out)).cause == "turns the image by 90 degrees"
    gray = np.repeat(out.mean(axis=2, keepdims=True), 3, axis=2)
    assert fault(clean, noise(clean, 5), gray).cause == sanity.GRAY
    assert fault(clean, noisy, clean).cause == sanity.REFERENCE


def test_worse_than_the_noisy_image():
    from scipy.ndimage import gaussian_filter

    clean = photograph("camera")
    noisy = noise(clean, 5)
    smooth = fault(clean, noisy, gaussian_filter(noisy, (3, 3, 0)))
    assert (smooth.cause, smooth.loss > 5) == (sanity.SMOOTH, True)
    assert fault(clean, noisy, clean + 3 * (noisy - clean)).cause == sanity.NOISIER
    # 0.9 dB more noise is let pass, 1.1 dB is not: 10 ** (dB / 20) is the ratio of standard deviations.
    clean, worse = 0.3 + 0.4 * clean, 10 ** (0.05 * np.array([0.9, 1.1]))
    noisy = noise(clean, 10)
    assert fault(clean, noisy, clean + worse[0] * (noisy - clean)) is None
    assert fault(clean, noisy, clean + worse[1] * (noisy - clean)).loss == pytest.approx(1.1, abs=0.01)
    other = clean + np.random.default_rng(1).normal(0, 30 / 255, clean.shape)
    assert fault(clean, noisy, other).cause == sanity.UNKNOWN


def test_data_that_are_no_fault_of_the_method():
    """A pair that is shifted, a pair without noise, an image of one level, and images of a few pixels."""
    clean = photograph("camera")
    for moved in (np.roll(clean, (1, 2), (0, 1)), (clean + np.roll(clean, 1, 0)) / 2):
        noisy = noise(moved, 15)
        assert fault(clean, noisy, moved + 0.1 * (noisy - moved)) is None
    assert fault(clean, clean, clean) is None
    flat = np.full((40, 40, 1), 0.4, np.float32)
    for image in (flat, clean[:1, :1], clean[:5, :7], clean[:1, :19]):
        noisy = noise(image, 25)
        assert fault(image, noisy, image + 0.2 * (noisy - image)) is None
        assert fault(None, noisy, image + 0.2 * (noisy - image)) is None
    assert fault(None, noise(flat, 25), flat) is None


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda image: image[..., ::-1], "swaps the colour channels (BGR for RGB)"),
        (lambda image: image[::-1], "turns the image upside down"),
        (lambda image: np.roll(image, 1, 1), ""),
    ],
)
def test_pairs_that_do_not_fit_are_no_fault_of_the_method(change, cause):
    clean = photograph()
    for sigma in (10, 30):
        noisy = change(noise(clean, sigma))
        found = fault(clean, noisy, good(change(clean), noisy))
        assert found is None or "and so does the noisy image" in found.cause
        assert not cause or found.cause.startswith(cause)


def test_without_a_reference():
    clean = photograph()
    noisy = noise(clean, 25)
    assert fault(None, noisy, noisy * 0 + 0.5) == sanity.Fault(sanity.CONSTANT)
    assert fault(None, noisy, noisy.clip(0, 1)) == sanity.Fault(sanity.UNCHANGED)


def test_lines_of_a_set():
    faults = [sanity.Fault("a", 3.0), None, sanity.Fault("b", 0.5), sanity.Fault("b"), sanity.Fault("b", 0.9)]
    assert sanity.warnings(faults) == [
        "on 3 of 5 images: b",
        "on 1 of 5 images: a; 3.00 dB below the noisy image",
    ]
    assert sanity.warnings([None, None]) == []


def test_of_many_small_images_only_what_many_of_them_show_is_told():
    """A hundred pieces of 28x28 pixels: about one in a hundred is shifted by chance, and all of them where all are."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, 480, (200, 2))
    clean = np.array([data.camera()[y : y + 28, x : x + 28, None] / 255 for y, x in places])
    noisy = clean + rng.normal(0, 75 / 255, clean.shape)
    smooth = gaussian_filter(noisy, (0, 1.5, 1.5, 0))
    by_chance = sanity.faults(clean, noisy, smooth)
    assert any(found and found.cause.startswith("shifts") for found in by_chance)
    assert not [line for line in sanity.warnings(by_chance) if "shifts" in line]
    flat = [*by_chance, *[Fault("turns the image by 90 degrees", weak=True)] * 5]  # seen on 130 of 5,000
    assert not [line for line in sanity.warnings(flat) if "turns" in line]
    moved = sanity.warnings(sanity.faults(clean, noisy, np.roll(smooth, (1, 1), (1, 2))))
    assert any("shifts the image (1 down and 1 to the right, in pixels)" in line for line in moved)
    turned = sanity.warnings(sanity.faults(clean, noisy, np.rot90(smooth, 1, (1, 2))))
    assert any("turns the image by 90 degrees" in line for line in turned)
    one = Fault("shifts the image (1 down, in pixels)")  # of a large image: no chance
    assert sanity.warnings([*by_chance, one])[-1].startswith("on 1 of 201 images: shifts the image (1 down")


def test_many_causes_share_a_line():
    causes = ["a", "a", "a", "b", "b", "c", "c", "d", "e", "f", None]
    assert sanity.warnings([cause and sanity.Fault(cause) for cause in causes], "0123456789X") == [
        "on 3 of 11 images (0, 1, 2): a",
        "on 2 of 11 images (3, 4): b",
        "on 2 of 11 images (5, 6): c",
        "on 3 of 11 images (7, 8, 9): 3 rarer causes",
    ]
    assert len(sanity.warnings([cause and sanity.Fault(cause) for cause in causes[:8]])) == 4


@pytest.mark.parametrize(("name", "height", "width"), [("astronaut", 32, 48), ("camera", 40, 40), ("coffee", 12, 14)])
def test_an_image_has_the_fault_that_it_has_alone_whatever_is_looked_at_with_it(name, height, width):
    """Bit for bit, so that no warning depends on how many images are looked at together."""
    draw = np.random.default_rng(1)
    images = []
    for change in (*FAULTS.values(), *[lambda out, noisy: out] * 6):
        clean = photograph(name, height, width, *draw.integers(0, 200, 2))
        noisy = noise(clean, int(draw.choice([5, 25, 60])))
        images.append((clean, noisy, change(good(clean, noisy), noisy)))
    clean, noisy, out = zip(*(images[i] for i in draw.permutation(len(images))), strict=True)
    alone = [fault(*image) for image in zip(clean, noisy, out, strict=True)]
    assert len({found.cause for found in alone if found}) > 8
    for at_once in (1, 7, 100):
        assert sanity.faults(clean, noisy, out, at_once) == alone


def test_images_with_and_without_a_reference_may_be_looked_at_together():
    clean = photograph(height=32, width=32)
    noisy = noise(clean, 25)
    found = sanity.faults([clean, None, None], [noisy] * 3, [255 * clean, noisy * 0 + 0.5, clean], 3)
    assert [one and one.cause for one in found] == [sanity.WHITE_255, sanity.CONSTANT, None]
