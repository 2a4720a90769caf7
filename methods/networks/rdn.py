"""RDN: residual dense blocks whose features all reach the output (Zhang et al. 2018, 2020)."""

import torch
from torch import Tensor, nn


class ResidualDenseBlock(nn.Module):
    """Convolutions that each see everything before them; fused, and added to the block's input.

    Zhang et al., "Residual Dense Network for Image Restoration", TPAMI 2020, Section 3.2
    (arXiv 1812.10477; the same block as in CVPR 2018, Fig. 3).
    F_{d,c} = ReLU(W_{d,c} [F_{d-1}, F_{d,1}, ..., F_{d,c-1}]) is the contiguous memory,
    F_{d,LF} = W [F_{d-1}, F_{d,1}, ..., F_{d,C}] with a 1x1 convolution the local feature fusion,
    and F_d = F_{d-1} + F_{d,LF} the local residual. The names are theirs.

    Parameters
    ----------
    features : int
        G0, channels of F_{d-1} and of F_d.
    growth : int
        G, channels of each F_{d,c}.
    layers : int
        C, number of 3x3 convolutions.
    """

    def __init__(self, features: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(features + index * growth, growth, 3, padding=1) for index in range(layers)
        )
        self.relu = nn.ReLU()
        self.local_fusion = nn.Conv2d(features + layers * growth, features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return F_d of F_{d-1}, both (B, G0, H, W)."""
        memory = [features]
        for convolution in self.convolutions:
            memory.append(self.relu(convolution(_concatenated(memory))))
        return features + self.local_fusion(_concatenated(memory))


class RDN(nn.Module):
    """Residual dense network in its form for denoising, without upscaling.

    Zhang et al., TPAMI 2020, Section 3.1 and Fig. 2b. Two 3x3 convolutions extract shallow features
    F_{-1} and F_0; D residual dense blocks follow; the global feature fusion takes the outputs of
    all of them, [F_1, ..., F_D], through a 1x1 and a 3x3 convolution to F_GF; the global residual is
    F_DF = F_GF + F_{-1}; a last 3x3 convolution gives as many channels as the image has. All
    convolutions have biases and zero padding.

    Parameters
    ----------
    blocks : int
        D, number of residual dense blocks, 16 in the paper.
    layers : int
        C, convolutions of a block, 8 in the paper.
    growth : int
        G, channels that each of them adds, 64 in the paper.
    features : int
        G0, channels between the blocks, 64 in the paper.
    channels : int
        1 (gray) or 3 (RGB).
    predicts : str
        What the last convolution gives: ``"residual"``, added to the noisy image, as the paper's;
        ``"noise"``, subtracted from it; ``"image"``, the denoised image.

    Attributes
    ----------
    receptive_field : int
        Side in pixels: each 3x3 convolution adds 2, and the longest way through the network has
        D C + 4 of them.
    """

    def __init__(
        self,
        blocks: int = 16,
        layers: int = 8,
        growth: int = 64,
        features: int = 64,
        channels: int = 1,
        *,
        predicts: str = "residual",
    ) -> None:
        super().__init__()
        self.shallow_first = nn.Conv2d(channels, features, 3, padding=1)
        self.shallow_second = nn.Conv2d(features, features, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualDenseBlock(features, growth, layers) for _ in range(blocks))
        self.global_fusion = nn.Sequential(
            nn.Conv2d(blocks * features, features, 1), nn.Conv2d(features, features, 3, padding=1)
        )
        self.output = nn.Conv2d(features, channels, 3, padding=1)
        self.predicts = predicts
        self.receptive_field = 1 + 2 * (blocks * layers + 4)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        shallow = self.shallow_first(noisy)
        features = self.shallow_second(shallow)
        local = []
        for block in self.blocks:
            features = block(features)
            local.append(features)
        predicted: Tensor = self.output(self.global_fusion(_concatenated(local)) + shallow)
        if self.predicts == "residual":
            return noisy + predicted
        return noisy - predicted if self.predicts == "noise" else predicted


def _concatenated(maps: list[Tensor]) -> Tensor:
    """Concatenate channels; a single map stays as it is, since not every runtime joins one."""
    return torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]
