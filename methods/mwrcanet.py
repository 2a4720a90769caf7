"""MWResNet and MWRCANet (Cao et al., NTIRE 2020), with weights of a person's own."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout, count

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "Cao et al., NTIRE 2020 challenge on real image denoising, "
    "https://github.com/happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet"
)

_NAMES = (
    (r"\.cuca\.conv_du\.", ".attention.gate."),
    (r"^head\.", "transform."),
    (r"^down1\.0\.", "core.contract.0.0."),
    (r"^down1\.1\.", "core.contract.0.1."),
    (r"^down1\.2\.", "core.contract.0.2."),
    (r"^down2\.0\.", "core.transforms.0."),
    (r"^down2\.1\.", "core.contract.1.0."),
    (r"^down2\.2\.", "core.contract.1.1."),
    (r"^down2\.3\.", "core.contract.1.2."),
    (r"^down3\.0\.", "core.transforms.1."),
    (r"^down3\.1\.", "core.bottom.0."),
    (r"^down3\.2\.", "core.bottom.1."),
    (r"^middle\.", "core.bottom.2."),
    (r"^up1\.0\.", "core.bottom.3."),
    (r"^up1\.1\.", "core.bottom.4."),
    (r"^up1\.2\.", "core.inverses.0."),
    (r"^up2\.0\.", "core.expand.0.0."),
    (r"^up2\.1\.", "core.expand.0.1."),
    (r"^up2\.2\.", "core.expand.0.2."),
    (r"^up2\.3\.", "core.inverses.1."),
    (r"^up3\.0\.", "core.expand.1.0."),
    (r"^up3\.1\.", "core.expand.1.1."),
    (r"^tail\.", "inverse."),
)
"""The authors' names of tensors, and ours."""


def _mwrcanet(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.mwrcanet import MWRCANet
    from methods.networks.wavelet import widths

    inputs, features = widths(tensors)
    narrow = len(tensors["core.contract.0.2.body.0.attention.gate.0.weight"])
    blocks = count(tensors, r"core\.contract\.0\.2\.body\.\d+\.conv1\.weight")
    return MWRCANet(max(inputs // 4, 1), features, blocks, max(features[0] // narrow, 1)), inputs // 4


def _mwresnet(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.mwrcanet import MWResNet
    from methods.networks.wavelet import widths

    inputs, features = widths(tensors)
    return MWResNet(max(inputs // 4, 1), features, count(tensors, r"core\.contract\.0\.\d+\.conv1\.")), inputs // 4


_OURS = "methods/networks/mwrcanet.py"
load = Layout("a MWRCANet", _mwrcanet, f"a state dict of the authors' code or of {_OURS}", names=_NAMES)
"""Widths, depth and the fixed wavelet kernels are read off the file."""

load_resnet = Layout("a MWResNet", _mwresnet, f"a state dict of {_OURS}")
"""The authors published neither code nor weights."""

_net = partial(Net, size_multiple=8, output="residual")

METHODS = (
    Method(
        "mwrcanet",
        "MWRCANet: wavelet U-Net with channel attention, winner of the NTIRE 2020 raw track (weights of your own)",
        _PAPER,
        (
            _net(
                "mwrcanet",
                "MWRCANet",
                "gray",  # a raw image is one channel
                parameters=27_215_965,
                published=("MWRCANet", "no ensemble"),
                published_ensemble=("MWRCANet", "8x self-ensemble"),
            ),
            _net(
                "mwrcanet-rgb",
                "MWRCANet",
                "rgb",
                parameters=27_229_797,
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
            _net(f"mwresnet{suffix}", "MWResNet", colour, receptive_field=519)
            for suffix, colour in (("", "gray"), ("-rgb", "rgb"))
        ),
        load_resnet,
        learned=True,
    ),
)
