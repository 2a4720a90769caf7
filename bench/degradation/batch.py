"""Making noisy patches: a batch of tensors on any device, for training."""

from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation.description import Value
from bench.degradation.draw import BatchDraw
from bench.degradation.kinds import KINDS
from bench.degradation.parsing import Degradation

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def degrade_batch(clean: "Tensor", degradation: Degradation, generator: "torch.Generator") -> "Tensor":
    """Return noisy patches, of the distributions that `degrade` draws for whole images.

    Parameters
    ----------
    clean : Tensor of float32, shape (B, C, H, W)
        1.0 = white, on the device of the generator; not changed.
    degradation : Degradation
        Its steps one after another; a parameter that is a range is drawn for each patch.
    generator : torch.Generator
        All that is random comes from it.

    Raises
    ------
    BenchError
        If a step is of a kind that training does not draw.
    """
    noisy = clean
    for step in degradation.steps:
        kind = KINDS.get(step.kind)
        if kind is None or not kind.tensors:
            known = ", ".join(name for name, kind in KINDS.items() if kind.tensors)
            raise BenchError(f"NOISE={degradation}: training does not draw {step.kind}; it draws {known}, and pairs")
        values = {name: _for_each_patch(value, len(clean), generator) for name, value in step.values}
        noisy = kind.apply(noisy, values, BatchDraw(clean.shape, generator))
    return noisy


def _for_each_patch(value: Value, count: int, generator: "torch.Generator") -> "Tensor":
    """Return a parameter for each of so many patches, (B, 1, 1, 1)."""
    import torch

    size, device = (count, 1, 1, 1), generator.device
    if not isinstance(value, tuple):
        return torch.full(size, value, device=device)
    low, high = value
    return low + (high - low) * torch.rand(size, generator=generator, device=device)
