"""The forward pass of networks in each layout, precision and batch, compiled or not, warmed."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from bench.common import devices
from bench.common.errors import one_line
from bench.common.float32 import exact
from bench.plan.cell import Cell
from bench.plan.inference import PRECISIONS
from bench.run.loading import weights_path

if TYPE_CHECKING:
    from torch import Tensor

LAYOUTS = ("NCHW", "channels-last")

SHAPE, BATCHES = (321, 481), (1, 16)
"""Height and width of the images of BSD68, or the next smaller multiples that a network takes; and images at once."""

COMPILED = ("fp32", "bf16")
"""Precisions of which the compiled network is timed too."""

HALVES = {"bf16": "bfloat16", "fp16": "float16"}

WARM, TIMED = 5, 20
"""Calls that are not timed, and those whose median counts."""


def forward_passes(
    cells: Sequence[Cell],
    device: str,
    over: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, str | float]]:
    """Time the forward pass of each cell's network.

    Parameters
    ----------
    cells : sequence of Cell
        Whose networks.
    device : str
        ``"cpu"``, which has no TF32, or ``"cuda:N"``.
    over : callable
        Says whether the time is over, and no further row is begun.

    Yields
    ------
    dict
        `method`, `shape`, `batch`, `layout`, `precision`, `compiled`, `milliseconds` an image (median of `TIMED` calls
        after `WARM`), `difference`: the largest one to NCHW in exact float32, 1.0 = white, and `remark`: why there is
        no time.
    """
    # What is compiled comes last: it waits for the compiler, and the time may be over by then.
    for compiled in (False, True):
        for cell in cells:
            yield from _of_cell(cell, device, over, compiled=compiled)


def _of_cell(cell: Cell, device: str, over: Callable[[], bool], *, compiled: bool) -> Iterator[dict[str, str | float]]:
    import torch

    network = cell.method.load(cell.net, weights_path(cell), cell.options)
    if not isinstance(network, torch.nn.Module):
        return
    network.eval().to(device)
    multiple = cell.net.size_multiple
    height, width = (side // multiple * multiple for side in SHAPE)
    channels = 3 if cell.dataset.colour == "rgb" else 1
    generator = torch.Generator().manual_seed(0)
    for batch in BATCHES:
        noisy = torch.rand(batch, channels, height, width, generator=generator).to(device)
        expected: Tensor | None = None
        for precision, layout in product(COMPILED if compiled else PRECISIONS, LAYOUTS):
            if precision == "tf32" and device == "cpu":
                continue
            if over():
                return
            row: dict[str, str | float] = {
                "method": cell.label, "shape": f"{height}x{width}", "batch": batch, "layout": layout,
                "precision": precision, "compiled": "yes" if compiled else "no",
            }  # fmt: skip
            try:
                if expected is None:
                    expected = _timed(network, noisy, cell, device, LAYOUTS[0], PRECISIONS[0], compiled=False)[1]
                seconds, output = _timed(network, noisy, cell, device, layout, precision, compiled=compiled)
            except (RuntimeError, torch.OutOfMemoryError) as error:
                yield row | {"milliseconds": float("nan"), "difference": float("nan"), "remark": one_line(error)[:120]}
                continue
            gap = float((output - expected).abs().max())
            yield row | {"milliseconds": 1000 * seconds / batch, "difference": gap, "remark": ""}


def _timed(
    network: Any, noisy: "Tensor", cell: Cell, device: str, layout: str, precision: str, *, compiled: bool
) -> "tuple[float, Tensor]":
    """Return the median of the seconds of a call, and what it returned, on the CPU."""
    import torch

    memory = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    network.to(memory_format=memory)
    given = noisy.contiguous(memory_format=memory)
    sigma = cell.degradation.sigma / 255 if cell.degradation.sigma is not None else None
    forward = network
    if compiled:
        torch._dynamo.reset()  # it compiles the same code a few times only, and runs it as it is from then on
        forward = torch.compile(network)
    half = getattr(torch, HALVES[precision]) if precision in HALVES else None
    times = []
    with (
        exact(tf32=precision == "tf32"),
        torch.inference_mode(),
        torch.autocast(torch.device(device).type, half, enabled=half is not None),
    ):
        for _ in range(WARM + TIMED):
            devices.synchronise(device)
            start = time.perf_counter()
            output = forward(given, sigma)
            devices.synchronise(device)
            times.append(time.perf_counter() - start)
    return statistics.median(times[WARM:]), output.float().cpu()
