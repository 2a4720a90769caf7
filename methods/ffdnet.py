"""FFDNet with the weights of Tassano et al., and a reader of its authors' files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.chains import Chain, ends, epsilon_of, folded, named
from methods.checkpoints import state_dict
from methods.description import Method, Net, listed
from methods.formats import is_hdf5, matconvnet_layers
from methods.loading import Layout, count

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = "Zhang, Zuo, Zhang: FFDNet, IEEE TIP 2018, https://arxiv.org/abs/1710.04026"


def _build(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.ffdnet import FFDNet

    depth, inputs, outputs, features = ends(tensors)
    if outputs not in (4, 12) or inputs != outputs + 1:
        raise ValueError(f"{inputs} channels in and {outputs} out")
    predicts = next(iter(tensors)).partition(".")[0]
    return FFDNet(depth, outputs // 4, features, predicts=predicts), outputs // 4


def _read(path: Path) -> "dict[str, Tensor]":
    if is_hdf5(path):
        return named(_by_row(matconvnet_layers(path)), "image")
    tensors = state_dict(path)
    layers = folded(tensors, path, epsilon_of(tensors))
    if count(tensors, r".*\bitermediate_dncnn\."):  # their spelling
        return named(_map_last(layers), "noise")
    return named(layers, "noise" if count(tensors, r"noise\.") else "image")


load = Layout(
    "an FFDNet",
    _build,
    "3x3 convolutions, 5 channels in and 4 out (gray), or 13 in and 12 out (RGB), where maps of the noise count once",
    _read,
)
"""The four layouts differ in the order of the sub-images and the place of the noise level map; the
weights' channels are put into the order of `methods.networks.ffdnet.FFDNet`:

========================  ==================================  ==================  ========  ========
file                      order of (row, column) in a square  noise level map     bias, BN  predicts
========================  ==================================  ==================  ========  ========
cszn, FFDNet_*.mat        (0,0), (1,0), (0,1), (1,1)          last                bias      image
cszn/KAIR, state dict     (0,0), (0,1), (1,0), (1,1)          last                bias      image
Tassano et al. (PyPI)     (0,0), (0,1), (1,0), (1,1)          first, one for a    BN        noise
                                                              colour channel
this project              (0,0), (0,1), (1,0), (1,1)          last                bias      its name
========================  ==================================  ==================  ========  ========
"""


def _by_row(layers: Chain) -> Chain:
    """Turn the column-major squares of MatConvNet's files into torch's row-major ones."""
    outputs = [4 * channel + place for channel in range(len(layers[-1][0]) // 4) for place in (0, 2, 1, 3)]
    inputs = [*outputs, len(outputs)]  # the noise level map stays behind
    if len(layers) < 2 or layers[0][0].shape[1] != len(inputs):
        return layers  # no FFDNet
    (first, first_bias), *middle, (last, last_bias) = layers
    return [(first[:, inputs], first_bias), *middle, (last[outputs], last_bias[outputs])]


def _map_last(layers: Chain) -> Chain:
    """Turn the equal noise level maps in front, one a colour, into one behind the image: its kernel is their sum."""
    import torch

    (first, bias), *others = layers
    maps = first.shape[1] // 5
    return [(torch.cat([first[:, maps:], first[:, :maps].sum(1, keepdim=True)], dim=1), bias), *others]


def _net(id: str, colour: str, file: str, depth: int, parameters: int) -> Net:
    return Net(
        id=id,
        label="FFDNet (IPOL)",
        colour=colour,
        trained=(0, 75),
        given_sigma=True,
        weights=listed()[f"ffdnet/{file}"],
        receptive_field=4 * depth + 3,
        size_multiple=2,
        padding="reflect",
        parameters=parameters,
        output="residual",
        published=("FFDNet", ""),
    )


METHODS = (
    Method(
        name="ffdnet",
        title="FFDNet: noise level map, sigma 0-75, weights of Tassano et al. (IPOL)",
        paper=_PAPER,
        nets=(
            _net("ffdnet", "gray", "ffdnet_weights_gray.pth", 15, 486_080),
            _net("ffdnet-rgb", "rgb", "ffdnet_weights_rgb.pth", 12, 854_688),
        ),
        load=load,
    ),
)
