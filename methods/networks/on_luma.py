"""A gray network on the luma of colour images."""

import torch
from torch import Tensor, nn

BLACK, RANGE = 16 / 255, 219 / 255
"""Y of BT.601 as MATLAB's rgb2ycbcr has it: from 16 to 235."""


class OnLuma(nn.Module):
    """Denoise Y and leave the chroma as it is, as code for super-resolution and JPEG does.

    A pixel that would leave [0, 1] gets paler until it does not: clipping would change its Y.

    Parameters
    ----------
    network : Module
        Blind, for gray images.
    """

    weights: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1) / 255, False)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 3, H, W), 1.0 = white; `sigma` is not used."""
        luma = BLACK + (noisy * self.weights).sum(1, keepdim=True)
        chroma = noisy - (luma - BLACK) / RANGE
        gray = ((self.network(luma) - BLACK) / RANGE).clamp(0, 1)
        room = torch.where(chroma > 0, 1 - gray, gray) / chroma.abs().clamp_min(1e-12)
        return gray + chroma * room.amin(1, keepdim=True).clamp(max=1)
