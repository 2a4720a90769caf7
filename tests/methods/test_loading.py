"""A network of two lines of declaration: what `Layout` does for all of them."""

import functools
import pickle
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

import methods
from methods.description import Net
from methods.loading import Layout, count, sizes

NET = Net("toy", "Toy", "gray")


class Toy(nn.Module):
    def __init__(self, channels, features, scale):
        super().__init__()
        self.blocks = nn.Sequential(nn.Conv2d(channels, features, 3), nn.BatchNorm2d(features))
        self.scale = scale


def build(tensors, net, options):
    features, channels = sizes(tensors, "blocks.0.weight")[:2]
    if features == 7:
        raise ValueError("7 features bring bad luck")
    return Toy(channels, features, float(options["scale"])), channels


LAYOUT = Layout("an Example", build, "blocks.0 and blocks.1", names=((r"^net\.", "blocks."), (r"\.kernel$", ".weight")))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pth"


def save(path, channels=1, features=4, **changes):
    tensors = Toy(channels, features, 1).state_dict()
    tensors = {
        key.replace("blocks.", "net.").replace("0.weight", "0.kernel"): tensor for key, tensor in tensors.items()
    }
    torch.save({key: tensor for key, tensor in (tensors | changes).items() if tensor is not None}, path)
    return tensors


def test_sizes_names_and_options(path):
    tensors = save(path, features=5)
    network = LAYOUT(NET, path, {"scale": "2"})
    assert not network.training
    assert network.scale == 2
    assert torch.equal(network.blocks[0].weight, tensors["net.0.kernel"])


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (
            {"net.0.kernel": None},
            "not an Example: it has no tensor 'blocks.0.weight', but blocks.0.bias, blocks.1.weight, blocks.1.bias; e",
        ),
        ({"net.0.kernel": torch.ones(4)}, r"not an Example: blocks.0.weight has shape \(4,\) and not 4 axes; expected"),
        (
            {"features": 7},
            "not an Example: 7 features bring bad luck; expected blocks.0 and blocks.1; it has blocks.0.w",
        ),
        ({"net.1.bias": None}, r"not an Example: 1 tensors are missing, as blocks\.1\.bias"),
        ({"other": torch.ones(1)}, "not an Example: 1 do not belong to it, as other"),
        ({"net.1.bias": torch.ones(9)}, r"not an Example: blocks\.1\.bias has shape \(9,\), expected \(4,\)"),
        ({"channels": 3}, "hold a rgb net, and the images are gray"),
    ],
)
def test_a_file_of_something_else(path, case, reason):
    save(path, **case)
    with pytest.raises(ValueError, match=f"^weights {path}: {reason}") as caught:
        LAYOUT(NET, path, {"scale": "1"})
    assert len(str(caught.value).splitlines()) == 1


def test_another_reader(path):
    layout = replace(LAYOUT, read=lambda path: {"net.0.kernel": torch.zeros(0, 1, 3, 3)})
    with pytest.raises(ValueError, match=r"blocks.0.weight has shape \(0, 1, 3, 3\)"):
        layout(NET, path, {})
    with pytest.raises(ValueError, match=r"it has no tensor .blocks\.0\.weight., but nothing"):
        replace(LAYOUT, read=lambda path: {})(NET, path, {})


def test_no_file():
    with pytest.raises(ValueError, match=r"^toy: needs weights; give a file of your own with WEIGHTS$"):
        LAYOUT(NET, None, {})


def test_counting():
    names = dict.fromkeys(["a.0.w", "a.0.b", "a.1.w", "a.10.w", "b.a.2.w"])
    assert count(names, r"a\.\d+\.") == 3
    assert count(names, r"c\.") == 0


def test_a_net_says_its_architecture_where_a_file_may_hold_another():
    """Own weights keep that of the net that they are of, whatever their id is."""
    known = methods.available()
    for name, architecture in (
        ("bf-dncnn", "bias-free"), ("biased-unet@0-10", "with biases"), ("msbf-gated", "gated"),
        ("bf-dncnn@own-small-0-10", "bias-free"), ("biased-dncnn@own-small-0-10", "with biases"),
    ):  # fmt: skip
        assert {net.architecture for net in known[name].nets} == {architecture}


def test_every_loader_can_be_found_by_its_name():
    """So that code can be hashed and cells can travel to other processes."""
    for method in methods.available().values():
        assert parts(pickle.loads(pickle.dumps(method.load))) == parts(method.load)


def parts(load):
    """Return what a loader is made of: functions by identity, which a partial one or a layout does not compare."""
    if isinstance(load, functools.partial):
        return load.func, *map(parts, load.args), *((name, parts(value)) for name, value in load.keywords.items())
    if isinstance(load, Layout):
        return Layout, *(parts(getattr(load, field.name)) for field in fields(load))
    return load
