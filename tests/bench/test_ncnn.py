"""The translation of networks into ncnn, held against PyTorch operation by operation."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.backends import Untranslatable, prepare
from bench.backends.ncnn_net import export

C = 8


class Layers(nn.Module):
    """An operation between two convolutions, on features of both signs."""

    def __init__(self, operation, channels=C, scale=1):
        super().__init__()
        self.first = nn.Conv2d(1, C, 3, padding=1)
        self.operation = operation
        self.last = nn.Conv2d(channels, scale, 1)

    def forward(self, noisy, sigma=None):
        return self.last(self.operation(self.first(noisy)))


def differs(network, height, width, channels=1, sigma=0.1):
    torch.manual_seed(1)
    noisy = torch.randn(1, channels, height, width)
    start, _ = export(network.eval(), channels, sigma)
    with torch.no_grad():
        expected = network(noisy, sigma)
    found = torch.from_numpy(start(2)(noisy[0].numpy()))
    assert found.shape == expected[0].shape
    return float((found - expected[0]).abs().max()) / max(1, float(expected.abs().max()))


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def normed(layer):
    nn.init.uniform_(layer.weight, 0.5, 2)
    nn.init.normal_(layer.bias)
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    return layer


MODULES = {
    "relu": lambda: nn.ReLU(),
    "relu in place": lambda: nn.ReLU(inplace=True),
    "prelu, one": lambda: nn.PReLU(),
    "prelu, a channel": lambda: nn.PReLU(C, init=0.3),
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "elu": lambda: nn.ELU(0.7),
    "gelu": lambda: nn.GELU(),
    "silu": lambda: nn.SiLU(),
    "sigmoid": lambda: nn.Sigmoid(),
    "tanh": lambda: nn.Tanh(),
    "batch norm": lambda: normed(nn.BatchNorm2d(C)),
    "grouped": lambda: nn.Conv2d(C, C, 3, padding=1, groups=4),
    "depthwise 5x5": lambda: nn.Conv2d(C, C, 5, padding=2, groups=C),
    "several a channel": lambda: nn.Sequential(nn.Conv2d(C, 2 * C, 3, padding=1, groups=C), nn.Conv2d(2 * C, C, 1)),
    "dilated": lambda: nn.Conv2d(C, C, 3, padding=3, dilation=3, bias=False),
    "replicate border": lambda: nn.Conv2d(C, C, 3, padding=1, padding_mode="replicate"),
    "reflect border": lambda: nn.Conv2d(C, C, 3, padding=1, padding_mode="reflect"),
    "down and up": lambda: nn.Sequential(nn.Conv2d(C, C, 3, stride=2, padding=1), nn.ConvTranspose2d(C, C, 4, 2, 1)),
    "grouped up": lambda: nn.ConvTranspose2d(C, C, 2, 2, groups=4),
    "sub-pixels": lambda: nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(4 * C, 4 * C, 3, padding=1), nn.PixelShuffle(2)
    ),
    "max pooling": lambda: nn.MaxPool2d(2),
    "average, border not counted": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average, last window cut off": lambda: nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False),
    "maximum, last window cut off": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "average, border counted": lambda: nn.AvgPool2d(3, 1, 1),
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
}


def exchanged(x):
    first, second = x.chunk(2, dim=1)
    return torch.cat([second, first * 2], dim=1)


FUNCTIONS = {
    "numbers": lambda x: (2 * x - 1) / 4 + (1 - x) * 0.5 - 3 / (x * x + 1),
    "two blobs": lambda x: x * x.sigmoid() + x - x / (x.abs() + 1),
    "constants a channel": lambda x: x * torch.linspace(0.5, 2, C)[:, None, None] + torch.arange(C)[:, None, None],
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "join and cut": lambda x: torch.cat([x[:, 3:], x.relu(), x[:, :3]], dim=1)[:, 2 : 2 + C],
    "chunks": exchanged,
    "channel attention": lambda x: x * functional.adaptive_avg_pool2d(x, 1).sigmoid(),
    "mean over channels": lambda x: x - x.mean(dim=1, keepdim=True),
    "every second pixel": lambda x: x[..., ::2, ::2],
    "borders": lambda x: functional.pad(x, (1, 2, 3, 0), mode="reflect")[..., 1:, 2:-1],
    "zero border": lambda x: functional.pad(x, (0, 1, 0, 1)),
    "order of channels": lambda x: (
        x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2) * torch.arange(C)[:, None, None]
    ),
    "noise level map": lambda x: x + torch.full_like(x, 0.2),
    "in place": lambda x: x.mul_(2).add_(1),
}


@pytest.mark.parametrize("size", [(20, 36), (24, 12)])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, size):
    torch.manual_seed(0)
    assert differs(Layers(MODULES[name]()), *size) < 1e-5


@pytest.mark.parametrize("name", ["relu", "dilated", "bilinear", "average, border not counted", "replicate border"])
def test_odd_sizes(name):
    torch.manual_seed(0)
    assert differs(Layers(MODULES[name]()), 19, 31) < 1e-5


@pytest.mark.parametrize("size", [(20, 36), (19, 31)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, size):
    torch.manual_seed(0)
    assert differs(Layers(Function(FUNCTIONS[name])), *size) < 1e-5


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("few", [1, 2, 3, 4, 5])
def test_few_channels_on_one_side(few, kernel):
    """They take other algorithms."""
    torch.manual_seed(0)
    narrow = nn.Conv2d(C, few, kernel, padding=kernel // 2)
    wide = nn.Conv2d(few, 2 * C, kernel, padding=kernel // 2)
    assert differs(Layers(nn.Sequential(narrow, wide), 2 * C, 3), 19, 31) < 1e-5


def reused(x):
    kept = x
    functional.relu(x, inplace=True)
    return x + kept


def summed(x):
    x.add_(x.sigmoid())
    return x * 2


@pytest.mark.parametrize("function", [reused, summed])
def test_a_tensor_that_was_changed_in_place(function):
    torch.manual_seed(0)
    assert differs(Layers(Function(function)), 20, 36) < 1e-5


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (lambda x: x.sort(dim=1).values, "no word for method sort"),
        (lambda x: x.permute(0, 1, 3, 2), "no word for method permute"),
        (lambda x: functional.interpolate(x, scale_factor=2, mode="bicubic"), "interpolation bicubic"),
        (lambda x: x * (x.shape[2] / 10), "depends on the size of the image"),
        (lambda x: x if x.sum() > 0 else -x, "cannot be traced"),
        (lambda x: x[:, :4].relu_() + x[:, :4], "a part of a tensor, or a tensor with parts, is changed in place"),
    ],
)
def test_what_has_no_word(operation, line):
    with pytest.raises(Untranslatable, match=line):
        export(Layers(Function(operation)).eval(), 1, 0.1)


def test_a_translation_that_is_wrong_is_not_used(monkeypatch):
    from bench.backends import ncnn_words

    monkeypatch.setitem(ncnn_words.FUNCTIONS, torch.tanh, ncnn_words.sigmoid)
    network = Layers(Function(lambda x: torch.tanh(x)))
    assert prepare(network, channels=1, device="cpu", backend="auto", sigma=0.1, threads=1).backend == "onnxruntime"


def test_memory_of_dncnn():
    """Two blobs of 64 channels; for a convolution the padded one, and its 36 numbers for every 16 pixels."""
    from bench.backends.ncnn_memory import MARGIN
    from methods.networks.dncnn import DnCNN

    _, bytes_per_pixel = export(DnCNN(6).eval(), 1, 0.1)
    assert bytes_per_pixel == pytest.approx(MARGIN * 4 * 64 * (2 + 1 + 36 / 16), rel=0.05)


def small(name):
    """A network of each architecture, with few channels and random weights, and the channels of its images."""
    from methods.networks import autoencoders, bias_free, ding_liu, dncnn, ffdnet, ircnn, mwcnn, mwrcanet, rdn

    return {
        "dncnn": lambda: (dncnn.DnCNN(5, 3, 16), 3),
        "fdncnn": lambda: (dncnn.FDnCNN(5, 1, 16), 1),
        "ffdnet": lambda: (ffdnet.FFDNet(4, 3, 16), 3),
        "ircnn": lambda: (ircnn.IRCNN(1, 1, 16), 1),
        "bf-unet": lambda: (bias_free.UNet(8), 1),
        "bf-densenet": lambda: (bias_free.DenseNet(2, 1, 16), 1),
        "cnn-dae": lambda: (autoencoders.ConvolutionalAutoencoder(16), 1),
        "ding-liu": lambda: (ding_liu.fold(ding_liu.DingLiu(8).eval()), 3),
        "rdn": lambda: (rdn.RDN(2, 3, 16, 16, 3), 3),
        "mwcnn": lambda: (mwcnn.MWCNN(1, (8, 16, 16), 2), 1),
        "mwcnn-v2": lambda: (mwcnn.MWCNNv2(3, 8), 3),
        "mwrcanet": lambda: (mwrcanet.MWRCANet(3, (8, 8, 16), 1, 4), 3),
    }[name]()


@pytest.mark.parametrize(
    "name",
    [
        *("dncnn", "fdncnn", "ffdnet", "ircnn", "bf-unet", "bf-densenet", "cnn-dae", "ding-liu"),
        *("rdn", "mwcnn", "mwcnn-v2", "mwrcanet"),
    ],
)
def test_every_architecture_is_translated(name):
    torch.manual_seed(0)
    network, channels = small(name)
    assert differs(network, 24, 40, channels) < 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", ["fdncnn", "bf-unet", "bf-rcnn", "ffdnet", "bfcnn-laplacian-3x5"])
def test_real_networks(one_cell, photographs, name):
    from bench.denoise import weights_path

    data = "cbsd68" if name.startswith("bfcnn") else photographs
    cell = one_cell(name, data)
    network = cell.method.load(cell.net, weights_path(cell), cell.options)
    channels = 3 if cell.dataset.colour == "rgb" else 1
    assert differs(network, 64, 96, channels) < 2e-5
