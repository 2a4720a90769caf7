"""The released residual nets of N. Markou's bfcnn: small, and without additive constants in convolutions.

Their batch normalisation has a gain and no offset, g (x - mean) / sqrt(variance + 1e-4); that it
subtracts the running mean all the same is one reason why these nets are not homogeneous.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EPSILON = 1e-4
"""Added to the variance in batch normalisation."""


class NormConv(nn.Module):
    """Batch normalisation without offset, then a convolution.

    Parameters
    ----------
    size : int
        Side of the kernel; zero padding keeps height and width.
    norm : bool
        Whether the normalisation stands before the convolution.
    bias : bool
        Whether the convolution has a bias, which only merged normalisation leaves.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int = 1, groups: int = 1, *, norm: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        self.norm: nn.Module = _norm(inputs) if norm else nn.Identity()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        return self.conv(self.norm(features))

    def merge(self) -> None:
        """Merge the normalisation into a 1x1 convolution, in place and exactly.

        A larger kernel is left as it is: its zero padding stands behind the normalisation, so that
        at the border the offset would be another one.
        """
        norm, conv = self.norm, self.conv
        if not isinstance(norm, nn.BatchNorm2d) or conv.kernel_size != (1, 1):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        inside = conv.in_channels // conv.groups
        weight = conv.weight.detach().reshape(conv.groups, -1, inside) * gain.reshape(conv.groups, 1, inside)
        bias = -(weight * norm.running_mean.reshape(conv.groups, 1, inside)).sum(dim=2)
        conv.weight = nn.Parameter(weight.reshape(conv.weight.shape))
        conv.bias = nn.Parameter(bias.flatten())
        self.norm = nn.Identity()


class Block(nn.Module):
    """Residual block y + c(b(a(y))): 1x1, then 3x3 to twice the channels, then 1x1 back.

    Parameters
    ----------
    features : int
        Channels of y.
    activation : type of Module
        Behind a and b; c is linear.
    norm_first : bool
        Whether a has batch normalisation before it, as b and c have.
    merged : bool
        Whether the normalisation is merged where that is exact.
    """

    def __init__(
        self, features: int, activation: type[nn.Module], *, norm_first: bool, groups: int, merged: bool
    ) -> None:
        super().__init__()
        plain = norm_first and not merged
        self.first = NormConv(features, features, norm=plain, bias=norm_first and merged)
        self.middle = NormConv(features, 2 * features, 3, norm=True)
        self.last = NormConv(2 * features, features, groups=groups, norm=not merged, bias=merged)
        self.activation = activation()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        inside = self.activation(self.middle(self.activation(self.first(features))))
        return features + self.last(inside)


class ResNet(nn.Module):
    """What both kinds of released residual nets are: a first convolution, blocks, and a head."""

    def __init__(self, base: nn.Conv2d, blocks: Sequence[Block], head: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.blocks = nn.Sequential(*blocks)
        self.head = head
        self.receptive_field = 2 * (base.kernel_size[0] // 2 + len(blocks)) + 1

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, channels, H, W) on [-0.5, 0.5] to the same shape."""
        return self.head(self.blocks(self.base(image)))


class DirectResNet(ResNet):
    """The nets ``resnet_color_1xN_bn_16x3x3_256x256_l1_relu``: the image itself, on [-0.5, 0.5].

    NikolasMarkou/blind_image_denoising, tag production_v2.0.0. The channelwise multipliers of that
    code, relu(w0 + w1) behind a convolution, are no layers here: they are part of its kernel.

    Parameters
    ----------
    blocks : int
        6, 12 or 18.
    features : int
        16; a multiple of 4.
    channels : int
        3.
    size : int
        Side of the first kernel.
    merged : bool
        Whether batch normalisation is merged where that is exact.
    """

    def __init__(
        self, blocks: int = 6, features: int = 16, channels: int = 3, size: int = 7, *, merged: bool = False
    ) -> None:
        super().__init__(
            nn.Conv2d(channels, features, size, padding=size // 2, bias=False),
            [Block(features, nn.ReLU, norm_first=False, groups=1, merged=merged) for _ in range(blocks)],
            nn.Sequential(
                nn.Conv2d(features, 4 * channels, 1, groups=4, bias=False),
                nn.ReLU(),
                nn.Conv2d(4 * channels, channels, 1, groups=channels, bias=False),
                nn.Tanh(),
            ),
        )


class SkipResNet(ResNet):
    """One level of ``resnet_color[_laplacian_L]x5_non_shared_bn_16x3x3_128x128_skip_input``.

    NikolasMarkou/blind_image_denoising, tag production_v1.1.1. It gives its input plus a correction.
    Parameters are as for `DirectResNet`, with 5 blocks and a first kernel of side 5.
    """

    def __init__(
        self, blocks: int = 5, features: int = 16, channels: int = 3, size: int = 5, *, merged: bool = False
    ) -> None:
        super().__init__(
            nn.Conv2d(channels, features, size, padding=size // 2, bias=False),
            [Block(features, nn.ELU, norm_first=True, groups=2, merged=merged) for _ in range(blocks)],
            nn.Sequential(NormConv(features, channels, norm=not merged, bias=merged), nn.Tanh()),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return image + super().forward(image)


class Centred(nn.Module):
    """The range of the released nets: clipped to [0, 1], shifted to [-0.5, 0.5], and back.

    The net maps (B, 3, H, W) on [-0.5, 0.5] to the same.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.size_multiple: int = getattr(net, "size_multiple", 1)
        self.receptive_field: int | None = getattr(net, "receptive_field", None)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 3, H, W), 1.0 = white; clipped to [0, 1] before and after."""
        return self.net(noisy.clamp(0, 1) - 0.5).clamp(-0.5, 0.5) + 0.5


def merge(network: nn.Module) -> nn.Module:
    """Merge batch normalisation into 1x1 convolutions wherever a network has it, in place."""
    for module in network.modules():
        if isinstance(module, NormConv):
            module.merge()
    return network.eval()


def _norm(channels: int) -> nn.Module:
    # No subclass: a traced graph shows only torch's own modules as one step.
    norm = nn.BatchNorm2d(channels, eps=EPSILON)
    norm.register_parameter("bias", None)
    return norm
