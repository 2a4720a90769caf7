import numpy as np
import pytest
import torch

import methods

METHODS = methods.available()


def run(name: str, image: np.ndarray, sigma: float, **options) -> np.ndarray:
    """Denoise (H, W, C) through the method's contract."""
    method = METHODS[name]
    net = next(n for n in method.nets if n.colour in ("any", "gray" if image.shape[2] == 1 else "rgb"))
    denoise = method.load(net, None, {**method.options, **options})
    out = denoise(torch.from_numpy(image).permute(2, 0, 1)[None].float(), sigma)
    assert out.dtype == torch.float32
    return out[0].permute(1, 2, 0).numpy()


@pytest.fixture(params=["gray", "rgb"])
def pair(request):
    from skimage import data

    clean = data.astronaut()[50:114, 80:160] / 255.0
    clean = clean if request.param == "rgb" else clean[..., 1:2]
    return clean, clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)


def psnr(a, b):
    return -10 * np.log10(((a - b) ** 2).mean())


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("bm3d", 5),
        ("bm3d-2007", 5),
        ("nlm", 3),
        ("wavelet", 2),
        ("tv", 5),
        ("gaussian", 3),
        ("median", 2),
        ("bilateral", 5),
    ],
)
def test_they_denoise_gray_and_colour(pair, name, gain):
    clean, noisy = pair
    before = noisy.copy()
    out = run(name, noisy, 0.1)
    assert out.shape == clean.shape
    assert psnr(out, clean) > psnr(noisy, clean) + gain
    assert np.array_equal(noisy, before)


def test_bm3d_is_the_packages_bm3d(pair):
    import bm3d

    noisy = pair[1][:40, :48].astype(np.float32).astype(float)
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    function = bm3d.bm3d if noisy.shape[2] == 1 else bm3d.bm3d_rgb
    expected = np.reshape(function(noisy, 0.1, profile), noisy.shape)
    np.testing.assert_allclose(run("bm3d", noisy, 0.1), expected, atol=1e-6)


def test_bm3d_options_reach_the_package(pair):
    noisy = pair[1][:24, :32]
    outputs = [
        run("bm3d", noisy, 0.1, **options)
        for options in ({}, {"profile": "lc"}, {"lambda_thr3d": "2.2"}, {"mu2": "0.5"})
    ]
    for i, output in enumerate(outputs):
        assert not any(np.allclose(output, other) for other in outputs[:i])
    with pytest.raises(ValueError, match="lambda_thr3d=high; expected a number, or auto"):
        run("bm3d", noisy, 0.1, lambda_thr3d="high")


def test_a_batch_is_denoised_image_by_image(pair):
    _, noisy = pair
    method = METHODS["wavelet"]
    denoise = method.load(method.nets[0], None, {})
    tensor = torch.from_numpy(noisy).permute(2, 0, 1).float()
    batch = denoise(torch.stack([tensor, tensor * 0.5]), 0.1)
    torch.testing.assert_close(batch[1:], denoise(tensor[None] * 0.5, 0.1))


FILTERS = ("tv", "gaussian", "median", "bilateral")


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (7, 5, 1), (2, 9, 3)])
def test_small_and_odd_images(name, shape):
    noisy = np.random.default_rng(0).normal(0.5, 0.4, shape)
    before = noisy.copy()
    first = run(name, noisy, 0.1)
    assert first.shape == shape
    assert np.isfinite(first).all()
    assert np.array_equal(first, run(name, noisy, 0.1))
    assert np.array_equal(noisy, before)
    constant = np.full(shape, 0.7)
    np.testing.assert_allclose(run(name, constant, 0.1), constant, rtol=1e-6)


def test_total_variation_of_a_step():
    """Of two pixels 0 and 1, the minimiser of w TV(u) + |u - f|^2 / 2 is w and 1 - w (Chambolle 2004)."""
    step = np.array([[[0.0], [1.0]]])
    for sigma, weight in [(25, 0.75 * 25 / 255), (50, 0.75 * 50 / 255 * 2**0.25)]:
        out = run("tv", step, sigma / 255, iterations="400")
        np.testing.assert_allclose(out.ravel(), [weight, 1 - weight], atol=1e-3)
    out = run("tv", step, 25 / 255, strength="1.5", iterations="400")
    np.testing.assert_allclose(out[0, 0, 0], 1.5 * 25 / 255, atol=1e-3)


def test_the_gaussian_is_a_gaussian():
    impulse = np.zeros((21, 21, 1))
    impulse[10, 10] = 1
    for sigma, std, options in [(28, 1.0, {}), (28, 0.5, {"std": "0.5"})]:  # 0.3 + 28 / 40 = 1
        x = np.arange(-10, 11)
        kernel = np.where(abs(x) <= int(4 * std + 0.5), np.exp(-(x**2) / (2 * std**2)), 0)
        kernel /= kernel.sum()
        out = run("gaussian", impulse, sigma / 255, **options)[..., 0]
        np.testing.assert_allclose(out, np.outer(kernel, kernel), atol=1e-7)


@pytest.mark.parametrize(("sigma", "options", "side"), [(15, {}, 3), (50, {}, 7), (15, {"size": "5"}, 5)])
def test_the_median_is_the_median_of_a_square(sigma, options, side):
    pixels = np.random.default_rng(0).random((11, 12, 3)).astype(np.float32)
    radius = side // 2
    out = run("median", pixels, sigma / 255, **options)
    for y, x in [(5, 5), (4, 7)]:
        square = pixels[y - radius : y + radius + 1, x - radius : x + radius + 1]
        np.testing.assert_array_equal(out[y, x], np.median(square, axis=(0, 1)))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_bilateral_filter_by_its_definition(channels):
    pixels = np.random.default_rng(0).random((6, 5, channels)).astype(np.float32).astype(float)
    expected = np.zeros_like(pixels)
    for y, x in np.ndindex(6, 5):
        weights = total = 0
        for v, u in np.ndindex(6, 5):
            if abs(v - y) <= 2 and abs(u - x) <= 2:
                change = ((pixels[v, u] - pixels[y, x]) ** 2).sum()
                weight = np.exp(-((v - y) ** 2 + (u - x) ** 2) / 2 - change / (2 * (3 * 0.1) ** 2))
                weights, total = weights + weight, total + weight * pixels[v, u]
        expected[y, x] = total / weights
    out = run("bilateral", pixels, 0.1, space="1", colour="3")
    np.testing.assert_allclose(out[2:4, 2:3], expected[2:4, 2:3], atol=1e-6)  # pixels whose square is inside
    automatic = run("bilateral", pixels, 30 / 255, space="1")  # 2.25 + 30 / 30
    np.testing.assert_allclose(automatic, run("bilateral", pixels, 30 / 255, space="1", colour="3.25"), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "side"),
    [
        ("gaussian", {"std": "1"}, 9),
        ("median", {"size": "5"}, 5),
        ("bilateral", {}, 9),
        ("bilateral", {"space": "1"}, 5),
    ],
)
def test_receptive_fields(name, options, side):
    method = METHODS[name]
    denoise = method.load(method.nets[0], None, {**method.options, **options})
    assert denoise.receptive_field == side
    noisy = torch.rand(1, 1, 31, 31, generator=torch.Generator().manual_seed(0))
    changed = torch.zeros(31, 31, dtype=torch.bool)
    for value in (-9.0, 0.5, 9.0):
        other = noisy.clone()
        other[0, 0, 15, 15] = value
        changed |= (denoise(noisy, 0.4) != denoise(other, 0.4))[0, 0]
    rows = changed.any(dim=1).nonzero().flatten()
    assert 15 - side // 2 <= rows.min()
    assert rows.max() <= 15 + side // 2
    assert rows.max() - rows.min() + 1 >= (side if name != "median" else 3)
    widest = method.load(method.nets[0], None, method.options).receptive_field
    assert widest == method.nets[0].receptive_field


@pytest.mark.parametrize(
    ("name", "options", "cause"),
    [
        ("tv", {"strength": "much"}, "method tv: strength=much; expected a number above 0"),
        ("tv", {"iterations": "0"}, "method tv: iterations=0; expected a whole number from 1 up"),
        ("gaussian", {"std": "-1"}, "method gaussian: std=-1; expected a number above 0"),
        ("median", {"size": "4"}, "method median: size=4; expected an odd number, or auto"),
        ("bilateral", {"colour": "nan"}, "method bilateral: colour=nan; expected a number above 0"),
    ],
)
def test_options_that_cannot_be(name, options, cause):
    with pytest.raises(ValueError, match=cause):
        run(name, np.zeros((4, 4, 1)), 0.1, **options)


@pytest.mark.parametrize("name", ["nlm", "wavelet", "tv", "gaussian", "median", "bilateral", "bm3d", "bm3d-2007"])
def test_a_known_mean_of_the_noise_is_taken_off_first(pair, name):
    _, noisy = pair
    noisy = noisy[:20, :24]
    without, known = run(name, noisy, 0.1), run(name, noisy + 0.255, 0.1, mean="0.255")
    np.testing.assert_allclose(known, without, atol=1e-5)
    for bad in ("much", "2", "nan"):
        with pytest.raises(ValueError, match=f"mean={bad}; expected the mean of the noise, from -1 to 1"):
            run(name, noisy, 0.1, mean=bad)
