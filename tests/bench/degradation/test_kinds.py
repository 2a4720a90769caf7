import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from bench.common.files import fetch
from bench.degradation import degrade, degrade_batch, parse
from bench.degradation.description import Kind, Parameter
from datasets.description import listed

COUNT = 1_000_000
CLASSIC5 = "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/classic5"


def levels(clean, words):
    image = degrade(clean, parse(words), dataset="set12", image="01", seed=0)
    return image.noisy.astype(np.float64) * 255


def flat(level, words, shape=(1000, 1000, 1)):
    return levels(np.full(shape, level, np.uint8), words)


def normal(sigma):
    return sigma**2, 3 * sigma**4


def counts(expected, step):
    """Return variance and fourth central moment of a Poisson count times `step`."""
    return expected * step**2, (expected + 3 * expected**2) * step**4


def discrete(values, chances):
    """Return mean, variance and fourth central moment."""
    values, chances = np.asarray(values, float), np.asarray(chances, float)
    mean = values @ chances
    return mean, (values - mean) ** 2 @ chances, (values - mean) ** 4 @ chances


def photons_and_readout():
    variance, fourth = counts(100 * 64 / 255, 255 / 100)
    return 64, variance + 25, fourth + 6 * variance * 25 + 3 * 25**2


# Words, clean level, then mean, variance and fourth central moment of the noisy levels by theory.
MOMENTS = [
    ("25", 128, 128, *normal(25)),
    ("gaussian:mean=0.1,std=0.2", 128, 153.5, *normal(51)),
    ("gaussian:mean=-0.5,std=0.01", 10, -117.5, *normal(2.55)),
    ("multiplicative:0.2", 128, 128, *normal(25.6)),
    ("poisson:30", 128, 128, *counts(30 * 128 / 255, 255 / 30)),
    ("poisson:0.5", 255, 255, *counts(0.5, 510)),
    ("poisson_gaussian:peak=100,sigma=5", 64, *photons_and_readout()),
    ("salt_pepper:0.1", 100, *discrete([0, 255, 100], [0.05, 0.05, 0.9])),
    ("masking:0.25", 100, *discrete([0, 100], [0.25, 0.75])),
    ("uniform:25", 128, 128, 25**2 / 3, 25**4 / 5),
    ("speckle:4", 100, 100, 100**2 / 4, (100**2 / 4) ** 2 * (3 + 6 / 4)),
    ("speckle:1", 50, 50, 50**2, 50**4 * 9),
    ("impulse:0.2", 100, *discrete([*range(256), 100], [0.2 / 256] * 256 + [0.8])),
]


def patch(level, words):
    """The same of a batch of one patch, as training draws it."""
    clean = torch.full((1, 1, 1000, 1000), level / 255)
    noisy = degrade_batch(clean, parse(words), torch.Generator().manual_seed(5))
    assert noisy.dtype == torch.float32
    return noisy[0].movedim(0, 2).double().numpy() * 255


@pytest.mark.parametrize("made", [flat, patch])
@pytest.mark.parametrize(("words", "clean", "mean", "variance", "fourth"), MOMENTS)
def test_mean_variance_and_spectrum_of_a_million_samples(made, words, clean, mean, variance, fourth):
    """Images and batches are held to what theory says, and so to each other."""
    noisy = made(clean, words)
    assert abs(noisy.mean() - mean) < 4 * (variance / COUNT) ** 0.5
    assert abs(((noisy - mean) ** 2).mean() - variance) < 4 * ((fourth - variance**2) / COUNT) ** 0.5
    power = np.abs(np.fft.rfft2(noisy[..., 0] - mean))[:, 1:500] ** 2 / COUNT / variance  # each frequency once
    radius = np.hypot(np.fft.fftfreq(1000)[:, None], np.fft.rfftfreq(1000)[None, 1:500])
    excess = max(fourth / variance**2 - 3, 0)  # of the samples; it makes the powers of two frequencies correlate
    for low in np.arange(0, 0.5, 0.05):  # white: the same in every ring
        ring = power[(radius >= low) & (radius < low + 0.05)]
        assert abs(ring.mean() - 1) < 4 * (1 / ring.size + excess / COUNT) ** 0.5


@pytest.mark.parametrize(
    ("words", "white"),
    [("poisson:30", 255**2 / 30), ("multiplicative:0.2", 51**2), ("speckle:4", 255**2 / 4), ("25", 625)],
)
def test_variance_as_a_function_of_the_level(words, white):
    power = {"poisson:30": 1, "multiplicative:0.2": 2, "speckle:4": 2, "25": 0}[words]
    for level in (0, 51, 255):
        expected = white * (level / 255) ** power
        # The fourth central moment of each is below 6 variances squared.
        assert flat(level, words).var() == pytest.approx(expected, rel=4 * 5**0.5 / 1000, abs=1e-9)


def test_poisson_noise_is_counts_with_the_poisson_distribution():
    found = flat(51, "poisson:15") * 15 / 255  # three photons expected
    np.testing.assert_allclose(found, np.rint(found), atol=1e-5)
    for count in range(10):
        chance = stats.poisson.pmf(count, 3)
        assert abs((np.rint(found) == count).mean() - chance) < 4 * (chance * (1 - chance) / COUNT) ** 0.5


def test_poisson_takes_what_an_earlier_step_left_below_black_as_black():
    noisy = flat(0, "gaussian:mean=-0.5,std=0.01+poisson:30", (50, 50, 1))
    assert not noisy.any()


@pytest.mark.parametrize("looks", [1, 4])
def test_speckle_has_the_gamma_distribution(looks):
    factor = flat(200, f"speckle:{looks}") / 200
    k = float(looks)
    third, sixth = 2 * k, 15 * k**3 + 130 * k**2 + 120 * k  # central moments of Gamma(k, 1)
    error = ((sixth - third**2) / COUNT) ** 0.5
    assert abs((((factor - 1) * k) ** 3).mean() - third) < 4 * error
    for point in (0.1, 0.5, 1, 2, 3):
        chance = stats.gamma.cdf(point * k, k)
        assert abs((factor < point).mean() - chance) < 4 * (chance * (1 - chance) / COUNT) ** 0.5


def test_uniform_noise_is_flat_between_its_ends():
    field = flat(128, "uniform:25") - 128
    assert np.abs(field).max() <= 25 + 1e-4  # float32
    histogram = np.histogram(field, bins=10, range=(-25, 25))[0] / COUNT
    assert np.abs(histogram - 0.1).max() < 4 * (0.1 * 0.9 / COUNT) ** 0.5


@pytest.mark.parametrize(
    ("words", "lost"), [("salt_pepper:0.1", {0: 0.05, 255: 0.05}), ("masking:0.25", {0: 0.25}), ("masking:1", {0: 1})]
)
def test_fractions_of_lost_samples_and_each_channel_on_its_own(words, lost):
    noisy = np.rint(flat(100, words, (1000, 1000, 3)))
    for level, chance in lost.items():
        for power, hit in ((1, noisy[..., 0] == level), (3, (noisy == level).all(axis=2))):
            expected = chance**power
            assert abs(hit.mean() - expected) <= 4 * (expected * (1 - expected) / COUNT) ** 0.5
    assert set(np.unique(noisy)) <= {*lost, 100}


def test_random_impulses_have_every_level_alike():
    noisy = flat(100, "impulse:1")
    found, often = np.unique(np.rint(noisy), return_counts=True)
    assert found.tolist() == list(range(256))
    np.testing.assert_allclose(noisy, np.rint(noisy), atol=1e-4)
    expected = COUNT / 256
    assert abs(((often - expected) ** 2 / expected).sum() - 255) < 4 * (2 * 255) ** 0.5


@pytest.mark.parametrize("correlation", [0.5, 1])
def test_covariance_of_noise_that_is_correlated_between_channels(correlation):
    noisy = flat(128, f"gaussian:20,correlation={correlation}", (1000, 1000, 3)).reshape(-1, 3) - 128
    expected = 400 * ((1 - correlation) * np.eye(3) + correlation)
    error = ((400**2 + expected**2) / COUNT) ** 0.5
    assert (np.abs(noisy.T @ noisy / COUNT - expected) < 4 * error).all()
    assert np.abs(noisy.mean(axis=0)).max() < 4 * 20 / COUNT**0.5


def test_correlation_between_channels_leaves_a_gray_image_with_plain_noise():
    assert flat(128, "gaussian:20,correlation=0.9").std() == pytest.approx(20, rel=4 / (2 * COUNT) ** 0.5)


def colour():
    from skimage import data

    return data.astronaut()[:120, 180:301]


def by_hand(pixels, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **how)
    return np.asarray(Image.open(file))


def test_jpeg_is_what_pillow_writes_and_reads(gray):
    assert np.array_equal(np.rint(levels(gray, "jpeg:10"))[..., 0], by_hand(gray[..., 0], quality=10))
    for words, code in (("jpeg:30", 2), ("jpeg:30,subsampling=422", 1), ("jpeg:30,subsampling=444", 0)):
        expected = by_hand(colour(), quality=30, subsampling=code)
        np.testing.assert_allclose(levels(colour(), words), expected, atol=1e-4)


def test_jpeg_clips_and_rounds_before():
    noisy = levels(colour(), "60")
    assert noisy.min() < -50
    assert noisy.max() > 300
    eight_bit = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(np.rint(levels(noisy, "jpeg:95")), by_hand(eight_bit, quality=95))


@pytest.mark.parametrize(("quality", "published"), [(10, 27.82), (20, 30.12), (30, 31.48), (40, 32.43)])
def test_jpeg_of_classic5_has_the_published_psnr(quality, published, published_files):
    # The column JPEG of the tables for deblocking: FBCNN (ICCV 2021), and those that it repeats.
    scores = []
    for path in fetch("data", "dataset classic5", listed("classic5", CLASSIC5)):
        clean = np.asarray(Image.open(path))[..., None]
        scores.append(10 * np.log10(255**2 / np.mean((levels(clean, f"jpeg:{quality}") - clean) ** 2)))
    assert len(scores) == 5
    assert np.mean(scores) == pytest.approx(published, abs=0.005)


def test_quantisation_leaves_evenly_spread_levels():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.unique(levels(ramp, "quantise:2").round(3)).tolist() == [0, 85, 170, 255]
    np.testing.assert_array_equal(levels(ramp, "quantise:1").ravel() > 0, np.arange(256) > 127)
    np.testing.assert_allclose(levels(ramp, "quantise:8"), ramp, atol=1e-4)
    assert np.abs(levels(ramp, "quantise:4") - ramp).max() <= 8.5 + 1e-4


@pytest.mark.parametrize("bits", [2, 8])
def test_quantisation_clips_what_an_earlier_step_left_outside(bits):
    noisy = np.linspace(-90.25, 344.75, 436).reshape(4, 109, 1)  # steps of a level
    steps = np.linspace(0, 255, 2**bits)
    nearest = steps[np.abs(np.clip(noisy, 0, 255) - steps).argmin(axis=2)][..., None]
    np.testing.assert_allclose(levels(noisy, f"quantise:{bits}"), nearest, atol=1e-4)


def test_parameters_are_written_in_their_order_unless_another_is_said():
    parameters = {"b": Parameter(0, 1), "a": Parameter(0, 1)}
    assert Kind(max, parameters, "", "").order == ("b", "a")
    assert Kind(max, parameters, "", "", order=("a", "b")).order == ("a", "b")
