"""RDN and the small RDN trained on CIFAR-100: networks for a person's own weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import nn

_PAPER = (
    "Zhang, Tian, Kong, Zhong, Fu: Residual Dense Network for Image Restoration, IEEE TPAMI 2020, "
    "https://arxiv.org/abs/1812.10477"
)

_LAYOUTS = (
    # Names in yjn870/RDN-pytorch, in aptlin/noisy-cifar-100-rdn, and here.
    (r"^(sfe1|outer_shallow_features)\.", "shallow_first."),
    (r"^(sfe2|inner_shallow_features)\.", "shallow_second."),
    (r"^(rdbs|residual_dense_blocks)\.", "blocks."),
    (r"\.(layers|dense_layers)\.(\d+)\.conv\.", r".convolutions.\2."),
    (r"\.(lff|local_feature_fusion)\.", ".local_fusion."),
    (r"^(gff|global_feature_fusion)\.", "global_fusion."),
)


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the RDN that a file of weights holds.

    The number of blocks (D), of their convolutions (C), and the channels (G, G0) are read off the
    shapes. What the last layer means leaves no trace in them and is an option.

    Parameters
    ----------
    net : Net
        Says for which colour.
    weights : Path
        A state dict or safetensors with the names of `methods.networks.rdn.RDN`, of
        yjn870/RDN-pytorch (without its upscaling part), or of aptlin/noisy-cifar-100-rdn.
    options : mapping
        `predicts`: ``"residual"`` (added to the noisy image, as in the paper), ``"noise"``
        (subtracted from it), or ``"image"``.

    Raises
    ------
    ValueError
        If there is no file, it holds another architecture or a net for another colour.
    """
    from methods.formats import check_colour, fill, state_dict
    from methods.networks.rdn import RDN

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    tensors = {_name(key): tensor for key, tensor in state_dict(weights).items()}
    if any(key.startswith("upscale.") for key in tensors):
        raise ValueError(f"weights {weights}: an RDN for super-resolution (it has upscaling layers), not for denoising")
    blocks = _count(tensors, r"^blocks\.(\d+)\.")
    layers = _count(tensors, r"^blocks\.0\.convolutions\.(\d+)\.weight$")
    first, dense = tensors.get("shallow_first.weight"), tensors.get("blocks.0.convolutions.0.weight")
    if first is None or dense is None or first.ndim != 4 or dense.ndim != 4:
        raise ValueError(
            f"weights {weights}: not an RDN ({len(tensors)} tensors, as {next(iter(tensors))}); "
            "expected shallow features, residual dense blocks, global fusion and output"
        )
    features, channels = first.shape[:2]
    check_colour(net.colour, channels, weights)
    network = RDN(blocks, layers, len(dense), features, channels, predicts=options["predicts"])
    fill(network, tensors, weights, f"RDN with D={blocks}, C={layers}, G={len(dense)}, G0={features}")
    return network.eval()


def _name(key: str) -> str:
    for theirs, ours in _LAYOUTS:
        key = re.sub(theirs, ours, key)
    return key


def _count(tensors: Mapping[str, object], pattern: str) -> int:
    return len({match[1] for match in map(re.compile(pattern).match, tensors) if match})


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
    # Its published numbers compare predicted with true noise on CIFAR-100, which is another protocol.
    Method(
        name="rdn-small",
        title="RDN, D=3, C=5, G=16, predicting noise on CIFAR-100: for your own weights",
        paper="https://github.com/aptlin/noisy-cifar-100-rdn",
        nets=(
            Net("rdn-small", "RDN (small)", "rgb", receptive_field=39, parameters=114_883, output="residual"),
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
