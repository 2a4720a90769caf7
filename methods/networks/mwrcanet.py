"""MWResNet and MWRCANet: wavelet U-Nets of residual blocks (Cao et al., NTIRE 2020)."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from methods.networks.wavelet import DWT, IWT, WaveletUNet


class WaveletResidual(nn.Module):
    """A U-Net between a wavelet transform and its inverse, whose output is added to the transformed image.

    Parameters
    ----------
    channels : int
        Of the image: 1 (raw or gray) or 3 (sRGB).
    features : sequence of int
        Width of every level, finest first; at least two.
    middle, bottom : callable
        Make what stands between the convolutions that change the width, at the lowest level (`bottom`) and the others.
    activation : type of Module
        Behind these convolutions but the last: the residual has both signs.
    """

    def __init__(
        self,
        channels: int,
        features: Sequence[int],
        middle: Callable[[int], list[nn.Module]],
        bottom: Callable[[int], list[nn.Module]],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.transform, self.inverse = DWT(channels, "interleaved"), IWT(channels, "interleaved")
        above = [channels, *features[:-1]]  # of a level: what its wavelet channels are made from
        levels = list(zip(above, features, strict=True))
        down = [[_conv(4 * up, width), activation(), *middle(width)] for up, width in levels[:-1]]
        back = [[*middle(width), _conv(width, 4 * up), activation()] for up, width in levels[:-1]]
        back[0].pop()
        up, width = levels[-1]
        lowest = [_conv(4 * up, width), activation(), *bottom(width), _conv(width, 4 * up), activation()]
        self.core = WaveletUNet(
            [nn.Sequential(*stage) for stage in down],
            nn.Sequential(*lowest),
            [nn.Sequential(*stage) for stage in reversed(back)],
            features[:-1],
            "interleaved",
        )
        self.size_multiple = 2 ** len(features)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        bands = self.transform(noisy)
        return self.inverse(self.core(bands) + bands)


class MWRCANet(WaveletResidual):
    """Multi-level wavelet U-Net of residual channel attention groups; it predicts the residual.

    Cao et al., first place of the raw track of the NTIRE 2020 challenge on real image denoising, as
    their code has it (happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet; its picture shows two
    groups at the lowest level, the code has one). Three levels; Conv and PReLU, then a group, on the
    way down, a group, then Conv and PReLU, on the way up; the last convolution is linear, and the
    transformed input is added before the last inverse transform.

    The attention averages over the whole image, so that a tile of an image is not denoised as it is
    within the image.

    Parameters
    ----------
    channels, features
        As for `WaveletResidual`; a raw image is the Bayer pattern as it is, 1.0 = white level.
    reduction : int
        By how much the channel attention narrows its middle layer.
    """

    receptive_field: int | None = None

    def __init__(
        self, channels: int = 1, features: Sequence[int] = (96, 128, 128), blocks: int = 20, reduction: int = 16
    ) -> None:
        def group(width: int) -> list[nn.Module]:
            return [ResidualGroup(width, blocks, reduction)]

        super().__init__(channels, features, group, group, nn.PReLU)


class MWResNet(WaveletResidual):
    """Multi-level wavelet U-Net of plain residual blocks; it predicts the residual.

    The companion of MWRCANet in the same repository, of which there is only a picture
    (img/mwresnet.png): Conv and ReLU with four residual blocks behind them on every level down, the
    mirror image of it up, ReLU everywhere else than after the last convolution, sums from every
    transform's output to the matching inverse's input.

    THE PICTURE GIVES NO CHANNEL COUNTS. The defaults here are those of MWRCANet, and so is the order
    of the wavelet channels; neither is known to be the authors'.

    Parameters
    ----------
    channels, features
        As for `WaveletResidual`.
    blocks : int
        Residual blocks of a level on the way down, and again on the way up.
    """

    def __init__(self, channels: int = 1, features: Sequence[int] = (96, 128, 128), blocks: int = 4) -> None:
        def chain(width: int) -> list[nn.Module]:
            return [ResidualBlock(width) for _ in range(blocks)]

        super().__init__(channels, features, chain, lambda width: [*chain(width), *chain(width)], nn.ReLU)
        self.receptive_field = self.core.receptive_field(transformed=True)


class ResidualBlock(nn.Module):
    """Conv, ReLU, Conv, plus the input: (B, width, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width), _conv(width, width)
        self.act = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map a batch (B, width, H, W)."""
        return features + self.conv2(self.act(self.conv1(features)))


class AttentionBlock(nn.Module):
    """Conv, PReLU, Conv, channel attention, plus the input: (B, width, H, W) to the same.

    The residual channel attention block of Zhang et al., "Image Super-Resolution Using Very Deep
    Residual Channel Attention Networks", ECCV 2018, Fig. 4, with PReLU for ReLU.
    """

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width), _conv(width, width)
        self.act = nn.PReLU()
        self.attention = ChannelAttention(width, reduction)

    def forward(self, features: Tensor) -> Tensor:
        """Map a batch (B, width, H, W)."""
        return features + self.attention(self.conv2(self.act(self.conv1(features))))


class ChannelAttention(nn.Module):
    """Multiply every channel by a number in (0, 1) that the mean of all channels decides."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1), nn.ReLU(), nn.Conv2d(width // reduction, width, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map a batch (B, width, H, W)."""
        return features * self.gate(self.pool(features))


class ResidualGroup(nn.Module):
    """A chain of attention blocks and a convolution, plus the input: (B, width, H, W) to the same."""

    def __init__(self, width: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*[AttentionBlock(width, reduction) for _ in range(blocks)])
        self.tail = _conv(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map a batch (B, width, H, W)."""
        return features + self.tail(self.body(features))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
