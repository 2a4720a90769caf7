"""A cell's method, in a process of its own where it is of foreign origin, so that nothing it does reaches a score.

The process holds the method with all that the harness puts around it, and is given noisy images alone. The clean ones
and the metrics stay here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from bench.common import devices
from bench.common.child_process import ChildError, ChildProcess, prepare, result_of
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.conventions import UNSTEADY
from bench.run.loading import load
from bench.run.runtimes.choice import Runner
from bench.run.settings import TIMEOUT, Settings
from bench.run.watched import Recorder
from bench.store.opened import Opened

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

T = TypeVar("T")

AGAIN = 2**20
"""Numbers of an input that is given once more at the end of a cell: those of a gray image of 1024x1024 pixels."""

DRIFTS = "gives another result at the end of a run than before: it keeps something from image to image"
"""What is said of a method whose result rests on the images before."""

MIXES = (
    "gives an image another result alone than in a batch with others, whose size is that of the device: mean over the "
    "last two dimensions, not over the batch"
)
"""What is said of a method that looks at the other images of a batch."""


def foreign(cell: Cell) -> bool:
    """Whether a cell's method is of foreign origin and no program, which is a process already.

    What an adapter brings is, unless its `load` has `foreign = False`.
    """
    load = cell.method.load
    from_adapter = type(load).__module__.startswith("bench.adapters.")
    return not cell.method.processes and bool(getattr(load, "foreign", from_adapter))


def prepare_for(cells: Sequence[Cell]) -> None:
    """Begin to start what processes are made of, where a cell will need one."""
    if any(foreign(cell) for cell in cells):
        prepare()


@contextmanager
def loaded(cell: Cell, device: str, settings: Settings, threads: int) -> Iterator[Runner]:
    """Load a cell's method, as `bench.run.loading.load` does; one of foreign origin in a process of its own.

    Raises
    ------
    BenchError, ValueError
        If it cannot be loaded. A call of the runner raises `BenchError` for whatever ends or hangs the process.
    """
    if not foreign(cell):
        yield load(cell, device, settings, threads)
        return
    try:
        process = process_for(cell, settings, _watched_load, cell, device, settings, threads)
    except ChildError as error:
        raise BenchError(f"method {cell.label}, loading: {error}") from error
    with process:
        described: Runner = process.call(_description)
        yield replace(described, **_remote(process, described, device))


def process_for(cell: Cell, settings: Settings, build: Callable[..., Any], *arguments: Any) -> ChildProcess:
    """Return a process that holds what `build` makes of a cell's method, under the limits of the settings."""
    on_cpu = devices.chosen(settings.device) == "cpu"  # elsewhere MEMORY= is that of the device
    memory = settings.memory if on_cpu else 0
    return ChildProcess(build, *arguments, timeout=settings.timeout, memory=memory, name=cell.method.paper)


def apart(cell: Cell, function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(*arguments)``, from a process of its own where the cell's method is of foreign origin.

    Raises
    ------
    BenchError
        If the function does, or ends or hangs the process.
    """
    if not foreign(cell):
        return function(*arguments)
    try:
        return result_of(function, *arguments, timeout=TIMEOUT, name=cell.method.paper)
    except ChildError as error:
        raise BenchError(f"method {cell.label}: {error}") from error


def _remote(process: ChildProcess, described: Runner, device: str) -> dict[str, Any]:
    """Return the fields of a runner whose calls go to a process."""
    import torch

    spent = [0.0]
    calls: list[tuple[Any, float | None, bytes, str]] = []
    """The first call and the last one that were small: what was given, and the output."""
    alone: list[bool] = []
    """Whether the first image of the first batch has the same result alone."""

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        given = noisy.cpu().numpy()
        answer = process.call(_run, given, sigma, device)
        pixels, shape, number, seconds, notes, warnings, about = answer
        if given.size <= AGAIN:
            calls[1:] = [(given.copy(), sigma, pixels, number)]
        spent[0] += seconds
        described.notes[:], described.warnings[:] = notes, warnings
        described.about.update(about)
        denoised = torch.frombuffer(bytearray(pixels), dtype=getattr(torch, number)).reshape(shape)
        if denoised.shape != noisy.shape:
            raise BenchError(f"returned shape {tuple(denoised.shape)}; expected {tuple(noisy.shape)}")
        if len(given) > 1 and not alone:
            alone.append(not changed(given[:1], sigma, denoised[:1].numpy().tobytes(), number))
        return denoised.to(noisy.device)

    def finish() -> dict[str, Any]:
        if UNSTEADY not in described.warnings and False in alone:
            described.warnings.append(MIXES)
        if process.alive and UNSTEADY not in described.warnings and any(changed(*call) for call in calls):
            described.warnings.append(DRIFTS)
        return process.call(_finish) if process.alive else {"opened": Opened(unseen=("ended before it was through",))}

    def changed(given: "np.ndarray", sigma: float | None, pixels: bytes, number: str) -> bool:
        """Whether a call gives another output now; an error that it had not then is one too."""
        import numpy as np

        try:
            now, _, kind, *_ = process.call(_run, given, sigma, device)
        except BenchError:
            return True
        return _differ(np.frombuffer(pixels, number), np.frombuffer(now, kind))

    return {"run": run, "clock": lambda: spent[0], "finish": finish}


def _differ(before: "np.ndarray", now: "np.ndarray") -> bool:
    """Whether two outputs differ by more than parallel sums round, as `bench.run.conventions` has it."""
    import numpy as np

    return before.shape != now.shape or not bool(np.abs(now - before).max() <= 1e-3 * max(1.0, np.abs(before).max()))


def _watched_load(cell: Cell, device: str, settings: Settings, threads: int) -> Runner:
    """Load the method, and record what it opens from then on; in the process of the method, as all that follow."""
    recorder = Recorder(cell)
    recorder.begin()
    return replace(load(cell, device, settings, threads), finish=lambda: {"opened": recorder.end()})


def _finish(runner: Runner) -> dict[str, Any]:
    return runner.finish()


def _description(runner: Runner) -> Runner:
    """Return what a runner says of itself."""
    return replace(runner, run=None, clock=None, finish=None)  # type: ignore[arg-type] # functions stay where they are


def _run(runner: Runner, pixels: "np.ndarray", sigma: float | None, device: str) -> tuple[Any, ...]:
    """Run the method on images (B, C, H, W).

    Returns
    -------
    tuple
        The output as plain bytes, so that no type of the method's comes out of its process; its shape and the name of
        its number type; the seconds of the method alone; its notes and warnings; what a record says of the
        process.
    """
    import torch

    noisy = torch.from_numpy(pixels.copy()).to(device)
    devices.synchronise(device)
    start = time.perf_counter()
    denoised = runner.run(noisy, sigma)
    devices.synchronise(device)
    seconds = time.perf_counter() - start
    number = torch.float64 if denoised.dtype == torch.float64 else torch.float32
    array = denoised.detach().to("cpu", number).contiguous().numpy()
    about = {"peak_memory": devices.peak_memory(device), **runner.about}
    return (
        array.tobytes(),
        tuple(array.shape),
        array.dtype.name,
        seconds,
        list(runner.notes),
        list(runner.warnings),
        about,
    )
