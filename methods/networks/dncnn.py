"""DnCNN and FDnCNN: a plain stack of 3x3 convolutions (Zhang et al. 2017)."""

import torch
from torch import Tensor, nn

from methods.networks.layers import chain, fold, start_as_saoyan

__all__ = ["DnCNN", "FDnCNN", "fold"]


class DnCNN(nn.Module):
    """Conv+ReLU, then Conv(+BN)+ReLU, then Conv; the stack predicts the noise.

    Zhang et al., "Beyond a Gaussian Denoiser", TIP 2017, Fig. 1 and Section III.
    x = y - R(y), with R the stack of `depth` 3x3 convolutions of stride 1 and zero padding 1.

    Parameters
    ----------
    depth : int
        Number of convolutions: 17 (DnCNN-S) or 20 (DnCNN-B, DnCNN-3).
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        Width of the hidden layers, 64 in the paper.
    norm : bool
        Whether the middle layers are followed by batch normalisation (the form that is trained) or
        not (the folded form, in which released weights come).
    """

    def __init__(self, depth: int = 17, channels: int = 1, features: int = 64, *, norm: bool = False) -> None:
        super().__init__()
        self.stack = chain([channels, *[features] * (depth - 1), channels], norm=norm)
        self.receptive_field = 2 * depth + 1

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        return noisy - self.stack(noisy)


def started_as_saoyan(depth: int, channels: int = 1, features: int = 64) -> DnCNN:
    """Return a `DnCNN` with batch normalisation whose training starts as SaoYan's, see `start_as_saoyan`."""
    network = DnCNN(depth, channels, features, norm=True)
    start_as_saoyan(network)
    return network


class FDnCNN(nn.Module):
    """DnCNN's stack with a noise level map as a further input channel; it gives the image itself.

    The flexible variant of the authors' repository (cszn/DnCNN): the map sigma stands behind the image channels, 20
    convolutions, no batch normalisation, no residual. Its parameters are those of `DnCNN`.
    """

    def __init__(self, depth: int = 20, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        self.stack = chain([channels + 1, *[features] * (depth - 1), channels])
        self.receptive_field = 2 * depth + 1

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white, whose noise has deviation `sigma` on that scale."""
        level = torch.full_like(noisy[:, :1], sigma)
        return self.stack(torch.cat([noisy, level], dim=1))
