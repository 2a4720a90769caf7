"""Muon: steps along an orthogonal matrix near the momentum, for weights that are matrices.

`torch.optim.Muon` takes no convolutions, and no learning rate in a tensor, which a CUDA graph needs.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon:
    """Muon (Jordan et al., 2024) for weights of two dimensions or more, AdamW for the others, as biases.

    A convolution of `n` outputs is a matrix of `n` rows. Its step has the size of AdamW's, 0.2 in root mean square
    (Liu et al., Muon is Scalable for LLM Training, 2025, equation 4), so that rate and decay are AdamW's.
    """

    def __init__(self, parameters: Iterable[Tensor], rate: float, weight_decay: float = 0.0, **more: Any) -> None:
        parameters = list(parameters)
        matrices = [one for one in parameters if one.dim() > 1]
        others = [one for one in parameters if one.dim() < 2]
        defaults: dict[str, Any] = {"lr": rate, "weight_decay": weight_decay}
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(_Matrices(matrices, defaults))
        if others:
            self.parts.append(torch.optim.AdamW(others, **defaults, **more))

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both parts, whose learning rates may be changed."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Take a step."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for part, one in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(one)


class _Matrices(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step; matrices of one size are made orthogonal together."""
        for group in self.param_groups:
            sizes = defaultdict(list)
            for one in group["params"]:
                if one.grad is not None:
                    sizes[one.shape].append(one)
            for shape, weights in sizes.items():
                directions = orthogonal(torch.stack([self._momentum(one).flatten(1) for one in weights]))
                size = group["lr"] * 0.2 * math.sqrt(max(directions.shape[1:]))
                for one, direction in zip(weights, directions, strict=True):
                    one.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction.reshape(shape) * size)

    def _momentum(self, weight: Tensor) -> Tensor:
        """Return the gradient mixed with its running mean, as Nesterov does."""
        gradient: Any = weight.grad
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        mixed: Tensor = gradient.lerp(state["momentum"], MOMENTUM)
        return mixed


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices (N, R, C) with their singular values moved to about 1, 0.7 to 1.2, by Newton-Schulz steps."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    a, b, c = _COEFFICIENTS
    found = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        found = a * found + (b * gram + c * gram @ gram) @ found
    return found
