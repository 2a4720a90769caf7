"""The denoiser of Ding Liu et al., which can be trained together with a segmentation network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout, count

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.networks.ding_liu import DingLiu


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.ding_liu import DingLiu

    shape = tuple(tensors["conv0.weight"].shape)
    if shape[2:] != (5, 5) or shape[0] < 2 or shape[0] % 2:
        raise ValueError(f"conv0.weight has shape {shape}")
    return DingLiu(shape[0], norm=count(tensors, r".*\.norm\.") > 0, channels=shape[1]), shape[1]


def _fold(network: "DingLiu") -> "nn.Module":
    from methods.networks.ding_liu import fold

    return fold(network)


load = Layout("a Ding Liu denoiser", _build, "conv0.weight of shape (64, 3, 5, 5)", folded=_fold)
"""The file is a state dict of `DingLiu` in its training form or folded."""

METHODS = (
    Method(
        name="ding-liu",
        title="Ding Liu et al.: U-shaped denoiser, for coupling with segmentation (own weights only)",
        paper="Liu, Wen, Liu, Wang, Huang, IJCAI 2018, https://arxiv.org/abs/1706.04284",
        nets=(
            Net("ding-liu", "Ding Liu", "rgb", receptive_field=45, size_multiple=4, parameters=1_033_443),
            # The paper has no gray net; this one is for training on gray images, as radiographs.
            Net("ding-liu-gray", "Ding Liu (gray)", "gray", receptive_field=45, size_multiple=4, parameters=1_027_937),
        ),
        load=load,
        learned=True,
    ),
)
