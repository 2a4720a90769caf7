"""Denoising autoencoders, dense and convolutional, with a person's own weights."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout, count, sizes

if TYPE_CHECKING:
    from torch import Tensor, nn


def _dense(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.autoencoders import DenoisingAutoencoder

    hidden, visible = sizes(tensors, "weight", 2)
    return DenoisingAutoencoder(_square(visible), hidden), 1


def _stack(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.autoencoders import StackedAutoencoder

    visible = sizes(tensors, "layers.0.weight", 2)[1]
    depth = count(tensors, r"layers\.\d+\.weight$")
    return StackedAutoencoder(
        (_square(visible), *(sizes(tensors, f"layers.{i}.weight", 2)[0] for i in range(depth)))
    ), 1


def _convolutional(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.autoencoders import ConvolutionalAutoencoder

    residual = any(name.startswith("correction.") for name in tensors)
    part = "correction" if residual else "stack"
    # The last convolution is layer 8, and each pooling and each upsampling is one more before it.
    last = {12: 4, 10: 2, 8: 1}
    reduction = next((last[layer] for layer in last if f"{part}.{layer}.weight" in tensors), 4)
    return ConvolutionalAutoencoder(sizes(tensors, f"{part}.0.weight")[0], reduction, residual), 1


def _square(visible: int) -> int:
    if math.isqrt(visible) ** 2 != visible:
        raise ValueError(f"its examples have {visible} entries and are no square patches, as 784 = 28x28")
    return visible


_EXPECTED = "a state dict of methods/networks/autoencoders.py"
_DENSE = Layout("a denoising autoencoder for images", _dense, _EXPECTED)
_STACK = Layout("a stack of denoising autoencoders for images", _stack, _EXPECTED)
_CONVOLUTIONAL = Layout("a convolutional denoising autoencoder", _convolutional, _EXPECTED)

_VINCENT = "Vincent, Larochelle, Bengio, Manzagol, ICML 2008, https://doi.org/10.1145/1390156.1390294"

METHODS = (
    Method(
        name="dae",
        title="Denoising autoencoder on 28x28 patches, tied weights (own weights only)",
        paper=_VINCENT,
        nets=(Net("dae", "DAE", "gray", receptive_field=55, size_multiple=28, parameters=393_284),),
        load=_DENSE,
        learned=True,
    ),
    Method(
        name="dae-stacked",
        title="Three denoising autoencoders on each other, unrolled (own weights only)",
        paper=_VINCENT,
        nets=(Net("dae-stacked", "Stacked DAE", "gray", receptive_field=55, size_multiple=28, parameters=2_789_784),),
        load=_STACK,
        learned=True,
    ),
    Method(
        name="cnn-dae",
        title="Convolutional denoising autoencoder, made for 64x64 (own weights only)",
        paper="Gondara, ICDM Workshops 2016, https://arxiv.org/abs/1608.04667",
        nets=(Net("cnn-dae", "CNN DAE", "gray", receptive_field=27, size_multiple=4, parameters=112_001),),
        load=_CONVOLUTIONAL,
        learned=True,
    ),
)
