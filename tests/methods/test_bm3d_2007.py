"""BM3D of 2007 against its paper, block by block; what was printed for the authors' code is in tests/reproduce."""

import numpy as np
import pytest
import pywt
from scipy.fft import dctn, idctn
from scipy.signal.windows import kaiser

from methods import bm3d_2007
from methods.bm3d_2007 import COLOUR, STRONG, WEAK, denoise


def haar(stack):
    """The orthonormal Haar transform along the first axis, a level at a time."""
    if len(stack) == 1:
        return stack
    low, high = (stack[::2] + stack[1::2]) / 2**0.5, (stack[::2] - stack[1::2]) / 2**0.5
    return np.concatenate([haar(low), high])


def unhaar(spectrum):
    if len(spectrum) == 1:
        return spectrum
    low, high = unhaar(spectrum[: len(spectrum) // 2]), spectrum[len(spectrum) // 2 :]
    return np.stack([(low + high) / 2**0.5, (low - high) / 2**0.5], 1).reshape(spectrum.shape)


def wavelet(block, matrix=[]):  # noqa: B006 - made once
    if not matrix:
        rows = np.array([np.concatenate(pywt.wavedec(e, "bior1.5", "periodization", 3)) for e in np.eye(8)]).T
        matrix.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return matrix[0] @ block @ matrix[0].T


def unwavelet(spectrum):
    back = np.linalg.inv(np.stack([wavelet(np.outer(e, np.ones(8) / 8))[:, 0] for e in np.eye(8)], 1) * 8**0.5)
    return back @ spectrum @ back.T


def stage_by_hand(planes, pilots, sigmas, stage):
    """One stage of the paper in plain loops; all channels have the groups of the first."""
    n = stage.block
    hard = stage.threshold > 0
    forward, backward = (
        (wavelet, unwavelet) if hard else (lambda b: dctn(b, norm="ortho"), lambda s: idctn(s, norm="ortho"))
    )
    places = [(y, x) for y in range(planes.shape[1] - n + 1) for x in range(planes.shape[2] - n + 1)]
    of, guides = (
        [{p: forward(plane[p[0] : p[0] + n, p[1] : p[1] + n]) for p in places} for plane in images]
        for images in (planes, pilots)
    )
    guide = guides[0]
    last_y, last_x = places[-1]
    total, weights = np.zeros(planes.shape), np.zeros(planes.shape)
    window = np.outer(kaiser(n, 2), kaiser(n, 2))
    for y in sorted({*range(0, last_y, stage.step), last_y}):
        x = 0
        while True:
            near = [p for p in places if max(abs(p[0] - y), abs(p[1] - x)) <= 19]
            apart = {p: ((guide[p] - guide[y, x]) ** 2).sum() * 255**2 / n**2 for p in near}
            group = sorted((p for p in near if apart[p] <= stage.distance), key=apart.get)[: stage.most]
            group = group[: 2 ** int(np.log2(len(group)))]
            spectra = [haar(np.stack([plane[p] for p in group])) for plane in of]
            energies = [haar(np.stack([plane[p] for p in group])) ** 2 for plane in guides]
            if hard:
                for spectrum, sigma in zip(spectra, sigmas, strict=True):
                    spectrum[abs(spectrum) <= stage.threshold * sigma] = 0
                weight = [1 / np.count_nonzero(spectra)] * len(planes)
            else:
                shares = [energy / (energy + sigma**2) for energy, sigma in zip(energies, sigmas, strict=True)]
                spectra = [spectrum * share for spectrum, share in zip(spectra, shares, strict=True)]
                weight = [1 / (share**2).sum() for share in shares]
            for channel, spectrum in enumerate(spectra):
                for p, estimate in zip(group, unhaar(spectrum), strict=True):
                    here = channel, slice(p[0], p[0] + n), slice(p[1], p[1] + n)
                    total[here] += weight[channel] * window * backward(estimate).clip(0, 1)
                    weights[here] += weight[channel] * window
            if x == last_x:
                break
            flat = hard and np.count_nonzero(spectra[0]) < stage.flat
            x = min(x + (n - 1 if flat else stage.step), last_x)
    return total / weights


@pytest.fixture
def noisy():
    """Texture, an edge, and a flat dark part with noise below 0: the rule for flat groups acts, and the clipping."""
    image = np.tile(0.5 + 0.3 * np.sin(np.arange(40) * 0.9), (24, 1))
    image[:, 18:] = 0.02
    image[14:, :10] += 0.15
    return (image + np.random.default_rng(1).normal(0, 0.1, image.shape)).astype(np.float32).astype(float)


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize(
    ("stage", "channels"), [(WEAK[0], 1), (WEAK[1], 1), (STRONG[0], 1), (COLOUR[0], 3), (COLOUR[1], 3)]
)
def test_a_stage_is_that_of_the_paper(noisy, stage, channels):
    planes = np.stack([noisy, 0.5 + 0.3 * noisy[::-1], 0.4 + 0.1 * noisy])[:channels]
    sigmas = np.array([0.1, 0.03, 0.02])[:channels]
    pilots = planes if stage.threshold else stage_by_hand(planes, planes, sigmas, WEAK[0])
    expected = stage_by_hand(planes, pilots, sigmas, stage)
    np.testing.assert_allclose(bm3d_2007._filtered(planes, pilots, sigmas, stage), expected, atol=2e-5)


def test_stronger_parameters_above_sigma_40(noisy, monkeypatch):
    used = []
    monkeypatch.setattr(bm3d_2007, "_filtered", lambda planes, pilots, sigmas, stage: used.append(stage) or planes)
    for sigma in (40, 40.5):
        denoise(noisy[..., None], sigma / 255)
        denoise(np.stack([noisy] * 3, 2), sigma / 255)
    assert used == [*WEAK, *COLOUR, *STRONG, *COLOUR]
    assert [stage.distance for stage in COLOUR] == [1e9, 1e9]


@pytest.mark.filterwarnings("ignore:Level value")
def test_colour_is_filtered_in_the_opponent_space_with_the_groups_of_its_luminance(noisy):
    red, green, blue = image = np.stack([noisy, 0.7 * noisy + 0.1, 0.5 * noisy[::-1] + 0.2])
    planes = np.stack([(red + green + blue) / 3, (red - blue) / 2 + 0.5, (red - 2 * green + blue) / 4 + 0.5])
    sigmas = 0.1 * np.array([3**-0.5, 2**-0.5, 6**0.5 / 4])
    basic = stage_by_hand(planes, planes, sigmas, COLOUR[0])
    luma, first, second = stage_by_hand(planes, basic, sigmas, COLOUR[1]) - np.array([0, 0.5, 0.5])[:, None, None]
    expected = luma + first + 2 / 3 * second, luma - 4 / 3 * second, luma - first + 2 / 3 * second
    made = denoise(np.moveaxis(image, 0, 2), 0.1)
    np.testing.assert_allclose(np.moveaxis(made, 2, 0), expected, atol=3e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 1), (8, 8, 3)])
def test_small_and_constant_images(shape):
    for level, sigma in ((0.0, 0.0), (0.0, 0.1), (0.5, 0.3), (1.0, 0.1)):
        np.testing.assert_allclose(denoise(np.full(shape, level), sigma), level, atol=0.01 if sigma else 1e-6)
