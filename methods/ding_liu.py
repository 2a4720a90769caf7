"""The denoiser of Ding Liu et al., which can be trained together with a segmentation network."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import nn

_FAMILY = "Ding Liu denoiser"


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the denoiser that a file of weights holds; batch normalisation is folded.

    Parameters
    ----------
    net : Net
        Says for which colour.
    weights : Path
        State dict of `DingLiu` in its training form or folded; width and channels are read off `conv0.weight`.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If there is no file, it holds another network or one for another colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.ding_liu import DingLiu, fold

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    tensors = state_dict(weights)
    shape = tuple(tensors["conv0.weight"].shape) if "conv0.weight" in tensors else ()
    if shape[2:] != (5, 5) or shape[0] < 2 or shape[0] % 2:
        has = f"conv0.weight has shape {shape}" if shape else f"it has no conv0.weight, but {next(iter(tensors))}"
        raise ValueError(f"weights {weights}: not a {_FAMILY}: {has}; expected conv0.weight of shape (64, 3, 5, 5)")
    norm = any(".norm." in key for key in tensors)
    check_colour(net.colour, shape[1], weights)
    network = DingLiu(shape[0], norm=norm, channels=shape[1])
    fill(network, tensors, weights, _FAMILY)
    return fold(network) if norm else network.eval()


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
