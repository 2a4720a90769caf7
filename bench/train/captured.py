"""A training step as one CUDA graph: the CPU launches it as a whole instead of its hundreds of parts.

Small networks are held up by these launches: see docs/gpu.md for what was measured.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.train.patches import Streams

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Take = Callable[[Streams, Any], "Tensor"]
"""``take(streams, weight)`` draws a batch and takes one step; ``weight`` is that of the new weights in the running
mean, a number or a tensor."""

WARM = 10
"""Steps that are taken part by part first: they compile the network, choose kernels and fill caches."""


class CapturedStep:
    """A step that a GPU repeats, each time with random numbers, a learning rate and a running mean of its own."""

    def __init__(self, take: Take, optimiser: Any, device: "torch.device") -> None:
        import torch

        self.optimiser = optimiser
        self.streams, self.weight = Streams(device), torch.ones((), device=device)
        self.graph = torch.cuda.CUDAGraph()
        for generator in self.streams.generators:
            self.graph.register_generator_state(generator)
        for group in optimiser.param_groups:
            # What changes from step to step lies in tensors, which the graph reads.
            group["lr"], group["capturable"] = torch.tensor(float(group["lr"]), device=device), True
        optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream(device)):
            self.loss = take(self.streams, self.weight)

    def __call__(self, key: Sequence[int | str], rate: float, weight: float) -> "Tensor":
        """Take a step; returns its loss, which stays on the device."""
        self.streams.set(key)
        self.weight.fill_(weight)
        for group in self.optimiser.param_groups:
            group["lr"].fill_(rate)
        self.graph.replay()
        return self.loss.clone()


def first(
    take: Take, optimiser: Any, streams: Streams, weight: float, device: "torch.device"
) -> "tuple[Tensor, CapturedStep | None]":
    """Take a step part by part in a stream of its own, and capture the ones after it.

    Returns
    -------
    loss : Tensor
        Of the step that was taken.
    captured : CapturedStep, optional
        The ones after it; None where the network does what no graph holds, which is then taken part by part.
    """
    import torch

    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    rates = [group["lr"] for group in optimiser.param_groups]
    with torch.cuda.stream(side):
        loss = take(streams, weight)
        try:
            captured: CapturedStep | None = CapturedStep(take, optimiser, device)
        except RuntimeError:
            captured = None
            optimiser.zero_grad(set_to_none=True)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate
    torch.cuda.current_stream(device).wait_stream(side)
    return loss, captured
