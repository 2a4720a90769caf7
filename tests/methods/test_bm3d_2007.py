"""BM3D of 2007 against its paper, block by block; what was printed for the authors' code is in tests/reproduce."""

import numpy as np
import pytest
import pywt
from scipy.fft import dctn, idctn
from scipy.signal.windows import kaiser

from methods import bm3d_2007
from methods.bm3d_2007 import STRONG, WEAK, denoise


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


def stage_by_hand(noisy, pilot, sigma, stage):
    """One stage of the paper in plain loops."""
    n = stage.block
    hard = stage.threshold > 0
    forward, backward = (
        (wavelet, unwavelet) if hard else (lambda b: dctn(b, norm="ortho"), lambda s: idctn(s, norm="ortho"))
    )
    places = [(y, x) for y in range(noisy.shape[0] - n + 1) for x in range(noisy.shape[1] - n + 1)]
    of = {p: forward(noisy[p[0] : p[0] + n, p[1] : p[1] + n]) for p in places}
    guide = {p: forward(pilot[p[0] : p[0] + n, p[1] : p[1] + n]) for p in places}
    last_y, last_x = places[-1]
    total, weights = np.zeros(noisy.shape), np.zeros(noisy.shape)
    window = np.outer(kaiser(n, 2), kaiser(n, 2))
    for y in sorted({*range(0, last_y, stage.step), last_y}):
        x = 0
        while True:
            near = [p for p in places if max(abs(p[0] - y), abs(p[1] - x)) <= 19]
            apart = {p: ((guide[p] - guide[y, x]) ** 2).sum() * 255**2 / n**2 for p in near}
            group = sorted((p for p in near if apart[p] <= stage.distance), key=apart.get)[: stage.most]
            group = group[: 2 ** int(np.log2(len(group)))]
            spectrum = haar(np.stack([of[p] for p in group]))
            if hard:
                spectrum[abs(spectrum) <= stage.threshold * sigma] = 0
                kept = np.count_nonzero(spectrum)
                weight = 1 / kept
            else:
                energy = haar(np.stack([guide[p] for p in group])) ** 2
                share = energy / (energy + sigma**2)
                spectrum, weight, kept = spectrum * share, 1 / (share**2).sum(), np.inf
            for p, estimate in zip(group, unhaar(spectrum), strict=True):
                here = slice(p[0], p[0] + n), slice(p[1], p[1] + n)
                total[here] += weight * window * backward(estimate).clip(0, 1)
                weights[here] += weight * window
            if x == last_x:
                break
            x = min(x + (n - 1 if kept < stage.flat else stage.step), last_x)
    return total / weights


@pytest.fixture
def noisy():
    """Texture, an edge, and a flat dark part with noise below 0: the rule for flat groups acts, and the clipping."""
    image = np.tile(0.5 + 0.3 * np.sin(np.arange(40) * 0.9), (24, 1))
    image[:, 18:] = 0.02
    image[14:, :10] += 0.15
    return (image + np.random.default_rng(1).normal(0, 0.1, image.shape)).astype(np.float32).astype(float)


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize("stage", [*WEAK, STRONG[0]])
def test_a_stage_is_that_of_the_paper(noisy, stage):
    pilot = noisy if stage.threshold else stage_by_hand(noisy, noisy, 0.1, WEAK[0])
    expected = stage_by_hand(noisy, pilot, 0.1, stage)
    made = bm3d_2007._filtered(noisy[None], pilot[None], np.array([0.1]), stage)
    np.testing.assert_allclose(made[0], expected, atol=2e-5)


def test_stronger_parameters_above_sigma_40(noisy, monkeypatch):
    used = []
    monkeypatch.setattr(bm3d_2007, "_filtered", lambda planes, pilots, sigmas, stage: used.append(stage) or planes)
    for sigma in (40, 40.5):
        denoise(noisy[..., None], sigma / 255)
    assert used == [*WEAK, *STRONG]


def test_colour_is_filtered_in_the_opponent_space_with_the_groups_of_its_luminance(noisy):
    gray = np.stack([noisy] * 3, axis=2).clip(0, 1)
    opponent = np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0]]) / 3
    out = denoise(gray, 0.1)
    np.testing.assert_allclose(out[..., 0], out[..., 1], atol=1e-3)  # hardly any colour comes in
    # Its noise is that of the luminance: 1 / sqrt(3) of a channel's.
    plain = denoise((gray @ opponent.T)[..., :1], 0.1 / 3**0.5)
    np.testing.assert_allclose(out[..., 0], plain[..., 0], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 1), (8, 8, 3)])
def test_small_and_constant_images(shape):
    for level, sigma in ((0.0, 0.0), (0.0, 0.1), (0.5, 0.3), (1.0, 0.1)):
        np.testing.assert_allclose(denoise(np.full(shape, level), sigma), level, atol=0.01 if sigma else 1e-6)
