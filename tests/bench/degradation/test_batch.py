import math

import pytest
import torch

from bench.common.errors import BenchError
from bench.degradation import KINDS, degrade_batch, parse

TENSORS = [kind for kind in KINDS if KINDS[kind].tensors]
FIRST = {"gaussian": "25", "poisson_gaussian": "poisson_gaussian:peak=100,sigma=5", "speckle": "speckle:2.5"}


def noisy(clean, words, seed=0):
    return degrade_batch(clean, parse(words), torch.Generator().manual_seed(seed))


def test_every_random_kind_can_be_drawn_for_training():
    assert [kind for kind in KINDS if KINDS[kind].random] == TENSORS


@pytest.mark.parametrize("kind", TENSORS)
def test_every_patch_and_channel_has_noise_of_its_own(kind):
    clean = torch.full((2, 3, 100, 120), 0.4)
    words = FIRST.get(kind, f"{kind}:0.3")
    fields = noisy(clean, words).reshape(6, -1)
    assert torch.equal(clean, torch.full((2, 3, 100, 120), 0.4))
    assert torch.equal(fields, noisy(clean, words).reshape(6, -1))
    assert not torch.equal(fields, noisy(clean, words, seed=1).reshape(6, -1))
    correlation = torch.corrcoef(fields) - torch.eye(6)
    assert float(correlation.abs().max()) < 5 / math.sqrt(12000)


def test_a_range_is_drawn_for_each_patch():
    clean = torch.full((400, 1, 40, 40), 0.5)
    sigmas = (noisy(clean, "gaussian:0-55") - clean).flatten(1).std(1) * 255
    assert 0 <= float(sigmas.min()) < 2
    assert 53 < float(sigmas.max()) < 58
    assert float(sigmas.mean()) == pytest.approx(27.5, abs=4 * 55 / math.sqrt(12 * 400))


def test_a_range_begins_where_it_is_said_and_is_drawn_from_the_generator():
    clean = torch.full((300, 1, 40, 40), 0.5)
    sigmas = (noisy(clean, "gaussian:20-40") - clean).flatten(1).std(1) * 255
    assert 18 < float(sigmas.min()) < 22
    assert 38 < float(sigmas.max()) < 43
    assert float(sigmas.mean()) == pytest.approx(30, abs=4 * 20 / math.sqrt(12 * 300))
    assert torch.equal(noisy(clean, "gaussian:20-40"), noisy(clean, "gaussian:20-40"))


def test_a_gray_patch_has_no_channels_that_correlate():
    clean = torch.full((2, 1, 8, 9), 0.5)
    assert torch.equal(noisy(clean, "gaussian:20,correlation=0.9"), noisy(clean, "20"))


def test_covariance_of_noise_that_is_correlated_between_channels():
    field = noisy(torch.full((1, 3, 1000, 1000), 0.5), "gaussian:20,correlation=0.5")[0].reshape(3, -1).double() - 0.5
    covariance = field @ field.T / 1e6 * 255**2
    expected = 400 * (0.5 * torch.eye(3) + 0.5)
    assert ((covariance - expected).abs() < 4 * ((400**2 + expected**2) / 1e6).sqrt()).all()
    gray = noisy(torch.full((1, 1, 1000, 1000), 0.5), "gaussian:20,correlation=0.9") - 0.5
    assert float(gray.std()) * 255 == pytest.approx(20, rel=4 / math.sqrt(2e6))


def test_steps_follow_one_another():
    field = noisy(torch.full((1, 1, 1000, 1000), 0.5), "25+gaussian:10").double() - 0.5
    variance = (625 + 100) / 255**2
    assert float(field.var()) == pytest.approx(variance, rel=4 * math.sqrt(2e-6))
    lost = noisy(torch.full((1, 1, 100, 100), 0.5), "25+masking:1")
    assert not lost.any()


@pytest.mark.parametrize("words", ["jpeg:10", "25+downscale:2", "quantise:4", "pairs"])
def test_what_training_does_not_draw_is_refused(words):
    with pytest.raises(BenchError, match=r"training does not draw \w+; it draws gaussian, .*, and pairs"):
        noisy(torch.zeros(1, 1, 8, 8), words)
