"""RDN and the small RDN trained on CIFAR-100: networks for a person's own weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from methods.description import Method, Net
from methods.loading import Layout, count, sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "Zhang, Tian, Kong, Zhong, Fu: Residual Dense Network for Image Restoration, IEEE TPAMI 2020, "
    "https://arxiv.org/abs/1812.10477"
)

_NAMES = (
    # Names in yjn870/RDN-pytorch, in aptlin/noisy-cifar-100-rdn, and here.
    (r"^(sfe1|outer_shallow_features)\.", "shallow_first."),
    (r"^(sfe2|inner_shallow_features)\.", "shallow_second."),
    (r"^(rdbs|residual_dense_blocks)\.", "blocks."),
    (r"\.(layers|dense_layers)\.(\d+)\.conv\.", r".convolutions.\2."),
    (r"\.(lff|local_feature_fusion)\.", ".local_fusion."),
    (r"^(gff|global_feature_fusion)\.", "global_fusion."),
)


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.rdn import RDN

    if count(tensors, r"upscale\."):
        raise ValueError("it has upscaling layers, for super-resolution")
    blocks, layers = count(tensors, r"blocks\.\d+\."), count(tensors, r"blocks\.0\.convolutions\.\d+\.weight")
    features, channels = sizes(tensors, "shallow_first.weight")[:2]
    growth = sizes(tensors, "blocks.0.convolutions.0.weight")[0]
    return RDN(blocks, layers, growth, features, channels, predicts=options["predicts"]), channels


load = Layout("an RDN", _build, "shallow features, residual dense blocks, global fusion and output", names=_NAMES)
"""The file is a state dict of ours, yjn870/RDN-pytorch or aptlin/noisy-cifar-100-rdn. What the last layer means leaves
no trace in it and is the option `predicts`: ``"residual"`` (added to the noisy image, as in the paper), ``"noise"``
(subtracted from it), or ``"image"``."""


def _net(id: str, label: str, colour: str, parameters: int, sigma: int) -> Net:
    return Net(
        id=f"{id}-{sigma}",
        label=label,
        colour=colour,
        trained=(sigma, sigma),
        receptive_field=265,
        parameters=parameters,
        output="residual",
        published=("RDN", ""),
    )


_LEVELS = (10, 30, 50, 70)
_MEANINGS = {"predicts": ("residual", "noise", "image")}

METHODS = (
    # The authors train one net a noise level, D=16, C=8, G=64; their files (Torch7) are on no public
    # address that has a digest.
    Method(
        name="rdn",
        title="RDN, D=16, C=8, G=64: for your own weights",
        paper=_PAPER,
        nets=(
            *(_net("rdn", "RDN", "gray", 21_973_377, sigma) for sigma in _LEVELS),
            *(_net("rdn-rgb", "RDN", "rgb", 21_975_683, sigma) for sigma in _LEVELS),
        ),
        load=load,
        options={"predicts": "residual"},
        choices=_MEANINGS,
        extrapolates=False,
        learned=True,
    ),
    # Its published numbers compare predicted with true noise on CIFAR-100; the PSNR is of training images.
    Method(
        name="rdn-small",
        title="RDN, D=3, C=5, G=16, predicting noise on CIFAR-100: for your own weights",
        paper="https://github.com/aptlin/noisy-cifar-100-rdn",
        nets=(
            Net(
                "rdn-small",
                "RDN (small)",
                "rgb",
                receptive_field=39,
                parameters=114_883,
                output="residual",
                published=("RDN (small)", "noise predictor"),
            ),
            # Not in the study: for training on gray images, as radiographs.
            Net(
                "rdn-small-gray", "RDN (small, gray)", "gray", receptive_field=39, parameters=114_305, output="residual"
            ),
        ),
        load=load,
        options={"predicts": "noise"},
        choices=_MEANINGS,
        learned=True,
    ),
)
