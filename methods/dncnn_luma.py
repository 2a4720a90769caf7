"""DnCNN-3 on the luma of colour images, as its authors enlarge them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods import dncnn
from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import nn

(_GRAY,) = next(method for method in dncnn.METHODS if method.name == "dncnn-3").nets


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Return DnCNN-3 for colour images."""
    from methods.networks.on_luma import OnLuma

    network = dncnn.load(replace(net, colour="gray"), weights, options)
    on_luma = OnLuma(network).eval()
    on_luma.notes = network.notes  # for the record
    return on_luma


METHODS = (
    Method(
        "dncnn-3-luma",
        "DnCNN-3 on the luma of colour images, whose chroma stays",
        "Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser, IEEE TIP 2017, https://arxiv.org/abs/1608.03981",
        (replace(_GRAY, id="dncnn-3-luma", label="DnCNN-3 (luma)", colour="rgb", output="image"),),
        load,
    ),
)
