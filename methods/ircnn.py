"""IRCNN's set of denoisers, for files of its authors' formats."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.chains import Chain

_PAPER = (
    "Zhang, Zuo, Gu, Zhang: Learning Deep CNN Denoiser Prior for Image Restoration, CVPR 2017, "
    "https://arxiv.org/abs/1704.03264"
)


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the set of networks that a file holds; which one runs, sigma decides at each call.

    Parameters
    ----------
    net : Net
        Says for which colour.
    weights : Path
        MATLAB 7.3 with a cell `CNNdenoiser` of layer lists (cszn/IRCNN), a PyTorch dictionary of
        state dicts under ``"0"`` to ``"24"`` (cszn/KAIR), the state dict of
        `methods.networks.ircnn.IRCNN`, or the layers of one network only, which then serves every
        sigma. A set of another length is for sigma 2, 4, ... as well.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If there is no file, it holds another architecture or nets for another colour.
    """
    from methods.formats import check_colour, is_hdf5, matconvnet_networks
    from methods.networks.dncnn import fill
    from methods.networks.ircnn import IRCNN

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    chains = matconvnet_networks(weights, "CNNdenoiser") if is_hdf5(weights) else _torch_chains(weights)
    channels, features = _check(chains, weights)
    check_colour(net.colour, channels, weights)
    network = IRCNN(len(chains), channels, features)
    for stack, chain in zip(network.stacks, chains, strict=True):
        fill(stack, chain)
    return network.eval()


def _torch_chains(path: Path) -> "list[Chain]":
    """Sort the tensors by network and layer: the numbers in their names, the network's first."""
    from methods.chains import epsilon_of, folded
    from methods.formats import state_dict

    nets: dict[int, dict[str, Tensor]] = {}
    tensors = state_dict(path)
    for key, tensor in tensors.items():
        module, _, part = key.rpartition(".")
        numbers = [int(number) for number in re.findall(r"\d+", module)]
        index, layer = numbers if len(numbers) == 2 else (0, numbers[-1] if numbers else 0)
        nets.setdefault(index, {})[f"{layer}.{part}"] = tensor
    if sorted(nets) != list(range(len(nets))):
        raise ValueError(f"weights {path}: networks {sorted(nets)}; expected 0, 1, 2, ... without a gap")
    return [folded(nets[index], path, epsilon_of(tensors)) for index in sorted(nets)]


def _check(chains: "list[Chain]", path: Path) -> tuple[int, int]:
    """Return channels and features, or say how the file is no IRCNN."""
    for number, chain in enumerate(chains):
        shapes = [tuple(weight.shape) for weight, _ in chain]
        if len(shapes) != 7:
            raise ValueError(
                f"weights {path}: not an IRCNN: network {number} has {len(shapes)} convolutions, expected 7"
            )
        features, channels = shapes[0][:2]
        sides = [channels, *[features] * 6, channels]
        expected = [(outputs, inputs, 3, 3) for inputs, outputs in pairwise(sides)]
        if channels not in (1, 3) or shapes != expected or shapes[0] != tuple(chains[0][0][0].shape):
            raise ValueError(
                f"weights {path}: not an IRCNN: network {number} has convolutions {shapes[0]} to {shapes[-1]}; "
                "expected 3x3, as many channels out as in, 1 or 3, and all networks equal"
            )
    if not chains:
        raise ValueError(f"weights {path}: not an IRCNN: holds no networks")
    return channels, features


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
