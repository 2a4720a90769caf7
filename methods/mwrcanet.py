"""MWResNet and MWRCANet (Cao et al., NTIRE 2020), with weights of a person's own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "Cao et al., NTIRE 2020 challenge on real image denoising, "
    "https://github.com/happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet"
)

_NAMES = {
    "head.": "transform.",
    "down1.0.": "core.contract.0.0.",
    "down1.1.": "core.contract.0.1.",
    "down1.2.": "core.contract.0.2.",
    "down2.0.": "core.transforms.0.",
    "down2.1.": "core.contract.1.0.",
    "down2.2.": "core.contract.1.1.",
    "down2.3.": "core.contract.1.2.",
    "down3.0.": "core.transforms.1.",
    "down3.1.": "core.bottom.0.",
    "down3.2.": "core.bottom.1.",
    "middle.": "core.bottom.2.",
    "up1.0.": "core.bottom.3.",
    "up1.1.": "core.bottom.4.",
    "up1.2.": "core.inverses.0.",
    "up2.0.": "core.expand.0.0.",
    "up2.1.": "core.expand.0.1.",
    "up2.2.": "core.expand.0.2.",
    "up2.3.": "core.inverses.1.",
    "up3.0.": "core.expand.1.0.",
    "up3.1.": "core.expand.1.1.",
    "tail.": "inverse.",
}
"""Beginnings of the authors' names of tensors, and of ours."""


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the MWRCANet that a file of weights holds.

    Widths, depth and the fixed wavelet kernels are read off the file.

    Parameters
    ----------
    net : Net
        Says the colour.
    weights : Path
        A PyTorch checkpoint as happycaoyue saves it (under `state_dict`, names with `module.`), or
        our own layout.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file holds another architecture, or a net for another colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.mwrcanet import MWRCANet
    from methods.networks.wavelet import widths

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    tensors = {_renamed(key): tensor for key, tensor in state_dict(weights).items()}
    try:
        inputs, features = widths(tensors)
        narrow = tensors["core.contract.0.2.body.0.attention.gate.0.weight"].shape[0]
    except KeyError as error:
        raise ValueError(f"weights {weights}: not a MWRCANet: it has no tensor {error}; {_EXPECTED}") from None
    blocks = _count(tensors, r"core\.contract\.0\.2\.body\.\d+\.conv1\.weight")
    network = MWRCANet(max(inputs // 4, 1), features, blocks, max(features[0] // narrow, 1))
    fill(network, tensors, weights, "MWRCANet")
    check_colour(net.colour, inputs // 4, weights)
    return network.eval()


def load_resnet(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the MWResNet that a file of weights holds.

    Widths and depth are read off the file.

    Parameters
    ----------
    net : Net
        Says the colour.
    weights : Path
        A state dict of our own network; the authors published neither code nor weights.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file holds another architecture, or a net for another colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.mwrcanet import MWResNet
    from methods.networks.wavelet import widths

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    tensors = state_dict(weights)
    try:
        inputs, features = widths(tensors)
    except KeyError as error:
        raise ValueError(
            f"weights {weights}: not a MWResNet: it has no tensor {error}; expected a state dict of MWResNet in "
            "methods/networks/mwrcanet.py"
        ) from None
    blocks = _count(tensors, r"core\.contract\.0\.\d+\.conv1\.weight")
    network = MWResNet(max(inputs // 4, 1), features, blocks)
    fill(network, tensors, weights, "MWResNet")
    check_colour(net.colour, inputs // 4, weights)
    return network.eval()


def _renamed(key: str) -> str:
    key = key.replace(".cuca.conv_du.", ".attention.gate.")
    for theirs, ours in _NAMES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key


def _count(tensors: "Mapping[str, Tensor]", pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, key)) for key in tensors)


_EXPECTED = "expected a state dict of the authors' code or of methods/networks/mwrcanet.py"


METHODS = (
    Method(
        "mwrcanet",
        "MWRCANet: wavelet U-Net with channel attention, winner of the NTIRE 2020 raw track (weights of your own)",
        _PAPER,
        (
            Net(
                "mwrcanet",
                "MWRCANet",
                "gray",  # a raw image is one channel
                size_multiple=8,
                parameters=27_215_965,
                output="residual",
                published=("MWRCANet", "no ensemble"),
            ),
            Net(
                "mwrcanet-rgb",
                "MWRCANet",
                "rgb",
                size_multiple=8,
                parameters=27_229_797,
                output="residual",
                published=("MWRCANet", "step four (distilled)"),
            ),
        ),
        load,
        learned=True,
    ),
    Method(
        "mwresnet",
        "MWResNet: wavelet U-Net of residual blocks, widths assumed (weights of your own)",
        _PAPER,
        tuple(
            Net(
                f"mwresnet{suffix}",
                "MWResNet",
                colour,
                receptive_field=519,
                size_multiple=8,
                output="residual",
            )
            for suffix, colour in (("", "gray"), ("-rgb", "rgb"))
        ),
        load_resnet,
        learned=True,
    ),
)
