"""ADNet and ECNDNet: a chain of plain and dilated convolutions whose end is weighted or enhanced (Tian et al.)."""

import torch
from torch import Tensor, nn

from methods.networks.layers import fold

__all__ = ["ADNet", "ECNDNet", "fold"]

DEPTH = 15
"""Convolutions with batch normalisation and ReLU."""

DILATED = (2, 5, 9, 12)
"""The places, from 1, of those with dilation 2."""

_RADIUS = DEPTH + len(DILATED) + 1


def _trunk(channels: int, features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(1, DEPTH + 1):
        step = 2 if place in DILATED else 1
        inputs = channels if place == 1 else features
        convolution = nn.Conv2d(inputs, features, 3, padding=step, dilation=step, bias=False)
        layers += [convolution, nn.BatchNorm2d(features), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class ADNet(nn.Module):
    """Attention-guided denoising network: the noise is weighted, pixel by pixel, by what noise and image together say.

    Tian, Xu, Li, Zuo, Fei, Liu, "Attention-guided CNN for image denoising", Neural Networks 124, 2020, Fig. 1: the
    sparse block (12 convolutions, those of `DILATED` dilated), the feature enhancement block, whose last output v goes
    with the noisy image x through tanh, and the attention block: a 1x1 convolution of both gives the weights a, and
    the denoised image is x - a v.

    Parameters
    ----------
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        Width of the hidden layers, 64 in the paper.

    Attributes
    ----------
    receptive_field : int
        41.
    """

    receptive_field = 2 * _RADIUS + 1

    def __init__(self, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        self.trunk = _trunk(channels, features)
        self.noise = nn.Conv2d(features, channels, 3, padding=1, bias=False)
        self.attention = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        noise = self.noise(self.trunk(noisy))
        weights = self.attention(torch.tanh(torch.cat([noisy, noise], 1)))
        denoised: Tensor = noisy - weights * noise
        return denoised


class ECNDNet(nn.Module):
    """Enhanced CNN denoising network: ADNet's chain, ReLU behind its last convolution and one more convolution.

    Tian, Xu, Fei, Wang, Wen, Luo, "Enhanced CNN for image denoising", CAAI Transactions on Intelligence Technology 4,
    2019, Fig. 2; the denoised image is the noisy one less what the last convolution gives.

    Parameters
    ----------
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        Width of the hidden layers, 64 in the paper.

    Attributes
    ----------
    receptive_field : int
        43.
    """

    receptive_field = 2 * (_RADIUS + 1) + 1

    def __init__(self, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        self.trunk = _trunk(channels, features)
        self.noise = nn.Conv2d(features, channels, 3, padding=1, bias=False)
        self.enhancement = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        denoised: Tensor = noisy - self.enhancement(torch.relu(self.noise(self.trunk(noisy))))
        return denoised
