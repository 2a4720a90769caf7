import numpy as np
import pytest

from bench.degradation import degrade, parse
from bench.errors import BenchError
from bench.protocol import PROTOCOLS

STANDARD = PROTOCOLS["standard"]


def noisy(clean, sigma="25", protocol=STANDARD, dataset="set12", image="01", seed=0):
    return degrade(clean, parse(sigma), protocol, dataset=dataset, image=image, seed=seed)


def test_canonical_form():
    assert [str(parse(s)) for s in ("25", "25.0", "gaussian:25", "12.5")] == ["gaussian:25"] * 3 + ["gaussian:12.5"]


@pytest.mark.parametrize("spec", ["gausian:25", "gaussian", "gaussian:x", "0", "-5", "300", "nan", "inf"])
def test_bad_noise_is_refused(spec):
    with pytest.raises(BenchError):
        parse(spec)


def test_statistics_on_a_million_samples():
    field = noisy(np.full((1000, 1000, 1), 128, np.uint8)) * 255 - 128
    count = field.size
    assert abs(field.mean()) < 4 * 25 / count**0.5
    assert abs(field.std() - 25) < 4 * 25 / (2 * count) ** 0.5
    spectrum = np.abs(np.fft.fft2(field[..., 0])) ** 2 / count / 25**2
    for part in (spectrum[:250, :250], spectrum[250:500, 250:500]):  # white: low and high frequencies alike
        assert abs(part.mean() - 1) < 4 / part.size**0.5
    within_one_sigma = (np.abs(field) < 25).mean()
    assert abs(within_one_sigma - 0.682689) < 4 * (0.2166 / count) ** 0.5


def test_noise_is_neither_clipped_nor_rounded():
    image = noisy(np.zeros((64, 64, 1), np.uint8))
    assert image.dtype == np.float32
    assert image.min() < -0.1
    assert not np.allclose(image * 255, np.rint(image * 255), atol=1e-3)


def test_clipped_protocol_gives_eight_bit_levels():
    image = noisy(np.zeros((64, 64, 1), np.uint8), protocol=PROTOCOLS["clipped"])
    assert image.min() == 0
    assert np.array_equal(np.rint(image * 255), (image * 255).round(3))


def test_fields_of_different_images_seeds_and_noise_are_independent(gray):
    base = noisy(gray)
    assert np.array_equal(base, noisy(gray))
    others = [noisy(gray, image="02"), noisy(gray, seed=1), noisy(gray, dataset="bsd68"), noisy(gray, sigma="25.5")]
    for other in others:
        correlation = np.corrcoef((base - gray / 255).ravel(), (other - gray / 255).ravel())[0, 1]
        assert abs(correlation) < 5 / gray.size**0.5


def test_the_stream_of_noise_stays_what_it_is():
    # Results that are stored and tables that are committed rest on these values: if numpy ever changes
    # its stream, RECORD_FORMAT must change with it.
    field = noisy(np.zeros((2, 2, 1), np.uint8)).ravel() * 255 / 25
    np.testing.assert_allclose(field, [1.967409, -0.179579, 0.774679, -1.059714], rtol=1e-4)


def test_seed0_is_numpys_legacy_stream_in_height_width_channel_order():
    clean = np.zeros((4, 5, 3), np.uint8)
    legacy = np.random.RandomState(0).randn(4, 5, 3)
    for image in ("01", "02"):
        field = noisy(clean, protocol=PROTOCOLS["seed0"], image=image)
        np.testing.assert_allclose(field, legacy * 25 / 255, rtol=1e-6)
