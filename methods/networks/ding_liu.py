"""The denoiser of Ding Liu et al. 2018: contraction and expansion with residual blocks."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.networks.layers import fold

__all__ = ["MEAN_COLOUR", "CaffeBatchNorm", "DingLiu", "Residual", "fold"]

MEAN_COLOUR = (104.0, 117.0, 123.0)
"""Blue, green and red on the 0-255 scale, as the authors subtract them."""


class DingLiu(nn.Module):
    """A denoiser at three scales, for RGB images; for gray ones it is our variant of it.

    Liu, Wen, Liu, Wang, Huang, "When Image Denoising Meets High-Level Vision Tasks: A Deep Learning
    Approach", IJCAI 2018, Section 3.1, with the layers and sizes of the authors' file
    `deploy_denoise.prototxt`. Two convolutions of stride 2, each with a residual block, contract the
    image; two transposed convolutions with one more residual block expand it again, joined with the
    features of the same scale; the result is added to the noisy image.

    The authors' layers work on blue, green, red from 0 to 255 with the mean colour subtracted; both
    changes of range are made inside. Their first and last convolution are not padded, so that the
    image loses 3 pixels a side. Their programs add the lost border before the network, filled with
    the mean colour (3 pixels on the left, and as many on the right as the strides need), and so does
    `forward`: 3 and 5, of which 2 are cut off again, give the size of the input.

    Parameters
    ----------
    features : int
        Width of the first convolution, 64 in the paper; the others are 2 or 4 times as wide, and the
        narrow part of the residual blocks half or once. Even.
    norm : bool
        Whether convolutions are followed by batch normalisation (the form that is trained) or not
        (the folded form).
    channels : int
        3 for RGB; 1 for gray, which the paper does not have: the mean that is subtracted is that of the three.
    """

    size_multiple = 4
    receptive_field = 45

    def __init__(self, features: int = 64, *, norm: bool = True, channels: int = 3) -> None:
        super().__init__()
        n = features
        self.conv0 = nn.Conv2d(channels, n, 5)
        self.conv1 = _block(nn.Conv2d(n, 2 * n, 3, stride=2, padding=1), norm=norm)
        self.residual_1 = Residual(2 * n, n // 2, norm=norm)
        self.conv2 = _block(nn.Conv2d(2 * n, 2 * n, 3, stride=2, padding=1), norm=norm)
        self.residual_2 = Residual(2 * n, n // 2, norm=norm)
        self.upsample_r2 = nn.ConvTranspose2d(2 * n, n // 2, 4, stride=2, padding=1)
        self.conv3 = _block(nn.Conv2d(2 * n + n // 2, 4 * n, 3, padding=1), norm=norm)
        self.residual_3 = Residual(4 * n, n, norm=norm)
        self.upsample = nn.ConvTranspose2d(4 * n, n, 4, stride=2, padding=1)
        self.concat_reduction = nn.Conv2d(2 * n, channels, 3)
        self.mean: Tensor
        mean = torch.tensor(MEAN_COLOUR)
        self.register_buffer("mean", (mean if channels == 3 else mean.mean()[None])[:, None, None], persistent=False)
        self.apply(_initialise)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, channels, H, W), 1.0 = white, H and W multiples of 4; `sigma` is not used."""
        # Zero is the mean colour here.
        centred = functional.pad(255 * noisy.flip(1) - self.mean, (3, 5, 3, 5))
        full = self.conv0(centred)
        half = self.residual_1(self.conv1(full))
        quarter = self.residual_2(self.conv2(half))
        half = self.residual_3(self.conv3(torch.cat([half, self.upsample_r2(quarter)], dim=1)))
        correction = self.concat_reduction(torch.cat([full, self.upsample(half)], dim=1))
        return noisy + correction[..., :-2, :-2].flip(1) / 255


class Residual(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 back; added to the input, then ReLU (He et al. 2016, without biases)."""

    def __init__(self, features: int, narrow: int, *, norm: bool) -> None:
        super().__init__()
        bias = not norm  # the folded form carries the shift of the batch normalisation there
        self.branch2a = _block(nn.Conv2d(features, narrow, 1, bias=bias), norm=norm)
        self.branch2b = _block(nn.Conv2d(narrow, narrow, 3, padding=1, bias=bias), norm=norm)
        self.branch2c = _block(nn.Conv2d(narrow, features, 1, bias=bias), norm=norm, relu=False)
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Return a tensor like `features` (B, C, H, W)."""
        branch = self.branch2c(self.branch2b(self.branch2a(features)))
        out: Tensor = self.relu(features + branch)
        return out


class CaffeBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Caffe's running statistics (layers BatchNorm and Scale).

    The running mean and variance are those of the batches so far, each weighted 0.999 times the next
    one, with weights that sum to 1. PyTorch's own are a mixture with the starting values 0 and 1,
    which at this momentum would last for thousands of steps.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-5, momentum=0.001)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        if not self.training:
            return super().forward(features)
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        # The weight of this batch stays on the device: as a number of Python it would be waited for at every step.
        weight = 0.001 / (1 - 0.999 ** self.num_batches_tracked.add_(1).double())
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        output = functional.batch_norm(features, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        self.running_mean.lerp_(mean, weight.to(mean.dtype))
        self.running_var.lerp_(variance, weight.to(variance.dtype))
        return output


def _block(conv: nn.Conv2d, *, norm: bool, relu: bool = True) -> nn.Sequential:
    parts: list[tuple[str, nn.Module]] = [("conv", conv)]
    if norm:
        parts.append(("norm", CaffeBatchNorm(conv.out_channels)))
    if relu:
        parts.append(("relu", nn.ReLU()))
    return nn.Sequential(OrderedDict(parts))


def _initialise(module: nn.Module) -> None:
    """Caffe's xavier filler and the constant biases of the authors' files."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        # Weights are uniform with variance 1 / (values in one slice of the first axis).
        limit = (3 / module.weight[0].numel()) ** 0.5
        nn.init.uniform_(module.weight, -limit, limit)
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.0 if isinstance(module, nn.ConvTranspose2d) else 0.2)
