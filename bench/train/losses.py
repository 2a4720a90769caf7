"""Losses of training: of the denoised and the clean batch, both (B, C, H, W), a tensor of one number."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def squared(output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the sum of squared errors over twice the batch."""
    return (output - clean).square().sum() / (2 * len(clean))


def mse(output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the mean squared error."""
    from torch.nn import functional

    return functional.mse_loss(output, clean)


def l1(output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the mean absolute error."""
    from torch.nn import functional

    return functional.l1_loss(output, clean)


def cross_entropy(output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the binary cross-entropy, summed over an example and averaged over the batch."""
    from torch.nn import functional

    return functional.binary_cross_entropy(output, clean, reduction="sum") / len(clean)


LOSSES: "dict[str, Callable[[Tensor, Tensor], Tensor]]" = {
    "squared": squared, "mse": mse, "l1": l1, "cross_entropy": cross_entropy,
}  # fmt: skip
"""Of the denoised and the clean batch, both (B, C, H, W)."""


def autocast(batch: "Tensor") -> "torch.autocast":
    """Return the context of a forward pass: bfloat16 on CUDA, where weights and losses stay in fp32."""
    import torch

    return torch.autocast(batch.device.type, torch.bfloat16, enabled=batch.device.type == "cuda")


def denoising(loss: str) -> "Callable[..., Tensor]":
    """Return the loss of the denoised image, one of `LOSSES`, as a criterion of the training loop."""

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor", step: int = 0) -> "Tensor":
        with autocast(clean):
            output = network(noisy)
        return LOSSES[loss](output.float(), clean)

    return criterion
