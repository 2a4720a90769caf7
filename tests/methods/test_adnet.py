"""ADNet, ECNDNet and the DnCNN of BUIFD: the layers as the papers draw them, and the numbers that they print."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d

import methods
from bench.judge.ledger import ledger
from methods.adnet import load
from methods.networks import adnet

NETS = {net.id: net for method in methods.available().values() for net in method.nets}
DILATIONS = {1: 2, 4: 2, 8: 2, 11: 2}  # layers 2, 5, 9 and 12 of the papers


def authors_tensors(kind, channels=1, features=4):
    """Weights of random numbers under the names that the authors' code gives them."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape, scale=0.3):
        return torch.randn(*shape, generator=generator) * scale

    tensors = {}
    for layer in range(1, 16):
        name, inputs = f"module.conv1_{layer}", channels if layer == 1 else features
        tensors |= {
            f"{name}.0.weight": normal(features, inputs, 3, 3),
            f"{name}.1.weight": 1 + normal(features),
            f"{name}.1.bias": normal(features),
            f"{name}.1.running_mean": normal(features),
            f"{name}.1.running_var": 0.5 + torch.rand(features, generator=generator),
        }
    last = {"ADNet": ("conv1_16.weight", (2 * channels, 1)), "ECNDNet": ("conv1_16.0.weight", (channels, 3))}[kind]
    tensors[f"module.{last[0]}"] = normal(channels, features, 3, 3)
    inputs, side = last[1]
    return tensors | {
        "module.conv3.weight": normal(channels, inputs, side, side),
        "module.conv3.bias": normal(channels),
    }


def by_hand(kind, tensors, noisy):
    """Fig. 1 of ADNet's paper and Fig. 2 of ECNDNet's, with the plain functions of PyTorch."""
    t = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    x = noisy
    for i in range(15):
        step = DILATIONS.get(i, 1)
        x = conv2d(x, t[f"conv1_{i + 1}.0.weight"], padding=step, dilation=step)
        mean, variance, scale, shift = (
            t[f"conv1_{i + 1}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = batch_norm(x, mean, variance, scale, shift, eps=1e-5).relu()
    if kind == "ADNet":
        v = conv2d(x, t["conv1_16.weight"], padding=1)
        weights = conv2d(torch.tanh(torch.cat([noisy, v], 1)), t["conv3.weight"], t["conv3.bias"])
        return noisy - weights * v
    v = conv2d(x, t["conv1_16.0.weight"], padding=1).relu()
    return noisy - conv2d(v, t["conv3.weight"], t["conv3.bias"], padding=1)


@pytest.mark.parametrize(("kind", "channels"), [("ADNet", 1), ("ADNet", 3), ("ECNDNet", 1)])
def test_a_file_of_the_authors_code_gives_the_papers_network(kind, channels, tmp_path):
    tensors = authors_tensors(kind, channels)
    torch.save(tensors, tmp_path / "model_70.pth")
    net = replace(NETS["adnet-rgb"] if channels == 3 else NETS["adnet-15"], architecture=kind)
    network = load(net, tmp_path / "model_70.pth", {})
    noisy = torch.rand(2, channels, 24, 31, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(noisy, None), by_hand(kind, tensors, noisy), atol=1e-4, rtol=1e-4)


def test_a_file_of_the_other_network_is_refused(tmp_path):
    torch.save(authors_tensors("ECNDNet"), tmp_path / "model_180.pth")
    with pytest.raises(ValueError, match="not an ADNet or ECNDNet"):
        load(NETS["adnet-15"], tmp_path / "model_180.pth", {})


@pytest.mark.parametrize(
    ("kind", "channels", "count"), [("ADNet", 1, 519_171), ("ADNet", 3, 521_493), ("ECNDNet", 1, 519_178)]
)
def test_the_networks_have_the_size_and_the_receptive_field_of_the_papers(kind, channels, count):
    network = getattr(adnet, kind)(channels).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    image = torch.zeros(1, channels, 61, 61, requires_grad=True)
    network(image)[0, 0, 30, 30].backward()
    rows = image.grad[0].abs().sum((0, 2)).nonzero()
    assert int(rows[-1] - rows[0]) + 1 <= network.receptive_field


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(
    ("method", "row", "sigma", "protocol"),
    [
        ("adnet", ("ADNet", ""), 15, "torch0"),
        ("adnet", ("ADNet", ""), 25, "torch0"),
        ("adnet", ("ADNet", ""), 50, "torch0"),
        ("adnet-b", ("ADNet", "B"), 25, "torch12"),
        ("ecndnet", ("ECNDNet", ""), 25, "torch0"),
    ],
)
def test_the_papers_number_of_an_image_is_met_to_the_last_digit_under_the_authors_noise(
    measured, method, row, sigma, protocol
):
    (printed,) = {
        r.value
        for r in ledger()
        if (r.method, r.variant) == row and (r.image, r.degradation) == ("Monarch", f"gaussian:{sigma}")
    }
    result = measured(method, "set12:05", str(sigma), protocol=protocol)
    assert result.mean("psnr") == pytest.approx(float(printed), abs=0.0051)
