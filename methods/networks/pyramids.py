"""Image pyramids, and a net on every level of one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class LaplacianPyramid(nn.Module):
    """Burt and Adelson's pyramid with an average of 3x3 pixels and bilinear interpolation.

    Level l is what is lost by halving: x - up(down(x)); the last level is the image that remains. `down` averages 3x3
    pixels at stride 2 with TensorFlow's "same" placement: for even sizes the windows begin at even pixels, and those at
    the right and lower border average the pixels that exist. `up` doubles by bilinear interpolation between pixel
    centres. Tag production_v1.1.1. Height and width must be multiples of 2^(levels - 1).
    """

    spread = 3  # a pixel of up(down(x)) depends on pixels at most so far
    detail_spread = 3  # and so does one of a level above the last

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.down = nn.AvgPool2d(3, stride=2, ceil_mode=True, count_include_pad=False)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Split (B, C, H, W) into levels (B, C, H / 2^l, W / 2^l), finest first."""
        levels = []
        for _ in range(self.levels - 1):
            smaller = self.down(image)
            levels.append(image - self.up(smaller))
            image = smaller
        return [*levels, image]

    def inverse(self, levels: Sequence[Tensor]) -> Tensor:
        """Put levels together, as `forward` splits (B, C, H, W) into; of unchanged ones the image itself."""
        image = levels[-1]
        for level in reversed(levels[:-1]):
            image = self.up(image) + level
        return image


class GaussianPyramid(nn.Module):
    """Images of half the size, each smoothed by a Gaussian; put together by their mean.

    Level 0 is the image; each further one is the Gaussian (`Smooth`) of the one before at stride 2, 5x5 pixels up to
    two deviations. The mean of up^l(level l), `up` bilinear, is no inverse: unchanged levels give a smoothed image. Tag
    production_v1.1.1. Height and width must be multiples of 2^(levels - 1).
    """

    spread = 4
    detail_spread = 0

    def __init__(self, levels: int, channels: int = 3) -> None:
        super().__init__()
        self.levels = levels
        self.down = Smooth(channels, 5, 2.0, stride=2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Split (B, C, H, W) into levels (B, C, H / 2^l, W / 2^l), finest first."""
        levels = [image]
        for _ in range(self.levels - 1):
            levels.append(self.down(levels[-1]))
        return levels

    def inverse(self, levels: Sequence[Tensor]) -> Tensor:
        """Average the levels that `forward` gives, each enlarged to (B, C, H, W)."""
        image = levels[-1] / self.levels
        for level in reversed(levels[:-1]):
            image = self.up(image) + level / self.levels
        return image


class Smooth(nn.Module):
    """Correlate every channel with exp(-d^2 / 2), zero padded as TensorFlow's "same".

    Parameters
    ----------
    size : int
        Side of the kernel, odd.
    reach : float
        The kernel's grid goes from -`reach` to +`reach`; its sum is 1.
    stride : int
        1, or 2 for an image of half the size.
    """

    kernel: Tensor

    def __init__(self, channels: int, size: int, reach: float, stride: int = 1) -> None:
        super().__init__()
        grid = torch.linspace(-reach, reach, size, dtype=torch.float64)
        values = torch.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / 2)
        kernel = (values / values.sum()).float().expand(channels, 1, size, size).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)
        self.channels, self.stride = channels, stride
        before = (size - stride) // 2  # of size - stride pixels for even sizes, the odd one stands behind
        self.pad = nn.ZeroPad2d((before, size - stride - before, before, size - stride - before))

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H / stride, W / stride)."""
        return functional.conv2d(self.pad(image), self.kernel, stride=self.stride, groups=self.channels)


class MultiScale(nn.Module):
    """A pyramid, a net for every level, and the pyramid put together again.

    Parameters
    ----------
    pyramid : LaplacianPyramid or GaussianPyramid
        Of as many levels as there are nets, or of any number for one net, which then serves all.
    nets : sequence of Module
        Each maps (B, C, H, W) to the same shape, and says its `receptive_field` (None: the whole
        image). The first is that of the finest level.
    residual : bool
        Coarse to fine, a net's input is its level plus the doubled output of the net before it,
        through which no gradient flows (``add_residual_between_models`` of that code).

    Raises
    ------
    ValueError
        If there are neither one net nor as many as levels.
    """

    def __init__(
        self, pyramid: LaplacianPyramid | GaussianPyramid, nets: Sequence[nn.Module], *, residual: bool = False
    ) -> None:
        super().__init__()
        if len(nets) not in (1, pyramid.levels):
            raise ValueError(f"{len(nets)} nets for {pyramid.levels} levels; expected 1 or {pyramid.levels}")
        self.pyramid = pyramid
        self.nets = nn.ModuleList(nets)
        self.residual = residual
        self.size_multiple = 2 ** (pyramid.levels - 1)
        fields = [getattr(nets[min(level, len(nets) - 1)], "receptive_field", None) for level in range(pyramid.levels)]
        self.receptive_field = _receptive_field(pyramid, fields, residual=residual)

    def denoised_levels(self, image: Tensor) -> list[Tensor]:
        """Split an image (B, C, H, W) and denoise every level, finest first."""
        denoised: list[Tensor] = []
        for index, level in reversed(list(enumerate(self.pyramid(image)))):
            if self.residual and denoised:
                level = level + self.pyramid.up(denoised[-1].detach())
            denoised.append(self.nets[min(index, len(self.nets) - 1)](level))
        return denoised[::-1]

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return self.pyramid.inverse(self.denoised_levels(image))


def _receptive_field(
    pyramid: LaplacianPyramid | GaussianPyramid, fields: Sequence[int | None], *, residual: bool
) -> int | None:
    """Return the side of what an output pixel depends on; None if a net depends on the whole image."""
    known = [field // 2 for field in fields if field is not None]
    if len(known) < len(fields):
        return None
    alone = merged = known[-1]  # of a level's own output, and of what is put together up to it
    for own in reversed(known[:-1]):
        through = 2 * alone + pyramid.spread if residual else 0
        alone = own + max(pyramid.detail_spread, through)
        merged = max(alone, 2 * merged + pyramid.spread)
    return 2 * merged + 1
