"""MWCNN and MWCNNv2 (Liu et al. 2018, 2019), with weights in the authors' layouts."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.checkpoints import state_dict
from methods.description import Method, Net
from methods.formats import HDF5_DAMAGE, is_hdf5
from methods.loading import Layout, count

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

_STAGES = {
    "contract.0": ("head", "d_l1"),
    "contract.1": ("d_l2",),
    "bottom": ("pro_l3",),
    "expand.0": ("i_l2",),
    "expand.1": ("i_l1", "tail"),
}
_STAGES_V2 = {
    "contract.0": ("head", "d_l0"),
    "contract.1": ("d_l1",),
    "contract.2": ("d_l2",),
    "bottom": ("pro_l3",),
    "expand.0": ("i_l2",),
    "expand.1": ("i_l1",),
    "expand.2": ("i_l0", "tail"),
}
"""Stages of our networks, and the modules of the authors' PyTorch code that each is made of."""

_SPAN = (-2.0, 2.0)
"""What black and white are in the authors' MatConvNet code (Processing_Im.m, cnn_train.m)."""


def _mwcnn(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.mwcnn import MWCNN
    from methods.networks.wavelet import widths

    inputs, features = widths(tensors)
    return MWCNN(max(inputs // 4, 1), features, count(tensors, r"core\.contract\.0\.\d+\.weight")), inputs // 4


def _mwcnn_v2(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.mwcnn import MWCNNv2
    from methods.networks.wavelet import widths

    inputs, features = widths(tensors)
    return MWCNNv2(inputs, features[0]), inputs


def _read(path: Path) -> "dict[str, Tensor]":
    import torch

    with path.open("rb") as file:
        matlab = is_hdf5(path) or file.read(10) == b"MATLAB 5.0"
    if matlab:
        return _from_matconvnet(path)
    return {"span": torch.tensor([0.0, 1.0]), **_renamed(state_dict(path), _STAGES)}


def _read_v2(path: Path) -> "dict[str, Tensor]":
    return _renamed(state_dict(path), _STAGES_V2)


def _renamed(tensors: "dict[str, Tensor]", stages: Mapping[str, tuple[str, ...]]) -> "dict[str, Tensor]":
    """Give the authors' tensors our names: the k-th convolution of a stage is its layer 2k.

    Names that are not the authors' stay as they are.
    """
    renamed = dict(tensors)
    for stage, parts in stages.items():
        modules = {key.rpartition(".")[0] for key in tensors if key.split(".")[0] in parts}
        # Safetensors files are sorted by name, where block 10 stands before block 2.
        order = sorted(modules, key=lambda name: (parts.index(name.split(".")[0]), _numbers(name)))
        for index, module in enumerate(order):
            for part in ("weight", "bias"):
                if f"{module}.{part}" in renamed:
                    renamed[f"core.{stage}.{2 * index}.{part}"] = renamed.pop(f"{module}.{part}")
    return renamed


def _numbers(name: str) -> list[int]:
    """Positions within the stage, without the number in the stage's own name."""
    return [int(word) for word in name.split(".")[1:] if word.isdigit()]


def _from_matconvnet(path: Path) -> "dict[str, Tensor]":
    """Read a MatConvNet DagNN of net_wavelet_haart_24.m, and fold its batch normalisation.

    Parameters of level l, layer k (01, 00 and so on): LIEVEl_layerkf and ...b are filter and bias,
    LIEVEl_meank, _vark and _momk gain, shift and moments. The moments hold mean and standard
    deviation (not variance), so that w' = w g / s and b' = (b - m) g / s + shift.
    """
    import torch

    values = _matlab_parameters(path)
    try:
        filters = [re.fullmatch(r"LIEVE(\d\d)_layer(\d\d)f", name) for name in values]
        layers = sorted((match[1], match[2]) for match in filters if match)
        if not layers:
            raise KeyError("no parameter LIEVE01_layer00f")
        levels = sorted({level for level, _ in layers})
        tensors = {"span": torch.tensor(_SPAN)}
        for index, level in enumerate(levels):
            folded = [_folded(values, f"LIEVE{level}", number) for other, number in layers if other == level]
            folded[0] = (_swapped(folded[0][0], 1), folded[0][1])
            folded[-1] = (_swapped(folded[-1][0], 0), _swapped(folded[-1][1], 0))
            half = len(folded) // 2
            stages = {f"contract.{index}": folded[:half], f"expand.{len(levels) - 2 - index}": folded[half:]}
            for stage, convolutions in {"bottom": folded}.items() if level == levels[-1] else stages.items():
                for place, (weight, bias) in enumerate(convolutions):
                    tensors[f"core.{stage}.{2 * place}.weight"] = weight
                    tensors[f"core.{stage}.{2 * place}.bias"] = bias
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"weights {path}: not a MWCNN of MatConvNet ({reason}); expected {_EXPECTED}") from None
    return tensors


def _folded(values: "Mapping[str, np.ndarray]", level: str, number: str) -> "tuple[Tensor, Tensor]":
    """Return weight (O, I, H, W) and bias (O,) of a layer, with its batch normalisation if it has one."""
    import torch

    filters, bias = values[f"{level}_layer{number}f"], values[f"{level}_layer{number}b"].ravel()
    filters = filters.reshape(filters.shape + (1,) * (4 - filters.ndim)).transpose(3, 2, 0, 1)
    if f"{level}_mom{number}" in values:
        mean, deviation = values[f"{level}_mom{number}"].reshape(-1, 2).T
        gain = values[f"{level}_mean{number}"].ravel() / deviation
        filters = filters * gain[:, None, None, None]
        bias = (bias - mean) * gain + values[f"{level}_var{number}"].ravel()
    return torch.from_numpy(filters.astype("float32")), torch.from_numpy(bias.astype("float32"))


def _swapped(tensor: "Tensor", axis: int) -> "Tensor":
    """Exchange the second and the third quarter of an axis.

    The MATLAB transform gives the difference of rows before that of columns, the PyTorch one after it.
    """
    import torch

    low, rows, columns, both = tensor.chunk(4, axis)
    return torch.cat([low, columns, rows, both], axis)


def _matlab_parameters(path: Path) -> "dict[str, np.ndarray]":
    """Read `net.params` of a saved DagNN: its values by name, float64, in MATLAB's order of the axes."""
    try:
        pairs = _from_hdf5(path) if is_hdf5(path) else _from_mat5(path)
        return {name: value.astype("float64") for name, value in pairs}
    except HDF5_DAMAGE as error:
        raise ValueError(
            f"weights {path}: no readable MatConvNet network ({' '.join(str(error).split())}); expected net.params of "
            "a DagNN"
        ) from None


def _from_hdf5(path: Path) -> "list[tuple[str, np.ndarray]]":
    """MATLAB 7.3: axes are reversed, and a structure array is an array of references for each field."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        fields: list[list[Any]] = [
            [file[reference][()] for reference in file[f"net/params/{field}"][()].ravel()]
            for field in ("name", "value")
        ]
    names = ["".join(chr(int(code)) for code in codes.ravel()) for codes in fields[0]]
    return list(zip(names, [value.T for value in fields[1]], strict=True))


def _from_mat5(path: Path) -> "list[tuple[str, np.ndarray]]":
    from bench.common.matlab5 import describe, fields, numbers, read, text

    (parameters,) = fields(read(path, describe(path)["net"]), "params")
    names, values = fields(parameters, "name"), fields(parameters, "value")
    return [(text(name), numbers(value)) for name, value in zip(names, values, strict=True)]


_EXPECTED = "a state dict of the authors' PyTorch code or of methods/networks/mwcnn.py, or the authors' MatConvNet net"
load = Layout("a MWCNN", _mwcnn, _EXPECTED, _read)
"""The file is a MatConvNet `.mat` (a DagNN as lpj0/MWCNN trains it, any MATLAB format since 5; its batch normalisation
is folded), a PyTorch state dict in the layout of lpj0/MWCNN_PyTorch, or one of our own network."""

load_v2 = Layout("a MWCNNv2", _mwcnn_v2, _EXPECTED, _read_v2)
"""The file is a state dict of lpj-github-io/MWCNNv2 or of our own network."""


_net = partial(Net, size_multiple=8, output="residual")

METHODS = (
    Method(
        "mwcnn",
        "MWCNN: U-Net over Haar wavelets, one net a sigma (weights of your own)",
        "Liu, Zhang, Zhang, Lin, Zuo: Multi-level Wavelet-CNN for Image Restoration, CVPRW 2018, "
        "https://arxiv.org/abs/1805.07071",
        (
            _net("mwcnn", "MWCNN", "gray", receptive_field=239, parameters=16_145_892, published=("MWCNN", "")),
            _net("mwcnn-rgb", "MWCNN", "rgb", receptive_field=239, published=("MWCNN", "colour")),
        ),
        load,
        learned=True,
    ),
    Method(
        "mwcnn-v2",
        "MWCNNv2: from full resolution on, with dilated convolutions (weights of your own)",
        "Liu, Zhang, Lian, Zuo: Multi-level Wavelet Convolutional Neural Networks, IEEE Access 2019, "
        "https://ieeexplore.ieee.org/document/8732332",
        (
            _net("mwcnn-v2", "MWCNNv2", "gray", receptive_field=319, parameters=24_927_809, published=("MWCNN", "v2")),
            _net("mwcnn-v2-rgb", "MWCNNv2", "rgb", receptive_field=319),
        ),
        load_v2,
        learned=True,
    ),
)
