"""The networks of Mohan et al. with their authors' weights: bias-free, and with biases for comparison."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net, listed

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising via "
    "Bias-Free Convolutional Neural Networks, ICLR 2020, https://arxiv.org/abs/1906.05478"
)


def load_dncnn(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the DnCNN that a file of weights holds, its batch normalisation folded into the convolutions.

    Parameters
    ----------
    net : Net
        One whose id starts with ``biased`` has additive constants, any other has none.
    weights : Path
        The authors' checkpoint, or a state dict of `methods.networks.bias_free.DnCNN`, trained or
        folded form. Depth and width are read off it.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file holds another architecture, or biases where there should be none.
    """
    from methods.formats import fill
    from methods.networks.bias_free import DnCNN, fold

    family = _family(net, "DnCNN")
    path, tensors = _read(net, weights)
    features = _convolution(tensors, "first_layer.weight", path, family)[0]
    if not _biased(net):
        tensors = _without_unused(tensors, path, family)
    normed = any(key.startswith("bn_layer_list.") for key in tensors)
    network = DnCNN(_count(tensors, r"hidden_layer_list\.\d+\.weight") + 2, features, bias=_biased(net), norm=normed)
    fill(network, tensors, path, family)
    return fold(network)


def load_unet(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the UNet that a file of weights holds.

    Parameters
    ----------
    net, weights, options
        As for `load_dncnn`, with `methods.networks.bias_free.UNet`; the width is read off the file.

    Raises
    ------
    ValueError
        If the file holds another architecture, or biases where there should be none.
    """
    from methods.formats import fill
    from methods.networks.bias_free import UNet

    family = _family(net, "UNet")
    path, tensors = _read(net, weights)
    network = UNet(_convolution(tensors, "conv1.weight", path, family)[0], bias=_biased(net))
    fill(network, tensors, path, family)
    return network.eval()


def load_rcnn(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the recurrent network that a file of weights holds, with four recurrences.

    Parameters
    ----------
    net, weights, options
        As for `load_dncnn`, with `methods.networks.bias_free.RecurrentCNN`; the number of recurrences
        is no property of the weights.

    Raises
    ------
    ValueError
        If the file holds another architecture, or biases where there should be none.
    """
    from methods.formats import fill
    from methods.networks.bias_free import RecurrentCNN

    family = _family(net, "RecurrentCNN")
    path, tensors = _read(net, weights)
    features = _convolution(tensors, "cnn.first_layer.weight", path, family)[0]
    hidden = _count(tensors, r"cnn\.hidden_layer_list\.\d+\.weight")
    network = RecurrentCNN(hidden=hidden, features=features, bias=_biased(net))
    fill(network, tensors, path, family)
    return network.eval()


def load_densenet(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the simplified DenseNet that a file of weights holds.

    Parameters
    ----------
    net, weights, options
        As for `load_dncnn`, with `methods.networks.bias_free.DenseNet`.

    Raises
    ------
    ValueError
        If the file holds another architecture, or biases where there should be none.
    """
    from methods.formats import fill
    from methods.networks.bias_free import DenseNet

    family = _family(net, "DenseNet")
    path, tensors = _read(net, weights)
    features = _convolution(tensors, "cnn_list.0.first_layer.weight", path, family)[0]
    network = DenseNet(
        _count(tensors, r"cnn_list\.\d+\.first_layer\.weight"),
        _count(tensors, r"cnn_list\.0\.hidden_layer_list\.\d+\.weight"),
        features,
        _convolution(tensors, "cnn_list.0.last_layer.weight", path, family)[0],
        bias=_biased(net),
    )
    fill(network, tensors, path, family)
    return network.eval()


def _biased(net: Net) -> bool:
    return net.id.startswith("biased")


def _family(net: Net, architecture: str) -> str:
    return f"{architecture} with biases" if _biased(net) else f"bias-free {architecture}"


def _read(net: Net, weights: Path | None) -> "tuple[Path, dict[str, Tensor]]":
    from methods.formats import state_dict

    if weights is None:
        raise ValueError(f"{net.id}: needs weights; give a file of your own with WEIGHTS")
    return weights, state_dict(weights)


def _convolution(tensors: "Mapping[str, Tensor]", key: str, path: Path, family: str) -> tuple[int, ...]:
    """Return the shape of a convolution's weight, or say that the file has none of that name."""
    if key not in tensors or tensors[key].ndim != 4:
        raise ValueError(f"weights {path}: not a {family}: no convolution {key}; expected the authors' names of layers")
    return tuple(tensors[key].shape)


def _count(tensors: "Mapping[str, Tensor]", pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in tensors)


def _without_unused(tensors: "Mapping[str, Tensor]", path: Path, family: str) -> "dict[str, Tensor]":
    """Drop what the authors' bias-free normalisation stores and does not use: means and shifts, all 0."""
    unused = {
        key
        for key in tensors
        if key.startswith("bn_layer_list.") and key.endswith((".bias", ".running_mean", ".num_batches_tracked"))
    }
    for key in sorted(unused):
        if tensors[key].any() and not key.endswith("num_batches_tracked"):
            raise ValueError(f"weights {path}: not a {family}: {key} is not 0, so its batch normalisation is ordinary")
    return {key: tensor for key, tensor in tensors.items() if key not in unused}


_FILES = listed()
_RANGES = ((0, 10), (0, 30), (0, 55), (0, 100))
_LOAD = {"dncnn": load_dncnn, "unet": load_unet, "rcnn": load_rcnn}
_TITLES = {"dncnn": "DnCNN", "unet": "UNet", "rcnn": "RecurrentCNN"}
_RECEPTIVE_FIELD = {"dncnn": 41, "unet": 47, "rcnn": 57}
_PARAMETERS = {  # without biases, with; batch normalisation merged, as DnCNN's are counted
    "dncnn": (664_704, 665_921),
    "unet": (233_024, 233_440),
    "rcnn": (186_048, 186_432),
}


def _net(architecture: str, trained: tuple[int, int], *, biased: bool) -> Net:
    low, high = trained
    title = _TITLES[architecture]
    return Net(
        id=f"{'biased' if biased else 'bf'}-{architecture}@{low}-{high}",
        label=f"{title} bias {low}-{high}" if biased else f"BF-{title} {low}-{high}",
        colour="gray",
        trained=trained,
        weights=_FILES[f"bf_cnn/{architecture}/{'bias' if biased else 'bias_free'}/{low}-{high}.pt"],
        receptive_field=_RECEPTIVE_FIELD[architecture],
        size_multiple=2 if architecture == "unet" else 1,
        padding="zero" if architecture == "unet" else "reflect",
        parameters=_PARAMETERS[architecture][biased],
        output="residual" if architecture == "dncnn" else "image",
        published=(title, f"with bias, trained sigma {low}-{high}")
        if biased
        else (f"BF-{title}", f"bias-free, trained sigma {low}-{high}"),
        trained_on=("train400",),
    )


def _methods(architecture: str, *, biased: bool) -> list[Method]:
    """Return a method for each range, and the one of 0-55 by the short name too."""
    title = f"{_TITLES[architecture]} {'with biases' if biased else 'without biases'}, blind, trained on sigma"
    methods = []
    for trained in _RANGES:
        net = _net(architecture, trained, biased=biased)
        short = [net.id.partition("@")[0]] if trained == (0, 55) else []
        methods += [
            Method(name, f"{title} {trained[0]}-{trained[1]}", _PAPER, (net,), _LOAD[architecture])
            for name in (*short, net.id)
        ]
    return methods


def _densenet(*, biased: bool) -> Method:
    name = "biased-densenet" if biased else "bf-densenet"
    words = "with bias" if biased else "bias-free"
    return Method(
        name,
        f"Simplified DenseNet {'with' if biased else 'without'} biases, blind (own weights only)",
        _PAPER,
        (
            Net(
                id=name,
                label="DenseNet bias" if biased else "BF-DenseNet",
                colour="gray",
                trained=(0, 55),
                receptive_field=57,
                parameters=758_991 if biased else 757_440,
                published=(
                    "DenseNet(simplified)" if biased else "BF-DenseNet(simplified)",
                    f"{words}, trained sigma 0-55",
                ),
            ),
        ),
        load_densenet,
        learned=True,
    )


METHODS = (
    *(
        method
        for biased in (False, True)
        for architecture in ("dncnn", "unet", "rcnn")
        for method in _methods(architecture, biased=biased)
    ),
    _densenet(biased=False),
    _densenet(biased=True),
)
