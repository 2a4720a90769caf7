"""The trainable multi-scale family after N. Markou's bfcnn, for weights of your own.

The nets that he published are in `methods.multiscale` (colour) and `methods.multiscale_gray`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "N. Markou, blind image denoising, https://github.com/NikolasMarkou/blind_image_denoising, after Mohan et al. 2020"
)


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.pyramid_family import PyramidDenoiser, design_of

    design = design_of(tensors["design"])
    if design.block != net.architecture:
        raise ValueError(f"its blocks are {design.block}: use METHOD=msbf-{design.block}")
    network = PyramidDenoiser(design)
    tensors["design"] = network.design  # with the defaults of what the file does not say
    return network, design.channels


load = Layout("a net of this family", _build, "a state dict of methods.networks.pyramid_family.PyramidDenoiser")
"""The tensor `design` of the file says which net it is."""

_FAMILY = {
    "resnet": "residual blocks; homogeneous, f(a x) = a f(x)",
    "sparse": "features made sparse by normalisation and a differentiable ReLU; not homogeneous",
    "gated": "blocks that can switch channels off; not homogeneous",
}


def _family(block: str) -> Method:
    nets = tuple(
        Net(f"msbf-{block}{suffix}", f"MSBF-{block}", colour, size_multiple=4, architecture=block)
        for colour, suffix in (("rgb", ""), ("gray", "-gray"))
    )
    title = f"Multi-scale bias-free net for your own training (WEIGHTS): {_FAMILY[block]}"
    return Method(f"msbf-{block}", title, _PAPER, nets, load, learned=True)


METHODS = tuple(_family(block) for block in _FAMILY)
