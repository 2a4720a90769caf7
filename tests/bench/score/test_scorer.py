"""Scores of a batch, by scikit-image and by the definition."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.common.errors import BenchError
from bench.plan.protocol import Protocol
from bench.score import metrics, scorer

SHAPE = (25, 30, 3)


def scored(clean, noisy, denoised, crop=0, of_noisy=(), **choices):
    cell = SimpleNamespace(protocol=Protocol("mine", crop=crop, **choices), crop=crop)
    batch = torch.from_numpy(np.stack(denoised)).permute(0, 3, 1, 2)
    return scorer.scores(cell, clean, noisy, batch, of_noisy=of_noisy)


LUMA = {
    "rgb": lambda levels: levels,
    "y": lambda levels: levels @ np.array([[65.481], [128.553], [24.966]]) / 255 + 16,  # MATLAB's rgb2ycbcr
    "y-full": lambda levels: levels @ np.array([[0.299], [0.587], [0.114]]),  # JFIF
}


def expected(clean, levels, crop, channel="rgb"):
    """PSNR, SSIM and MSE of grey levels (H, W, C)."""
    a, b = (LUMA[channel](image.astype(np.float64)) for image in (clean, levels))
    a, b = (image[crop : SHAPE[0] - crop, crop : SHAPE[1] - crop] for image in (a, b))
    how = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    maps = structural_similarity(a, b, channel_axis=-1, **how)[1][5:-5, 5:-5]
    return [peak_signal_noise_ratio(a, b, data_range=255), maps.mean(), ((a - b) ** 2).mean()]


@pytest.fixture
def images():
    """Return five clean images, their noisy versions and outputs that leave [0, 1], each another one."""
    draw = np.random.default_rng(3)
    clean = [draw.integers(0, 256, SHAPE, np.uint8) for _ in range(5)]
    noisy = [(image / 255 + draw.normal(0, 0.3, SHAPE)).astype(np.float32) for image in clean]
    denoised = [(image / 255 + draw.normal(0, 0.1, SHAPE)).astype(np.float32) for image in clean]
    return clean, noisy, denoised


@pytest.mark.parametrize(
    ("output", "crop", "channel"),
    [("uint8", 0, "rgb"), ("float", 3, "rgb"), ("unclipped", 0, "rgb"), ("uint8", 7, "y"), ("float", 0, "y-full")],
)
def test_each_score_of_each_image(images, monkeypatch, output, crop, channel):
    monkeypatch.setattr(scorer, "TOGETHER", 2 * math.prod(SHAPE))  # two parts of two images, and one of one
    monkeypatch.setattr(metrics, "STRIP", 7 * SHAPE[1])  # in strips of seven rows
    rows = scored(*images, crop=crop, output=output, channel=channel)
    assert len(rows) == 5
    for row, clean, noisy, denoised in zip(rows, *images, strict=True):
        assert list(row) == [*scorer.scored(), "denoised"]
        levels = np.clip(denoised.astype(np.float64) * 255, 0, 255)
        pixels = np.rint(levels)
        assert row["denoised"] == pixels.astype(np.uint8).tobytes()
        seen = {"uint8": pixels, "float": levels, "unclipped": denoised.astype(np.float64) * 255}[output]
        of_output = expected(clean, seen, crop, channel)
        assert [row[name] for name in ("psnr", "ssim", "mse")] == pytest.approx(of_output, abs=1e-9)
        of_noisy = expected(clean, noisy.astype(np.float64) * 255, crop, channel)
        assert [row[name] for name in ("noisy_psnr", "noisy_ssim", "noisy_mse")] == pytest.approx(of_noisy, abs=1e-9)
        # What is wrong with the noise that was taken away is what is wrong with the output, before it is clipped.
        wrong = LUMA[channel](denoised.astype(np.float64) * 255) - LUMA[channel](clean.astype(np.float64))
        assert row["noise_psnr"] == pytest.approx(10 * math.log10(255**2 / (wrong**2).mean()), abs=1e-9)
        assert row["noise_l1"] == pytest.approx(np.abs(wrong).mean() / 255, abs=1e-9)
        assert math.isnan(row["self_mse"])
        assert math.isnan(row["self_error"])


def test_a_border_leaves_at_least_the_window_of_ssim(images):
    cause = "PROTOCOL=mine: a border of 8 leaves less than 11x11 of 25x30 pixels, which SSIM needs; use a smaller crop"
    with pytest.raises(BenchError, match=f"^{cause}$"):
        scored(*images, crop=8)
    assert math.isfinite(scored(*images, crop=7)[0]["ssim"])


def test_what_a_method_returned_stays_as_it_is(images):
    clean, noisy, denoised = images
    batch = torch.from_numpy(np.stack(denoised)).permute(0, 3, 1, 2).double()
    before = batch.clone()
    scorer.scores(SimpleNamespace(protocol=Protocol("mine"), crop=0), clean, noisy, batch)
    assert torch.equal(batch, before)


def test_images_without_a_reference_have_pixels_and_no_score(images):
    clean, noisy, denoised = images
    for references in ([None] * 5, [*clean[:4], None]):
        rows = scored(references, noisy, denoised)
        assert all(math.isnan(row[name]) for row in rows for name in scorer.scored())
        assert [row["denoised"] for row in rows] == [row["denoised"] for row in scored(clean, noisy, denoised)]


def test_scores_of_noisy_images_are_kept_for_the_next_method(images, monkeypatch):
    clean, noisy, denoised = images
    kept = [{} for _ in noisy]
    names = ("noisy_psnr", "noisy_ssim", "noisy_mse")
    monkeypatch.setattr(scorer, "TOGETHER", 1)
    first = scored(clean, noisy, denoised, of_noisy=kept)
    assert [list(next(iter(one.values()))) for one in kept] == [list(names)] * 5
    for one in kept:
        (values,) = one.values()
        values["noisy_psnr"] += 1  # what is kept is taken, not computed again
    again = scored(clean, noisy, denoised[::-1], of_noisy=kept)
    assert [row["noisy_psnr"] for row in again] == [row["noisy_psnr"] + 1 for row in first]
    assert [row["psnr"] for row in again] != [row["psnr"] for row in first]
    # Another border or channel has scores of its own.
    assert scored(clean, noisy, denoised, crop=2, of_noisy=kept)[0]["noisy_mse"] != first[0]["noisy_mse"]
    assert [len(one) for one in kept] == [2] * 5
