"""Plain chains of 3x3 convolutions (DnCNN, FDnCNN, FFDNet, IRCNN) in the files of those who trained them."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import keras_chain
from methods.checkpoints import state_dict
from methods.formats import Layer, is_hdf5, matconvnet_layers

if TYPE_CHECKING:
    from torch import Tensor

Chain = list[Layer]

EPSILON = (
    # A tensor that only these files have, and what their batch normalisation adds to the variance.
    (r"dncnn\.0\.bias", 1e-4),  # cszn/DnCNN, dncnn_pytorch: names of SaoYan's, but the first convolution has a bias
    (r"dncnn\.0\.weight", 1e-5),  # SaoYan/DnCNN-PyTorch; the same with more in front of it: Tassano et al.
    (r"model\.2\.bias", 1e-4),  # cszn/KAIR, models/basicblock.py: biases before batch normalisation too
    (r"stack\.0\.weight", 1e-5),  # this project
)
"""Of other files it is PyTorch's usual 1e-5."""

_NORM = {"weight", "bias", "running_mean", "running_var"}


def chain(path: Path) -> Chain:
    """Return the convolutions of one chain, batch normalisation merged into them.

    The file is MatConvNet's `.mat` (7.3) of cszn, what Keras saves (`.keras`, `.h5`), or a state dict whose keys number
    the modules in their order.

    Raises
    ------
    ValueError
        If it cannot be read, or holds something else than such a chain.
    """
    if keras_chain.is_keras(path):
        return keras_chain.chain(path)
    if is_hdf5(path):
        return matconvnet_layers(path)
    tensors = state_dict(path)
    return folded(tensors, path, epsilon_of(tensors))


def epsilon_of(tensors: Mapping[str, Any]) -> float:
    """Return what batch normalisation adds to the variance in the code that saved some named tensors."""
    return next((value for name, value in EPSILON if any(re.search(rf"(^|\.){name}$", key) for key in tensors)), 1e-5)


def folded(tensors: "Mapping[str, Tensor]", path: Path, epsilon: float) -> Chain:
    """Return the convolutions of a chain with batch normalisation merged into them.

    Parameters
    ----------
    tensors : mapping
        A state dict whose keys number the modules in their order (``"model.10.weight"``): the order
        of the numbers counts, since safetensors sorts 10 before 2.
    epsilon : float
        What batch normalisation adds to the variance, see `epsilon_of`.

    Raises
    ------
    ValueError
        If there is anything else than convolutions, each followed by one batch norm or none.
    """
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    modules: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        module, _, part = key.rpartition(".")
        if part != "num_batches_tracked":
            modules.setdefault(module, {})[part] = tensor
    layers: Chain = []
    for name in sorted(modules, key=lambda name: [int(number) for number in re.findall(r"\d+", name)]):
        parts = modules[name]
        weight, bias = parts.get("weight"), parts.get("bias")
        shapes = {tensor.shape for tensor in parts.values()}
        if weight is not None and weight.ndim == 4 and set(parts) <= {"weight", "bias"}:
            layers.append((weight, weight.new_zeros(len(weight)) if bias is None else bias))
        elif layers and set(parts) == _NORM and shapes == {layers[-1][0].shape[:1]}:
            layers[-1] = fuse_conv_bn_weights(
                *layers[-1], parts["running_mean"], parts["running_var"], epsilon, weight, bias
            )
        else:
            raise ValueError(f"weights {path}: not a net of convolutions and batch norms; {name} is something else")
    if not layers:
        raise ValueError(f"weights {path}: not a net of convolutions and batch norms; it has none")
    return layers


def named(layers: Chain, prefix: str) -> "dict[str, Tensor]":
    """Name the convolutions of a chain as in a Sequential with a ReLU behind each: ``prefix.0``, ``prefix.2``."""
    return {
        f"{prefix}.{2 * index}.{part}": tensor
        for index, layer in enumerate(layers)
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }


def ends(tensors: "Mapping[str, Tensor]") -> tuple[int, int, int, int]:
    """Return the number of convolutions of a chain, its channels in and out, and its features.

    Raises
    ------
    ValueError
        If it is no chain of 3x3 convolutions, each of which takes what the one before gives.
    """
    shapes = [tuple(tensor.shape) for tensor in tensors.values() if tensor.ndim == 4]
    if len(shapes) < 2 or any(a[0] != b[1] for a, b in pairwise(shapes)) or any(s[2:] != (3, 3) for s in shapes):
        raise ValueError(f"its {len(shapes)} convolutions are no plain chain of 3x3 convolutions")
    return len(shapes), shapes[0][1], shapes[-1][0], shapes[0][0]
