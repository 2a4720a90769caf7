"""Nets that `make search` found, with this project's weights or a person's own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import Tensor, nn

_FIRST = r"core\.contract\.0\.(\d+)\."
"""Where the tensors of the first level's blocks begin; their number follows."""

_TELLING = {"residual": "conv1.weight", "dense": "grow.0.weight", "attention": "attention.gate.0.weight"}
"""A tensor that a block of each type has one of. That of the attention block has the other's too: it is last."""

_EXPECTED = "expected a state dict of SearchedNet in methods/networks/searched.py"


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the net that a file of weights holds; type and number of its blocks and its widths are read off the file.

    Parameters
    ----------
    net : Net
        Says the colour.
    weights : Path
        A state dict of `methods.networks.searched.SearchedNet`.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file holds another architecture, or a net for another colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.searched import SearchedNet
    from methods.networks.wavelet import widths

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    tensors = state_dict(weights)
    try:
        inputs, features = widths(tensors)
    except KeyError as error:
        raise ValueError(f"weights {weights}: not a searched net: it has no tensor {error}; {_EXPECTED}") from None
    found = {block: _count(tensors, name) for block, name in _TELLING.items()}
    block = next((block for block in reversed(_TELLING) if found[block]), None)
    if block is None:
        raise ValueError(f"weights {weights}: not a searched net: its first level has no block; {_EXPECTED}")
    network = SearchedNet(max(inputs // 4, 1), block, found[block], features)
    fill(network, tensors, weights, "SearchedNet")
    check_colour(net.colour, inputs // 4, weights)
    return network.eval()


def _count(tensors: "Mapping[str, Tensor]", name: str) -> int:
    return sum(bool(re.fullmatch(_FIRST + re.escape(name), key)) for key in tensors)


METHODS = (
    Method(
        "searched",
        "Wavelet U-Net whose block, number of blocks and widths a search chose (weights of your own)",
        "After the search of Cao et al., NTIRE 2020 challenge on real image denoising, "
        "https://github.com/happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet",
        tuple(
            Net(f"searched{suffix}", "Searched net", colour, size_multiple=8, output="residual")
            for suffix, colour in (("", "gray"), ("-rgb", "rgb"))
        ),
        load,
        learned=True,
    ),
)
