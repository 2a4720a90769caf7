import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import methods
from bench.degradation import parse
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.recipe import load_recipe
from bench.train.registry import CORRUPTIONS, NETWORKS, PROGRAMMES, arguments, resolve
from bench.train.trainer import _programme, train_and_store
from methods.trained_here import trained

# What is made small for the sake of time: the kind of network stays that of the recipe.
SMALL = {
    "dncnn-s": "depth=4,features=8",
    "cdncnn-s": "depth=4,features=8",
    "dncnn-b": "depth=4,features=8",
    "cdncnn-b": "depth=4,features=8",
    "dncnn-small": "",
    "bf-dncnn": "depth=4,features=8",
    "biased-dncnn": "depth=4,features=8",
    "rdn": "blocks=2,layers=2,growth=8,features=8",
    "rdn-small": "",
    "msbf-resnet": "",
    "dncnn-b-small": "",
    "cdncnn-b-small": "",
    "bf-dncnn-small": "",
    "biased-dncnn-small": "",
    "msbf-resnet-small": "",
    "ding-liu-small": "",
}
COLOUR = {
    "cdncnn-s",
    "cdncnn-b",
    "rdn",
    "rdn-small",
    "msbf-resnet",
    "cdncnn-b-small",
    "msbf-resnet-small",
    "ding-liu-small",
}


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_trains_what_its_method_loads(name, crops, tmp_path):
    change = ",".join(filter(None, [SMALL[name], "steps=2,batch=2,patch=16,held_out=1"]))
    folder = crops["rgb" if name in COLOUR else "gray"]
    short = recipe_for(name, str(folder), "", change, load_recipe(name).variant)
    weights = tmp_path / "weights"
    list(train_and_store(short, tmp_path / "out", to=weights, device="cpu", threads=1))
    (method,) = trained(methods.available(), weights)
    (net,) = method.nets
    assert method.name == short.weights_name
    assert net.colour == ("rgb" if name in COLOUR else "gray")
    network = method.load(net, Path(net.weights.local), dict(method.options))
    assert all(value.dtype == torch.float32 for value in network.parameters())
    said = json.loads(next(weights.glob("*.json")).read_text())
    assert sum(value.numel() for value in network.parameters()) == said["parameters"]
    # What it loads denoises as well as what was trained: it is the same function.
    state = torch.load(next((tmp_path / "out").rglob("*.ckpt")), weights_only=True)
    straight = short.build()
    straight.load_state_dict(state["best"])
    noisy = torch.rand(1, 3 if name in COLOUR else 1, 40, 44, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = straight.eval()(noisy)
        # Half precision is right to 2^-11 of a weight; a residual of the size of the noise is right to about as much.
        torch.testing.assert_close(network(noisy), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_table_is_found_with_its_arguments_and_its_folding(name):
    network = NETWORKS[name]
    assert callable(resolve(network.maker))
    assert not network.fold or callable(resolve(network.fold))
    assert arguments(name)


def test_the_programmes_of_the_table_are_those_of_the_trainer():
    assert {name for name in PROGRAMMES if _programme(name, None)} == set(PROGRAMMES)
    assert all(callable(resolve(place)) for place in CORRUPTIONS.values())


def paper(name):
    found = load_recipe(name)
    return found.patch, found.batch, found.loss, found.optimiser, found.rate, found.steps, found.noise


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # cszn's training code: 50 epochs of 128x1600 and 128x3000 patches.
        ("dncnn-s", (40, 128, "squared", "adam", 1e-3, 50 * 1600, "25")),
        ("dncnn-b", (50, 128, "squared", "adam", 1e-3, 50 * 3000, "gaussian:0-55")),
        ("cdncnn-b", (50, 128, "squared", "adam", 1e-3, 50 * 3000, "gaussian:0-55")),
        # 70 epochs of 403,200 patches.
        ("bf-dncnn", (50, 128, "squared", "adam", 1e-3, 70 * 403_200 // 128, "gaussian:0-55")),
        ("biased-dncnn", (50, 128, "squared", "adam", 1e-3, 70 * 403_200 // 128, "gaussian:0-55")),
        ("rdn", (48, 16, "l1", "adam", 1e-4, 1_000_000, "50")),
        # 5 epochs of 50,000 images, the last batch of each not full.
        ("rdn-small", (32, 128, "l1", "adam", 1e-4, 5 * math.ceil(50_000 / 128), "gaussian:mean=0.01,std=0.255")),
    ],
)
def test_recipes_are_those_of_the_papers(name, expected):
    assert paper(name) == expected


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # Convolutions with a bias, and scale and shift of 64 channels in each middle layer (gray: 18 of them).
        ("dncnn-b", 665_921 + 18 * 128),
        ("cdncnn-b", 665_921 + 2 * 2 * 9 * 64 + 2 + 18 * 128),
        ("bf-dncnn", 2 * 576 + 18 * 64 * 576 + 18 * 64),  # no biases, no shifts
        ("biased-dncnn", 665_921 + 18 * 128),
        ("rdn", 21_975_683),
        ("rdn-small", 114_883),
    ],
)
def test_networks_have_the_size_of_the_papers(name, parameters):
    assert sum(value.numel() for value in load_recipe(name).build().parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("dncnn-b", {0: 1e-3, 29.9: 1e-3, 30.1: 1e-4, 49.9: 1e-4}),
        ("bf-dncnn", {0: 1e-3, 49.9: 1e-3, 50.1: 5e-4, 60.1: 2.5e-4}),
        ("rdn", {0: 1e-4, 199: 1e-4, 201: 5e-5, 401: 2.5e-5, 999: 1e-4 / 16}),
        ("msbf-resnet", {0: 1e-3, 1.01: 9e-4, 9.99: 1e-3 * 0.9**9}),  # 0.9 each 20,000 steps
    ],
)
def test_rates_fall_as_in_the_papers(name, rates):
    epochs = {"dncnn-b": 50, "bf-dncnn": 70, "rdn": 1000, "msbf-resnet": 10}[name]
    found = load_recipe(name)
    for epoch, rate in rates.items():
        assert found.rate_at(round(epoch / epochs * found.steps)) == pytest.approx(rate)


def test_the_recipe_of_a_method_is_that_of_its_paper():
    assert [recipe_for(name, "", "", "", "").name for name in ("dncnn", "dncnn-b", "ding-liu", "mwrcanet")] == [
        "dncnn-s", "dncnn-b", "ding-liu", "mwrcanet",
    ]  # fmt: skip


def test_dncnn_starts_as_saoyans():
    convolutions = [m.weight for m in load_recipe("dncnn-b").build().modules() if isinstance(m, nn.Conv2d)]
    middle = convolutions[5]
    # He's: variance 2 over the 64 * 9 inputs.
    assert float(middle.detach().std()) == pytest.approx(math.sqrt(2 / 576), rel=0.02)
    scales = torch.cat([m.weight for m in load_recipe("dncnn-b").build().modules() if isinstance(m, nn.BatchNorm2d)])
    # |N(0, sqrt(2 / 576))| is above 0.025 with a chance of 2 (1 - Phi(0.4243)) = 0.6714.
    assert float((scales.abs() == 0.025).float().mean()) == pytest.approx(0.6714, abs=0.05)
    assert float(scales.detach().abs().max()) == pytest.approx(0.025)


def test_noise_of_the_multi_scale_nets():
    def corrupted(found, clean, key):
        images = on_device(list(np.full((1, 16, 16, 3), 0.5 * 255, np.float32)), 16, "cpu")
        return draw_batch(images, len(clean), parse("25"), key, augment=False, corruption=found.corruption)[1]

    found = load_recipe("msbf-resnet")
    flat = torch.full((3000, 3, 16, 16), 0.5)
    noise = corrupted(found, flat, (0, 1)) - flat
    assert torch.equal(corrupted(found, flat, (0, 1)) - flat, noise)
    assert not torch.equal(corrupted(found, flat, (0, 2)) - flat, noise)
    # Half of the patches have one of five sigmas, half one of three factors times the level 0.5.
    deviations = noise.flatten(1).std(1)
    expected = [s / 255 for s in (1, 5, 10, 20, 40)] * 3 + [s * 0.5 for s in (0.05, 0.1, 0.2)] * 5
    assert float(deviations.mean()) == pytest.approx(np.mean(expected), rel=0.05)
    alike = (noise == noise[:, :1]).flatten(1).all(1)
    assert float(alike.float().mean()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(3000))


def test_noise_that_a_person_asks_for_replaces_that_of_the_author():
    assert load_recipe("msbf-resnet").corruption
    assert not recipe_for("msbf-resnet", "", "15", "", "").corruption
