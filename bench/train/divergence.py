"""Whether a training has diverged: a check of the loss now and then, which costs the device no wait."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor


class DivergenceCheck:
    """Says whether a loss was not finite, without waiting for the device: on CUDA, one check late."""

    def __init__(self, device: str) -> None:
        self.cuda = device != "cpu"
        self.copy: Tensor | None = None
        self.arrived: Any = None

    def diverged(self, loss: "Tensor") -> bool:
        """Say whether this loss, or on CUDA one of an earlier call, was not finite."""
        if not self.cuda:
            return not math.isfinite(float(loss))
        import torch

        if self.copy is not None and not self.arrived.query():
            return False
        diverged = self.copy is not None and not math.isfinite(float(self.copy))
        self.copy = loss.to("cpu", non_blocking=True)
        self.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.arrived.record()
        return diverged


def diverged(loss: float, step: int, checkpoint: Path) -> BenchError:
    """Return the error for a run whose loss is not finite."""
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "there is no good checkpoint yet"
    return BenchError(
        f"training: the loss is {loss} at step {step}; {kept}; start again with a lower learning rate "
        "(CHANGE=rate=...) or another seed (SEED=1)"
    )
