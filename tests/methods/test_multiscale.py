import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, special
from scipy.signal.windows import gaussian
from torch import fx, nn

from bench.common.files import fetch
from datasets import available as datasets
from methods import available
from methods.networks.laplacian_unet import RowAttention
from methods.networks.multiscale import Centred, DirectResNet, SkipResNet, merge
from methods.networks.pyramid_family import Design, PyramidDenoiser
from methods.networks.pyramid_layers import Gate, PixelFilters, Sparse, Statistics, differentiable_relu
from methods.networks.pyramids import GaussianPyramid, LaplacianPyramid, MultiScale
from methods.networks.training_noise import corrupt

METHODS = available()

# weights/README.md of the mirror, "Measured PSNR": float output, mean over the first images of CBSD68.
MEASURED = {
    "bfcnn-resnet-1x6": (20, {15: 30.52, 25: 28.27}),
    "bfcnn-resnet-1x12": (20, {15: 31.93, 25: 27.86}),
    "bfcnn-resnet-1x18": (20, {15: 31.94, 25: 27.91}),
    "bfcnn-resnet-1x5": (10, {15: 30.10, 25: 24.40}),
    "bfcnn-laplacian-2x5": (10, {15: 30.78, 25: 25.03}),
    "bfcnn-laplacian-3x5": (10, {15: 30.56, 25: 25.06}),
    "bfcnn-unet": (10, {15: 32.39, 25: 29.96}),
}


def released(name: str) -> nn.Module:
    (net,) = METHODS[name].nets
    return METHODS[name].load(net, fetch("weights", name, [net.weights, *net.weights.beside])[0], {})


def photograph(size: int = 64) -> torch.Tensor:
    from skimage import data

    return torch.from_numpy(data.astronaut()[80 : 80 + size, 180 : 180 + size].copy()).permute(2, 0, 1)[None] / 255


def randomised(network: nn.Module) -> nn.Module:
    """Give batch norms running statistics, and heads weights, as if they had seen something."""
    for name, tensor in network.state_dict().items():
        if "running_mean" in name:
            tensor.normal_(0, 0.3)
        elif name.endswith("head.weight"):
            tensor.normal_(0, 0.2)
        elif "running_var" in name or name.endswith("norm.weight"):
            tensor.uniform_(0.5, 2)
    return network.eval()


# Pyramids


def average_where_pixels_are(image: np.ndarray) -> np.ndarray:
    """TensorFlow's "same" average of 3x3 at stride 2 for even sizes, padded cells left out."""
    padded = np.pad(image, ((0, 1), (0, 1)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))[::2, ::2]
    return np.nanmean(windows, axis=(2, 3))


def doubled(image: np.ndarray) -> np.ndarray:
    """Bilinear interpolation at half-pixel centres."""
    places = np.meshgrid(*((np.arange(2 * side) + 0.5) / 2 - 0.5 for side in image.shape), indexing="ij")
    return ndimage.map_coordinates(image, places, order=1, mode="nearest")


def test_the_laplacian_pyramid_is_what_its_definition_says_and_reconstructs():
    image = photograph()
    pyramid = LaplacianPyramid(3)
    levels = pyramid(image)
    assert (pyramid.inverse(levels) - image).abs().max() < 1e-6
    for channel in range(3):
        x = image[0, channel].double().numpy()
        for level in levels[:-1]:
            smaller = average_where_pixels_are(x)
            np.testing.assert_allclose(level[0, channel], x - doubled(smaller), atol=1e-6)
            x = smaller
        np.testing.assert_allclose(levels[-1][0, channel], x, atol=1e-6)


def test_the_average_at_the_border_is_of_the_pixels_that_exist():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    # rows 0-2 and 2-3, columns 0-2 and 2-3
    assert LaplacianPyramid(2).down(image).tolist() == [[[[5.0, 6.5], [11.0, 12.5]]]]


def test_the_gaussian_pyramid_is_what_its_definition_says():
    image = photograph(32)
    pyramid = GaussianPyramid(3)
    levels = pyramid(image)
    window = gaussian(5, 1)
    kernel = np.outer(window, window) / window.sum() ** 2
    for channel in range(3):
        expected = [image[0, channel].double().numpy()]
        for _ in range(2):
            # One zero before and two behind: the first window is centred on pixel 1.
            expected.append(ndimage.correlate(expected[-1], kernel, mode="constant")[1::2, 1::2])
        for level, array in zip(levels, expected, strict=True):
            np.testing.assert_allclose(level[0, channel], array, atol=1e-6)
        together = (doubled(doubled(expected[2]) + expected[1]) + expected[0]) / 3
        np.testing.assert_allclose(pyramid.inverse(levels)[0, channel], together, atol=1e-6)


def test_pyramids_that_cannot_be():
    with pytest.raises(ValueError, match="2 nets for 3 levels; expected 1 or 3"):
        MultiScale(LaplacianPyramid(3), [SkipResNet(), SkipResNet()])


def reach(network: nn.Module, channels: int, multiple: int, size: int) -> int:
    """Say how many pixels wide the outputs are that one unknown input pixel makes unknown."""
    widest = 0
    for row in range(multiple):
        image = torch.zeros(1, channels, size, size)
        place = size // 2 // multiple * multiple + row
        image[0, 0, place, place] = torch.nan
        with torch.inference_mode():
            rows, columns = network(image).isnan().any(1)[0].nonzero().unbind(1)
        widest = max(widest, *((axis - place).abs().max().item() for axis in (rows, columns)))
    return 2 * widest + 1


DESIGNS = [
    Design(blocks=1, levels=1, filters=9),
    Design(blocks=2, levels=3, features=4),
    Design(blocks=1, levels=3, features=4, residual=True, size=3),
    Design(blocks=2, levels=2, features=4, pyramid="gaussian"),
    Design(blocks=1, levels=3, features=4, pyramid="gaussian", residual=True, size=3, shared=False),
    Design(blocks=1, levels=2, features=4, window=5, channels=1),
]


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_receptive_fields_of_the_family(design):
    network = PyramidDenoiser(design).eval()
    assert network.size_multiple == 2 ** (design.levels - 1)
    assert reach(network, design.channels, network.size_multiple, 96) == network.receptive_field


@pytest.mark.parametrize("design", [Design(block="gated"), Design(block="sparse"), Design(window=0)], ids=str)
def test_nets_that_see_the_whole_image_say_so(design):
    network = PyramidDenoiser(design).eval()
    assert network.receptive_field is None
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 0, 0] = torch.nan
    assert network(image).isnan().all()


# The released nets


def psnr(network: nn.Module, clean: np.ndarray, sigma: float) -> np.ndarray:
    """Return the PSNR of each image of a stack (B, H, W, C), 0-255, noise as in the table."""
    noise = np.random.default_rng(0).standard_normal(clean.shape[1:]) * sigma
    noisy = torch.from_numpy((clean + noise) / 255).float().permute(0, 3, 1, 2)
    height, width = noisy.shape[2:]
    multiple = network.size_multiple
    padded = nn.functional.pad(noisy, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    with torch.inference_mode():
        output = network(padded)[:, :, :height, :width].permute(0, 2, 3, 1).double().numpy() * 255
    return 10 * np.log10(255**2 / ((output.clip(0, 255) - clean) ** 2).mean(axis=(1, 2, 3)))


@pytest.fixture
def first_images(published_files):
    """Return the first images of CBSD68 in the order of their names, 0-255."""
    files = fetch("data", "dataset cbsd68", datasets()["cbsd68"].files)
    return [np.asarray(Image.open(path).convert("RGB"), float) for path in sorted(files)[:20]]


@pytest.mark.parametrize(("name", "sigma"), [("bfcnn-laplacian-3x5", 25)])
def test_released_nets_reach_the_measured_psnr(first_images, name, sigma):
    count, expected = MEASURED[name]
    network = released(name)
    mean = np.mean([psnr(network, image[None], sigma) for image in first_images[:count]])
    assert abs(mean - expected[sigma]) < 0.03


@pytest.mark.parametrize("name", MEASURED)
def test_every_released_net_denoises_as_measured(first_images, name):
    """On the middle of each image, where there is more to see than in whole ones: up to 2 dB less."""
    count, expected = MEASURED[name]
    crops = [im[im.shape[0] // 2 - 32 :][:64, im.shape[1] // 2 - 32 :][:, :64] for im in first_images[:count]]
    mean = psnr(released(name), np.stack(crops), 25).mean()
    assert expected[25] - 2 < mean < expected[25] + 0.1


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", MEASURED)
def test_what_released_nets_say_of_themselves(name):
    (net,) = METHODS[name].nets
    network = released(name)
    assert not network.training
    assert (network.size_multiple, network.receptive_field) == (net.size_multiple, net.receptive_field)
    if net.receptive_field:
        assert reach(network, 3, net.size_multiple, 128) == net.receptive_field
    else:
        image = torch.zeros(1, 3, 8, 64)
        image[0, 0, 4, 0] = torch.nan
        assert network(image)[0, :, 4].isnan().all()  # attention along the row


def homogeneity(network, image, scale):
    """Return max |f(a x) - a f(x)| / max |a f(x)|: about 1e-6 in float32 where nothing is ever added."""
    with torch.inference_mode():
        expected = scale * network(image)
        return float((network(scale * image) - expected).abs().max() / expected.abs().max())


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", MEASURED)
def test_no_released_net_is_homogeneous(name):
    """They shift the image by -0.5, squash by tanh and subtract running means."""
    assert homogeneity(released(name), photograph(32), 0.5) > 0.03


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", ["bfcnn-unet", "bfcnn-resnet-1x6", "bfcnn-laplacian-2x5"])
def test_saved_again_they_load_as_own_weights(tmp_path, name):
    from safetensors.torch import save_file

    network = released(name)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "own.safetensors")
    torch.save(network.state_dict(), tmp_path / "own.pt")
    image = photograph(32)
    for path in (tmp_path / "own.safetensors", tmp_path / "own.pt"):
        again = METHODS[name].load(METHODS[name].nets[0], path, {})
        with torch.inference_mode():
            assert torch.equal(again(image), network(image))


def test_files_are_registered_with_what_they_need():
    for name in MEASURED:
        (net,) = METHODS[name].nets
        beside = [weights.path for weights in net.weights.beside]
        if name == "bfcnn-unet":
            assert (net.weights.path, beside) == ("bfcnn/unet_laplacian_v5.6/model_hydra.keras", [])
        else:
            assert beside == [net.weights.path.replace("variables.index", "variables.data-00000-of-00001")]
    assert METHODS["bfcnn"].nets[0].id == "bfcnn-unet"


@pytest.mark.parametrize("build", [DirectResNet, SkipResNet])
def test_merging_normalisation_changes_nothing_not_even_at_the_border(tmp_path, build):
    torch.manual_seed(0)
    net = build(blocks=2, features=8)
    network = Centred(net if build is DirectResNet else MultiScale(LaplacianPyramid(1), [net]))
    randomised(network)
    torch.save(network.state_dict(), tmp_path / "own.pt")
    image = photograph(16)
    with torch.inference_mode():
        before = network(image)
        own = METHODS["bfcnn-resnet-1x6"].load(METHODS["bfcnn-resnet-1x6"].nets[0], tmp_path / "own.pt", {})
        torch.testing.assert_close(own(image), before, atol=2e-6, rtol=0)
        torch.testing.assert_close(merge(network)(image), before, atol=2e-6, rtol=0)
    norms = [name for name, module in own.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2  # those before a 3x3 convolution, whose zeros stand behind the shift


def test_attention_is_along_rows_with_key_and_value_in_each_others_place():
    torch.manual_seed(0)
    block = RowAttention(6, 4).eval()
    features = torch.randn(2, 6, 3, 5)
    with torch.inference_mode():
        found = block(features) - features
        x = block.norm(features)
        q, k, v = (
            torch.nn.functional.gelu(layer(x)).double().numpy() for layer in (block.query, block.key, block.value)
        )
        attended = np.empty((2, 4, 3, 5))
        for image, row in np.ndindex(2, 3):
            scores = np.einsum("ca,cb->ab", q[image, :, row], v[image, :, row])
            attended[image, :, row] = np.einsum("ab,cb->ca", special.softmax(scores, axis=1), k[image, :, row])
        normalised = (attended - attended.mean(1, keepdims=True)) / np.sqrt(attended.var(1, keepdims=True) + 1e-3)
        expected = np.einsum("oc,bchw->bohw", block.output.weight[:, :, 0, 0].numpy(), normalised)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["bfcnn-resnet-1x6", "bfcnn-unet"])
def test_files_that_hold_something_else(tmp_path, name):
    (net,) = METHODS[name].nets
    path = tmp_path / "net.pt"
    torch.save(nn.Conv2d(3, 8, 5).state_dict(), path)
    contents = [path.read_bytes(), b"", b"not weights"]
    for suffix in (".pt", ".index", ".keras"):
        for content in contents:
            other = tmp_path / f"net{suffix}"
            other.write_bytes(content)
            with pytest.raises(ValueError, match=f"^weights {other}: ") as caught:
                METHODS[name].load(net, other, {})
            assert len(str(caught.value).splitlines()) == 1


# The trainable family


@pytest.mark.parametrize("pyramid", ["laplacian", "gaussian"])
@pytest.mark.parametrize("extra", [{}, {"residual": True}, {"filters": 5}, {"norm": False}, {"window": 0}], ids=str)
def test_plain_blocks_are_homogeneous(pyramid, extra):
    torch.manual_seed(0)
    network = randomised(PyramidDenoiser(Design(pyramid=pyramid, blocks=3, **extra)))
    for scale in (0.1, 0.5, 3.7):
        assert homogeneity(network, photograph(), scale) < 1e-5


@pytest.mark.parametrize("extra", [{"block": "sparse"}, {"block": "gated"}, {"window": 5}], ids=str)
def test_statistics_of_the_image_end_homogeneity(extra):
    torch.manual_seed(0)
    network = randomised(PyramidDenoiser(Design(blocks=3, **extra)))
    assert homogeneity(network, photograph(), 0.1) > 1e-3


def test_one_net_serves_all_levels():
    def count(**words) -> int:
        return sum(p.numel() for p in PyramidDenoiser(Design(norm=False, **words)).parameters())

    assert count(levels=1) == count(levels=3, shared=True) == count(levels=3, shared=True, pyramid="gaussian")
    assert count(levels=3, shared=False) == 3 * count(levels=1)
    network = PyramidDenoiser(Design(levels=3, blocks=1, shared=True, norm=False)).eval()
    levels = network.pyramid(photograph())
    for level, denoised in zip(levels, network.denoised_levels(photograph()), strict=True):
        assert torch.equal(network.nets[0](level), denoised)


def test_running_statistics_are_those_of_the_training():
    # Each level has its own. With one set for all, training and use were different functions.
    torch.manual_seed(0)
    network, noisy = PyramidDenoiser(Design(blocks=2, features=4)), torch.rand(4, 3, 16, 16)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.3)
    with torch.no_grad():
        for _ in range(400):
            trained = network.train()(noisy)
        torch.testing.assert_close(network.eval()(noisy), trained, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="one set of running statistics"):
        Design(shared=True)


def test_levels_are_told_the_coarser_one_and_no_gradient_flows_back():
    torch.manual_seed(0)
    network = PyramidDenoiser(Design(levels=2, shared=False, residual=True, blocks=1)).eval()
    fine, coarse = network.pyramid(photograph())
    found = network.denoised_levels(photograph())
    below = network.nets[1](coarse)
    torch.testing.assert_close(found[1], below)
    torch.testing.assert_close(found[0], network.nets[0](fine + torch.nn.functional.interpolate(
        below, scale_factor=2, mode="bilinear", align_corners=False)))  # fmt: skip
    found[0].sum().backward()
    assert all(p.grad is None for p in network.nets[1].parameters())
    assert all(p.grad is not None for p in network.nets[0].parameters())


def test_a_filter_for_every_pixel():
    torch.manual_seed(0)
    layer = PixelFilters(6, 5)
    features, image = torch.randn(2, 6, 7, 9), torch.rand(2, 3, 7, 9)
    with torch.inference_mode():
        weights, output = layer.weights(features), layer(features, image)
        torch.testing.assert_close(layer.weights(0.01 * features), weights)
        nothing = layer.weights(0 * features)
    assert weights.shape == (2, 25, 7, 9)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 7, 9))
    torch.testing.assert_close(nothing, torch.full_like(nothing, 1 / 25))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(image.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge"), (5, 5), axis=(2, 3)
    )
    expected = np.einsum("bchwij,bijhw->bchw", windows, weights.numpy().reshape(2, 5, 5, 7, 9))
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_differentiable_relu():
    x = torch.linspace(-3, 9, 49, dtype=torch.float64, requires_grad=True)
    values = x.detach().numpy()
    on, full = special.expit(10 * (values - 1)), special.expit(10 * (values - 3))
    y = differentiable_relu(x, 1, 3)
    np.testing.assert_allclose(y.detach(), on * ((1 - full) * values + full * 3), atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: differentiable_relu(x, 1, 3), (x,))


def test_normalisation_that_is_not_learned():
    image = photograph(24).double()
    mean, deviation = Statistics()(image)
    expected = image.numpy().mean(), np.sqrt(image.numpy().var() + 1e-3)
    np.testing.assert_allclose([mean.item(), deviation.item()], expected)
    inside = (..., slice(4, -4), slice(4, -4))
    mean, deviation = Statistics(5)(image)
    local = ndimage.uniform_filter(image.numpy(), (1, 1, 5, 5))
    spread = ndimage.uniform_filter((image.numpy() - local) ** 2, (1, 1, 5, 5))
    np.testing.assert_allclose(mean[inside], local[inside], atol=1e-12)
    np.testing.assert_allclose(deviation[inside], np.sqrt(spread + 1e-3)[inside], atol=1e-12)
    constant = torch.full((1, 1, 6, 6), 0.7)
    torch.testing.assert_close(Statistics(5)(constant)[0], constant)  # the border too


def test_sparse_features():
    torch.manual_seed(0)
    normal = torch.randn(1, 4, 200, 200, dtype=torch.float64)
    sparse = Sparse()(7 * normal + 2)
    # P(|n| < 1) = 0.683: what the logistic corners leave of it is less than half of its size.
    assert abs((sparse.abs() < normal.abs() / 2).double().mean() - special.erf(2**-0.5)) < 0.005
    # (x - 3) (1 - s(10 (x - 3))) is at most W(1 / e) / 10, with W Lambert's function.
    assert sparse.abs().max() < 3 + special.lambertw(np.exp(-1)).real / 10 + 1e-9
    torch.testing.assert_close(Sparse()(-normal), -Sparse()(normal))


def test_gates_close_with_the_mean_of_a_channel():
    gate = Gate(2)
    with torch.no_grad():
        gate.mix.weight.copy_(torch.tensor([[1.0, 0], [0, 1]])[:, :, None, None])
        features = torch.stack([torch.full((4, 4), v) for v in (2.0, -3.0)])[None]
        assert torch.allclose(gate(features)[0, :, 0, 0], torch.tensor([2 * 0.6, -3.0]))  # 1 - 2 / 5; open below 0
        assert (gate(5 * features)[0, 0] == 0).all()  # closed from 5 on


@pytest.mark.parametrize(
    "design",
    [
        Design(blocks=2, features=8),
        Design(block="sparse", channels=1, levels=2, blocks=1),
        Design(block="gated", pyramid="gaussian", shared=False, residual=True, filters=3, window=7, blocks=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_of_weights_says_its_design(tmp_path, design, suffix):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = randomised(PyramidDenoiser(design))
    path = tmp_path / f"own.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(network.state_dict(), path)
    method = METHODS[f"msbf-{design.block}"]
    rgb, gray = method.nets
    net, other = (rgb, gray) if design.channels == 3 else (gray, rgb)
    image = photograph(32)[:, : design.channels]
    with torch.inference_mode():
        assert torch.equal(method.load(net, path, {})(image, None), network(image))
    with pytest.raises(ValueError, match=f"hold a {net.colour} net, and the images are {other.colour}"):
        method.load(other, path, {})
    wrong = METHODS["msbf-sparse" if design.block == "resnet" else "msbf-resnet"]
    with pytest.raises(ValueError, match=f"use METHOD=msbf-{design.block}"):
        wrong.load(wrong.nets[0], path, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": 99}, "levels is 99; expected 1 to 8"),
        ({"features": 10**9}, "features is 1000000000; expected 2 to 1024"),
        ({"pyramid": "egyptian"}, "expected laplacian or gaussian"),
        ({"shared": 1}, "shared is 1"),
        ({"window": 4}, "window 4"),
        ({"unknown": 4}, "holds no design"),
        ({"features": 32}, "not a"),
        (None, "holds no design"),
        ("missing", "it has no tensor 'design'"),
    ],
)
def test_designs_that_cannot_be(tmp_path, change, message):
    tensors = PyramidDenoiser(Design(blocks=1)).state_dict()
    stored = json.loads(bytes(tensors["design"].tolist()))
    if change == "missing":
        del tensors["design"]
    else:
        text = b"\xff{" if change is None else json.dumps({**stored, **change}).encode()
        tensors["design"] = torch.tensor(list(text), dtype=torch.uint8)
    torch.save(tensors, tmp_path / "own.pt")
    method = METHODS["msbf-resnet"]
    with pytest.raises(ValueError, match=f"^weights .*{re.escape(message)}") as caught:
        method.load(method.nets[0], tmp_path / "own.pt", {})
    assert len(str(caught.value).splitlines()) == 1


def test_without_weights_the_family_says_what_to_do():
    method = METHODS["msbf-gated"]
    assert method.learned
    with pytest.raises(ValueError, match="give a file of your own with WEIGHTS"):
        method.load(method.nets[0], None, {})


@pytest.mark.parametrize(
    "design", [*DESIGNS, Design(block="gated", blocks=1), Design(block="sparse", blocks=1)], ids=str
)
def test_graphs_can_be_traced(design):
    network = PyramidDenoiser(design).eval()
    image = photograph(32)[:, : design.channels]
    with torch.inference_mode():
        assert torch.equal(fx.symbolic_trace(network)(image), network(image))


# Noise for training


def noisy(clean: torch.Tensor, seed: int = 0, **words) -> torch.Tensor:
    return corrupt(clean, torch.Generator().manual_seed(seed), **words)


def test_training_noise_is_a_function_of_its_generator():
    clean = torch.rand(4, 3, 16, 16)
    assert torch.equal(noisy(clean), noisy(clean))
    assert not torch.equal(noisy(clean), noisy(clean, seed=1))
    with pytest.raises(ValueError, match="neither additive nor multiplicative"):
        noisy(clean, additive=(), multiplicative=())


def test_training_noise_has_the_deviations_asked_for():
    clean = torch.cat([torch.full((64, 3, 32, 32), 0.25), torch.full((64, 3, 32, 32), 0.75)])
    added = noisy(clean, additive=(25,), multiplicative=()) - clean
    np.testing.assert_allclose(added.std(dim=(1, 2, 3)) * 255, 25, rtol=0.08)
    factor = noisy(clean, additive=(), multiplicative=(0.2,)) / clean
    np.testing.assert_allclose(factor.std(dim=(1, 2, 3)), 0.2, rtol=0.08)
    np.testing.assert_allclose(factor.mean(), 1, atol=0.003)
    # the normal distribution cut at two deviations: variance 1 - 4 f(2) / (2 F(2) - 1)
    cut = noisy(clean, additive=(25,), multiplicative=(), truncated=True) - clean
    assert cut.abs().max() * 255 <= 50.001
    np.testing.assert_allclose(cut.std() * 255, 25 * 0.8796, rtol=0.01)


def test_training_noise_draws_kind_level_and_colour_for_every_image():
    clean = torch.full((400, 3, 8, 8), 0.5)
    clean[:, :, 0] = 0  # black stays black only under a factor
    added = noisy(clean, additive=(5, 40), multiplicative=(0.1,)) - clean
    factor = added[:, :, 0].abs().amax(dim=(1, 2)) == 0
    assert 160 < factor.sum() < 240
    strong = added[~factor].std(dim=(1, 2, 3)) * 255 > 15
    assert 0.35 < strong.double().mean() < 0.65
    alike = (added[:, 0] == added[:, 1]).all(dim=2).all(dim=1)
    assert 160 < alike.sum() < 240
