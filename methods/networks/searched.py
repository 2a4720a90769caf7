"""The nets that a search chooses from: MWResNet with another block in the place of its residual block."""

from collections.abc import Sequence

from torch import nn

from methods.networks.mwrcanet import AttentionBlock, ResidualBlock, WaveletResidual
from methods.networks.rdn import ResidualDenseBlock

BLOCKS = ("residual", "dense", "attention")
"""What the authors of MWRCANet searched among (README of happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet)."""


class SearchedNet(WaveletResidual):
    """MWResNet with a chosen block; it predicts the residual.

    Parameters
    ----------
    channels, blocks, features
        As for `MWResNet`.
    block : str
        ``"residual"``: MWResNet itself; ``"dense"``: the residual dense block of RDN, with three
        convolutions that each add half the width; ``"attention"``: that of MWRCANet.
    """

    def __init__(self, channels: int, block: str, blocks: int, features: Sequence[int]) -> None:
        def chain(width: int) -> list[nn.Module]:
            return [_block(block, width) for _ in range(blocks)]

        super().__init__(channels, features, chain, lambda width: [*chain(width), *chain(width)], nn.ReLU)


def _block(kind: str, width: int) -> nn.Module:
    match kind:
        case "residual":
            return ResidualBlock(width)
        case "dense":
            return ResidualDenseBlock(width, max(width // 2, 1), 3)
        case "attention":
            return AttentionBlock(width, min(16, width))
        case _:
            raise ValueError(f"block {kind!r}; expected one of {', '.join(BLOCKS)}")
