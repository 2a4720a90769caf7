import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from bench.plan.protocol import PROTOCOLS
from bench.score.metrics import METRICS, SHOWN, Shown, decibels, mse, psnr, shown, ssim
from bench.studies.conform.pretended_cuda import pretended_cuda


def tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, C) to (1, C, H, W) float64."""
    return torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]


@pytest.fixture(params=["gray", "rgb"])
def pair(request):
    from skimage import data

    clean = data.astronaut()[100:171, 50:143]
    clean = clean if request.param == "rgb" else clean[..., 1:2]
    return clean, np.clip(clean + np.random.default_rng(1).normal(0, 20, clean.shape), 0, 255)


def test_agrees_with_scikit_image(pair):
    clean, noisy = pair
    assert mse(tensor(clean), tensor(noisy)).item() == pytest.approx(mean_squared_error(clean, noisy), abs=1e-6)
    assert psnr(tensor(clean), tensor(noisy)).item() == pytest.approx(
        peak_signal_noise_ratio(clean, noisy, data_range=255), abs=1e-6
    )
    channels = [
        structural_similarity(
            clean[..., c].astype(float), noisy[..., c], data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        )[1][5:-5, 5:-5].mean()
        for c in range(clean.shape[2])
    ]  # fmt: skip
    assert ssim(tensor(clean), tensor(noisy)).item() == pytest.approx(np.mean(channels), abs=1e-6)


def test_worked_examples():
    clean = torch.full((1, 1, 16, 16), 100.0, dtype=torch.float64)
    brighter = clean + 10
    assert mse(clean, brighter).item() == pytest.approx(100)
    assert psnr(clean, brighter).item() == pytest.approx(10 * math.log10(255**2 / 100))
    # Flat images have no variance: only the luminance term is left (Wang et al. 2004, eq. 6).
    c1 = (0.01 * 255) ** 2
    assert ssim(clean, brighter).item() == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1))


def test_equal_images():
    image = torch.rand(1, 3, 12, 12, dtype=torch.float64) * 255
    assert ssim(image, image).item() == pytest.approx(1)
    assert mse(image, image).item() == 0


def test_psnr_ends_where_rounding_to_eight_bit_hides_the_difference():
    """The error of rounding is uniform on half a level to both sides: its simulated MSE gives the highest PSNR."""
    exact = torch.from_numpy(np.random.default_rng(0).uniform(1, 254, (1, 1, 1000, 1000)))
    rounded = mse(exact, exact.round()).item()
    assert rounded == pytest.approx(1 / 12, rel=4e-3)
    highest = psnr(exact, exact).item()
    assert highest == pytest.approx(
        peak_signal_noise_ratio(exact.numpy(), exact.round().numpy(), data_range=255), abs=0.02
    )
    assert f"at most {highest:.2f} dB an image" in PROTOCOLS["standard"].summary()
    image = torch.zeros(2, 1, 10, 12)
    image[0, 0, 0, :9] = 1  # 9 of 120 samples off by a level: below a twelfth
    image[1, 0, 0, :11] = 1
    found = psnr(torch.zeros(2, 1, 10, 12), image).tolist()
    assert found[0] == highest
    assert found[1] == pytest.approx(10 * math.log10(255**2 * 120 / 11))
    assert [decibels(error) for error in (9 / 120, 11 / 120)] == pytest.approx(found)


def test_a_batch_is_scored_image_by_image(pair):
    clean, noisy = (tensor(image) for image in pair)
    worse = clean + 2 * (noisy - clean)
    for metric in METRICS.values():
        together = metric(torch.cat([clean, clean]), torch.cat([noisy, worse]))
        apart = torch.cat([metric(clean, noisy), metric(clean, worse)])
        assert together.shape == (2,)
        torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)


def test_an_image_of_the_size_of_the_window_has_the_one_value_of_its_map():
    draw = np.random.default_rng(2)
    a, b = draw.uniform(0, 255, (2, 11, 11))
    side = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    weights = np.outer(side, side) / side.sum() ** 2
    mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
    var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
    cov = (weights * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    assert ssim(tensor(a[..., None]), tensor(b[..., None])).item() == pytest.approx(expected, abs=1e-12)


def test_too_small_for_the_window():
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(torch.zeros(1, 1, 10, 20, dtype=torch.float64), torch.zeros(1, 1, 10, 20, dtype=torch.float64))


def test_strips_change_nothing(pair, monkeypatch):
    from bench.score import metrics

    clean, noisy = (tensor(image) for image in pair)
    whole = [metric(clean, noisy) for metric in METRICS.values()]
    monkeypatch.setattr(metrics, "STRIP", 7 * clean.shape[-1])
    for metric, expected in zip(METRICS.values(), whole, strict=True):
        torch.testing.assert_close(metric(clean, noisy), expected, rtol=1e-12, atol=1e-12)


def test_a_device_gives_what_the_cpu_gives(pair):
    """The means under the window are OpenCV's on the CPU, and PyTorch's elsewhere."""
    clean, noisy = (tensor(image) for image in pair)
    with pretended_cuda():
        there = [metric(clean.to("cuda"), noisy.to("cuda")).cpu() for metric in METRICS.values()]
    for metric, expected in zip(METRICS.values(), there, strict=True):
        torch.testing.assert_close(metric(clean, noisy), expected, rtol=1e-12, atol=1e-12)


def test_images_come_in_any_layout(pair):
    clean, noisy = (tensor(np.repeat(image, 3 // image.shape[2], 2)) for image in pair)
    for layout in (torch.contiguous_format, torch.channels_last):
        turned = clean.contiguous(memory_format=layout), noisy.contiguous(memory_format=layout)
        assert ssim(*turned).item() == pytest.approx(ssim(clean, noisy).item(), abs=1e-12)


def test_a_metric_that_says_nothing_of_how_it_is_shown_is_shown_by_its_name(monkeypatch):
    monkeypatch.setitem(METRICS, "mae", mse)
    assert shown() == {**SHOWN, "mae": Shown("MAE")}
