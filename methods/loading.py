"""From a file of weights to a network: what each network declares, and the one call that does it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.checkpoints import notes, state_dict
from methods.description import Net
from methods.formats import check_colour, fill

if TYPE_CHECKING:
    from torch import Tensor, nn


Build = Callable[["dict[str, Tensor]", Net, Mapping[str, str]], "tuple[nn.Module, int]"]


def _unchanged(network: "nn.Module") -> "nn.Module":
    return network


@dataclass(frozen=True)
class Layout:
    """What the files of one network look like, and how the network for a file is built; a `methods.Method.load`.

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
    folded : callable
        Gives the network that runs, of the one that the file holds: batch normalisation folded.
    """

    what: str
    build: Build
    expected: str
    read: "Callable[[Path], dict[str, Tensor]]" = state_dict
    names: tuple[tuple[str, str], ...] = ()
    folded: "Callable[[Any], nn.Module]" = _unchanged

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
        """Return the network that a file of weights holds, in evaluation mode.

        Raises
        ------
        ValueError
            If there is no file, it cannot be read, or it holds another network or one for another colour.
        """
        if weights is None:
            raise ValueError(f"{net.id}: needs weights; give a file of your own with WEIGHTS")
        tensors = {_renamed(key, self.names): tensor for key, tensor in self.read(weights).items()}
        try:
            network, channels = self.build(tensors, net, options)
        except (KeyError, ValueError) as error:
            first = ", ".join(list(tensors)[:3]) or "nothing"
            missing = isinstance(error, KeyError)
            reason = f"it has no tensor {error}, but {first}" if missing else error
            there = "" if missing else f"; it has {first}"
            raise ValueError(f"weights {weights}: not {self.what}: {reason}; expected {self.expected}{there}") from None
        fill(network, tensors, weights, self.what)
        check_colour(net.colour, channels, weights)
        network = self.folded(network.eval())
        network.notes = notes(weights)  # type: ignore[assignment] # for the record; a Module may hold anything
        return network


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
