"""MWCNN and MWCNNv2: U-Nets of plain 3x3 convolutions over Haar wavelets (Liu et al. 2018, 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.networks.layers import chain
from methods.networks.wavelet import DWT, IWT, WaveletUNet


class MWCNN(nn.Module):
    """Multi-level wavelet CNN; all of it works on wavelet channels, and it predicts the residual.

    Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018, Fig. 2 and Section 3:
    24 convolutions of 3x3 with biases on three levels, each followed by ReLU except the last; the
    denoised image is the noisy one plus the inverse transform of what they give. The authors'
    MatConvNet code trains with batch normalisation behind all but the first and the last, which is
    folded here; their PyTorch code has none.

    Parameters
    ----------
    channels : int
        1 (gray) or 3 (RGB).
    features : sequence of int
        Width of every level, finest first; at least two.
    depth : int
        Convolutions of a level on the way down, and again on the way up.

    Attributes
    ----------
    span : Tensor
        What black and white are inside the network: 0 and 1, as in the authors' PyTorch code, unless a
        state dict says another, as that of their MatConvNet code: -2 and 2.
    receptive_field : int
        239 for the paper's network.
    """

    span: Tensor

    def __init__(self, channels: int = 1, features: Sequence[int] = (160, 256, 256), depth: int = 4) -> None:
        super().__init__()
        above = [channels, *features[:-1]]  # of a level: what its wavelet channels are made from
        contract = [
            chain([4 * up, *[width] * depth], linear=False) for up, width in zip(above, features[:-1], strict=False)
        ]
        bottom = chain([4 * above[-1], *[features[-1]] * (2 * depth - 1), 4 * above[-1]], linear=False)
        expand = [
            chain([*[width] * depth, 4 * up], linear=level == 0)
            for level, (up, width) in enumerate(zip(above, features[:-1], strict=False))
        ]
        self.transform, self.inverse = DWT(channels), IWT(channels)
        self.core = WaveletUNet(contract, bottom, expand[::-1], features[:-1])
        self.register_buffer("span", torch.tensor([0.0, 1.0]))
        self.receptive_field = self.core.receptive_field(transformed=True)
        self.size_multiple = 2 ** len(features)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        black, white = self.span[0], self.span[1]
        bands = self.transform(noisy * (white - black) + black)
        return noisy + self.inverse(self.core(bands)) / (white - black)


class MWCNNv2(nn.Module):
    """The journal version: it begins at full resolution, with dilated convolutions; predicts the residual.

    Liu, Zhang, Lian, Zuo, "Multi-level Wavelet Convolutional Neural Networks", IEEE Access 2019,
    as its authors' code has it (lpj-github-io/MWCNNv2). 3x3 convolutions with biases, ReLU after all
    but the last, no batch normalisation. Widths n, 2n, 4n, 8n; on every level but the lowest a pair
    of dilations 2, 1 after the first convolution down and before the last one up; on the lowest
    2, 3, 3, 2.

    Parameters
    ----------
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        n, 64 in the paper.
    """

    def __init__(self, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        one, two, four, eight = (features * factor for factor in (1, 2, 4, 8))
        inputs = (channels, 4 * one, 4 * two)
        levels = (one, two, four)
        contract = [chain([up, n, n, n], (1, 2, 1), linear=False) for up, n in zip(inputs, levels, strict=True)]
        bottom = chain([4 * four, *[eight] * 5, 4 * four], (1, 2, 3, 3, 2, 1), linear=False)
        expand = [
            chain([n, n, n, up], (2, 1, 1), linear=level == 0)
            for level, (up, n) in enumerate(zip(inputs, levels, strict=True))
        ]
        self.core = WaveletUNet(contract, bottom, expand[::-1], levels)
        self.receptive_field = self.core.receptive_field(transformed=False)
        self.size_multiple = 8

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        return noisy + self.core(noisy)
