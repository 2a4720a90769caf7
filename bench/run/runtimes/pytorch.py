"""Networks in PyTorch, on the CPU or a GPU."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.float32 import exact

if TYPE_CHECKING:
    from torch import Tensor, nn


def run_pytorch(
    network: "nn.Module", device: str, precision: str, *, compiled: bool, about: dict[str, Any]
) -> "Callable[[Tensor, float | None], Tensor]":
    """Return what runs a network in PyTorch, in the layout that was measured to be faster.

    That is channels-last, but for exact float32 on a GPU (`results/measured/gpu-forward.csv`).

    Parameters
    ----------
    network : Module
        Called with (noisy, sigma).
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    precision : str
        One of `bench.plan.inference.PRECISIONS`: ``"fp32"`` is exact, TF32 is off.
    compiled : bool
        Whether it is compiled (`torch.compile`), with height, width and batch left open.
    about : dict
        Gets `compiled_graphs`, their number so far, where it is.

    Raises
    ------
    BenchError
        If the device has no such precision.
    """
    import torch

    if precision == "tf32" and device == "cpu":
        raise BenchError("PRECISION=tf32: only NVIDIA GPUs have it, and this runs on the CPU; use fp32 or bf16")
    network = network.to(device)
    exact_there = device != "cpu" and precision == "fp32"
    layout = torch.contiguous_format if exact_there else torch.channels_last
    network.to(memory_format=layout)  # type: ignore[call-overload] # missing in its stubs
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    forward = torch.compile(network, dynamic=True) if compiled else network

    before = _graphs() if compiled else 0

    @exact(tf32=precision == "tf32")
    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        # Autocast, not weights and input cast as a whole: a residual network then still subtracts in fp32.
        with torch.inference_mode(), torch.autocast(torch.device(device).type, half, enabled=half is not None):
            denoised = forward(noisy.contiguous(memory_format=layout), sigma).float()
        if compiled:
            about["compiled_graphs"] = _graphs() - before
        return denoised

    return run


def _graphs() -> int:
    """Return how many graphs this process has compiled."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])
