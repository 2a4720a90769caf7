"""The nets that a search chooses from: MWResNet with another block in the place of its residual block."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.networks.mwrcanet import AttentionBlock, ResidualBlock, WaveletResidual

BLOCKS = ("residual", "dense", "attention")
"""What the authors of MWRCANet searched among (README of happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet)."""


class SearchedNet(WaveletResidual):
    """MWResNet with a chosen block; it predicts the residual.

    Parameters
    ----------
    channels : int
        1 (raw or gray) or 3 (sRGB).
    block : str
        ``"residual"``: MWResNet itself; ``"dense"``: `DenseBlock`; ``"attention"``: that of MWRCANet.
    blocks : int
        Of a level on the way down, and again on the way up.
    features : sequence of int
        Width of every level, finest first; at least two.
    """

    def __init__(self, channels: int, block: str, blocks: int, features: Sequence[int]) -> None:
        def chain(width: int) -> list[nn.Module]:
            return [_block(block, width) for _ in range(blocks)]

        super().__init__(channels, features, chain, lambda width: [*chain(width), *chain(width)], nn.ReLU)


class DenseBlock(nn.Module):
    """Convolutions that each see all maps before them, a 1x1 convolution, plus the input.

    After Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, eq. 2; without batch normalisation, as
    all nets here, and with the 1x1 convolution back to the width that makes it fit the place of a residual block.

    Parameters
    ----------
    width : int
        Channels of input and output.
    layers : int
        3x3 convolutions, with ReLU; each adds half the width.
    """

    def __init__(self, width: int, layers: int = 3) -> None:
        super().__init__()
        growth = max(width // 2, 1)
        self.grow = nn.ModuleList(nn.Conv2d(width + i * growth, growth, 3, padding=1) for i in range(layers))
        self.fuse = nn.Conv2d(width + layers * growth, width, 1)
        self.act = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map a batch (B, width, H, W)."""
        maps = features
        for layer in self.grow:
            maps = torch.cat([maps, self.act(layer(maps))], 1)
        return features + self.fuse(maps)


def _block(kind: str, width: int) -> nn.Module:
    match kind:
        case "residual":
            return ResidualBlock(width)
        case "dense":
            return DenseBlock(width)
        case "attention":
            return AttentionBlock(width, min(16, width))
        case _:
            raise ValueError(f"block {kind!r}; expected one of {', '.join(BLOCKS)}")
