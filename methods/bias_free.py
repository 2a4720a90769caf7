"""The networks of Mohan et al. with their authors' weights: bias-free, and with biases for comparison."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.checkpoints import state_dict
from methods.description import Method, Net, listed
from methods.loading import Build, Layout, count, sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.networks.bias_free import DnCNN

_PAPER = (
    "Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising via "
    "Bias-Free Convolutional Neural Networks, ICLR 2020, https://arxiv.org/abs/1906.05478"
)


_BIAS_FREE, _BIASED = "bias-free", "with biases"
"""Which of the two a net is, its `Net.architecture`."""


def _dncnn(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.bias_free import DnCNN

    depth = count(tensors, r"hidden_layer_list\.\d+\.weight") + 2
    norm = count(tensors, r"bn_layer_list\.") > 0
    return DnCNN(depth, sizes(tensors, "first_layer.weight")[0], bias=net.architecture == _BIASED, norm=norm), 1


def _unet(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.bias_free import UNet

    return UNet(sizes(tensors, "conv1.weight")[0], bias=net.architecture == _BIASED), 1


def _rcnn(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.bias_free import RecurrentCNN

    hidden = count(tensors, r"cnn\.hidden_layer_list\.\d+\.weight")
    features = sizes(tensors, "cnn.first_layer.weight")[0]
    return RecurrentCNN(hidden=hidden, features=features, bias=net.architecture == _BIASED), 1


def _densenet(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.bias_free import DenseNet

    stages = count(tensors, r"cnn_list\.\d+\.first_layer\.weight")
    hidden = count(tensors, r"cnn_list\.0\.hidden_layer_list\.\d+\.weight")
    features, passed = (sizes(tensors, f"cnn_list.0.{layer}_layer.weight")[0] for layer in ("first", "last"))
    return DenseNet(stages, hidden, features, passed, bias=net.architecture == _BIASED), 1


def _without_unused(path: Path) -> "dict[str, Tensor]":
    """Drop what the authors' bias-free normalisation stores and does not use: means and shifts, all 0."""
    tensors = state_dict(path)
    names = ("bias", "running_mean", "num_batches_tracked")
    unused = [key for key in tensors if key.startswith("bn_layer_list.") and key.rpartition(".")[2] in names]
    for key in sorted(unused):
        if tensors.pop(key).any() and not key.endswith(names[2]):
            raise ValueError(
                f"weights {path}: not a bias-free DnCNN: {key} is not 0, so its batch normalisation is ordinary"
            )
    return tensors


def _fold(network: "DnCNN") -> "nn.Module":
    from methods.networks.bias_free import fold

    return fold(network)


def _layouts(title: str, build: Build) -> dict[bool, Layout]:
    """Return the layout of the network without biases, and of the one with them (True)."""
    expected = "the authors' names of layers"
    return {
        False: Layout(f"a bias-free {title}", build, expected),
        True: Layout(f"a {title} with biases", build, expected),
    }


_DNCNN = {biased: replace(layout, folded=_fold) for biased, layout in _layouts("DnCNN", _dncnn).items()}
_LAYOUTS = {
    "dncnn": _DNCNN | {False: replace(_DNCNN[False], read=_without_unused)},
    "unet": _layouts("UNet", _unet),
    "rcnn": _layouts("RecurrentCNN", _rcnn),
    "densenet": _layouts("DenseNet", _densenet),
}
"""Layouts of the authors' checkpoints, which are those of the state dicts of `methods.networks.bias_free` too; a DnCNN
in the form that is trained or folded. How often the recurrent network is applied is no property of its weights: 4."""

_RANGES = ((0, 10), (0, 30), (0, 55), (0, 100))
_NETS = (
    Net("dncnn", "DnCNN", "gray", receptive_field=41, output="residual"),
    Net("unet", "UNet", "gray", receptive_field=47, size_multiple=2, padding="zero"),
    Net("rcnn", "RecurrentCNN", "gray", receptive_field=57),
)
_PARAMETERS = {  # without biases, with; batch normalisation merged, as DnCNN's are counted
    "dncnn": (664_704, 665_921),
    "unet": (233_024, 233_440),
    "rcnn": (186_048, 186_432),
    "densenet": (757_440, 758_991),
}


def _net(base: Net, *, biased: bool, trained: tuple[int, int] | None = None) -> Net:
    """Return a net with biases or without; for a range, the one with the authors' weights."""
    span = "0-55" if trained is None else f"{trained[0]}-{trained[1]}"
    ledger = f"{base.label}(simplified)" if trained is None else base.label
    name = f"{base.label} bias" if biased else f"BF-{base.label}"
    net = replace(
        base,
        id=f"{'biased' if biased else 'bf'}-{base.id}",
        label=name,
        architecture=_BIASED if biased else _BIAS_FREE,
        parameters=_PARAMETERS[base.id][biased],
        published=(ledger, f"with bias, trained sigma {span}")
        if biased
        else (f"BF-{ledger}", f"bias-free, trained sigma {span}"),
    )
    if trained is None:
        return net
    file = f"bf_cnn/{base.id}/{'bias' if biased else 'bias_free'}/{span}.pt"
    return replace(
        net,
        id=f"{net.id}@{span}",
        label=f"{name} {span}",
        trained=trained,
        weights=listed()[file],
        trained_on=("train400",),
    )


def _methods(base: Net, *, biased: bool) -> list[Method]:
    """Return a method for each range, and the one of 0-55 by the short name too."""
    title = f"{base.label} {'with biases' if biased else 'without biases'}, blind, trained on sigma"
    methods = []
    for low, high in _RANGES:
        net = _net(base, biased=biased, trained=(low, high))
        short = [net.id.partition("@")[0]] if high == 55 else []
        methods += [
            Method(name, f"{title} {low}-{high}", _PAPER, (net,), _LAYOUTS[base.id][biased])
            for name in (*short, net.id)
        ]
    return methods


def _simplified(*, biased: bool) -> Method:
    net = _net(Net("densenet", "DenseNet", "gray", trained=(0, 55), receptive_field=57), biased=biased)
    title = f"Simplified DenseNet {'with' if biased else 'without'} biases, blind (own weights only)"
    return Method(net.id, title, _PAPER, (net,), _LAYOUTS["densenet"][biased], learned=True)


METHODS = (
    *(method for biased in (False, True) for base in _NETS for method in _methods(base, biased=biased)),
    _simplified(biased=False),
    _simplified(biased=True),
)
