"""FFDNet with the weights of Tassano et al., and a reader of its authors' files."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net, listed

if TYPE_CHECKING:
    from torch import nn

    from methods.chains import Chain

_PAPER = "Zhang, Zuo, Zhang: FFDNet, IEEE TIP 2018, https://arxiv.org/abs/1710.04026"


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "nn.Module":
    """Build the FFDNet that a file of weights holds.

    The four layouts differ in the order of the sub-images and the place of the noise level map; the
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

    Parameters
    ----------
    net : Net
        Says for which colour.
    weights : Path
        One of the files above; PyTorch ones may be safetensors. Depth and width are read off it.
    options : mapping
        Not used.

    Raises
    ------
    ValueError
        If there is no file, it holds another architecture or a net for another colour.
    """
    from methods.chains import epsilon_of, folded
    from methods.formats import check_colour, is_hdf5, matconvnet_layers, state_dict
    from methods.networks.dncnn import fill
    from methods.networks.ffdnet import FFDNet

    if weights is None:
        raise ValueError(f"{net.id}: needs weights")
    predicts, maps_in_front = "image", False
    if is_hdf5(weights):
        chain = matconvnet_layers(weights)
    else:
        tensors = state_dict(weights)
        chain = folded(tensors, weights, epsilon_of(tensors))
        maps_in_front = any(".itermediate_dncnn." in key for key in tensors)  # their spelling
        predicts = "noise" if maps_in_front or any(key.startswith("noise.") for key in tensors) else "image"
    channels = _check(chain, weights, one_map=not maps_in_front)
    if is_hdf5(weights):
        chain = _by_row(chain)
    if maps_in_front:
        chain = _map_last(chain, channels)
    check_colour(net.colour, channels, weights)
    network = FFDNet(len(chain), channels, len(chain[0][0]), predicts=predicts)
    fill(network.stack, chain)
    return network.eval()


def _check(chain: "Chain", path: Path, *, one_map: bool) -> int:
    """Return the colour channels, or say how the file is no FFDNet."""
    shapes = [tuple(weight.shape) for weight, _ in chain]
    if len(shapes) < 2 or any(a[0] != b[1] for a, b in pairwise(shapes)) or any(s[2:] != (3, 3) for s in shapes):
        raise ValueError(
            f"weights {path}: not an FFDNet ({len(shapes)} convolutions); expected a plain chain of 3x3 convolutions"
        )
    inputs, outputs = shapes[0][1], shapes[-1][0]
    if outputs not in (4, 12) or inputs != outputs + (1 if one_map else outputs // 4):
        raise ValueError(
            f"weights {path}: not an FFDNet: {inputs} channels in and {outputs} out; "
            f"expected 5 in and 4 out (gray), or {13 if one_map else 15} in and 12 out (RGB)"
        )
    return outputs // 4


def _by_row(chain: "Chain") -> "Chain":
    """Turn the column-major squares of MatConvNet's files into torch's row-major ones."""
    (first, first_bias), *middle, (last, last_bias) = chain
    outputs = [4 * channel + place for channel in range(len(last) // 4) for place in (0, 2, 1, 3)]
    inputs = [*outputs, len(outputs)]  # the noise level map stays behind
    return [(first[:, inputs], first_bias), *middle, (last[outputs], last_bias[outputs])]


def _map_last(chain: "Chain", maps: int) -> "Chain":
    """Turn the equal noise level maps in front into one behind the image: its kernel is their sum."""
    import torch

    (first, bias), *others = chain
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
