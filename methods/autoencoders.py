"""Denoising autoencoders, dense and convolutional, with a person's own weights."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import Tensor, nn

_DENSE = "denoising autoencoder"
_STACK = "stack of denoising autoencoders"
_CONVOLUTIONAL = "convolutional denoising autoencoder"


def load_dense(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the autoencoder of one hidden layer that a file of weights holds.

    Parameters
    ----------
    net : Net
        Named in the message where there are no weights.
    weights : Path
        State dict of `DenoisingAutoencoder`; the sizes are read off `weight` (hidden, visible).
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file holds another network, or its examples are no square patches.
    """
    from methods.formats import fill, state_dict
    from methods.networks.autoencoders import DenoisingAutoencoder

    path = _given(net, weights)
    tensors = state_dict(path)
    network = DenoisingAutoencoder(*reversed(_shape(tensors, "weight", path, _DENSE, 2)))
    _check_square(network.weight.shape[1], path, _DENSE)
    fill(network, tensors, path, _DENSE)
    return network.eval()


def load_stack(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the unrolled stack of autoencoders that a file of weights holds.

    Parameters
    ----------
    net, options
        As for `load_dense`.
    weights : Path
        State dict of `StackedAutoencoder`; depth and widths are read off `layers.N.weight`.

    Raises
    ------
    ValueError
        As for `load_dense`.
    """
    from methods.formats import fill, state_dict
    from methods.networks.autoencoders import StackedAutoencoder

    path = _given(net, weights)
    tensors = state_dict(path)
    depth = sum(key.startswith("layers.") and key.endswith(".weight") for key in tensors)
    hidden = [_shape(tensors, f"layers.{i}.weight", path, _STACK, 2)[0] for i in range(max(depth, 1))]
    visible = _shape(tensors, "layers.0.weight", path, _STACK, 2)[1]
    _check_square(visible, path, _STACK)
    network = StackedAutoencoder((visible, *hidden))
    fill(network, tensors, path, _STACK)
    return network.eval()


def load_convolutional(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the convolutional autoencoder that a file of weights holds.

    Parameters
    ----------
    net, options
        As for `load_dense`.
    weights : Path
        State dict of `ConvolutionalAutoencoder`; the width is read off `stack.0.weight`.

    Raises
    ------
    ValueError
        If the file holds another network.
    """
    from methods.formats import fill, state_dict
    from methods.networks.autoencoders import ConvolutionalAutoencoder

    path = _given(net, weights)
    tensors = state_dict(path)
    network = ConvolutionalAutoencoder(_shape(tensors, "stack.0.weight", path, _CONVOLUTIONAL, 4)[0])
    fill(network, tensors, path, _CONVOLUTIONAL)
    return network.eval()


def _given(net: Net, weights: Path | None) -> Path:
    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    return weights


def _shape(tensors: "Mapping[str, Tensor]", key: str, path: Path, family: str, axes: int) -> tuple[int, ...]:
    """Return the shape of a tensor, or say that the file has none of this name and number of axes."""
    shape = tuple(tensors[key].shape) if key in tensors else ()
    if len(shape) != axes or 0 in shape:
        has = f"{key} has shape {shape}" if key in tensors else f"it has no {key}, but {next(iter(tensors))}"
        raise ValueError(f"weights {path}: not a {family}: {has}; expected {key} with {axes} axes")
    return shape


def _check_square(visible: int, path: Path, family: str) -> None:
    if math.isqrt(visible) ** 2 != visible:
        raise ValueError(
            f"weights {path}: not a {family} for images: its examples have {visible} entries; "
            "expected a square patch, as 784 = 28x28"
        )


_VINCENT = "Vincent, Larochelle, Bengio, Manzagol, ICML 2008, https://doi.org/10.1145/1390156.1390294"

METHODS = (
    Method(
        name="dae",
        title="Denoising autoencoder on 28x28 patches, tied weights (own weights only)",
        paper=_VINCENT,
        nets=(Net("dae", "DAE", "gray", receptive_field=55, size_multiple=28, parameters=393_284),),
        load=load_dense,
        learned=True,
    ),
    Method(
        name="dae-stacked",
        title="Three denoising autoencoders on each other, unrolled (own weights only)",
        paper=_VINCENT,
        nets=(Net("dae-stacked", "Stacked DAE", "gray", receptive_field=55, size_multiple=28, parameters=2_789_784),),
        load=load_stack,
        learned=True,
    ),
    Method(
        name="cnn-dae",
        title="Convolutional denoising autoencoder, made for 64x64 (own weights only)",
        paper="Gondara, ICDM Workshops 2016, https://arxiv.org/abs/1608.04667",
        nets=(Net("cnn-dae", "CNN DAE", "gray", receptive_field=27, size_multiple=4, parameters=112_001),),
        load=load_convolutional,
        learned=True,
    ),
)
