"""What is made small in training."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def denoising(kind: str) -> "Callable[[nn.Module, Tensor, Tensor], Tensor]":
    """Return the loss of the denoised image; the network runs in bfloat16 on CUDA, its weights and the loss in fp32.

    Parameters
    ----------
    kind : str
        As `Recipe.loss`.
    """
    import torch

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        device = clean.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            output = network(noisy)
        return loss_of(kind, output.float(), clean)

    return criterion


def loss_of(kind: str, output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the loss of a batch; `kind` as in `Recipe.loss`."""
    from torch.nn import functional

    match kind:
        case "squared":
            return (output - clean).square().sum() / (2 * len(clean))
        case "mse":
            return functional.mse_loss(output, clean)
        case "l1":
            return functional.l1_loss(output, clean)
        case _:
            return functional.binary_cross_entropy(output, clean, reduction="sum") / len(clean)
