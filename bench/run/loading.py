"""A cell's method loaded, with all that the harness puts around any method."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import files, subnormal
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.conventions import understood
from bench.run.fitting import fitted
from bench.run.runtimes.choice import Runner, plain, prepare
from bench.run.settings import Settings
from bench.run.wrappers import Tiles, checked, ensembled, padded

if TYPE_CHECKING:
    from bench.run.wrappers import Run

_ANY_SIGMA = 25 / 255
"""What the cost of a network is counted with, where each image has its own sigma."""


def load(cell: Cell, device: str, settings: Settings, threads: int) -> Runner:
    """Load a cell's method, and put around it what the harness does for every method.

    Parameters
    ----------
    cell : Cell
        Says the method.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    settings : Settings
        Runtime, compilation and memory.
    threads : int
        Cores to use on the CPU.

    Raises
    ------
    BenchError
        If weights cannot be had, or the runtime asked for cannot run the method.
    """
    import torch

    subnormal.flush()
    torch.set_num_threads(threads)
    denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
    sigma, runtime = _fixed_sigma(cell), settings.runtime
    if sigma is None and cell.net.given_sigma and isinstance(denoise, torch.nn.Module):
        if runtime not in ("auto", "torch"):
            raise BenchError(f"BACKEND={runtime} fixes sigma, and here each image has its own; use BACKEND=torch")
        sigma, runtime = _ANY_SIGMA, "torch"
    runner = prepare(
        denoise,
        channels=3 if cell.dataset.colour == "rgb" else 1,
        device=device,
        runtime=runtime,
        sigma=sigma,
        threads=threads,
        precision=cell.inference.precision,
        compiled=settings.compile,
        memory=settings.memory,
        multiple=_multiple(cell, denoise),
    )
    return replace(runner, run=arranged(runner.run, denoise, cell, runner))


def arranged(run: Callable[..., Any], denoise: Callable[..., Any], cell: Cell, runner: Runner | None) -> "Run":
    """Return `run` with tiles, padding and self-ensemble around it, as the cell and memory ask.

    Parameters
    ----------
    run : callable
        What is called for each window of an image.
    denoise : callable
        What the method's `load` returned; it may say its own `receptive_field`, `size_multiple` and
        `padding`, which weights of another depth or source change.
    cell : Cell
        What is run.
    runner : Runner, optional
        Says how many pixels fit into memory, and gets what is recognised of a person's own; None: there are as many
        as needed.
    """
    import torch

    field = getattr(denoise, "receptive_field", None) or cell.net.receptive_field
    multiple = _multiple(cell, denoise)
    runner = runner or plain(denoise)
    limits = (runner.pixels, runner.most_pixels, runner.at_once)
    tiles = Tiles(field, multiple, cell.inference.tile, *limits)
    padding = getattr(denoise, "padding", None) or cell.net.padding
    if cell.net.returns is not None:
        returns = cell.inference.output or cell.net.returns
        twice = not cell.method.processes  # a program takes its time
        watched = twice and not isinstance(denoise, torch.nn.Module)
        run = understood(run, returns, runner.notes, runner.warnings, multiple=multiple, twice=twice, watched=watched)
    run = padded(fitted(checked(run), tiles, runner.notes), multiple, padding)
    return ensembled(run) if cell.inference.ensemble == 8 else run


def _multiple(cell: Cell, denoise: Callable[..., Any]) -> int:
    return int(getattr(denoise, "size_multiple", None) or cell.net.size_multiple)


def weights_path(cell: Cell) -> Path | None:
    """Return the verified file of the cell's weights, downloading it if need be.

    Raises
    ------
    BenchError
        If it cannot be had, or what belongs to it lies in another folder.
    """
    if cell.net.weights is None:
        return None
    weights = cell.net.weights
    first, *others = files.fetch("weights", f"weights of {cell.net.label}", [weights, *weights.beside])
    for other in others:
        if other.parent != first.parent:
            raise BenchError(
                f"weights of {cell.net.label}: {first} and {other.name} are in different folders; delete {first}"
            )
    return first


def _fixed_sigma(cell: Cell) -> float | None:
    """Return the sigma that every image of the cell has, on the unit scale; None where each has its own or none."""
    sigma = None if isinstance(cell.inference.sigma, str) else cell.inference.level(cell.degradation.sigma)
    return None if sigma is None else sigma / 255
