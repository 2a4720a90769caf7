import math

import numpy as np
import pytest
import torch
from skimage import data

from bench.common.errors import BenchError
from bench.degradation import parse
from bench.train import synthetic_raw
from bench.train.patches import draw_batch, on_device
from bench.train.synthetic_raw import RawImages

PAIRS = parse("pairs")
LEVELS = torch.linspace(0, 1, 1001)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def photograph():
    return torch.from_numpy(data.astronaut()[:64, 200:280] / 255).float().permute(2, 0, 1)[None]


def test_tone_curve_and_its_inverse():
    assert synthetic_raw.tone_mapped(torch.tensor([0.0, 0.25, 0.5, 1.0])).tolist() == [
        0,
        0.15625,
        0.5,
        1,
    ]  # 3x^2 - 2x^3
    torch.testing.assert_close(
        synthetic_raw.tone_mapped(synthetic_raw.tone_inverted(LEVELS)), LEVELS, atol=1e-6, rtol=0
    )
    assert synthetic_raw.tone_inverted(torch.tensor([-0.1, 1.1])).tolist() == pytest.approx([0, 1], abs=1e-6)


def test_gamma_and_its_inverse():
    torch.testing.assert_close(
        synthetic_raw.gamma_compressed(synthetic_raw.gamma_expanded(LEVELS)), LEVELS, atol=2.4e-4, rtol=0
    )  # 1e-8 ** (1 / 2.2) = 2.3e-4
    assert float(synthetic_raw.gamma_expanded(torch.tensor(0.5))) == pytest.approx(0.5**2.2)


def test_colours_go_back_through_the_inverse_matrix_and_white_stays(photograph):
    matrix = synthetic_raw.colour_matrices(1, seeded())
    back = synthetic_raw.colours_changed(synthetic_raw.colours_changed(photograph, matrix), matrix.inverse())
    torch.testing.assert_close(back, photograph, atol=1e-4, rtol=0)
    white = synthetic_raw.colours_changed(torch.full((1, 3, 1, 1), 0.7), matrix)
    assert white.flatten().tolist() == pytest.approx([0.7] * 3, abs=1e-6)


def test_one_camera_alone_has_its_own_matrix():
    srgb = np.array(synthetic_raw.SRGB_TO_XYZ)
    for i, camera in enumerate(synthetic_raw.XYZ_TO_CAMERA):
        expected = np.array(camera) @ srgb
        expected /= expected.sum(1, keepdims=True)
        found = synthetic_raw.mixed_matrices(torch.eye(4)[i : i + 1] * 5)[0]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_gains_divide_the_dark_and_leave_white():
    gain = torch.tensor([[2.0, 1.25, 1.6]])
    dark = torch.tensor([0.8, 0.4, 0.6])[None, :, None, None]  # mean 0.6: below the highlights
    assert synthetic_raw.gains_inverted(dark, gain).flatten().tolist() == pytest.approx([0.4, 0.32, 0.375])
    white = synthetic_raw.gains_inverted(torch.ones(1, 3, 1, 1), gain)
    assert white.flatten().tolist() == pytest.approx([1, 1, 1])
    # Half-way in the highlights a = (0.05 / 0.1)^2 = 0.25: 0.75 x / g + 0.25 x.
    bright = synthetic_raw.gains_inverted(torch.full((1, 3, 1, 1), 0.95), gain).flatten().tolist()
    assert bright == pytest.approx([0.95 * (0.75 / g + 0.25) for g in (2, 1.25, 1.6)], abs=1e-4)
    # Where the gain is below 1 the division is the larger of the two.
    below = synthetic_raw.gains_inverted(torch.full((1, 3, 1, 1), 0.95), torch.full((1, 3), 0.5)).flatten().tolist()
    assert below == pytest.approx([1.9] * 3)


def test_a_camera_that_goes_forward_gives_the_photograph_again(photograph):
    matrix, gain = synthetic_raw.colour_matrices(1, seeded()), torch.tensor([[2.1, 1.0, 1.7]])
    dim = photograph * 0.8  # no highlights, which do not come back
    raw = synthetic_raw.unprocessed(dim, matrix, gain)
    assert 0 <= float(raw.min()) <= float(raw.max()) <= 1
    linear = synthetic_raw.colours_changed(raw * gain[:, :, None, None], matrix.inverse())
    again = synthetic_raw.tone_mapped(synthetic_raw.gamma_compressed(linear))
    inside = (raw > 0).all(1)  # what the sensor cannot record is clipped
    assert float(inside.float().mean()) > 0.9
    torch.testing.assert_close(again.movedim(1, -1)[inside], dim.movedim(1, -1)[inside], atol=2e-3, rtol=0)


def test_the_pattern_is_rggb():
    image = torch.tensor([0.1, 0.2, 0.3])[None, :, None, None].expand(2, 3, 3, 4)
    expected = torch.tensor([[0.1, 0.2, 0.1, 0.2], [0.2, 0.3, 0.2, 0.3], [0.1, 0.2, 0.1, 0.2]])
    torch.testing.assert_close(synthetic_raw.mosaic(image), expected.expand(2, 1, 3, 4))
    assert float(image[0, 1, 0, 0]) == pytest.approx(0.2)  # the image itself is left alone


@pytest.mark.parametrize(("shot", "read", "level"), [(0.012, 2e-4, 0.5), (1e-3, 1e-5, 0.1), (0.01, 1e-3, 0.0)])
def test_variance_of_the_noise(shot, read, level):
    clean = torch.full((1, 1, 1000, 1000), level)
    noisy = synthetic_raw.with_camera_noise(clean, torch.tensor([shot]), torch.tensor([read]), seeded()).double()
    variance = shot * level + read
    assert float(noisy.var()) == pytest.approx(variance, rel=4 * math.sqrt(2 / 1e6))
    assert float(noisy.mean()) == pytest.approx(level, abs=4 * math.sqrt(variance / 1e6))


def test_noise_levels_lie_along_the_line_of_real_cameras():
    shot, read = synthetic_raw.noise_levels(100_000, seeded())
    logs = shot.log().double()
    low, high = math.log(1e-4), math.log(0.012)
    assert low <= float(logs.min()) < low + 0.01
    assert high - 0.01 < float(logs.max()) <= high + 1e-6
    assert float(logs.mean()) == pytest.approx((low + high) / 2, abs=4 * (high - low) / math.sqrt(12e5))
    slope, offset = np.polyfit(logs, read.log(), 1)
    assert (slope, offset) == pytest.approx((2.18, 1.20), abs=0.02)
    around = read.log().double() - 2.18 * logs - 1.20
    assert float(around.std()) == pytest.approx(0.26, rel=0.01)


def test_gains_are_those_of_cameras():
    gain = synthetic_raw.gains(50_000, seeded()).double()
    red, blue = gain[:, 0] / gain[:, 1], gain[:, 2] / gain[:, 1]
    assert (float(red.min()), float(red.max())) == pytest.approx((1.9, 2.4), abs=0.01)
    assert (float(blue.min()), float(blue.max())) == pytest.approx((1.5, 1.9), abs=0.01)
    assert float((1 / gain[:, 1]).mean()) == pytest.approx(0.8, abs=4 * 0.1 / math.sqrt(50_000))
    assert float((1 / gain[:, 1]).std()) == pytest.approx(0.1, rel=0.02)


def test_raw_patches_are_pairs_of_mosaics_with_a_camera_each():
    # A gray image has equal channels under every matrix, so that the clean mosaic shows gains alone.
    stock = RawImages.of(on_device([np.full((40, 40, 3), 128, np.uint8)], 16, "cpu"))
    clean, noisy = draw_batch(stock, 50, PAIRS, (0, 0), augment=True)
    assert clean.shape == noisy.shape == (50, 1, 16, 16)
    red, green = clean[:, 0, ::2, ::2], clean[:, 0, ::2, 1::2]
    assert float(red.flatten(1).std(1).max()) < 1e-6
    ratio = (green / red).flatten(1)[:, 0]
    assert 1.9 <= float(ratio.min()) < 2.0 < 2.3 < float(ratio.max()) <= 2.4
    torch.testing.assert_close(clean[:, 0, 1::2, ::2], green)
    spread = (noisy - clean).flatten(1).std(1)
    assert float(spread.max() / spread.min()) > 3
    again = draw_batch(stock, 50, PAIRS, (0, 0), augment=True)
    assert torch.equal(again[1], noisy)


def test_gray_images_make_no_raw():
    with pytest.raises(BenchError, match=r"made from RGB images, and these have 1 channel\(s\); give clean colour"):
        RawImages.of(on_device([data.camera()[:20, :20, None]], 16, "cpu"))
