"""From a file of weights to a network: what each network declares, and the one function that does it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.description import Net
from methods.formats import check_colour, fill, state_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


Build = Callable[["dict[str, Tensor]", Net, Mapping[str, str]], "tuple[nn.Module, int]"]


@dataclass(frozen=True)
class Layout:
    """What the files of one network look like, and how the network for a file is built.

    Attributes
    ----------
    what : str
        What a file should hold, in messages: ``"an RDN"``.
    build : callable
        ``build(tensors, net, options) -> (network, channels)``: reads the sizes off the named tensors and returns the
        network for them, its weights not yet set, and the colour channels of its images. It may let a `KeyError`
        through for a tensor that is not there, and raises `ValueError` with the reason alone.
    expected : str
        What the file should be, said where it is something else.
    read : callable
        ``read(path) -> tensors``, named as in the network but for `names`.
    names : tuple of (str, str)
        Regular expressions that turn the names of other code into the network's, in this order.
    """

    what: str
    build: Build
    expected: str
    read: "Callable[[Path], dict[str, Tensor]]" = state_dict
    names: tuple[tuple[str, str], ...] = ()


def load_network(layout: Layout, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
    """Return the network (`torch.nn.Module`) that a file of weights holds, in evaluation mode.

    Parameters
    ----------
    layout : Layout
        Of the file.
    net, weights, options
        As `methods.Method.load` is given them.

    Raises
    ------
    ValueError
        If there is no file, it cannot be read, or it holds another network or one for another colour.
    """
    if weights is None:
        raise ValueError(f"{net.id}: needs weights; give a file of your own with WEIGHTS")
    tensors = {_renamed(key, layout.names): tensor for key, tensor in layout.read(weights).items()}
    try:
        network, channels = layout.build(tensors, net, options)
    except (KeyError, ValueError) as error:
        missing = f"it has no tensor {error}, but {next(iter(tensors), 'nothing')}"
        reason = missing if isinstance(error, KeyError) else error
        raise ValueError(f"weights {weights}: not {layout.what}: {reason}; expected {layout.expected}") from None
    fill(network, tensors, weights, layout.what)
    check_colour(net.colour, channels, weights)
    return network.eval()


def sizes(tensors: "Mapping[str, Tensor]", key: str, axes: int = 4) -> tuple[int, ...]:
    """Return the shape of a tensor, or raise `ValueError` if it has another number of axes, or nothing in it."""
    shape = tuple(tensors[key].shape)
    if len(shape) != axes or 0 in shape:
        raise ValueError(f"{key} has shape {shape} and not {axes} axes")
    return shape


def count(tensors: "Mapping[str, Tensor]", pattern: str) -> int:
    r"""Return in how many ways names begin with a regular expression: ``count(tensors, r"blocks\.\d+\.")``."""
    return len({match[0] for match in map(re.compile(pattern).match, tensors) if match})


def _renamed(key: str, names: tuple[tuple[str, str], ...]) -> str:
    for theirs, ours in names:
        key = re.sub(theirs, ours, key)
    return key
