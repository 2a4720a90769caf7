"""Running a cell's method over images: in batches on a device, or spread over processes."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import devices, files, provenance
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.runtimes import Runner, prepare
from bench.run.sample import Output, Sample
from bench.run.settings import Settings
from bench.run.wrappers import Tiles, ensembled, padded, tiled

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.run.wrappers import Run


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
    """
    import torch

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
        Says how many pixels fit into memory; None: as many as there are.
    """
    field = getattr(denoise, "receptive_field", None) or cell.net.receptive_field
    multiple = _multiple(cell, denoise)
    limits = (runner.pixels, runner.most_pixels, runner.together) if runner else (0, 0, 1)
    tiles = Tiles(field, multiple, cell.inference.tile, *limits)
    padding = getattr(denoise, "padding", None) or cell.net.padding
    run = padded(tiled(checked(run), tiles), multiple, padding)
    return ensembled(run) if cell.inference.ensemble == 8 else run


def _multiple(cell: Cell, denoise: Callable[..., Any]) -> int:
    return int(getattr(denoise, "size_multiple", None) or cell.net.size_multiple)


def weights_path(cell: Cell) -> Path | None:
    """Return the verified file of the cell's weights, downloading it if need be."""
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


def in_batches(cell: Cell, images: Iterable[Sample], runner: Runner, device: str) -> Iterator[Output]:
    """Run images of one shape together, as many as the device gains from; time the method alone."""
    import torch

    warm = False
    for batch in _same_shape(images, runner.images, runner.pixels):
        noisy = torch.stack([torch.from_numpy(image.noisy).permute(2, 0, 1) for image in batch]).to(device)
        if not warm:  # start-up cost of kernels and caches belongs to no image
            _call(cell, runner.run, noisy[..., :64, :64], batch[0])
            warm = True
        devices.synchronise(device)
        start = time.perf_counter()
        denoised = _call(cell, runner.run, noisy, batch[0])
        devices.synchronise(device)
        seconds = (time.perf_counter() - start) / len(batch)
        scores = [
            _self_score(cell, runner.run, noisy[i : i + 1], denoised[i : i + 1], batch[i]) for i in _unscored(batch)
        ]
        yield Output(batch, denoised, seconds, scores)


def _unscored(batch: list[Sample]) -> Iterable[int]:
    return range(len(batch)) if batch[0].clean is None else ()


def _self_score(
    cell: Cell, run: Callable[..., Any], noisy: "Tensor", denoised: "Tensor", image: Sample
) -> tuple[float, float]:
    """Score one image (1, C, H, W) that has no reference; returns the score and its standard error."""
    from bench.score.self_score import held_out, reach, score

    def called(noisy: "Tensor", sigma: float | None) -> "Tensor":
        return _call(cell, run, noisy, image)

    try:
        held = held_out(noisy, radius=reach(cell.degradation))
    except BenchError:  # too small an image: it has no score, and its pictures are worth having
        return math.nan, math.nan
    found = score(called, noisy, image.sigma, held=held, denoised=denoised)
    return found.error, found.standard_error


_ANY_SIGMA = 25 / 255
"""What the cost of a network is counted with, where each image has its own sigma."""


def _fixed_sigma(cell: Cell) -> float | None:
    """Return the sigma that every image of the cell has, on the unit scale; None where each has its own or none."""
    sigma = cell.degradation.sigma if cell.inference.sigma is None else cell.inference.sigma
    return None if sigma is None else sigma / 255


def _same_shape(images: Iterable[Sample], most: int, pixels: int) -> Iterator[list[Sample]]:
    """Group images of one shape and one sigma, up to so many images and pixels a group."""
    waiting: dict[tuple[Any, ...], list[Sample]] = {}
    for image in images:
        height, width, _ = image.noisy.shape
        like = (*image.noisy.shape, image.sigma)
        group = waiting.setdefault(like, [])
        group.append(image)
        if len(group) == most or (len(group) + 1) * height * width > pixels:
            yield waiting.pop(like)
    yield from waiting.values()


def in_processes(cell: Cell, images: Iterable[Sample], how: dict[str, Any]) -> Iterator[Output]:
    """Spread images over one-threaded worker processes, and give them back as they come.

    The memory of the workers is put into `how`.
    """
    import torch

    if how["jobs"] == 1:
        for image in images:
            denoised, seconds, scores, _ = _denoise_one(cell, image)
            yield Output([image], torch.from_numpy(denoised), seconds, scores)
        return
    from loky import get_reusable_executor

    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    executor = get_reusable_executor(max_workers=how["jobs"], env=single, timeout=60)
    running: dict[Future[Any], Sample] = {}

    def finished() -> Iterator[Output]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            denoised, seconds, scores, memory = future.result()
            how["workers_memory"] = max(how.get("workers_memory", 0), memory * how["jobs"])
            yield Output([running.pop(future)], torch.from_numpy(denoised), seconds, scores)

    try:
        for image in images:
            running[executor.submit(_denoise_one, cell, image)] = image
            if len(running) >= 2 * how["jobs"]:
                yield from finished()
        while running:
            yield from finished()
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _denoise_one(cell: Cell, image: Sample) -> tuple["np.ndarray", float, list[tuple[float, float]], int]:
    """Denoise one image in this process; returns (1, C, H, W), the seconds, self scores, and the peak of memory."""
    import torch

    torch.set_num_threads(1)
    denoise = _loaded(cell)
    tensor = torch.from_numpy(image.noisy).permute(2, 0, 1)[None]
    start = time.perf_counter()
    denoised = _call(cell, denoise, tensor, image)
    seconds = time.perf_counter() - start
    scores = [_self_score(cell, denoise, tensor, denoised, image) for _ in _unscored([image])]
    return denoised.numpy(), seconds, scores, provenance.peak_memory()


def _loaded(cell: Cell) -> Callable[..., Any]:
    """Load a method once a worker process."""
    key = (cell.net.id, cell.code, tuple(sorted(cell.options.items())), cell.inference)
    if key not in _LOADED:
        denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
        _LOADED[key] = arranged(denoise, denoise, cell, None)
    return _LOADED[key]


_LOADED: dict[tuple[Any, ...], Callable[..., Any]] = {}


def _call(cell: Cell, denoise: Callable[..., Any], noisy: "Tensor", image: Sample) -> "Tensor":
    """Run the method; whatever goes wrong is one line that names method and image."""
    where = f"method {cell.label}, image {image.name}"
    try:
        return denoise(noisy, image.sigma).detach()
    except BenchError as error:
        raise BenchError(f"{where}: {error}") from error
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise BenchError(f"{where}: raised {type(error).__name__}: {text}") from error


def checked(denoise: Callable[..., Any]) -> "Run":
    """Return the method with its contract checked: a tensor like its input comes back, and finite.

    The method gets a copy of its input, so that one which works in place changes nothing of anybody else's.

    Raises
    ------
    BenchError
        When it is called, if what comes back is none.
    """

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        import torch

        denoised = denoise(noisy.clone(memory_format=torch.contiguous_format), sigma)
        try:
            denoised = torch.as_tensor(denoised)
        except (TypeError, ValueError, RuntimeError):
            raise BenchError(f"returned a {type(denoised).__name__}; expected a tensor like its input") from None
        if denoised.shape != noisy.shape:
            raise BenchError(
                f"returned shape {tuple(denoised.shape)}; expected {tuple(noisy.shape)}, that of its input"
            )
        if not torch.isfinite(denoised).all():
            raise BenchError("returned NaN or infinite values")
        return denoised

    return run
