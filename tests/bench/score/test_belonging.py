"""Pairs and outputs that do not belong together, put together on purpose; and those that do."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter

from bench.score import sanity
from bench.score.belonging import NOT_IN_PLACE, OTHER_SCENE, OTHER_TONE, other_scene, pair_fault, trace, untraced
from bench.score.sanity import fault


def photograph(name, side=96, top=60, left=150):
    from skimage import data

    image = getattr(data, name)()
    image = image[..., None] if image.ndim == 2 else image
    return image[top : top + side, left : left + side].astype(np.float32) / 255


def noise(clean, sigma, seed=0):
    return clean + np.random.default_rng(seed).normal(0, sigma / 255, clean.shape).astype(np.float32)


def smooth(noisy, width=1.0):
    return gaussian_filter(noisy, (width, width, 0))


PHOTOGRAPHS = ("astronaut", "coffee", "cat")

PAIRS = {
    "upside down": (lambda noisy: noisy[::-1], NOT_IN_PLACE.format("turns the image upside down (mirrored)")),
    "mirrored": (lambda noisy: noisy[:, ::-1], NOT_IN_PLACE.format("mirrors the image left to right")),
    "moved": (
        lambda noisy: np.roll(noisy, (1, 2), (0, 1)),
        NOT_IN_PLACE.format("shifts the image (1 down and 2 to the right, in pixels)"),
    ),
    "BGR": (lambda noisy: noisy[..., ::-1], NOT_IN_PLACE.format("swaps the colour channels (BGR for RGB)")),
    "dark": (lambda noisy: 0.5 * noisy, OTHER_TONE),
    "limited range": (lambda noisy: 16 / 255 + noisy * 219 / 255, OTHER_TONE),
    "as it is": (lambda noisy: noisy, ""),
    "a part of a pixel": (lambda noisy: (noisy + np.roll(noisy, 1, 0)) / 2, ""),
    "clipped": (lambda noisy: noisy.clip(0, 1), ""),
    "a little darker": (lambda noisy: noisy * 0.98, ""),
}


@pytest.mark.parametrize("change", PAIRS)
@pytest.mark.parametrize("name", PHOTOGRAPHS[:2])
def test_what_is_wrong_with_a_pair_comes_before_what_a_method_makes_of_it(name, change):
    clean = photograph(name)
    made, cause = PAIRS[change]
    noisy = made(noise(clean, 5))
    assert pair_fault(clean, noisy) == cause
    (found,) = sanity.faults([clean], [noisy], [smooth(noisy, 0.6)], recorded=True)
    assert not cause or found.cause == cause
    assert sanity.faults([None], [noisy], [smooth(noisy, 0.6)], recorded=True) == [None]


def test_images_of_different_scenes_are_told_apart_at_any_noise():
    scenes = {name: photograph(name) for name in PHOTOGRAPHS}
    for name, clean in scenes.items():
        for sigma in (5, 50, 120):
            assert not other_scene(clean, noise(clean, sigma))
        for other in scenes.keys() - {name}:
            noisy = noise(scenes[other], 50)
            assert pair_fault(clean, noisy) == OTHER_SCENE
            # Outputs in the wrong order, be they better than the noisy image or worse.
            for sigma in (25, 100):
                assert fault(clean, noise(clean, sigma), smooth(noisy)).cause == sanity.OTHER
    flat = np.full((64, 64, 1), 0.4, np.float32)
    for one, other in ((flat, flat), (flat, photograph("camera", 64)), (photograph("camera", 64), flat)):
        assert not other_scene(one, noise(other, 50))
    assert not other_scene(flat[:20, :20], photograph("camera", 20))


TONES = {
    "limited range": lambda out: 16 / 255 + out * 219 / 255,
    "stretched": lambda out: (out - out.min()) / np.ptp(out),
    "gamma": lambda out: out.clip(0, 1) ** (1 / 1.2),
    "brighter": lambda out: out + 0.05,
}


@pytest.mark.parametrize("tone", TONES)
def test_another_tone_is_named_where_an_output_is_better_than_the_noisy_image_all_the_same(tone):
    for name in ("camera", "astronaut"):
        clean = photograph(name)
        noisy = noise(clean, 25)
        out = TONES[tone](smooth(noisy, 0.8)).astype(np.float32)
        found = fault(clean, noisy, out)
        assert (found.cause, found.loss < 0) == (sanity.CONTRAST, True)


def test_a_smooth_output_and_one_that_keeps_the_tone_of_its_noisy_image_have_no_other_tone():
    clean = photograph("camera")
    for sigma in (10, 25, 50, 100):
        noisy = noise(clean, sigma)
        for out in (smooth(noisy), smooth(noisy, 3), median_filter(noisy, (3, 3, 1)), smooth(noisy.clip(0, 1))):
            assert (found := fault(clean, noisy, out)) is None or found.cause == sanity.SMOOTH
    dark = 0.9 * noise(clean, 25)
    assert fault(clean, dark, smooth(dark)) is None


@pytest.mark.parametrize(("width", "sigma"), [(0.4, 2), (1, 15), (1, 75), (3, 75)])
def test_outputs_of_another_noise_have_no_trace_of_this_one(width, sigma):
    clean = [photograph(name, 128) for name in PHOTOGRAPHS]
    mine, others, weaker = ([noise(image, s, seed) for seed, image in enumerate(clean, start)]
                            for s, start in ((sigma, 0), (sigma, 10), (sigma / 3, 20)))  # fmt: skip

    def traces(inputs):
        return [trace(*images, smooth(other, width)) for *images, other in zip(clean, mine, inputs, strict=True)]

    assert not untraced(traces(mine))
    for inputs in (others, weaker, clean):
        assert untraced(traces(inputs))
    # Of one small image nothing is said, and an exact output has no error.
    assert not untraced(traces(others)[:1])
    assert not untraced(trace(image, noisy, image) for image, noisy in zip(clean, mine, strict=True))
