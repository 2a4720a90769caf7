"""IRCNN's set of denoisers, for files of its authors' formats."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.chains import Chain, epsilon_of, folded, named
from methods.checkpoints import state_dict
from methods.description import Method, Net
from methods.formats import is_hdf5, matconvnet_networks
from methods.loading import Layout, count, sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = (
    "Zhang, Zuo, Gu, Zhang: Learning Deep CNN Denoiser Prior for Image Restoration, CVPR 2017, "
    "https://arxiv.org/abs/1704.03264"
)


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.ircnn import IRCNN

    levels = count(tensors, r"nets\.\d+\.")
    for level in range(levels):
        if (depth := count(tensors, rf"nets\.{level}\.\d+\.weight")) != 7:
            raise ValueError(f"network {level} has {depth} convolutions")
    features, channels = sizes(tensors, "nets.0.0.weight")[:2]
    return IRCNN(levels, channels, features), channels


def _read(path: Path) -> "dict[str, Tensor]":
    chains = matconvnet_networks(path, "CNNdenoiser") if is_hdf5(path) else _chains(path)
    return {
        key: tensor for number, chain in enumerate(chains) for key, tensor in named(chain, f"nets.{number}").items()
    }


def _chains(path: Path) -> list[Chain]:
    """Sort the tensors by network and layer: the numbers in their names, the network's first."""
    tensors = state_dict(path)
    nets: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        module, _, part = key.rpartition(".")
        numbers = [int(number) for number in re.findall(r"\d+", module)]
        index, layer = numbers if len(numbers) == 2 else (0, numbers[-1] if numbers else 0)
        nets.setdefault(index, {})[f"{layer}.{part}"] = tensor
    if sorted(nets) != list(range(len(nets))):
        raise ValueError(f"weights {path}: networks {sorted(nets)}; expected 0, 1, 2, ... without a gap")
    return [folded(nets[index], path, epsilon_of(tensors)) for index in sorted(nets)]


load = Layout("an IRCNN", _build, "7 convolutions of 3x3, as many channels out as in, all networks equal", _read)
"""Which network of the set runs, sigma decides at each call. The file is MATLAB 7.3 with a cell `CNNdenoiser` of layer
lists (cszn/IRCNN), a PyTorch dictionary of state dicts under ``"0"`` to ``"24"`` (cszn/KAIR), the state dict of
`methods.networks.ircnn.IRCNN`, or the layers of one network only, which then serves every sigma. A set of another
length is for sigma 2, 4, ... as well."""


def _net(id: str, colour: str, parameters: int) -> Net:
    return Net(
        id=id,
        label="IRCNN",
        colour=colour,
        trained=(0, 50),
        given_sigma=True,
        receptive_field=33,
        parameters=parameters,  # of one network: that is what runs
        output="residual",
        published=("IRCNN", ""),
    )


METHODS = (
    Method(
        name="ircnn",
        title="IRCNN: 25 denoisers, sigma 2-50, for their file of weights",
        paper=_PAPER,
        nets=(_net("ircnn", "gray", 185_857), _net("ircnn-rgb", "rgb", 188_163)),
        load=load,
        learned=True,
    ),
)
