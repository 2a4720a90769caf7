"""ADNet and ECNDNet with their authors' weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.checkpoints import state_dict
from methods.description import Method, Net, Weights, listed
from methods.loading import Layout, sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

_ADNET = (
    "Tian, Xu, Li, Zuo, Fei, Liu: Attention-guided CNN for image denoising, Neural Networks 124, 2020, "
    "https://doi.org/10.1016/j.neunet.2019.12.024"
)
_ECNDNET = (
    "Tian, Xu, Fei, Wang, Wen, Luo: Enhanced CNN for image denoising, CAAI Transactions on Intelligence Technology 4, "
    "2019, https://doi.org/10.1049/trit.2018.1054"
)
_LAST = {"ADNet": "attention", "ECNDNet": "enhancement"}


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks import adnet

    features, channels = sizes(tensors, "trunk.0.weight")[:2]
    return getattr(adnet, net.architecture)(channels, features), channels


def _read(path: Path) -> "dict[str, Tensor]":
    """Read a state dict of ours or of the authors' code, which counts its layers ``conv1_1`` to ``conv1_16``."""
    tensors = state_dict(path)
    # The one file's conv3 weights noise and image (1x1), the other's enhances the noise (3x3).
    kernel = tuple(tensors["conv3.weight"].shape[2:]) if "conv3.weight" in tensors else ()
    last = _LAST["ADNet" if kernel == (1, 1) else "ECNDNet"]

    def renamed(key: str) -> str:
        key = re.sub(r"^conv1_16\.(0\.)?", "noise.", re.sub(r"^conv3\.", f"{last}.", key))
        layer = re.match(r"conv1_(\d+)\.(\d)\.", key)
        return f"trunk.{3 * int(layer[1]) - 3 + int(layer[2])}.{key[layer.end() :]}" if layer else key

    return {renamed(key): tensor for key, tensor in tensors.items()}


def _folded(network: "nn.Module") -> "nn.Module":
    from methods.networks.adnet import fold

    return fold(network)


load = Layout(
    "an ADNet or ECNDNet", _build, "15 convolutions with batch normalisation, one that gives the noise, and conv3",
    _read, folded=_folded,
)  # fmt: skip


_FIELDS = {"ADNet": 41, "ECNDNet": 43}
_PARAMETERS = {("ADNet", "gray"): 519_171, ("ADNet", "rgb"): 521_493, ("ECNDNet", "gray"): 519_178}


def _net(
    id: str,
    architecture: str,
    trained: tuple[float, float] | None,
    weights: Weights | None,
    variant: str = "",
    colour: str = "gray",
) -> Net:
    return Net(
        id=id,
        label=f"{architecture}-{variant}" if variant else architecture,
        colour=colour,
        trained=trained,
        weights=weights,
        receptive_field=_FIELDS[architecture],
        parameters=_PARAMETERS[architecture, colour],
        published=(architecture, variant),
        architecture=architecture,
    )


_FILES = listed()
_S_GRAY = tuple(_net(f"adnet-{s}", "ADNet", (s, s), _FILES[f"adnet/g{s}/model_70.pth"]) for s in (15, 25, 50))
_B_GRAY = _net("adnet-b", "ADNet", (0, 55), _FILES["adnet/gblind/model_70.pth"], "B")
# The authors have colour nets too, of sigma 15, 25, 35, 50, 75 and 0-55, in files whose digests are not known here.
_RGB = _net("adnet-rgb", "ADNet", None, None, colour="rgb")
_ECNDNET_25 = _net("ecndnet-25", "ECNDNet", (25, 25), _FILES["ecndnet/sigma25/model_180.pth"])

METHODS = (
    Method(
        name="adnet",
        title="ADNet: one net a sigma (15, 25, 50)",
        paper=_ADNET,
        nets=(*_S_GRAY, _RGB),
        load=load,
        extrapolates=False,
        learned=True,
    ),
    Method("adnet-b", "ADNet-B: blind, trained on sigma 0-55", _ADNET, (_B_GRAY,), load),
    Method("ecndnet", "ECNDNet: one net a sigma (25)", _ECNDNET, (_ECNDNET_25,), load, extrapolates=False),
)
