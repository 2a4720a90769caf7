"""Noise drawn on the device for a batch of patches."""

from typing import TYPE_CHECKING

from bench.common.errors import BenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bench.degradation import Degradation, Step

KINDS = ("gaussian", "multiplicative", "poisson", "poisson_gaussian", "uniform", "masking", "salt_pepper", "speckle")
"""What training can draw: of `bench.degradation.KINDS`, those that a device draws fast."""


def corrupted(clean: "Tensor", noise: "Degradation", generator: "torch.Generator") -> "Tensor":
    """Return noisy patches; the same distributions as `bench.degradation` draws for whole images.

    Parameters
    ----------
    clean : Tensor of float32, shape (B, C, H, W)
        1.0 = white; not changed.
    noise : Degradation
        Its steps one after another; a parameter that is a range is drawn for each patch.
    generator : torch.Generator
        All that is random comes from it.

    Raises
    ------
    BenchError
        If a step is of a kind that training does not draw.
    """
    noisy = clean
    for step in noise.steps:
        if step.kind not in KINDS:
            raise BenchError(
                f"NOISE={noise}: training does not draw {step.kind}; it draws {', '.join(KINDS)}, and pairs"
            )
        noisy = _apply(noisy, step, generator)
    return noisy


def _apply(image: "Tensor", step: "Step", generator: "torch.Generator") -> "Tensor":
    import torch

    values = {name: _drawn(value, image, generator) for name, value in step.values}

    def normal(channels: int | None = None) -> "Tensor":
        size = (image.shape[0], channels or image.shape[1], *image.shape[2:])
        return torch.randn(size, generator=generator, device=image.device)

    def uniform() -> "Tensor":
        return torch.rand(image.shape, generator=generator, device=image.device)

    match step.kind:
        case "gaussian":
            field = normal()
            if "correlation" in values:
                shared = values["correlation"]
                field = (1 - shared).sqrt() * field + shared.sqrt() * normal(1)
            deviation = values["std"] if "std" in values else values["sigma"] / 255
            return image + deviation * field + values.get("mean", 0.0)
        case "multiplicative":
            return image * (1 + next(iter(values.values())) * normal())
        case "poisson" | "poisson_gaussian":
            peak = values["peak"]
            counted = torch.poisson(image.clamp_min(0) * peak, generator=generator) / peak
            return counted + values["sigma"] / 255 * normal() if "sigma" in values else counted
        case "uniform":
            return image + next(iter(values.values())) / 255 * (2 * uniform() - 1)
        case "masking":
            return image * (uniform() >= next(iter(values.values())))
        case "salt_pepper":
            share, drawn = next(iter(values.values())), uniform()
            return torch.where(drawn < share / 2, 0.0, torch.where(drawn < share, 1.0, image))
        case _:  # speckle: Gamma noise of mean 1; the sum of exponentials, since looks are few and whole
            looks = _looks(step)
            total = sum(-torch.log1p(-uniform()) for _ in range(looks))
            return image * total / looks


def _looks(step: "Step") -> int:
    """Return how many looks speckle has: whole, and one number for all patches, as so many fields are drawn."""
    value = step.values[0][1]
    if isinstance(value, tuple) or value < 1 or value != int(value):
        raise BenchError(f"NOISE={step}: training draws speckle of a whole number of looks, as speckle:4")
    return int(value)


def _drawn(value: float | tuple[float, float], image: "Tensor", generator: "torch.Generator") -> "Tensor":
    """Return a parameter for each patch, (B, 1, 1, 1)."""
    import torch

    low, high = value if isinstance(value, tuple) else (value, value)
    size = (image.shape[0], 1, 1, 1)
    if low == high:
        return torch.full(size, low, device=image.device)
    return low + (high - low) * torch.rand(size, generator=generator, device=image.device)
