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


@pytest.mark.parametrize(("name", "gain"), [("bm3d", 5), ("nlm", 3), ("wavelet", 2)])
def test_they_denoise_gray_and_colour(pair, name, gain):
    clean, noisy = pair
    before = noisy.copy()
    out = run(name, noisy, 0.1)
    assert out.shape == clean.shape
    assert psnr(out, clean) > psnr(noisy, clean) + gain
    assert np.array_equal(noisy, before)


def test_bm3d_is_the_packages_bm3d(pair):
    import bm3d

    _, noisy = pair
    noisy = noisy.astype(np.float32).astype(float)
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    function = bm3d.bm3d if noisy.shape[2] == 1 else bm3d.bm3d_rgb
    expected = np.reshape(function(noisy, 0.1, profile), noisy.shape)
    np.testing.assert_allclose(run("bm3d", noisy, 0.1), expected, atol=1e-6)


def test_bm3d_options_reach_the_package(pair):
    _, noisy = pair
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
