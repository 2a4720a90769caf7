"""The DnCNN family with its authors' weights, and the PyTorch nets of SaoYan and KAIR."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.chains import chain, ends, named
from methods.description import Method, Net, Weights, listed
from methods.loading import Layout

if TYPE_CHECKING:
    from torch import Tensor, nn

_PAPER = "Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser, IEEE TIP 2017, https://arxiv.org/abs/1608.03981"


def _dncnn(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.dncnn import DnCNN, FDnCNN

    depth, inputs, outputs, features = ends(tensors)
    if inputs != outputs + net.given_sigma or outputs not in (1, 3):
        raise ValueError(f"{inputs} channels in and {outputs} out")
    return (FDnCNN if net.given_sigma else DnCNN)(depth, outputs, features), outputs


def _read(path: Path) -> "dict[str, Tensor]":
    return named(chain(path), "stack")


load = Layout("a DnCNN", _dncnn, "3x3 convolutions, as many channels out as in, 1 or 3", _read)
load_flexible = Layout("an FDnCNN", _dncnn, "3x3 convolutions, image and noise level map in, image out", _read)
"""The file is MatConvNet's `.mat` (7.3), or the state dict of a chain. Depth, channels and batch normalisation are read
off it (SaoYan's, KAIR's, cszn's or our own names); batch normalisation is folded."""


def _parameters(channels: int, maps: int, depth: int) -> int:
    """Count weights and biases of a stack of 64 features, batch normalisation merged."""
    first, middle, last = (channels + maps) * 64 * 9 + 64, 64 * 64 * 9 + 64, 64 * channels * 9 + channels
    return first + (depth - 2) * middle + last


def _net(
    id: str, label: str, colour: str, trained: tuple[float, float], weights: Weights, depth: int, variant: str
) -> Net:
    return Net(
        id=id,
        label=label,
        colour=colour,
        trained=trained,
        weights=weights,
        receptive_field=2 * depth + 1,
        parameters=_parameters(1 if colour == "gray" else 3, 0, depth),
        output="residual",
        published=("CDnCNN" if colour == "rgb" else "DnCNN", variant),
        # DnCNN-3 is trained on 91 images and 200 of BSDS, which are no dataset here.
        trained_on=() if variant == "3" else ("cbsd432",) if colour == "rgb" else ("train400",),
    )


_FILES = listed()
_CSZN = "dncnn/cszn"

_S_GRAY = tuple(
    _net(f"dncnn-s-{s}", "DnCNN-S", "gray", (s, s), _FILES[f"{_CSZN}/specifics/sigma={s}.mat"], 17, "S")
    for s in range(10, 80, 5)
)
_S_RGB = tuple(
    _net(f"cdncnn-s-{s}", "CDnCNN-S", "rgb", (s, s), _FILES[f"{_CSZN}/specifics_color/color_sigma={s:02}.mat"], 20, "S")
    for s in (5, 10, 15, 25, 35, 50)
)
_B_GRAY = _net("dncnn-b", "DnCNN-B", "gray", (0, 55), _FILES[f"{_CSZN}/GD_Gray_Blind.mat"], 20, "B")
_B_RGB = _net("cdncnn-b", "CDnCNN-B", "rgb", (0, 55), _FILES[f"{_CSZN}/GD_Color_Blind.mat"], 20, "B")
_THREE = _net("dncnn-3", "DnCNN-3", "gray", (0, 55), _FILES[f"{_CSZN}/DnCNN3.mat"], 20, "3")
_SAOYAN_S = tuple(
    _net(
        f"dncnn-s-{s}@saoyan",
        "DnCNN-S (SaoYan)",
        "gray",
        (s, s),
        _FILES[f"dncnn/saoyan/DnCNN-S-{s}/net.pth"],
        17,
        "S SaoYan",
    )
    for s in (15, 25, 50)
)
_SAOYAN_B = _net(
    "dncnn-b@saoyan", "DnCNN-B (SaoYan)", "gray", (0, 55), _FILES["dncnn/saoyan/DnCNN-B/net.pth"], 20, "B SaoYan"
)
_KAIR_S = _net("dncnn-s-25@kair", "DnCNN-S (KAIR)", "gray", (25, 25), _FILES["dncnn/kair/dncnn_25.pth"], 17, "S")


def _flexible(id: str, label: str, colour: str, file: str, variant: str) -> Net:
    return Net(
        id=id,
        label=label,
        colour=colour,
        trained=(0, 75),
        given_sigma=True,
        weights=_FILES[f"fdncnn/cszn/{file}.mat"],
        receptive_field=41,
        parameters=_parameters(1 if colour == "gray" else 3, 1, 20),
        published=("FDnCNN", variant),
    )


def _method(name: str, title: str, nets: tuple[Net, ...], *, extrapolates: bool = True) -> Method:
    layout = load_flexible if nets[0].given_sigma else load
    return Method(name, title, _PAPER, nets, layout, extrapolates=extrapolates)


METHODS = (
    # The paper's own choice: a specific net where one was trained for sigma, the blind one elsewhere;
    # for colour the paper prints the blind net only.
    _method(
        "dncnn", "DnCNN: the net of the paper for the sigma asked", (*_S_GRAY, _B_GRAY, _B_RGB), extrapolates=False
    ),
    _method("dncnn-s", "DnCNN-S: one net a sigma", (*_S_GRAY, *_S_RGB), extrapolates=False),
    _method("dncnn-b", "DnCNN-B: blind, trained on sigma 0-55", (_B_GRAY, _B_RGB)),
    _method("dncnn-3", "DnCNN-3: one net for denoising, JPEG and super-resolution", (_THREE,)),
    _method(
        "fdncnn",
        "FDnCNN: noise level map, sigma 0-75",
        (
            _flexible("fdncnn", "FDnCNN", "gray", "FDnCNN_gray", ""),
            _flexible("fdncnn-rgb", "FDnCNN", "rgb", "FDnCNN_color", ""),
        ),
    ),
    _method(
        "fdncnn-clip",
        "FDnCNN trained on clipped 8-bit noisy images (PROTOCOL=clipped)",
        (
            _flexible("fdncnn-clip", "FDnCNN-Clip", "gray", "FDnCNN_Clip_gray", "Clip"),
            _flexible("fdncnn-clip-rgb", "FDnCNN-Clip", "rgb", "FDnCNN_Clip_color", "Clip"),
        ),
    ),
    _method("dncnn-s@saoyan", "DnCNN-S retrained in PyTorch by SaoYan", _SAOYAN_S, extrapolates=False),
    _method("dncnn-b@saoyan", "DnCNN-B retrained in PyTorch by SaoYan", (_SAOYAN_B,)),
    _method("dncnn-s@kair", "DnCNN-S sigma 25 as KAIR ships it", (_KAIR_S,), extrapolates=False),
)
