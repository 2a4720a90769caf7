"""The noise with which the multi-scale nets are trained."""

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
    kinds = [(0.0, s / 255) for s in additive], [(1.0, s) for s in multiplicative]
    given = [kind for kind in kinds if kind]
    if not given:
        raise ValueError("training noise: neither additive nor multiplicative deviations are given")
    batch, device = clean.shape[0], generator.device
    kind, level, alike = torch.rand(3, batch, generator=generator, device=device).tolist()
    chosen = [given[int(k * len(given))] for k in kind]
    picked = torch.tensor([choice[int(u * len(choice))] for choice, u in zip(chosen, level, strict=True)])
    if truncated:
        inside = torch.rand(clean.shape, generator=generator, device=device, dtype=torch.float64)
        reach = torch.erf(torch.tensor(2**0.5, dtype=torch.float64))  # the share within two deviations
        normal = (torch.erfinv((2 * inside - 1) * reach) * 2**0.5).float()
    else:
        normal = torch.randn(clean.shape, generator=generator, device=device)
    same = (torch.tensor(alike) < 0.5).to(device)[:, None, None, None]
    noise = torch.where(same, normal[:, :1], normal).to(clean.device)
    proportional, deviation = (column.to(clean)[:, None, None, None] for column in picked.unbind(1))
    return clean + deviation * noise * (1 - proportional + proportional * clean)
