"""The gray nets of N. Markou's bfcnn of 2021 and 2022, in the versions that he published."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from methods.checkpoints import state_dict
from methods.description import Method, Net, listed
from methods.keras_layers import kernel, numbered
from methods.loading import Layout, count, sizes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

_SOURCE = "N. Markou, blind image denoising, https://github.com/NikolasMarkou/blind_image_denoising"
_WHAT = "a gray pyramid of residual nets (bfcnn)"


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.gray_pyramids import network
    from methods.networks.multiscale import Centred

    features, channels = sizes(tensors, "net.nets.0.base.conv.weight")[:2]
    levels, blocks = count(tensors, r"net\.nets\.\d+\."), count(tensors, r"net\.nets\.0\.blocks\.\d+\.")
    if channels != 1:
        raise ValueError(f"it has {channels} channels")
    merged = "net.nets.0.head.conv.bias" in tensors
    return Centred(network(net.architecture, levels, blocks, features, merged=merged)), channels


def _read(path: Path, architecture: str) -> "dict[str, Tensor]":
    from methods.tensorflow_files import tensor_bundle

    if path.suffix != ".index":
        return state_dict(path)
    variables = tensor_bundle(path)
    try:
        return dict(_from_author(variables, architecture))
    except (ValueError, IndexError, StopIteration) as error:
        raise ValueError(
            f"weights {path}: not {_WHAT} of {architecture} ({error}); expected its convolutions, level by level"
        ) from None


def _from_author(variables: "Mapping[str, np.ndarray]", architecture: str) -> "Iterator[tuple[str, Tensor]]":
    """Give the variables of a checkpoint the names that they have in our modules, before merging."""
    from methods.networks.gray_pyramids import KINDS, network
    from methods.networks.multiscale import NormConv

    kernels = numbered(variables, "conv2d", "kernel")
    depthwise = numbered(variables, "depthwise_conv2d", "depthwise_kernel")
    filters = [array for array in depthwise if array.shape[:2] == (5, 5)]  # the pyramid's, which nothing trains
    levels = sum(array.shape[2] == 1 for array in kernels)
    own = [array for array in depthwise if array.shape[:2] == (3, 3)]
    kind = KINDS[architecture]
    a_block = 1 if kind.depthwise else 3 if kind.long else 2
    blocks = (len(kernels) // max(levels, 1) - 2) // a_block
    if levels < 2 or blocks < 1 or len(filters) != (levels - 1) * (1 + kind.laplacian):
        raise ValueError(f"{len(kernels)} kernels in {levels} levels, {len(filters)} fixed filters")
    net = network(architecture, levels, blocks, kernels[0].shape[-1])
    norms = [numbered(variables, "batch_normalization", part) for part in ("gamma", "moving_mean", "moving_variance")]
    queues = {False: iter(kernels), True: iter(own)}
    statistics = iter(zip(*norms, strict=True))
    for level in reversed(range(levels)) if kind.coarsest_first else range(levels):
        for name, module in net.get_submodule(f"nets.{level}").named_modules():
            if not isinstance(module, NormConv):
                continue
            name = f"net.nets.{level}.{name}"
            if hasattr(module.norm, "running_mean"):
                for part, array in zip(("weight", "running_mean", "running_var"), next(statistics), strict=True):
                    yield f"{name}.norm.{part}", kernel(array)
            grouped = module.conv.groups > 1
            yield f"{name}.conv.weight", kernel(next(queues[grouped]), depthwise=grouped)
    left = sum(1 for queue in (*queues.values(), statistics) for _ in queue)
    if left:
        raise ValueError(f"{left} layers too many")


def _merge(network: "nn.Module") -> "nn.Module":
    from methods.networks.multiscale import merge

    return merge(network)


def _layout(architecture: str) -> Layout:
    return Layout(
        _WHAT,
        _build,
        f"the layers of {architecture}: net.nets.0.base, net.nets.0.blocks, net.nets.0.head",
        partial(_read, architecture=architecture),
        folded=_merge,
    )


_FILES = listed()


def _net(name: str, label: str, folder: str, architecture: str, parameters: int, reach: int | None = None) -> Net:
    index = _FILES[f"bfcnn/{folder}/variables.index"]
    return Net(
        id=name,
        label=f"bfcnn {label}",
        colour="gray",
        trained=(5, 90),
        weights=replace(index, beside=(_FILES[f"bfcnn/{folder}/variables.data-00000-of-00001"],)),
        receptive_field=reach,
        size_multiple=8 if "4x5" in name else 16,
        parameters=parameters,
        architecture=architecture,
    )


_PLAIN, _SPARSE, _FOUR = "resnet_5x5_bn_3x3", "sparse_resnet_5x5_bn_3x3", "sparse_resnet_4x5_bn_3x3"
_LABEL, _SPARSE_LABEL = "ResNet 5x5", "sparse ResNet 5x5"
_ALL = (
    _net(f"{_PLAIN}@v1.0.0", f"{_LABEL} v1.0.0", _PLAIN, "v1.0.0", 130_085, 343),
    _net(f"{_PLAIN}@v0.1.0", f"{_LABEL} v0.1.0", f"{_PLAIN}_v0.1.0", "v0.1.0", 22_080, 493),
    _net(f"{_SPARSE}@v1.0.2", f"{_SPARSE_LABEL} v1.0.2", f"{_SPARSE}_v1.0.2", "sparse v1.0.1", 136_885),
    _net(f"{_SPARSE}@v1.0.1", f"{_SPARSE_LABEL} v1.0.1", f"{_SPARSE}_v1.0.1", "sparse v1.0.1", 136_885),
    _net(f"{_SPARSE}@v1.0.0", f"{_SPARSE_LABEL} v1.0.0", f"{_SPARSE}_v1.0.0", "sparse v1.0.0", 130_085),
    _net(f"{_SPARSE}@v0", f"{_SPARSE_LABEL} v0", f"{_SPARSE}_v0", "sparse v0", 21_280),
    _net(_FOUR, "sparse ResNet 4x5", _FOUR, "sparse 4x5", 17_024),
)
"""Of each name the newest version first."""

_LAYOUTS = {net.architecture: _layout(net.architecture) for net in _ALL}


def _method(name: str, net: Net) -> Method:
    scales = "four" if name == _FOUR else "five"
    sparse = "; sparse: it looks at the whole image" if net.receptive_field is None else ""
    title = f"{net.label}: gray, blind, {scales} scales{sparse}; weak, at sigma 10 about the noisy image or worse"
    return Method(name, title, _SOURCE, (net,), _LAYOUTS[net.architecture])


METHODS = (
    *(_method(net.id, net) for net in _ALL),
    *(_method(name, next(net for net in _ALL if net.id.startswith(f"{name}@"))) for name in (_PLAIN, _SPARSE)),
)
"""The names that their author gave them; a name alone is the newest version."""
