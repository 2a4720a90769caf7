"""Pixels held out of a noisy image: which ones, what stands in their place, and how much of the difference is noise."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.common.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.degradation import Degradation

GRIDS = 4
"""Grids of held-out pixels, each of which costs a run of the method."""

BRIGHTNESSES, CONTRASTS = 4, (0.5, 0.75, 0.9)
"""Classes of brightness, and where the contrast in each is cut into classes: the calmer half, and three busier ones."""

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.4)
"""Noise levels tried for the guess, as multiples of the error of the plain interpolation."""

_BY_PIXEL = {
    "gaussian",
    "multiplicative",
    "poisson",
    "poisson_gaussian",
    "salt_pepper",
    "impulse",
    "uniform",
    "speckle",
}


def reach(degradation: "Degradation") -> int:
    """Return the radius to hold out: 0 for noise drawn pixel by pixel, 1 for cameras, JPEG and whatever else."""
    kinds = {step.kind for step in degradation.steps}
    return 0 if kinds <= _BY_PIXEL else 1


def usual_stride(radius: int) -> int:
    """Return the stride that leaves four kept pixels between two blocks: 5 at radius 0, 7 at radius 1.

    It is odd, so that the held-out pixels visit every phase of a Bayer mosaic and of the 8x8 blocks of JPEG.
    """
    return 2 * radius + 5


@dataclass(frozen=True)
class HeldOut:
    """The pixels held out of one noisy image, and what they are replaced with; the same for every method.

    Attributes
    ----------
    noisy : Tensor, shape (B, C, H, W)
        1.0 = white.
    stride, radius : int
        A pixel every `stride` rows and columns is held out, with the square of side ``2 radius + 1`` around it.
    centres : tuple of Tensor of bool, shape (1, 1, H, W)
        The held-out pixels, a mask for each grid.
    hidden : tuple of Tensor of bool, shape (1, 1, H, W)
        All pixels that are replaced, a mask for each grid.
    filled : tuple of Tensor, shape (B, C, H, W)
        The image with them interpolated from the kept ones, for each grid.
    """

    noisy: "Tensor"
    stride: int
    radius: int
    centres: "tuple[Tensor, ...]"
    hidden: "tuple[Tensor, ...]"
    filled: "tuple[Tensor, ...]"

    @cached_property
    def smooth(self) -> "tuple[Tensor, ...]":
        """What non-local means makes of each filled image: a guess in which the hidden pixels have no part.

        Its noise level is the one of `STRENGTHS` with the least error at the held-out pixels of the first grid,
        as Noise2Self calibrates a denoiser; where no one is better than the interpolation, that stays.
        """
        import methods

        plain = methods.available()["nlm"]
        denoise = plain.load(plain.nets[0], None, plain.options)
        plain_error = self._error(0, self.filled[0])
        levels = [max(strength * math.sqrt(plain_error), 1e-4) for strength in STRENGTHS]
        first = [denoise(self.filled[0], level).clamp(0, 1) for level in levels]
        errors = [self._error(0, image) for image in first]
        best = min(range(len(errors)), key=errors.__getitem__)
        if errors[best] >= plain_error:
            return self.filled
        return (first[best], *(denoise(filled, levels[best]).clamp(0, 1) for filled in self.filled[1:]))

    @cached_property
    def guess(self) -> "tuple[Tensor, ...]":
        """For each grid the noisy image with the hidden pixels replaced by those of `smooth`."""
        import torch

        return tuple(
            torch.where(hidden, smooth, self.noisy) for hidden, smooth in zip(self.hidden, self.smooth, strict=True)
        )

    @cached_property
    def share(self) -> "tuple[Tensor, ...]":
        """For each grid the share of the squared difference from the guess that is noise, at each held-out pixel, (P,).

        What is not noise is what the guess misses, and it misses most where the image is busy. So held-out
        pixels are sorted into `BRIGHTNESSES` classes of brightness, and these by the contrast around them. The
        noise variance of a class is that of its calmer half: the mean square of diagonal second differences, or of
        the difference from the guess where that is less. The share is that variance over the mean square
        difference from the guess at the pixel's own contrast. With a radius all of it counts: the noise is
        correlated, and differences of near pixels hold little of it.
        """
        import torch
        from torch.nn.functional import avg_pool2d

        at = [centre[0, 0] for centre in self.centres]
        counts = [int(where.sum()) for where in at]
        if self.radius:
            return tuple(torch.ones(count, dtype=torch.float64, device=self.noisy.device) for count in counts)
        local = avg_pool2d(_diagonal(self.noisy), 5, 1, 2, count_include_pad=False)[0, 0]
        bright, busy, square, around = [], [], [], []
        for smooth, where in zip(self.smooth, at, strict=True):
            image = smooth.double().mean((0, 1), keepdim=True)
            mean, mean_square = (
                avg_pool2d(power, 5, 1, 2, count_include_pad=False) for power in (image, image.square())
            )
            bright.append(mean[0, 0][where])
            busy.append((mean_square - mean.square())[0, 0][where])
            around.append(local[where])
            square.append((smooth - self.noisy).double().square().mean((0, 1))[where])
        brightness, contrast, squared, second = (torch.cat(parts) for parts in (bright, busy, square, around))
        share = torch.ones_like(squared)
        for alike in torch.argsort(brightness, stable=True).tensor_split(BRIGHTNESSES):
            ordered = alike[torch.argsort(contrast[alike], stable=True)]
            groups = ordered.tensor_split([int(quantile * len(ordered)) for quantile in CONTRASTS])
            if not len(groups[0]):  # a tiny image: nothing to compare with
                continue
            noise = torch.minimum(second[groups[0]].mean(), squared[groups[0]].mean())
            for group in filter(len, groups):
                share[group] = (noise / squared[group].mean().clamp_min(1e-12)).clamp(max=1)
        return torch.split(share, counts)

    def _error(self, grid: int, image: "Tensor") -> float:
        return float((image - self.noisy).square().mean((0, 1))[self.centres[grid][0, 0]].mean())


def held_out(noisy: "Tensor", *, stride: int = 0, radius: int = 0, grids: int = GRIDS) -> HeldOut:
    """Choose the pixels to hold out and fill their places from the kept pixels around them.

    Parameters
    ----------
    noisy : Tensor, shape (B, C, H, W)
        1.0 = white.
    stride : int
        Distance of held-out pixels in a grid; 0: `usual_stride`.
    radius : int
        As far as noise is correlated, in pixels: so many around a held-out pixel are replaced with it. 0 for
        noise drawn pixel by pixel, 1 for photographs out of a camera or JPEG.
    grids : int
        How many of the ``stride**2`` grids.

    Raises
    ------
    BenchError
        If the image is smaller than the stride, the stride leaves fewer than two kept pixels between two blocks, or
        there are not so many grids.
    """
    import torch
    from torch.nn.functional import max_pool2d

    stride = stride or usual_stride(radius)
    height, width = noisy.shape[-2:]
    if radius < 0 or stride < 2 * radius + 3:
        raise BenchError(
            f"self score: radius {radius} with stride {stride}; expected a radius from 0 and a stride of at least "
            "2 radius + 3, so that kept pixels lie between the blocks"
        )
    if min(height, width) < stride:
        raise BenchError(
            f"self score: the image is {height}x{width} pixels; expected at least {stride}x{stride}, the stride of "
            "the held-out pixels; take a larger image"
        )
    if not 1 <= grids <= stride**2:
        raise BenchError(f"self score: {grids} grids; expected 1 to {stride**2}, as stride {stride} has")
    centres, hidden, filled = [], [], []
    for i in range(grids):
        centre = torch.zeros(1, 1, height, width, device=noisy.device)
        # A knight's move from grid to grid spreads the held-out pixels evenly.
        centre[..., i % stride :: stride, (2 * i + i // stride) % stride :: stride] = 1
        block = max_pool2d(centre, 2 * radius + 1, 1, radius) if radius else centre
        centres.append(centre.bool())
        hidden.append(block.bool())
        filled.append(torch.where(hidden[-1], _interpolated(noisy, 1 - block, radius), noisy))
    return HeldOut(noisy, stride, radius, tuple(centres), tuple(hidden), tuple(filled))


def _diagonal(image: "Tensor") -> "Tensor":
    """Return squared diagonal second differences, (1, 1, H, W): of white noise their mean is its variance."""
    from torch.nn.functional import pad

    wide = pad(image, (0, 1, 0, 1), mode="reflect").double()
    change = wide.diff(dim=-1).diff(dim=-2)
    return change.square().mean((0, 1), keepdim=True) / 4


def _interpolated(noisy: "Tensor", kept: "Tensor", radius: int) -> "Tensor":
    """Return a weighted mean of the kept pixels around each pixel.

    At radius 0 of the four neighbours, as scikit-image's `calibrate_denoiser`; else with Gaussian weights of
    standard deviation 0.6 (radius + 1).
    """
    import torch
    from torch.nn.functional import conv2d, pad

    if radius == 0:
        weights = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    else:
        away = torch.arange(-2 * radius - 2, 2 * radius + 3).float()
        line = torch.exp(-0.5 * (away / (0.6 * (radius + 1))) ** 2)
        weights = line[:, None] * line
    weights = weights[None, None].to(noisy)
    reach = weights.shape[-1] // 2

    def around(image: "Tensor") -> "Tensor":
        # Zeros outside: they weigh nothing, since `kept` is zero there as well.
        return conv2d(pad(image.flatten(0, 1)[:, None], (reach,) * 4), weights).reshape(image.shape)

    return around(noisy * kept) / around(kept).clamp_min(1e-12)
