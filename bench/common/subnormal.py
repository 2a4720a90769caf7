"""Subnormal numbers, which most processors multiply many times more slowly than others, counted as zero.

They are nearer to zero than 1.2e-38, so that no image can show a difference; MATLAB's training leaves many of them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def flush() -> None:
    """Let the processor count them as zero, in this thread and in those that it begins from now on."""
    import torch

    torch.set_flush_denormal(True)


def zeroed(network: "nn.Module") -> tuple[str, ...]:
    """Set the subnormal weights of a network to zero; return a line that says so, or none."""
    import torch

    count = total = 0
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.dtype == torch.float32:
                # As whole numbers, since a processor that counts them as zero does not see them.
                bits = tensor.view(torch.int32) & 0x7FFFFFFF
                subnormal = (bits > 0) & (bits < 0x00800000)
                found = int(subnormal.sum())
                if found:
                    tensor.data.masked_fill_(subnormal, 0.0)
                count, total = count + found, total + tensor.numel()
    return line(count, total)


def share(arrays: "Iterable[np.ndarray[Any, Any]]") -> tuple[int, int]:
    """Return how many numbers of float32 arrays are subnormal, and how many numbers there are.

    The arrays may be made while they are counted: until then nothing is counted as zero.
    """
    import torch

    torch.set_flush_denormal(False)
    count = total = 0
    for array in arrays:
        bits = array.view("uint32") & 0x7FFFFFFF
        count, total = count + int(((bits > 0) & (bits < 0x00800000)).sum()), total + array.size
    flush()
    return count, total


def line(count: int, total: int) -> tuple[str, ...]:
    """Say how many weights are subnormal; nothing where none is."""
    if not count:
        return ()
    part = f"{100 * count / total:.0f} %" if count >= total / 200 else str(count)
    return (f"{part} of its weights are subnormal numbers, which are slow; they count as zero",)
