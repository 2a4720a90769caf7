import hashlib
import re

import numpy as np
import pytest
from scipy import stats

from bench.common.errors import BenchError
from bench.degradation import KINDS, degrade, parse
from bench.degradation.seed import published_stream

RANDOM = [kind for kind in KINDS if KINDS[kind].random]
EXAMPLES = [(kind, word) for kind in KINDS for word in re.split(r", | or ", KINDS[kind].example)]


def degraded(clean, words="25", dataset="set12", image="01", seed=0, **how):
    return degrade(clean, parse(words), dataset=dataset, image=image, seed=seed, **how)


def noisy(clean, sigma="25", **where):
    return degraded(clean, sigma, **where).noisy


def first(kind):
    return re.split(r", | or ", KINDS[kind].example)[0]


def test_canonical_form():
    assert [str(parse(s)) for s in ("25", "25.0", "gaussian:25", "12.5")] == ["gaussian:25"] * 3 + ["gaussian:12.5"]


@pytest.mark.parametrize(
    ("words", "canonical"),
    [
        ("gaussian:sigma=0-55.0", "gaussian:0-55"),
        ("gaussian:std=0.07", "gaussian:17.85"),
        ("gaussian:std=0.5,mean=0", "gaussian:127.5"),
        ("gaussian:sigma=51,mean=-0.1", "gaussian:mean=-0.1,std=0.2"),
        ("gaussian:std=0.1-0.2,mean=-0.2--0.1", "gaussian:mean=-0.2--0.1,std=0.1-0.2"),
        ("gaussian:correlation=0.50,sigma=25", "gaussian:sigma=25,correlation=0.5"),
        ("gaussian:25.1234567", "gaussian:25.1234567"),
        ("multiplicative:std=.20", "multiplicative:0.2"),
        ("poisson:peak=1e5", "poisson:100000"),
        ("poisson:1000000", "poisson:1000000"),
        ("poisson_gaussian:sigma=5,peak=100", "poisson_gaussian:peak=100,sigma=5"),
        ("salt_pepper:fraction=0.1", "salt_pepper:0.1"),
        ("masking:0.00001-0.25", "masking:1e-05-0.25"),
        ("uniform:amplitude=25", "uniform:25"),
        ("speckle:looks=4", "speckle:4"),
        ("jpeg:10,subsampling=420", "jpeg:10"),
        ("jpeg:subsampling=444,quality=10-50", "jpeg:quality=10-50,subsampling=444"),
        ("downscale:factor=3,rounded=0", "downscale:3"),
        ("downscale:3,rounded=1", "downscale:factor=3,rounded=1"),
        ("impulse:0.2", "impulse:0.2"),
        ("quantise:4.0", "quantise:4"),
        (" poisson:30 + 25 +jpeg:quality=50", "poisson:30+gaussian:25+jpeg:50"),
        ("pairs", "pairs"),
    ],
)
def test_every_kind_has_one_canonical_form_that_reads_as_itself(words, canonical):
    assert str(parse(words)) == canonical
    assert parse(canonical) == parse(words)


@pytest.mark.parametrize(("kind", "word"), EXAMPLES)
def test_every_example_can_be_typed(kind, word, gray):
    assert parse(word).kind == kind
    assert parse(str(parse(word))) == parse(word)
    assert np.isfinite(noisy(gray, word)).all()


@pytest.mark.parametrize("spec", ["gausian:25", "gaussian", "gaussian:x", "0", "-5", "300", "nan", "inf"])
def test_bad_noise_is_refused(spec):
    with pytest.raises(BenchError):
        parse(spec)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "unknown degradation ''"),
        ("25+", "unknown degradation ''"),
        ("poison:30", "did you mean poisson"),
        ("fog:30", "; for example NOISE=25, NOISE=gaussian:25 or NOISE=poisson:30+jpeg:50"),
        ("25+pairs", "pairs are a dataset's own noisy images; they stand alone"),
        ("pairs:3", "pairs has no parameters, got '3'"),
        ("gaussian:25,30", "gaussian has no parameter '30'; it has sigma, std, mean, correlation"),
        ("gaussian:25,sigma=30", "sigma is given twice"),
        ("gaussian:25,std=0.1", "expected sigma or std, got sigma and std"),
        ("gaussian:mean=0.1", "expected sigma or std, got none"),
        ("gaussian:25,mean", "mean is '', expected a number from -1 up to 1"),
        ("gaussian:25,correlation=1.5", "correlation is '1.5', expected a number from 0 up to 1"),
        ("gaussian:25,correlation=-0.5", "correlation is '-0.5'"),
        ("gaussian:55-0", "expected a range that rises"),
        ("gaussian:25-25", "expected a range that rises"),
        ("gaussian:0-300", "sigma is '0-300', expected a number above 0 up to 255"),
        ("gaussian:1.2.3", "sigma is '1.2.3'"),
        ("multiplicative:0", "std is '0', expected a number above 0"),
        ("poisson:0", "peak is '0', expected a number from 0.01 up to 1000000, or a range"),
        ("poisson:0-30", "peak is '0-30'"),
        ("poisson_gaussian:100", "expected sigma, got none, as in poisson_gaussian:peak=100,sigma=5"),
        ("salt_pepper:10", "fraction is '10', expected a number above 0 up to 1"),
        ("masking:-0.1", "fraction is '-0.1'"),
        ("uniform:256", "amplitude is '256'"),
        ("speckle:0", "looks is '0'"),
        ("jpeg:0", "quality is '0', expected a whole number from 1 up to 100"),
        ("jpeg:10.5", "quality is '10.5', expected a whole number"),
        ("jpeg:10-20.5", "quality is '10-20.5', expected a whole number"),
        ("jpeg:10,subsampling=411", "subsampling is '411', expected one of 444, 422, 420"),
        ("jpeg:10,subsampling=420-444", "subsampling is '420-444', expected one of"),
        ("jpeg:subsampling=444", "expected quality, got none"),
        ("downscale:1", "factor is '1', expected one of 2, 3, 4"),
        ("downscale:2.5", "factor is '2.5', expected one of"),
        ("downscale:2-4", "factor is '2-4', expected one of"),
        ("downscale:2,rounded=yes", "rounded is 'yes', expected one of 0, 1"),
        ("quantise:9", "bits is '9', expected a whole number from 1 up to 8"),
    ],
)
def test_bad_words_are_refused_with_one_line_that_says_why(spec, why):
    with pytest.raises(BenchError, match=re.escape(why)) as refused:
        parse(spec)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith((f"NOISE={spec}: ", "unknown degradation '"))


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


@pytest.mark.parametrize("words", ["25", "speckle:1", "downscale:2"])
def test_clipped_protocol_gives_eight_bit_levels(words):
    clean = np.zeros((64, 64, 1), np.uint8)
    clean[32:] = 255  # an edge, at which bicubic interpolation leaves the range
    image = noisy(clean, words, noisy="uint8")
    assert image.min() == 0
    assert image.max() == 1
    assert np.array_equal(np.rint(image * 255), (image * 255).round(3))


def test_fields_of_different_images_seeds_and_noise_are_independent(gray):
    base = noisy(gray)
    assert np.array_equal(base, noisy(gray))
    others = [noisy(gray, image="02"), noisy(gray, seed=1), noisy(gray, dataset="bsd68"), noisy(gray, sigma="25.5")]
    for other in others:
        correlation = np.corrcoef((base - gray / 255).ravel(), (other - gray / 255).ravel())[0, 1]
        assert abs(correlation) < 5 / gray.size**0.5


@pytest.mark.parametrize("kind", RANDOM)
def test_every_random_kind_is_a_pure_function_with_a_field_of_its_own_for_each_image_and_seed(kind):
    clean = np.full((100, 120, 3), 100, np.uint8)
    clean.flags.writeable = False
    base = noisy(clean, first(kind))
    assert base.tobytes() == noisy(clean, first(kind)).tobytes()
    for where in ({"image": "02"}, {"seed": 1}, {"dataset": "bsd68"}):
        correlation = np.corrcoef(base.ravel(), noisy(clean, first(kind), **where).ravel())[0, 1]
        assert abs(correlation) < 5 / clean.size**0.5
    channels = np.corrcoef(base.reshape(-1, 3).T)[np.triu_indices(3, 1)]
    assert np.abs(channels).max() < 5 / 12000**0.5


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RANDOM])
def test_what_is_not_random_is_the_same_for_every_seed_and_image(kind, gray):
    gray.flags.writeable = False
    assert not parse(first(kind)).random
    assert np.array_equal(noisy(gray, first(kind)), noisy(gray, first(kind), seed=3, image="02"))


@pytest.mark.parametrize("kind", KINDS)
def test_float_levels_are_taken_as_eight_bit_ones_are(kind, gray):
    levels = gray.astype(np.float32)
    levels.flags.writeable = False
    np.testing.assert_array_equal(noisy(levels, first(kind)), noisy(gray, first(kind)))


def test_the_stream_of_noise_stays_what_it_is():
    # Results that are stored and tables that are committed rest on these values: if numpy ever changes
    # its stream, RECORD_FORMAT must change with it.
    field = noisy(np.zeros((2, 2, 1), np.uint8)).ravel() * 255 / 25
    np.testing.assert_allclose(field, [1.967409, -0.179579, 0.774679, -1.059714], rtol=1e-4)


def stream(name):
    return np.random.Generator(np.random.Philox(key=np.frombuffer(hashlib.sha256(name).digest()[:16], "<u8")))


def test_each_parameter_that_is_a_range_has_a_stream_of_its_own():
    words = "gaussian:mean=-0.1-0.1,std=0.2-0.4"
    name = f"set12\x1f01\x1f{words}\x1f4".encode()
    mean = -0.1 + 0.2 * stream(name + b"\x1fmean").random()
    std = 0.2 + 0.2 * stream(name + b"\x1fstd").random()
    image = degraded(np.zeros((3, 4, 1), np.uint8), words, seed=4)
    assert image.sigma == pytest.approx(255 * std)
    np.testing.assert_allclose(image.noisy, mean + std * stream(name).standard_normal((3, 4, 1)), rtol=1e-5)


def test_a_name_that_is_no_utf8_counts_by_its_bytes():
    image = noisy(np.zeros((3, 4, 1), np.uint8), image="caf\udce9") * 255
    name = b"set12\x1fcaf\xe9\x1fgaussian:25\x1f0"
    np.testing.assert_allclose(image, 25 * stream(name).standard_normal((3, 4, 1)), rtol=1e-5)


def test_each_step_has_a_stream_of_its_own_named_by_the_whole():
    name = b"set12\x1f01\x1funiform:9+gaussian:25\x1f4"
    expected = 18 * (stream(name).random((3, 4, 1)) - 0.5) + 25 * stream(name + b"\x1f1").standard_normal((3, 4, 1))
    mixed = noisy(np.zeros((3, 4, 1), np.uint8), "uniform:9+25", seed=4) * 255
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


def test_seed0_is_numpys_legacy_stream_in_height_width_channel_order():
    clean = np.zeros((4, 5, 3), np.uint8)
    legacy = np.random.RandomState(0).randn(4, 5, 3)
    for image in ("01", "02"):
        field = noisy(clean, noise_draw="reset", image=image)
        np.testing.assert_allclose(field, legacy * 25 / 255, rtol=1e-6)


def test_a_gray_image_has_no_channels_that_correlate(gray):
    plain, correlated = (noisy(gray, words, noise_draw="reset") for words in ("20", "gaussian:20,correlation=0.9"))
    np.testing.assert_array_equal(correlated, plain)


def test_in_seed0_the_steps_draw_from_one_legacy_stream():
    legacy = np.random.RandomState(7)
    expected = legacy.poisson(np.full((4, 5, 3), 30 * 100 / 255)) / 30
    expected += legacy.randn(4, 5, 3) * 25 / 255
    mixed = noisy(np.full((4, 5, 3), 100, np.uint8), "poisson:30+25", noise_draw="reset", seed=7)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", RANDOM)
def test_every_random_kind_draws_from_the_legacy_stream_too(kind, gray):
    legacy = [noisy(gray, first(kind), noise_draw="reset", image=image) for image in ("01", "02")]
    assert np.array_equal(*legacy)
    assert not np.array_equal(legacy[0], noisy(gray, first(kind)))


def test_a_range_gives_each_image_its_own_sigma_drawn_uniformly():
    clean = np.zeros((2, 2, 1), np.uint8)
    sigmas = np.array([degraded(clean, "gaussian:5-55", image=str(i)).sigma for i in range(1000)])
    assert sigmas.min() > 5
    assert sigmas.max() < 55
    assert abs(sigmas.mean() - 30) < 4 * 50 / (12 * 1000) ** 0.5
    assert stats.kstest((sigmas - 5) / 50, "uniform").pvalue > 1e-3
    assert parse("gaussian:5-55").sigma is None
    large = degraded(np.zeros((500, 500, 1), np.uint8), "gaussian:5-55", image="3")
    assert large.sigma == sigmas[3]
    assert abs(large.noisy.std() * 255 / large.sigma - 1) < 4 / (2 * large.noisy.size) ** 0.5


def test_the_ends_of_a_range_of_whole_numbers_are_as_likely_as_the_middle():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    levels = [np.unique(noisy(ramp, "quantise:1-3", image=str(i))).size for i in range(900)]
    values, counts = np.unique(levels, return_counts=True)
    assert values.tolist() == [2, 4, 8]
    assert np.abs(counts - 300).max() < 4 * (900 * 2 / 9) ** 0.5
    assert parse("quantise:1-3").random
    assert not np.array_equal(*(noisy(ramp, "quantise:1-8", seed=seed) for seed in (0, 1)))


def test_variances_of_a_mixture_add_up():
    flat = np.full((1000, 1000, 1), 128, np.uint8)
    for words, draw in (("15+20", "independent"), ("gaussian:15+gaussian:20", "reset")):
        field = noisy(flat, words, noise_draw=draw) * 255 - 128
        assert abs(field.mean()) < 4 * 25 / 1000
        assert abs(field.var() - 625) < 4 * 625 * 2**0.5 / 1000
    # Twice the same: the variance of the sum is 2 (1 + r) sigma^2, r the correlation of the two fields.
    field = noisy(flat, "gaussian:25+gaussian:25") * 255 - 128
    correlation = field.var() / (2 * 625) - 1
    assert abs(correlation) < 4 * 2**0.5 / 1000


def test_steps_are_applied_in_order(gray):
    assert np.unique(noisy(gray, "25+quantise:2")).size == 4
    assert np.unique(noisy(gray, "quantise:2+25")).size > 4
    assert parse("25+quantise:2").random


@pytest.mark.parametrize(
    ("words", "known"),
    [("25", 25), ("gaussian:std=0.1", 25.5), ("gaussian:mean=0.1,std=0.1", 25.5), ("gaussian:25,correlation=0.5", 25)],
)
def test_sigma_is_known_of_gaussian_noise(words, known, gray):
    assert degraded(gray, words).sigma == pytest.approx(known)
    assert parse(words).sigma == pytest.approx(known)
    assert parse(words).sigma_range == pytest.approx((known, known))


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [("gaussian:0-55", 0, 55), ("gaussian:std=0.1-0.2", 25.5, 51), ("gaussian:mean=-0.2--0.1,std=0.4-1", 102, 255)],
)
def test_a_range_of_sigma_is_on_the_scale_of_grey_levels(words, low, high, gray):
    assert parse(words).sigma_range == pytest.approx((low, high))
    assert parse(words).sigma is None
    assert low <= degraded(gray, words).sigma <= high


@pytest.mark.parametrize("words", [first(kind) for kind in KINDS if kind != "gaussian"] + ["15+20", "25+jpeg:50"])
def test_sigma_is_known_of_nothing_else(words, gray):
    assert degraded(gray, words).sigma is None
    assert parse(words).sigma is None
    assert parse(words).sigma_range is None


def test_the_clean_image_is_cropped_to_what_the_degradation_needs(gray):
    np.testing.assert_array_equal(degraded(gray).clean, gray)
    image = degraded(gray, "downscale:3+downscale:4")  # 64 x 80
    assert image.noisy.shape == (60, 72, 1)
    np.testing.assert_array_equal(image.clean, gray[:60, :72])
    with pytest.raises(BenchError, match="an image of 2x80 is too small to be scaled down by 3"):
        degraded(gray[:2], "downscale:3")


def test_pairs_are_taken_as_they_are(gray):
    image = degrade(None, parse("pairs"), dataset="rni6", image="a", seed=0, recorded=gray)
    assert image.clean is None
    assert image.sigma is None
    np.testing.assert_array_equal(image.noisy, gray.astype(np.float32) / 255)
    both = degrade(gray, parse("pairs"), dataset="cc15", image="a", seed=0, recorded=255 - gray)
    np.testing.assert_array_equal(both.clean, gray)
    with pytest.raises(BenchError, match="dataset rni6 has no clean images"):
        degrade(None, parse("25"), dataset="rni6", image="a", seed=0, recorded=gray)
    with pytest.raises(BenchError, match="dataset set12 has no noisy images of its own"):
        degraded(gray, "pairs")


@pytest.mark.parametrize(("gray", "seed"), [(True, 0), (True, 12), (False, 0)])
def test_the_noise_of_the_torch_protocols_is_that_of_published_code(seed, gray):
    """The seed of PyTorch set anew for each image, a tensor of the shape (1, C, H, W)."""
    import torch

    clean = np.random.default_rng(1).integers(0, 256, (20, 24, 1 if gray else 3), dtype=np.uint8)
    torch.manual_seed(seed)
    noise = torch.FloatTensor(1, clean.shape[2], 20, 24).normal_(mean=0, std=25 / 255)
    expected = torch.from_numpy(clean).permute(2, 0, 1)[None] / 255 + noise
    for image in ("a", "b"):
        made = degrade(clean, parse("25"), dataset="d", image=image, seed=0, noise_draw=f"torch-{seed}").noisy
        np.testing.assert_allclose(made, expected[0].permute(1, 2, 0).numpy(), atol=3e-7)
    with pytest.raises(BenchError, match="draws Gaussian noise only"):
        degrade(clean, parse("poisson:30"), dataset="d", image="a", seed=0, noise_draw="torch-0")


def test_the_noise_of_matlab0_is_that_of_matlab():
    """What MATLAB's manual prints behind randn('seed', 0); its arrays are filled by columns."""
    printed = [[1.1650, 0.3516, 0.0591], [0.6268, -0.6965, 1.7971], [0.0751, 1.6961, 0.2641]]
    clean = np.full((3, 3, 1), 100, np.uint8)
    for image in ("a", "b"):
        made = degrade(clean, parse("10"), dataset="d", image=image, seed=0, noise_draw="matlab-0").noisy
        np.testing.assert_allclose(made[..., 0] * 25.5 - 10, printed, atol=6e-5)
    with pytest.raises(BenchError, match="draws Gaussian noise only"):
        degrade(clean, parse("poisson:30"), dataset="d", image="a", seed=0, noise_draw="matlab-0")


def test_the_stream_of_matlab0_goes_on_as_one_number_after_another():
    import math

    state, expected = 1144108930, []
    while len(expected) < 9000:
        pair = []
        for _ in range(2):
            state = 16807 * state % (2**31 - 1)
            pair.append(2 * state / (2**31 - 1) - 1)
        square = pair[0] ** 2 + pair[1] ** 2
        if square <= 1:
            expected.append(pair[0] * math.sqrt(-2 * math.log(square) / square))
    stream = published_stream("matlab-0", 0)
    drawn = [stream.standard_normal(shape).ravel(order="F") for shape in ((50, 40, 3), (1, 7, 1), (10, 100, 2))]
    np.testing.assert_allclose(np.concatenate(drawn), expected[:8007], rtol=1e-12)


def test_a_noisy_image_may_be_clipped_and_not_rounded():
    clean = np.random.default_rng(1).integers(0, 256, (20, 24, 1), dtype=np.uint8)
    free, clipped = (
        degrade(clean, parse("25"), dataset="d", image="a", seed=0, noisy=noisy).noisy for noisy in ("float", "clip")
    )
    assert ((free < 0) | (free > 1)).any()
    np.testing.assert_array_equal(clipped, np.clip(free, 0, 1))
