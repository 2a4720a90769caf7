"""The trainable multi-scale family after N. Markou's bfcnn; no weights of it are published."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import nn

_PAPER = (
    "N. Markou, blind image denoising, https://github.com/NikolasMarkou/blind_image_denoising, after Mohan et al. 2020"
)


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build a net of the trainable family; the file itself says which one.

    Parameters
    ----------
    net : Net
        Says which kind of block and which colour are expected.
    weights : Path
        A state dict of `PyramidDenoiser`, whose tensor `design` is the configuration.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If the file cannot be read, does not say its design, or holds another kind or colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.pyramid_family import PyramidDenoiser, design_of

    if weights is None:
        raise ValueError(f"{net.id}: no weights are published; train some and give them with WEIGHTS=file")
    tensors = state_dict(weights)
    if "design" not in tensors:
        raise ValueError(f"weights {weights}: hold no tensor 'design'; expected PyramidDenoiser(...).state_dict()")
    try:
        design = design_of(tensors["design"])
    except ValueError as error:
        raise ValueError(f"weights {weights}: {error}") from None
    if not net.id.startswith(f"msbf-{design.block}"):
        raise ValueError(f"weights {weights}: hold a net of {design.block} blocks; use METHOD=msbf-{design.block}")
    check_colour(net.colour, design.channels, weights)
    network = PyramidDenoiser(design)
    fill(network, {**tensors, "design": network.design}, weights, net.label)
    return network.eval()


_FAMILY = {
    "resnet": "residual blocks",
    "sparse": "features made sparse by normalisation and a differentiable ReLU",
    "gated": "blocks that can switch channels off",
}


def _family(block: str) -> Method:
    nets = tuple(
        Net(f"msbf-{block}{suffix}", f"MSBF-{block}", colour, size_multiple=4)
        for colour, suffix in (("rgb", ""), ("gray", "-gray"))
    )
    title = f"Multi-scale bias-free net for your own training (WEIGHTS): {_FAMILY[block]}"
    return Method(f"msbf-{block}", title, _PAPER, nets, load, learned=True)


METHODS = tuple(_family(block) for block in _FAMILY)
