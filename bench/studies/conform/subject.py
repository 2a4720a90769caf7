"""A method as `make conform` checks it, and the photographs that it is checked on."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line
from bench.plan.cell import Cell
from bench.plan.request import single
from bench.run.loading import arranged, weights_path
from bench.run.runtimes.choice import Runner, prepare

if TYPE_CHECKING:
    from torch import Tensor

    from bench.run.wrappers import Run

SIGMAS = ("25", "15", "50", "10")
"""On the 0-255 scale; the first that a method has a net for is taken."""


@dataclass(frozen=True)
class Subject:
    """A method as it is checked: loaded for a colour and a noise level.

    Attributes
    ----------
    cell : Cell
        The method on the built-in photographs.
    denoise : callable
        What its `load` returned.
    run : callable
        The same with all that the harness puts around it.
    runner : Runner
        Holds what is recognised of a person's own method while it runs.
    channels : int
        1 or 3.
    sigma : float
        On the unit scale.
    device : str
        Where it runs.
    """

    cell: Cell
    denoise: Callable[..., Any]
    run: "Run"
    runner: Runner
    channels: int
    sigma: float
    device: str = "cpu"


def cells_to_check(method: str, weights: str) -> dict[str, Cell]:
    """Plan a cell for each colour, at a sigma that the method was trained for.

    Raises
    ------
    BenchError
        If the method takes neither gray nor colour images at any of `SIGMAS`: the first reason.
    """
    import datasets

    cells: dict[str, Cell] = {}
    causes: list[str] = []
    for colour, sigma in itertools.product(("gray", "rgb"), SIGMAS):
        if colour not in cells:
            try:
                cell = single(method, weights, replace(datasets.available()["builtin"], colour=colour), sigma)
            except (BenchError, ValueError) as error:
                causes.append(one_line(error))
            else:
                cells[colour] = cell
    if not cells:
        raise BenchError(causes[0])
    return cells


def loaded(cell: Cell, channels: int, device: str = "cpu", backend: str = "torch", threads: int = 1) -> Subject:
    """Load a cell's method for a colour, with all that the harness puts around it.

    Parameters
    ----------
    cell : Cell
        As `cells_to_check` gives it.
    channels : int
        1 or 3.
    device, backend : str
        As on DEVICE and BACKEND.
    threads : int
        On the CPU.
    """
    import torch

    denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
    sigma = (cell.degradation.sigma or 0.0) / 255  # SIGMAS are Gaussian
    if isinstance(denoise, torch.nn.Module):
        denoise = denoise.eval()
    runner = prepare(
        denoise, channels=channels, device=device, runtime=backend, sigma=sigma, threads=threads,
        multiple=int(getattr(denoise, "size_multiple", None) or cell.net.size_multiple),
    )  # fmt: skip
    return Subject(cell, denoise, arranged(runner.run, denoise, cell, runner), runner, channels, sigma, device)


def photograph(subject: Subject, height: int, width: int) -> tuple["Tensor", "Tensor"]:
    """Return a clean and a noisy photograph (1, C, H, W), repeated as a mosaic where it is too small."""
    import torch
    from skimage import data

    astronaut = torch.from_numpy(data.astronaut())  # type: ignore[no-untyped-call]
    picture = astronaut.permute(2, 0, 1)[None].float() / 255
    picture = picture if subject.channels == 3 else picture[:, 1:2]
    rows, columns = math.ceil(height / 512), math.ceil(width / 512)
    clean = picture.repeat(1, 1, rows, columns)[..., :height, :width]
    generator = torch.Generator().manual_seed(0)
    noisy = clean + subject.sigma * torch.randn(clean.shape, generator=generator)
    return clean.to(subject.device), noisy.to(subject.device)
