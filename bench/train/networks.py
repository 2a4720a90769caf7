"""Networks as recipes start them, where the class alone does not say how."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from methods.networks.pyramid_family import PyramidDenoiser


def dncnn_he(depth: int, channels: int = 1, features: int = 64) -> "nn.Module":
    """Return a DnCNN with batch normalisation, started as SaoYan's training starts it.

    Convolutions from He's normal distribution over their inputs, biases 0; scales of the normalisation from
    N(0, 2 / (9 * 64)), cut off at -0.025 and 0.025 (SaoYan/DnCNN-PyTorch). The authors keep the scales of theirs at
    0.025 or more in size (cszn/DnCNN).

    Parameters
    ----------
    depth, channels, features : int
        As for `methods.networks.dncnn.DnCNN`.
    """
    import torch
    from torch import nn

    from methods.networks.dncnn import DnCNN

    network = DnCNN(depth, channels, features, norm=True)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.normal_(0, math.sqrt(2 / (9 * 64))).clamp_(-0.025, 0.025)
    return network


def pyramid(**design: "str | int | bool") -> "PyramidDenoiser":
    """Return a net of the multi-scale bias-free family.

    Parameters
    ----------
    **design
        As for `methods.networks.pyramid_family.Design`.

    Raises
    ------
    ValueError
        If there is no such net.
    """
    from methods.networks.pyramid_family import Design, PyramidDenoiser

    return PyramidDenoiser(Design(**design))  # type: ignore[arg-type]
