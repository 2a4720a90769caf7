"""Nets that `make search` found, with this project's weights or a person's own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout, count

if TYPE_CHECKING:
    from torch import Tensor, nn

_SIGNS = {"residual": "conv1.weight", "dense": "convolutions.0.weight", "attention": "attention.gate.0.weight"}
"""A tensor that a block of each type has one of. That of the attention block has the other's too: it is last."""


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.searched import SearchedNet
    from methods.networks.wavelet import widths

    inputs, features = widths(tensors)
    blocks = {kind: count(tensors, rf"core\.contract\.0\.\d+\.{name}") for kind, name in _SIGNS.items()}
    block = next((kind for kind in reversed(blocks) if blocks[kind]), None)
    if block is None:
        raise ValueError("its first level has no block")
    return SearchedNet(max(inputs // 4, 1), block, blocks[block], features), inputs // 4


load = Layout("a searched net", _build, "a state dict of SearchedNet in methods/networks/searched.py")
"""Type and number of the blocks are read off the file too."""

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
