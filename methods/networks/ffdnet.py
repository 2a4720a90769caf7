"""FFDNet: a stack of convolutions on four half-size images, told the noise level (Zhang et al. 2018)."""

import torch
from torch import Tensor, nn

from methods.networks.layers import chain


class FFDNet(nn.Module):
    """Sub-images and a noise level map through 3x3 convolutions, and sub-images back to an image.

    Zhang, Zuo, Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN based Image Denoising",
    TIP 2018, Fig. 1 and Section III. Every 2x2 square of a channel becomes four channels of half the
    height and width, in the order (row, column) = (0,0), (0,1), (1,0), (1,1) of
    `torch.nn.PixelUnshuffle`; a map of the constant sigma stands behind them. Batch normalisation is
    merged into the convolutions, which all have biases and zero padding.

    Parameters
    ----------
    depth : int
        Number of convolutions: 15 (gray) or 12 (RGB) in the paper.
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        Width of the hidden layers: 64 (gray) or 96 (RGB) in the paper.
    predicts : str
        What the stack gives, which is also its name in the state dict: ``"image"``, as in the paper,
        or ``"noise"``, which is subtracted from the noisy image.

    Attributes
    ----------
    receptive_field : int
        Side in pixels. On the half-size grid it is 2 depth + 1, so 4 depth + 2 pixels (62 for the
        paper's gray net); the square around a pixel that holds it has one more.
    padding : str
        How odd images are made even by the source of such nets: ``"replicate"`` by the authors'
        (image), ``"reflect"`` by Tassano et al. (noise).
    """

    size_multiple = 2

    def __init__(self, depth: int = 15, channels: int = 1, features: int = 64, *, predicts: str = "image") -> None:
        super().__init__()
        self.add_module(predicts, chain([4 * channels + 1, *[features] * (depth - 1), 4 * channels]))
        self.down, self.up = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.predicts = predicts
        self.receptive_field = 4 * depth + 3
        self.padding = "reflect" if predicts == "noise" else "replicate"

    @property
    def stack(self) -> nn.Sequential:
        """The convolutions and ReLUs."""
        return self.get_submodule(self.predicts)  # type: ignore[return-value] # set in __init__

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), H and W even, 1.0 = white, with noise of deviation `sigma` on that scale.

        Raises
        ------
        ValueError
            If `sigma` is None: the network must be told it.
        """
        if sigma is None:
            raise ValueError("FFDNet: sigma is None; expected the standard deviation of the noise, 1.0 = white")
        parts = self.down(noisy)
        level = torch.full_like(parts[:, :1], sigma)
        predicted: Tensor = self.up(self.stack(torch.cat([parts, level], dim=1)))
        return noisy - predicted if self.predicts == "noise" else predicted
