"""The U-net of bfcnn whose skips carry what a Gaussian blur takes away (unet_laplacian_v5.6)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.networks.pyramids import Smooth

EPSILON = 1e-3
"""Added to the variance in layer normalisation."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel, with a gain and no offset."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class WideBlock(nn.Module):
    """Residual block after ConvNeXt (Liu et al. 2022): depthwise kernel, then twice 1x1 at each pixel.

    `size` is the side of the depthwise kernel; between the 1x1 convolutions there are four times as many channels.
    """

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(features, features, size, padding=size // 2, groups=features, bias=False)
        self.norm = ChannelNorm(features)
        self.widen = nn.Conv2d(features, 4 * features, 1, bias=False)
        self.activation = nn.GELU()
        self.narrow = nn.Conv2d(4 * features, features, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        return features + self.narrow(self.activation(self.widen(self.norm(self.depthwise(features)))))


class RowAttention(nn.Module):
    """Residual block in which every pixel attends to the pixels of its own row.

    The released network hands its key and value to Keras in each other's place, so that it computes softmax(q v^T) k;
    the scores are not scaled. The names here are those of the file. Query, key and value have `inner` channels.
    """

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(features)
        self.query = nn.Conv2d(features, inner, 1, bias=False)
        self.key = nn.Conv2d(features, inner, 1, bias=False)
        self.value = nn.Conv2d(features, inner, 1, bias=False)
        self.activation = nn.GELU()
        self.inner_norm = ChannelNorm(inner)
        self.output = nn.Conv2d(inner, features, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        normalised = self.norm(features)
        query, key, value = (
            self.activation(layer(normalised)).permute(0, 2, 3, 1) for layer in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(query, value, key, scale=1.0)
        return features + self.output(self.inner_norm(attended.permute(0, 3, 1, 2)))


class LaplacianUNet(nn.Module):
    """Encoder and decoder on [-0.5, 0.5]; its skips carry y - G(y), and only G(y) goes down.

    NikolasMarkou/blind_image_denoising, ``unet_laplacian_v5.6``. Gates tanh(relu(1 + g)) of each
    block, which are constants after training, are part of the block's last convolution. Attention
    along rows makes every pixel depend on the whole width.

    Parameters
    ----------
    features : int
        Channels at full size, 32; doubled at each of the further scales.
    depth : int
        Scales, 3; height and width must be multiples of 2^(depth - 1).
    width : int
        Blocks a scale, 3.
    encoder_size, decoder_size : int
        Sides of the depthwise kernels, 5 and 1.
    """

    receptive_field = None

    def __init__(
        self,
        features: int = 32,
        depth: int = 3,
        width: int = 3,
        encoder_size: int = 5,
        decoder_size: int = 1,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.size_multiple = 2 ** (depth - 1)
        sizes = [features * 2**scale for scale in range(depth)]
        self.base = nn.Conv2d(channels, features, 5, padding=2, bias=False)
        self.activation = nn.LeakyReLU(0.1)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(WideBlock(size, encoder_size) for _ in range(width))) for size in sizes[:-1]
        )
        self.smooth = nn.ModuleList(Smooth(size, 3, 1.0) for size in sizes[:-1])
        self.down = nn.ModuleList(nn.Conv2d(size, 2 * size, 1, stride=2, bias=False) for size in sizes[:-1])
        self.middle = nn.Sequential(*(RowAttention(sizes[-1], features) for _ in range(width)))
        self.up = nn.ModuleList(nn.Conv2d(2 * size, size, 1, bias=False) for size in sizes[:-1])
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.decoder = nn.ModuleList(
            nn.Sequential(*(WideBlock(size, decoder_size) for _ in range(width))) for size in sizes[:-1]
        )
        self.norm = ChannelNorm(features)
        self.head = nn.Sequential(
            nn.Conv2d(features, features, 1, bias=False),
            nn.LeakyReLU(0.1),
            nn.Conv2d(features, channels, 1, bias=False),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, channels, H, W) on [-0.5, 0.5] to the same shape."""
        features = self.activation(self.base(image))
        skips = []
        for blocks, smooth, down in zip(self.encoder, self.smooth, self.down, strict=True):
            features = blocks(features)
            low = smooth(features)
            skips.append(features - low)
            features = self.activation(down(low))  # stride 2 of a 1x1 kernel takes every other pixel
        features = self.middle(features)
        for blocks, up, skip in reversed(list(zip(self.decoder, self.up, skips, strict=True))):
            features = blocks(skip + self.enlarge(up(features)))
        return 0.51 * torch.tanh(2 * self.head(self.norm(features)))
