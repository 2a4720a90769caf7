"""The noise with which the multi-scale nets are trained."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def corrupt(
    clean: Tensor,
    generator: torch.Generator,
    additive: Sequence[float] = (1, 5, 10, 20, 40),
    multiplicative: Sequence[float] = (0.05, 0.1, 0.2),
    *,
    truncated: bool = False,
) -> Tensor:
    """Add noise to training images as this family is trained: x + s n, or x (1 + s n).

    Each image gets one kind, with equal chances where both are given, one s of that kind's, and with
    a chance of one half the same n in all its channels. The result is a pure function of the
    arguments and of the state of the generator, and is not clipped.

    Parameters
    ----------
    clean : Tensor
        Shape (B, C, H, W), 1.0 = white.
    generator : Generator
        All that is random comes from it.
    additive : sequence of float
        Standard deviations on the 0-255 scale.
    multiplicative : sequence of float
        Standard deviations of the factor, whose mean is 1.
    truncated : bool
        Whether n is drawn again beyond two deviations, as TensorFlow's truncated normal does for the
        released nets; the deviation is then 0.88 s.

    Raises
    ------
    ValueError
        If no noise is given.
    """
    kinds = [[(0.0, s / 255) for s in additive], [(1.0, s) for s in multiplicative]]
    given = tuple(tuple(kind) for kind in kinds if kind)
    if not given:
        raise ValueError("training noise: neither additive nor multiplicative deviations are given")
    batch, device = clean.shape[0], generator.device
    drawn = torch.rand(3, batch, generator=generator, device=device)
    proportional, deviation = (column.to(clean)[:, None, None, None] for column in _picked(drawn[:2], given))
    if truncated:
        inside = torch.rand(clean.shape, generator=generator, device=device, dtype=torch.float64)
        reach = math.erf(math.sqrt(2))  # the share within two deviations
        normal = (torch.erfinv((2 * inside - 1) * reach) * math.sqrt(2)).float()
    else:
        normal = torch.randn(clean.shape, generator=generator, device=device)
    noise = torch.where(drawn[2, :, None, None, None] < 0.5, normal[:, :1], normal).to(clean.device)
    return clean + deviation * noise * (1 - proportional + proportional * clean)


def _picked(drawn: Tensor, given: tuple[tuple[tuple[float, float], ...], ...]) -> tuple[Tensor, Tensor]:
    """Return for each image whether its noise is proportional, 0 or 1, and its deviation, each (B,).

    Nothing waits for the device: what is drawn stays there, and the few levels are chosen from by comparison.

    Parameters
    ----------
    drawn : Tensor, shape (2, B)
        Uniform, 0 to 1: where the kind lies among the kinds, and where the level lies among those of its kind.
    given : tuple
        For each kind its levels: whether it is proportional, and the deviation.
    """
    kind, level = drawn.double()
    proportional, deviation = torch.zeros_like(drawn)
    for i, levels in enumerate(given):
        of_kind = (kind * len(given)).long() == i
        for j, (factor, size) in enumerate(levels):
            here = of_kind & ((level * len(levels)).long() == j)
            proportional, deviation = proportional.masked_fill(here, factor), deviation.masked_fill(here, size)
    return proportional, deviation
