"""Held-out images: which they are, and how well a network does on them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.common.float32 import exact
from bench.run.images import spread

if TYPE_CHECKING:
    from torch import Tensor, nn

    Pair = tuple[Tensor, Tensor]
    """A clean and a noisy image, each (1, C, H, W), 1.0 = white."""


def held_out_numbers(held_out: int, of: int) -> list[int]:
    """Return which of so many images are held out: a quarter at most, but one at least."""
    return spread(min(held_out, max(1, of // 4)), of)


@exact()
def held_out_psnr(
    network: "nn.Module",
    held_out: "Sequence[Pair]",
    weights: "dict[str, Tensor] | None" = None,
) -> float:
    """Return the mean PSNR in dB of images, output clipped to [0, 1].

    Each is cropped to the multiple of height and width that the network takes (its `size_multiple`).

    Parameters
    ----------
    network : Module
        In evaluation mode; called with the noisy image.
    held_out : sequence of (Tensor, Tensor)
        Clean and noisy images (1, C, H, W), 1.0 = white; further channels of the clean one, as labels, do not count.
    weights : dict of Tensor, optional
        What the network is called with in the place of its own weights.
    """
    import torch
    from torch.func import functional_call

    own = weights or dict(network.state_dict())
    total = 0.0
    with torch.inference_mode():
        for clean, noisy in held_out:
            height, width = fitting(network, noisy)
            output = functional_call(network, own, (noisy[..., :height, :width],)).clamp(0, 1)
            target = clean[:, : output.shape[1], :height, :width]
            error = float((output.double() - target.double()).square().mean())
            total += -10 * math.log10(max(error, 1e-20))
    return total / len(held_out)


def fitting(network: "nn.Module", image: "Tensor") -> tuple[int, int]:
    """Return the largest height and width of an image (..., H, W) that a network takes."""
    multiple = int(getattr(network, "size_multiple", 1))
    height, width = image.shape[-2:]
    return height - height % multiple, width - width % multiple
