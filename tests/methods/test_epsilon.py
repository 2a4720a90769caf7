"""Batch normalisation is merged with what its own code adds to the variance, where variances are as small as that.

The unfolded networks here are PyTorch's functions with the number that stands in each code:
cszn/DnCNN TrainingCodes/dncnn_pytorch/main_train.py and cszn/KAIR models/basicblock.py 1e-4; SaoYan/DnCNN-PyTorch and
the FFDNet of Tassano et al. PyTorch's 1e-5; Mohan et al. 1e-5, without biases added to the deviation; Caffe 1e-5
(deploy_denoise.prototxt states none, and that is its default); N. Markou's bfcnn 1e-4.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, relu

import methods
from methods.networks.bias_free import DnCNN as BiasFreeDnCNN
from methods.networks.ding_liu import DingLiu
from methods.networks.dncnn import DnCNN
from methods.networks.multiscale import Centred, DirectResNet, SkipResNet
from methods.networks.pyramids import LaplacianPyramid, MultiScale

AVAILABLE = methods.available()
FEATURES = 6


def chain_of(prefix, depth, inputs, outputs, *, first_bias, biases):
    """A state dict of conv, ReLU, [conv, norm, ReLU] ..., conv, numbered as in one Sequential; small variances."""
    generator = torch.Generator().manual_seed(depth)
    tensors = {}
    widths = [inputs, *[FEATURES] * (depth - 1), outputs]
    for index in range(depth):
        at = max(0, 3 * index - 1)
        shape = (widths[index + 1], widths[index], 3, 3)
        tensors[f"{prefix}.{at}.weight"] = torch.randn(shape, generator=generator) / 300
        if biases or (first_bias and index == 0):
            tensors[f"{prefix}.{at}.bias"] = torch.randn(widths[index + 1], generator=generator) / 300
        if 0 < index < depth - 1:
            tensors[f"{prefix}.{at + 1}.weight"] = torch.rand(FEATURES, generator=generator) / 2 + 0.5
            tensors[f"{prefix}.{at + 1}.bias"] = torch.randn(FEATURES, generator=generator) / 5
            tensors[f"{prefix}.{at + 1}.running_mean"] = torch.randn(FEATURES, generator=generator) / 300
            tensors[f"{prefix}.{at + 1}.running_var"] = 10 ** (-3 - 2 * torch.rand(FEATURES, generator=generator))
    return tensors


def unfolded(tensors, prefix, depth, x, epsilon, dilations=()):
    """What the chain computes."""
    for index in range(depth):
        at = max(0, 3 * index - 1)
        dilation = dilations[index] if dilations else 1
        weight, bias = tensors[f"{prefix}.{at}.weight"], tensors.get(f"{prefix}.{at}.bias")
        x = conv2d(x, weight, bias, padding=dilation, dilation=dilation)
        if 0 < index < depth - 1:
            scale, shift, mean, variance = (
                tensors[f"{prefix}.{at + 1}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            )
            x = batch_norm(x, mean, variance, scale, shift, eps=epsilon)
        x = relu(x) if index < depth - 1 else x
    return x


def load(name, path):
    method = AVAILABLE[name]
    return method.load(method.nets[0], path, method.options)


def assert_same(network, noisy, expected, other):
    """The network computes `expected`, which is far from what another epsilon gives."""
    with torch.no_grad():
        denoised = network(noisy, 0.2)
    apart = (other - expected).abs().max()
    assert apart > 1e-3
    assert (denoised - expected).abs().max() < 1e-3 * apart


CHAINS = {
    "cszn": ("dncnn", {"first_bias": True, "biases": False}, 1e-4),
    "KAIR": ("model", {"first_bias": True, "biases": True}, 1e-4),
    "SaoYan": ("module.dncnn", {"first_bias": False, "biases": False}, 1e-5),
    "another with the name of KAIR's": ("model", {"first_bias": False, "biases": False}, 1e-5),
}


@pytest.mark.parametrize("name", ["dncnn-b", "fdncnn"])
@pytest.mark.parametrize("code", CHAINS)
def test_dncnn(tmp_path, name, code):
    prefix, biases, epsilon = CHAINS[code]
    given = AVAILABLE[name].nets[0].given_sigma
    tensors = chain_of(prefix, 6, 2 if given else 1, 1, **biases)
    torch.save(tensors, tmp_path / "net.pth")
    noisy = torch.rand(1, 1, 12, 14)
    inputs = torch.cat([noisy, torch.full_like(noisy, 0.2)], 1) if given else noisy
    right, wrong = (unfolded(tensors, prefix, 6, inputs, value) for value in (epsilon, 1.1e-4 - epsilon))
    if not given:
        right, wrong = noisy - right, noisy - wrong
    assert_same(load(name, tmp_path / "net.pth"), noisy, right, wrong)


@pytest.mark.parametrize("code", ["KAIR", "Tassano"])
def test_ffdnet(tmp_path, code):
    prefix, epsilon = ("model", 1e-4) if code == "KAIR" else ("module.intermediate_dncnn.itermediate_dncnn", 1e-5)
    tensors = chain_of(prefix, 5, 5, 4, first_bias=code == "KAIR", biases=code == "KAIR")
    torch.save(tensors, tmp_path / "net.pth")
    noisy = torch.rand(1, 1, 12, 14)
    parts, level = nn.functional.pixel_unshuffle(noisy, 2), torch.full((1, 1, 6, 7), 0.2)
    inputs = torch.cat([parts, level] if code == "KAIR" else [level, parts], 1)
    outputs = [unfolded(tensors, prefix, 5, inputs, value) for value in (epsilon, 1.1e-4 - epsilon)]
    right, wrong = (nn.functional.pixel_shuffle(output, 2) for output in outputs)
    if code == "Tassano":
        right, wrong = noisy - right, noisy - wrong
    assert_same(load("ffdnet", tmp_path / "net.pth"), noisy, right, wrong)


@pytest.mark.parametrize(("prefix", "biases", "epsilon"), [("model", True, 1e-4), ("net", False, 1e-5)])
def test_ircnn(tmp_path, prefix, biases, epsilon):
    tensors = chain_of(prefix, 7, 1, 1, first_bias=biases, biases=biases)
    torch.save({"0": tensors, "1": tensors}, tmp_path / "net.pth")
    noisy = torch.rand(1, 1, 12, 14)
    dilations = (1, 2, 3, 4, 3, 2, 1)
    right, wrong = (
        noisy - unfolded(tensors, prefix, 7, noisy, value, dilations) for value in (epsilon, 1.1e-4 - epsilon)
    )
    assert_same(load("ircnn", tmp_path / "net.pth"), noisy, right, wrong)


def small_variances(network):
    """Give a network in its training form running statistics of the size of epsilon, and as small convolutions."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(10 ** (-3 - 2 * torch.rand_like(tensor)))
        elif name.endswith("running_mean"):
            tensor.normal_(0, 0.003)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
        elif isinstance(module, nn.Conv2d) and "head" not in name:
            with torch.no_grad():
                module.weight.mul_(0.03)
    return network.eval()


def with_epsilon(network, value):
    """The same network whose batch norms add another number."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = value
        elif hasattr(module, "epsilon"):
            module.epsilon = value
    return network


NETWORKS = {
    "dncnn-b": (lambda: DnCNN(5, 1, FEATURES, norm=True), 1e-5),
    "biased-dncnn@0-55": (lambda: BiasFreeDnCNN(5, FEATURES, bias=True), 1e-5),
    "ding-liu": (lambda: DingLiu(4), 1e-5),
    "bfcnn-resnet-1x6": (lambda: Centred(DirectResNet(2, 8)), 1e-4),
    "bfcnn-laplacian-2x5": (
        lambda: Centred(MultiScale(LaplacianPyramid(2), [SkipResNet(2, 8), SkipResNet(2, 8)])),
        1e-4,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_in_their_training_form(tmp_path, name):
    make, epsilon = NETWORKS[name]
    network = small_variances(make())
    torch.save(network.state_dict(), tmp_path / "net.pth")
    loaded = load(name, tmp_path / "net.pth")
    noisy = torch.rand(1, 1 if AVAILABLE[name].nets[0].colour == "gray" else 3, 16, 16)
    with torch.no_grad():
        right, wrong = (with_epsilon(network, value)(noisy) for value in (epsilon, 1.1e-4 - epsilon))
    assert_same(loaded, noisy, right, wrong)


def test_bias_free_batch_normalisation(tmp_path):
    """Epsilon is added to the deviation, so that it matters where that is small: y = x g / (sqrt(v) + 1e-5)."""
    network = BiasFreeDnCNN(3, FEATURES).eval()
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        tensor.copy_(torch.full_like(tensor, 1e-7) if "running_var" in name else torch.rand_like(tensor) / 100)
    torch.save(tensors, tmp_path / "net.pth")
    noisy = torch.rand(1, 1, 12, 14)
    middle = conv2d(relu(conv2d(noisy, tensors["first_layer.weight"], padding=1)),
                    tensors["hidden_layer_list.0.weight"], padding=1)  # fmt: skip
    scale = tensors["bn_layer_list.0.weight"][:, None, None]

    def by_hand(divisor):
        return noisy - conv2d(relu(middle * scale / divisor), tensors["last_layer.weight"], padding=1)

    assert_same(load("bf-dncnn", tmp_path / "net.pth"), noisy, by_hand(1e-7**0.5 + 1e-5), by_hand((1e-7 + 1e-5) ** 0.5))
