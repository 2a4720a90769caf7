"""The gray nets of N. Markou's bfcnn of 2021 and 2022: a residual net on every level of a pyramid.

Facts of their code: NikolasMarkou/blind_image_denoising, tags v0.1.0 and production_v1.0.0 to v1.0.2, and commit
9c2e0b7. Batch normalisation is that of `methods.networks.multiscale`: a gain, no offset, and the running mean
subtracted. The range is that of `Centred`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from methods.networks.multiscale import NormConv
from methods.networks.pyramid_layers import Sparse
from methods.networks.pyramids import GaussianPyramid, LaplacianPyramid, MultiScale, Smooth


class HardSparse(Sparse):
    """`Sparse` with corners that are not smooth: 0 up to one standard deviation, and 3 from three on."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        mean, deviation = self.statistics(features)
        normalised = (features - mean) / deviation
        size = normalised.abs()
        return normalised.sign() * torch.where(size > 1, size.clamp(max=3), torch.zeros_like(size))


@dataclass(frozen=True)
class Kind:
    """How the nets of one time are built; each level has a net of its own.

    Attributes
    ----------
    laplacian : bool
        Whether the pyramid is `SmoothPyramid`; else `CoarseToFine`.
    first_norm : bool
        Whether batch normalisation stands before the first convolution.
    depthwise : bool
        Whether the 3x3 convolutions of the blocks are depthwise, two filters a channel.
    long : bool
        Whether blocks begin with a 1x1 convolution.
    first, middle : type of Module
        Behind the first convolution; behind the 3x3 convolutions of the blocks. `Sparse` there takes the place of the
        next batch normalisation.
    """

    laplacian: bool
    first_norm: bool = False
    depthwise: bool = False
    long: bool = False
    first: type[nn.Module] = nn.ReLU
    middle: type[nn.Module] = nn.ReLU

    @property
    def coarsest_first(self) -> bool:
        """Whether the author's code numbers the layers from the coarsest level on."""
        return not self.laplacian


KINDS = {
    "v0.1.0": Kind(laplacian=False, depthwise=True),
    "sparse v0": Kind(laplacian=False, depthwise=True, middle=HardSparse),
    "sparse 4x5": Kind(laplacian=False, depthwise=True, middle=Sparse),
    "v1.0.0": Kind(laplacian=True, first_norm=True),
    "sparse v1.0.0": Kind(laplacian=True, first_norm=True, first=Sparse),
    "sparse v1.0.1": Kind(laplacian=True, first_norm=True, first=Sparse, long=True),
}
"""By the `architecture` of their nets."""


class LevelNet(nn.Module):
    """The net of one level: its input plus a correction.

    A first 3x3 convolution, residual blocks, batch normalisation, 1x1 to one channel, tanh.
    """

    def __init__(self, kind: Kind, blocks: int, features: int, *, merged: bool) -> None:
        super().__init__()
        self.base = NormConv(1, features, 3, norm=kind.first_norm)
        self.first = kind.first()
        self.blocks = nn.Sequential(*(Block(kind, features, merged=merged) for _ in range(blocks)))
        self.head = NormConv(features, 1, norm=not merged, bias=merged)
        whole = issubclass(kind.first, Sparse) or issubclass(kind.middle, Sparse)
        self.receptive_field = None if whole else 2 * (1 + blocks) + 1

    def forward(self, level: Tensor) -> Tensor:
        """Map (B, 1, H, W) on [-0.5, 0.5] to the same shape."""
        return level + torch.tanh(self.head(self.blocks(self.first(self.base(level)))))


class Block(nn.Module):
    """Residual block: (1x1,) 3x3 to twice the width, 1x1 back; batch normalisation before, ReLU behind each."""

    def __init__(self, kind: Kind, features: int, *, merged: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if kind.long:
            layers += [NormConv(features, features, norm=not merged, bias=merged), nn.ReLU()]
        groups = features if kind.depthwise else 1
        layers += [NormConv(features, 2 * features, 3, groups=groups, norm=True), kind.middle()]
        norm = not issubclass(kind.middle, Sparse)
        layers += [NormConv(2 * features, features, norm=norm and not merged, bias=norm and merged), nn.ReLU()]
        self.branch = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        return cast("Tensor", features + self.branch(features))


class SmoothPyramid(LaplacianPyramid):
    """What a Gaussian of 5x5 pixels takes away, level by level; put together again it is NOT the image.

    Level l is x - g with g the smoothed x, and the next one is made of every second pixel of g. Inverse: each pixel
    four times, smoothed, plus the level. Tags production_v1.0.0 to v1.0.2.
    """

    spread = 5
    detail_spread = 2

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.smooth = Smooth(1, 5, 2.0)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, image: Tensor) -> list[Tensor]:
        """Split (B, 1, H, W) into levels (B, 1, H / 2^l, W / 2^l), finest first."""
        levels = []
        for _ in range(self.levels - 1):
            smoothed = self.smooth(image)
            levels.append(image - smoothed)
            image = smoothed[..., ::2, ::2]
        return [*levels, image]

    def inverse(self, levels: Sequence[Tensor]) -> Tensor:
        """Put levels together."""
        image = levels[-1]
        for level in reversed(levels[:-1]):
            image = self.smooth(self.up(image)) + level
        return image


class CoarseToFine(nn.Module):
    """A Gaussian pyramid, and on each level a net for what the doubled output of the coarser one lacks.

    Tag v0.1.0. The first of `nets` is that of the finest level. Height and width must be multiples of 2^(levels - 1).
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.pyramid = GaussianPyramid(len(nets), channels=1)
        self.nets = nn.ModuleList(nets)
        self.size_multiple = 2 ** (len(nets) - 1)
        fields = [cast("int | None", net.receptive_field) for net in nets]
        self.receptive_field = None if None in fields else _reach(len(nets), cast("int", fields[0]) // 2)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 1, H, W) to the same shape."""
        *finer, coarsest = self.pyramid(image)
        output: Tensor = self.nets[-1](coarsest)
        for level, net in zip(reversed(finer), reversed(self.nets[:-1]), strict=True):
            doubled = self.pyramid.up(output)
            output = doubled + net(level - doubled)
        return output


def _reach(levels: int, radius: int) -> int:
    """Return the side of what an output pixel of `CoarseToFine` depends on, its nets reaching `radius` pixels.

    The coarsest net reaches so many of its own pixels; each finer level adds its own, one by interpolation, and three
    by the Gaussian.
    """
    coarsest = 2 ** (levels - 1)
    return 2 * (coarsest * radius + (coarsest - 1) * (radius + 4)) + 1


def network(architecture: str, levels: int, blocks: int, features: int, *, merged: bool = False) -> nn.Module:
    """Return a net of one of `KINDS`, for (B, 1, H, W) on [-0.5, 0.5].

    `merged`: batch normalisation is merged into 1x1 convolutions, as `methods.networks.multiscale.merge` does.
    """
    kind = KINDS[architecture]
    nets = [LevelNet(kind, blocks, features, merged=merged) for _ in range(levels)]
    return MultiScale(SmoothPyramid(levels), nets) if kind.laplacian else CoarseToFine(nets)
