"""The gray nets of bfcnn, against their author's layers written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage, special

from bench.common.files import fetch
from methods import available
from methods.networks.gray_pyramids import HardSparse, SmoothPyramid, network
from methods.networks.multiscale import merge
from methods.tensorflow_files import tensor_bundle

METHODS = available()
# name: levels, Laplacian pyramid, convolutions of a block, of them the depthwise one, sparsity: after the first
# convolution or within the blocks
LAYOUTS = {
    "resnet_5x5_bn_3x3@v0.1.0": (5, False, 2, True, ""),
    "resnet_5x5_bn_3x3@v1.0.0": (5, True, 2, False, ""),
    "sparse_resnet_5x5_bn_3x3@v0": (5, False, 2, True, "hard inside"),
    "sparse_resnet_5x5_bn_3x3@v1.0.0": (5, True, 2, False, "soft first"),
    "sparse_resnet_5x5_bn_3x3@v1.0.1": (5, True, 3, False, "soft first"),
    "sparse_resnet_5x5_bn_3x3@v1.0.2": (5, True, 3, False, "soft first"),
    "sparse_resnet_4x5_bn_3x3": (4, False, 2, True, "soft inside"),
}


def files(name: str):
    (net,) = METHODS[name].nets
    return fetch("weights", name, [net.weights, *net.weights.beside])[0]


def sparse(x: np.ndarray, how: str) -> np.ndarray:
    n = (x - x.mean()) / np.sqrt(x.var() + 1e-3)
    a = np.abs(n)
    if how.startswith("hard"):
        return np.where(a > 1, np.minimum(a, 3), 0) * np.sign(n)
    full = special.expit(10 * (a - 3))
    return (3 * full + a * (1 - full)) * special.expit(10 * (a - 1)) * np.sign(n)


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate (H, W, I) with a kernel (h, w, I, O), zeros around."""
    r = kernel.shape[0] // 2
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((r, r), (r, r), (0, 0))), kernel.shape[:2], axis=(0, 1)
    )
    return np.tensordot(windows, kernel, axes=((3, 4, 2), (0, 1, 2)))


class Author:
    """The author's net, from the variables of a file in the order of their numbers, in double precision."""

    def __init__(self, name: str) -> None:
        self.levels, self.laplacian, self.convolutions, self.depthwise, self.sparsity = LAYOUTS[name]
        self.variables = tensor_bundle(files(name))
        self.next = dict.fromkeys(("conv2d", "batch_normalization", "depthwise_conv2d"), 0)
        if not self.laplacian:
            self.next["depthwise_conv2d"] = self.levels - 1
        at = np.linspace(-2, 2, 5)
        self.gauss = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / 2)
        self.gauss /= self.gauss.sum()

    def variable(self, layer: str, *parts: str) -> list[np.ndarray]:
        number, self.next[layer] = self.next[layer], self.next[layer] + 1
        name = f"{layer}_{number}" if number else layer
        return [self.variables[f"{name}/{part}"].astype(float) for part in parts]

    def conv(self, x: np.ndarray) -> np.ndarray:
        return convolved(x, *self.variable("conv2d", "kernel"))

    def norm(self, x: np.ndarray) -> np.ndarray:
        gain, mean, variance = self.variable("batch_normalization", "gamma", "moving_mean", "moving_variance")
        return gain * (x - mean) / np.sqrt(variance + 1e-4)

    def wide(self, x: np.ndarray) -> np.ndarray:
        if not self.depthwise:
            return self.conv(x)
        (kernel,) = self.variable("depthwise_conv2d", "depthwise_kernel")
        each = [convolved(x[..., c : c + 1], kernel[:, :, c : c + 1]) for c in range(x.shape[2])]
        return np.concatenate(each, axis=2)

    def level(self, x: np.ndarray) -> np.ndarray:
        relu = lambda z: np.maximum(z, 0)  # noqa: E731
        y = self.conv(self.norm(x) if self.laplacian else x)
        y = sparse(y, self.sparsity) if self.sparsity.endswith("first") else relu(y)
        for _ in range(5):
            z = relu(self.conv(self.norm(y))) if self.convolutions == 3 else y
            z = self.wide(self.norm(z))
            z = sparse(z, self.sparsity) if self.sparsity.endswith("inside") else self.norm(relu(z))
            y = y + relu(self.conv(z))
        return np.tanh(self.conv(self.norm(y))) + x

    def smooth(self, x: np.ndarray) -> np.ndarray:
        return ndimage.correlate(x[..., 0], self.gauss, mode="constant")[..., None]

    def __call__(self, noisy: np.ndarray) -> np.ndarray:
        x = noisy.clip(0, 1)[..., None] - 0.5
        levels = []
        for _ in range(self.levels - 1):
            smoothed = self.smooth(x)
            levels.append(x - smoothed if self.laplacian else x)
            x = smoothed[::2, ::2] if self.laplacian else smoothed[1::2, 1::2]
        if self.laplacian:
            outputs = [self.level(one) for one in (*levels, x)]  # numbered from the finest level
            out = outputs[-1]
            for one in outputs[-2::-1]:
                out = self.smooth(out.repeat(2, 0).repeat(2, 1)) + one
        else:
            out = self.level(x)
            for one in levels[::-1]:
                places = np.meshgrid(*((np.arange(2 * n) + 0.5) / 2 - 0.5 for n in out.shape[:2]), indexing="ij")
                up = ndimage.map_coordinates(out[..., 0], places, order=1, mode="nearest")[..., None]
                out = up + self.level(one - up)
        return out[..., 0].clip(-0.5, 0.5) + 0.5


def photograph(height: int = 32, width: int = 48) -> np.ndarray:
    from skimage import data

    clean = data.camera()[60 : 60 + height, 200 : 200 + width] / 255
    return clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_net_is_its_authors(name):
    method, noisy = METHODS[name], photograph()
    net = method.load(method.nets[0], files(name), {})
    with torch.inference_mode():
        # Twice in a batch: the statistics of sparse nets are those of each image.
        batch = torch.from_numpy(np.stack([noisy, noisy[::-1].copy()]))[:, None].float()
        output = net(batch)
        torch.testing.assert_close(net(batch[1:]), output[1:], atol=1e-3, rtol=0)
    # Gains up to 250 and steep sigmoids: single precision moves single pixels by up to 0.2 grey levels.
    difference = np.abs(Author(name)(batch[0, 0].double().numpy()) - output[0, 0].numpy()) * 255
    assert difference.max() < 0.25
    assert np.sqrt((difference**2).mean()) < 0.01
    assert net.size_multiple == method.nets[0].size_multiple == 2 ** (LAYOUTS[name][0] - 1)
    assert net.receptive_field == method.nets[0].receptive_field
    assert (net.receptive_field is None) == bool(LAYOUTS[name][4])


def test_names_and_versions_are_the_authors():
    gray = {name: METHODS[name].nets[0].weights.path for name in METHODS if "resnet_" in name}
    assert {*LAYOUTS, "resnet_5x5_bn_3x3", "sparse_resnet_5x5_bn_3x3"} == gray.keys()
    for plain, newest in (("resnet_5x5_bn_3x3", "v1.0.0"), ("sparse_resnet_5x5_bn_3x3", "v1.0.2")):
        assert gray[plain] == gray[f"{plain}@{newest}"]
    for name, path in gray.items():
        version = name.partition("@")[2]
        assert name.partition("@")[0] in path
        assert not version or version == "v1.0.0" or f"_{version}/" in path
        sparse_one = name.startswith("sparse")
        assert ("looks at the whole image" in METHODS[name].title) == sparse_one


@pytest.mark.parametrize(("architecture", "reach"), [("v1.0.0", 171), ("v0.1.0", 246)])
def test_how_far_the_nets_see(architecture, reach):
    """Of the facts of the files, found there by NaN: 171 and 246 pixels one way, 156 and 231 the other."""
    net = network(architecture, 5, 5, 2).eval()
    assert net.receptive_field == 2 * reach + 1
    small = network(architecture, 3, 1, 2).eval()
    widest = 0
    for place in range(40, 44):
        image = torch.zeros(1, 1, 96, 96)
        image[0, 0, place, place] = torch.nan
        with torch.inference_mode():
            rows, columns = small(image)[0, 0].isnan().nonzero().unbind(1)
        widest = max(widest, *((axis - place).abs().max().item() for axis in (rows, columns)))
    assert small.receptive_field == 2 * widest + 1


def test_the_pyramid_without_nets_is_not_the_image():
    image = torch.from_numpy(photograph(16, 16))[None, None].float()
    pyramid = SmoothPyramid(2)
    fine, coarse = pyramid(image)
    weights = np.exp(-(np.arange(-2, 3)[:, None] ** 2 + np.arange(-2, 3) ** 2) / 2)
    smoothed = ndimage.correlate(image[0, 0].double().numpy(), weights / weights.sum(), mode="constant")
    np.testing.assert_allclose(fine[0, 0].numpy(), image[0, 0].numpy() - smoothed, atol=1e-6)
    np.testing.assert_allclose(coarse[0, 0], smoothed[::2, ::2], atol=1e-6)
    assert (pyramid.inverse([fine, coarse]) - image).abs().max() > 0.05


def test_hard_sparsity():
    features = torch.tensor([-4.0, -1.5, -0.5, 0.5, 1.5, 4.0])[None, None, None]  # mean 0, variance 37 / 6
    deviation = np.sqrt(37 / 6 + 1e-3)
    expected = [-4 / deviation, 0, 0, 0, 0, 4 / deviation]
    np.testing.assert_allclose(HardSparse()(features).flatten(), expected, rtol=1e-6)
    outlier = torch.zeros(1, 1, 10, 10)
    outlier[0, 0, 0, 0] = 100
    assert HardSparse()(outlier).max() == 3


@pytest.mark.parametrize("architecture", ["v0.1.0", "sparse v0", "sparse v1.0.1"])
def test_merged_or_not_own_files_give_the_same_image(tmp_path, architecture):
    from methods.networks.multiscale import Centred

    torch.manual_seed(0)
    plain = Centred(network(architecture, 2, 1, 4)).eval()
    for key, tensor in plain.state_dict().items():
        if "running" in key:
            tensor.uniform_(0.1, 0.5)
    method = next(m for m in METHODS.values() if m.nets[0].architecture == architecture)
    image = torch.from_numpy(photograph(16, 16))[None, None].float()
    with torch.inference_mode():
        before = plain(image)
        for name in ("trained", "merged"):
            torch.save((plain if name == "trained" else merge(plain)).state_dict(), tmp_path / name)
            again = method.load(method.nets[0], tmp_path / name, {})
            torch.testing.assert_close(again(image), before, atol=2e-6, rtol=0)


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("resnet_5x5_bn_3x3@v0.1.0", "resnet_5x5_bn_3x3@v1.0.0"),
        ("sparse_resnet_5x5_bn_3x3@v0", "resnet_5x5_bn_3x3@v0.1.0"),
        ("sparse_resnet_5x5_bn_3x3@v1.0.1", "sparse_resnet_5x5_bn_3x3@v1.0.0"),
        ("resnet_5x5_bn_3x3@v1.0.0", "bfcnn-resnet-1x6"),
    ],
)
def test_files_of_another_version_are_refused(name, other):
    with pytest.raises(ValueError, match="not a gray pyramid of residual nets") as caught:
        METHODS[name].load(METHODS[name].nets[0], files(other), {})
    assert len(str(caught.value).splitlines()) == 1
