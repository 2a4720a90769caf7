"""A glance at the loss now and then, which costs the device no wait."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor


class Watch:
    """Tells whether a loss was no number, without waiting for the device: on CUDA, one glance late.

    Parameters
    ----------
    device : str
        Where the losses are.
    """

    def __init__(self, device: str) -> None:
        self.cuda = device != "cpu"
        self.copy: Tensor | None = None
        self.arrived: Any = None

    def astray(self, loss: "Tensor") -> bool:
        """Say whether this loss, or on CUDA one of an earlier call, was no number."""
        if not self.cuda:
            return not math.isfinite(float(loss))
        import torch

        if self.copy is not None and not self.arrived.query():
            return False
        found = self.copy is not None and not math.isfinite(float(self.copy))
        self.copy = loss.to("cpu", non_blocking=True)
        self.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.arrived.record()
        return found


def astray(loss: float, step: int, path: Path) -> BenchError:
    """Return what a person is told of a run whose loss is no number; `path` is the checkpoint."""
    kept = f"the last good checkpoint is {path}" if path.exists() else "there is no good checkpoint yet"
    return BenchError(
        f"training: the loss is {loss} at step {step}; {kept}; start again with a lower learning rate "
        "(CHANGE=rate=...) or another seed (CHANGE=seed=1)"
    )
