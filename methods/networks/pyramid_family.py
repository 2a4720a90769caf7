"""The trainable family of bfcnn: residual nets without additive constants in an image pyramid.

After N. Markou, https://github.com/NikolasMarkou/blind_image_denoising (README and configurations).
Unlike the released nets, nothing is shifted, clipped or squashed here: with plain blocks and no
normalisation by the image's own statistics, f(a x) = a f(x) for a > 0.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from methods.networks.bias_free import BiasFreeBatchNorm
from methods.networks.pyramid_layers import Gate, PixelFilters, Sparse, Statistics
from methods.networks.pyramids import GaussianPyramid, LaplacianPyramid, MultiScale

_CHOICES: dict[str, tuple[Any, ...]] = {
    "block": ("resnet", "sparse", "gated"),
    "channels": (1, 3),
    "pyramid": ("laplacian", "gaussian"),
}
_RANGES = {"features": (2, 1024), "blocks": (1, 100), "size": (1, 31), "levels": (1, 8), "window": (-1, 63),
           "filters": (0, 31)}  # fmt: skip


@dataclass(frozen=True)
class Design:
    """Which net of the family.

    Raises
    ------
    ValueError
        If a value is none of these.
    """

    # ``"resnet"``; ``"sparse"``: the first features are made sparse (`Sparse`); ``"gated"``: every block can switch its
    # channels off (`Gate`).
    block: str = "resnet"
    channels: int = 3  # 1 (gray) or 3 (RGB)
    features: int = 16  # width, even
    blocks: int = 5  # residual blocks a level
    size: int = 5  # side of the first kernel, odd
    levels: int = 3  # of the pyramid; 1: no pyramid. Height and width must be multiples of 2^(levels - 1).
    pyramid: str = "laplacian"  # ``"laplacian"`` or ``"gaussian"``
    # Whether one net serves all levels. Not together with `norm`: in training each level would be divided by its own
    # deviation, afterwards all by a mixture of them, which costs about 3 dB.
    shared: bool = False
    residual: bool = False  # whether a level is told the output of the coarser one, see `MultiScale`
    norm: bool = True  # whether the convolutions of a block have batch normalisation before them (bias-free)
    # Normalisation of a level that is not learned, undone behind the net: 0, by mean and deviation of the whole level;
    # above 0, of each channel in a window of that side (odd); -1, none.
    window: int = -1
    # Above 0, the net gives each pixel a filter of this side (odd), see `PixelFilters`; 0, it gives a correction, which
    # is added to the level.
    filters: int = 0

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            known, (low, high) = _CHOICES.get(part.name), _RANGES.get(part.name, (0, 1))
            good = value in known if known else type(value) is type(getattr(Design, part.name)) and low <= value <= high
            if not good:
                expected = " or ".join(map(str, known)) if known else f"{low} to {high}"
                raise ValueError(f"design of a net: {part.name} is {value!r}; expected {expected}")
        if self.shared and self.norm and self.levels > 1:
            raise ValueError(
                "design of a net: a net that is shared by levels has one set of running statistics for all of them; "
                "expected shared=false or norm=false"
            )
        even = any(side > 0 and side % 2 == 0 for side in (self.size, self.window, self.filters))
        if self.features % 2 or even:
            raise ValueError(
                f"design of a net: features {self.features} must be even; size {self.size}, window {self.window} and "
                f"filters {self.filters} odd, or 0 for none"
            )


class PyramidDenoiser(MultiScale):
    """A net of the family.

    Its state dict holds the design as the tensor `design`, so that a file of weights is enough to
    build it again (`design_of`).
    """

    design: Tensor

    def __init__(self, design: Design | None = None) -> None:
        chosen = design or Design()
        nets = [LevelNet(chosen) for _ in range(1 if chosen.shared else chosen.levels)]
        laplacian = chosen.pyramid == "laplacian"
        super().__init__(
            LaplacianPyramid(chosen.levels) if laplacian else GaussianPyramid(chosen.levels, chosen.channels),
            nets,
            residual=chosen.residual,
        )
        text = json.dumps(asdict(chosen), sort_keys=True).encode()
        self.register_buffer("design", torch.tensor(list(text), dtype=torch.uint8))
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                # Training starts near the image itself: with a full head it starts below the noisy one.
                nn.init.xavier_normal_(module.weight, gain=0.01 if name.endswith("head") else 1)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white; `sigma` is not used."""
        return super().forward(noisy)


def designed(**design: Any) -> PyramidDenoiser:
    """Return a net of a design given in words, those of `Design`."""
    return PyramidDenoiser(Design(**design))


def design_of(content: Tensor) -> Design:
    """Read the design that a file of weights holds as the tensor `design`, uint8 (N,): JSON.

    Raises
    ------
    ValueError
        If it is no design.
    """
    try:
        values = json.loads(bytes(content.to(torch.uint8).flatten().tolist()))
        return Design(**values)
    except (TypeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"tensor 'design' holds no design of a net ({' '.join(str(error).split())})") from None


class LevelNet(nn.Module):
    """The net of one level of a pyramid, or of all."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        features, channels = design.features, design.channels
        self.statistics = Statistics(design.window or None) if design.window >= 0 else None
        self.base = nn.Conv2d(channels, features, design.size, padding=design.size // 2, bias=False)
        self.sparse: nn.Module = Sparse() if design.block == "sparse" else nn.Identity()
        self.blocks = nn.Sequential(
            *(Block(features, norm=design.norm, gated=design.block == "gated") for _ in range(design.blocks))
        )
        self.filters = PixelFilters(features, design.filters) if design.filters else None
        self.head = nn.Identity() if design.filters else nn.Conv2d(features, channels, 1, bias=False)
        self.receptive_field: int | None = None
        if design.block == "resnet" and design.window != 0:
            radius = design.size // 2 + design.blocks + 2 * (max(design.window, 0) // 2)
            self.receptive_field = 2 * max(radius, design.filters // 2) + 1

    def forward(self, level: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        image = level
        if self.statistics is not None:
            mean, deviation = self.statistics(level)
            image = (level - mean) / deviation
        features = self.blocks(self.sparse(self.base(image)))
        if self.filters is not None:
            return self.filters(features, level)
        image = image + self.head(features)
        return image * deviation + mean if self.statistics is not None else image


class Block(nn.Module):
    """Residual block: 1x1, 3x3 to twice the width, 1x1 in two groups back; ReLU between, no biases.

    With `norm` each convolution has a bias-free batch normalisation before it; with `gated` a `Gate` stands before the
    addition.
    """

    def __init__(self, features: int, *, norm: bool, gated: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, size, groups in (
            (features, features, 1, 1),
            (features, 2 * features, 3, 1),
            (2 * features, features, 1, 2),
        ):
            layers += [BiasFreeBatchNorm(inputs)] if norm else []
            layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False), nn.ReLU()]
        self.branch = nn.Sequential(*layers[:-1])
        self.gate: nn.Module = Gate(features) if gated else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        return features + self.gate(self.branch(features))
