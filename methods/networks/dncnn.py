"""DnCNN and FDnCNN: a plain stack of 3x3 convolutions (Zhang et al. 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


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
    bias : sequence of bool, optional
        Whether each convolution has a bias; by default all have one.
    """

    def __init__(
        self, depth: int = 17, channels: int = 1, features: int = 64, *, norm: bool = False, bias: Sequence[bool] = ()
    ) -> None:
        super().__init__()
        self.stack = _stack(depth, channels, channels, features, norm=norm, bias=bias)
        self.receptive_field = 2 * depth + 1

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        return noisy - self.stack(noisy)


class FDnCNN(nn.Module):
    """DnCNN's stack with a noise level map as a further input channel; it gives the image itself.

    The flexible variant of the authors' repository (cszn/DnCNN): the map sigma stands behind the
    image channels, 20 convolutions, no batch normalisation, no residual.

    Parameters
    ----------
    depth, channels, features
        As for `DnCNN`.
    """

    def __init__(self, depth: int = 20, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        self.stack = _stack(depth, channels + 1, channels, features, norm=False, bias=())
        self.receptive_field = 2 * depth + 1

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white, whose noise has deviation `sigma` on that scale."""
        level = torch.full_like(noisy[:, :1], sigma)
        return self.stack(torch.cat([noisy, level], dim=1))


def fold(network: DnCNN) -> DnCNN:
    """Return the same function without batch normalisation: each is merged into its convolution.

    With scale g, shift b, running mean m and variance v (plus epsilon): w' = w g / sqrt(v) and
    bias' = (bias - m) g / sqrt(v) + b. The network must be in evaluation mode's meaning: its
    running statistics are used.

    Parameters
    ----------
    network : DnCNN
        A network with or without batch normalisation.

    Returns
    -------
    DnCNN
        A new network whose convolutions all have a bias.
    """
    layers: list[tuple[Tensor, Tensor]] = []
    for layer in network.stack:
        if isinstance(layer, nn.Conv2d):
            bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.out_channels)
            layers.append((layer.weight, bias))
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layers[-1] = fuse_conv_bn_weights(
                *layers[-1], layer.running_mean, layer.running_var, layer.eps, layer.weight, layer.bias
            )
    plain = DnCNN(len(layers), layers[0][0].shape[1], layers[0][0].shape[0])
    plain.load_state_dict(
        {
            f"stack.{2 * i}.{part}": t
            for i, layer in enumerate(layers)
            for part, t in zip(("weight", "bias"), layer, strict=True)
        }
    )
    return plain.eval()


def _stack(depth: int, inputs: int, outputs: int, features: int, *, norm: bool, bias: Sequence[bool]) -> nn.Sequential:
    biased = list(bias) or [True] * depth
    layers: list[nn.Module] = []
    for index in range(depth):
        first, last = index == 0, index == depth - 1
        layers.append(
            nn.Conv2d(inputs if first else features, outputs if last else features, 3, padding=1, bias=biased[index])
        )
        if norm and not first and not last:
            layers.append(nn.BatchNorm2d(features))
        if not last:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
