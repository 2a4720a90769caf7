"""Files of weights, in half precision where nothing is lost by it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.atomic import write_whole
from bench.common.paths import ROOT
from bench.train.validation import held_out_psnr

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = ROOT / "methods" / "weights"
"""Where METHOD=name@own finds weights that were trained here."""

ADVICE = "make room there or give TO=another/folder; the checkpoint has the weights, and the same command stores them"
LARGEST_CHANGE = 0.005
"""In dB on the held-out images: what half precision may change."""


def rounded_weights(
    network: "nn.Module", held_out: "Sequence[tuple[Tensor, Tensor]]"
) -> "tuple[dict[str, Tensor], str, float]":
    """Return the weights as they are stored: float16 where the PSNR stays, float32 otherwise.

    Parameters
    ----------
    network : Module
        As it is stored (normalisation folded), in evaluation mode; its weights are left as they were.
    held_out : sequence of (Tensor, Tensor)
        Clean and noisy images (1, C, H, W), 1.0 = white; where there are none, nothing is rounded.

    Returns
    -------
    tensors : dict of Tensor
        Contiguous, in main memory; whole numbers keep their type.
    precision : str
        ``"float16"`` or ``"float32"``.
    change : float
        What rounding to float16 does to the mean PSNR, in dB; NaN where a weight is too large for it, or nothing says.
    """
    import torch

    exact = {name: value.detach().clone() for name, value in network.state_dict().items()}
    halves = {name: value.half() if value.is_floating_point() else value for name, value in exact.items()}
    finite = all(bool(torch.isfinite(value).all()) for value in halves.values() if value.is_floating_point())
    change = math.nan
    if finite and held_out:
        network.to(held_out[0][1].device)
        before = held_out_psnr(network, held_out)
        network.load_state_dict(halves)  # which rounds, and keeps the network in float32
        change = held_out_psnr(network, held_out) - before
        network.cpu().load_state_dict(exact)
    small = abs(change) <= LARGEST_CHANGE  # which NaN is not
    chosen = {name: value.cpu().contiguous() for name, value in (halves if small else exact).items()}
    return chosen, "float16" if small else "float32", change


def write_weights(tensors: "Mapping[str, Tensor]", path: Path) -> None:
    """Write contiguous tensors in main memory as safetensors; the file appears whole.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    write_whole(path, packed(tensors), advice=ADVICE)


def packed(tensors: "Mapping[str, Tensor]") -> bytes:
    """Return what a file of contiguous tensors in main memory holds."""
    from safetensors.torch import save

    return save(dict(tensors))
