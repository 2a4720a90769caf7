"""Layers of the trainable multi-scale family: gates, sparsity without learning, a filter for every pixel.

After N. Markou, https://github.com/NikolasMarkou/blind_image_denoising; the numbers are that code's.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3
"""Added to the variance of an image."""


class Gate(nn.Module):
    """Multiply each channel by a number from 0 to 1 that depends on all channels' means.

    1 - relu(W m) / 5, not below 0, with m the mean of each channel over the image: "on" unless it
    learns to switch off.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.mix = nn.Conv2d(features, features, 1, bias=False)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        closed = self.activation(self.mix(self.mean(features)))
        return features * (1 - 0.2 * closed).clamp(min=0)


class Statistics(nn.Module):
    """Mean and standard deviation of an image, to normalise it without anything that is learned.

    Parameters
    ----------
    window : int, optional
        Side of the window (odd) in which each channel's are taken, of the pixels that exist; the
        variance is the windowed mean of (x - mean)^2. By default those of all channels and pixels.
    """

    def __init__(self, window: int | None = None) -> None:
        super().__init__()
        self.pool: nn.Module | None = None
        if window is not None:
            self.pool = nn.AvgPool2d(window, stride=1, padding=window // 2, count_include_pad=False)

    def _mean(self, image: Tensor) -> Tensor:
        return image.mean(dim=(1, 2, 3), keepdim=True) if self.pool is None else self.pool(image)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of (B, C, H, W), of shape (B, 1, 1, 1) or of the image's."""
        mean = self._mean(image)
        return mean, (self._mean((image - mean) ** 2) + EPSILON).sqrt()


class Sparse(nn.Module):
    """Normalise without learning, then shrink to zero what lies within a standard deviation.

    n = (x - mean) / deviation over all channels and pixels of an image, then sign(n) r(|n|) with r the
    differentiable ReLU from 1 to 3: of normally distributed features 68 of 100 become about 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.statistics = Statistics()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        mean, deviation = self.statistics(features)
        normalised = (features - mean) / deviation
        return normalised.sign() * differentiable_relu(normalised.abs(), 1.0, 3.0)


def differentiable_relu(x: Tensor, threshold: float, most: float) -> Tensor:
    """Map numbers below `threshold` to about 0, above `most` to about `most`, others to themselves; corners are smooth.

    y = s(x - t) [(1 - s(x - m)) x + s(x - m) m] with s the logistic function of ten times its argument.
    """
    passed, full = torch.sigmoid(10 * (x - threshold)), torch.sigmoid(10 * (x - most))
    return passed * (x + full * (most - x))


class PixelFilters(nn.Module):
    """Predict a filter for every pixel and apply it: what the net does can be looked at.

    The weights |F| / sum |F| of a pixel are positive with sum 1, and do not change where all features are multiplied by
    a number. The `side` of a filter is odd.
    """

    def __init__(self, features: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.predict = nn.Conv2d(features, side * side, 1, bias=False)
        self.pad = nn.ReplicationPad2d(side // 2)

    def weights(self, features: Tensor) -> Tensor:
        """Return the filters (B, side^2, H, W), row by row, of features (B, C, H, W)."""
        raw = self.predict(features).abs() + 1e-12  # where all features are 0: the mean of the window
        return raw / raw.sum(dim=1, keepdim=True)

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Filter an image (B, C, H, W), all its channels alike; beyond the border the last pixel goes on."""
        weights, padded, last = self.weights(features), self.pad(image), self.side - 1
        total = torch.zeros_like(image)
        for index in range(self.side**2):
            row, column = divmod(index, self.side)
            shifted = functional.pad(padded, (-column, column - last, -row, row - last))
            total = total + weights[:, index : index + 1] * shifted
        return total
