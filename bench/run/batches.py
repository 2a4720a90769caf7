"""Networks over the images of a cell: in batches of one shape, the method alone timed."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.common import devices
from bench.common.child_process import ChildEndedError
from bench.common.errors import BenchError, lacking, one_line
from bench.plan.cell import Cell
from bench.run.fitting import in_halves, out_of_memory
from bench.run.runtimes.choice import Runner
from bench.run.sample import Output, Sample, alone

if TYPE_CHECKING:
    from torch import Tensor


LONG = 0.5
"""Seconds from which the first run of a later shape on a GPU counts: the choice of kernels is a hundredth there."""


def in_batches(
    cell: Cell, images: Iterable[Sample], runner: Runner, device: str, failed: dict[str, Exception]
) -> Iterator[Output]:
    """Run images of one shape together, as many as the device gains from.

    The errors of those that fail alone go to `failed`.
    """
    warm: set[tuple[int, ...]] = set()
    for batch in _same_shape(images, runner.images, runner.pixels, told=cell.net.given_sigma):
        outputs: list[Output] = []
        size = "x".join(map(str, batch[0].noisy.shape[:2]))
        with alone(failed, *batch):
            work = lambda part: [_output(cell, part, runner, device, warm)]  # noqa: E731
            outputs = in_halves(work, batch, size, runner.notes)
        yield from outputs


def _output(cell: Cell, batch: list[Sample], runner: Runner, device: str, warm: set[tuple[int, ...]]) -> Output:
    """Run images of one shape; time the method alone, which has run on that shape before: `warm` has those."""
    noisy = _on(device, cell, batch)
    first = batch[0] if len({image.sigma for image in batch}) == 1 else replace(batch[0], sigma=None)
    # Start-up cost belongs to no image. Kernels of a GPU are chosen, and compiled ones made, for each shape.
    compiled = "compiled" in runner.runtime
    whole, seconds, denoised = compiled or device != "cpu", 0.0, None
    if not warm or (whole and tuple(noisy.shape) not in warm):
        seconds, denoised = _warm_up(cell, runner, noisy if whole else noisy[..., :64, :64], first)
    if denoised is None or not warm or compiled or seconds < LONG:
        devices.synchronise(device)
        start = runner.clock()
        denoised = call(cell, runner.run, noisy, first)
        devices.synchronise(device)
        seconds = runner.clock() - start
    warm.add(tuple(noisy.shape))
    scores = [self_score(cell, runner.run, noisy[i : i + 1], denoised[i : i + 1], batch[i]) for i in unscored(batch)]
    return Output(batch, denoised, seconds / len(batch), scores)


def _on(device: str, cell: Cell, batch: list[Sample]) -> "Tensor":
    """Return the noisy images of a batch (B, C, H, W) on the device."""
    import torch

    images = torch.stack([torch.from_numpy(image.noisy).permute(2, 0, 1) for image in batch])
    try:
        return images.to(device)
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise BenchError(
            f"method {cell.label}, image {batch[0].name}: memory ran out on {device} before the method had the image "
            f"({one_line(error)[:160]}); use DEVICE=cpu"
        ) from error


def _warm_up(cell: Cell, runner: Runner, noisy: "Tensor", image: Sample) -> "tuple[float, Tensor | None]":
    """Run the method and return its seconds and result; what goes wrong is said where it goes wrong again."""
    start = runner.clock()
    try:
        denoised = call(cell, runner.run, noisy, image)
    except BenchError as error:
        if isinstance(error.__cause__, ChildEndedError):  # it cannot be called again
            raise
        return 0.0, None
    return runner.clock() - start, denoised


def unscored(batch: list[Sample]) -> Iterable[int]:
    """Return the places of the samples that have no reference: all of a batch, or none."""
    return range(len(batch)) if batch[0].clean is None else ()


def self_score(
    cell: Cell, run: Callable[..., Any], noisy: "Tensor", denoised: "Tensor", image: Sample
) -> tuple[float, float]:
    """Score one image (1, C, H, W) that has no reference; returns the score and its standard error.

    The method alone runs on the device of the image: what is held out is worked out in main memory, as on the CPU.
    """
    from bench.score.self_score import held_out, reach, score

    device, noisy = noisy.device, noisy.cpu()

    def called(noisy: "Tensor", sigma: float | None) -> "Tensor":
        return call(cell, run, noisy.to(device), image).cpu()

    try:
        held = held_out(noisy, radius=reach(cell.degradation))
    except BenchError:  # too small an image: it has no score, and its pictures are worth having
        return math.nan, math.nan
    found = score(called, noisy, image.sigma, held=held, denoised=denoised.cpu())
    return found.error, found.standard_error


def _same_shape(images: Iterable[Sample], most: int, pixels: int, *, told: bool) -> Iterator[list[Sample]]:
    """Group images of one shape, and of one sigma where that is told, up to so many images and pixels a group."""
    waiting: dict[tuple[Any, ...], list[Sample]] = {}
    for image in images:
        height, width, _ = image.noisy.shape
        like = (*image.noisy.shape, image.sigma if told else None)
        group = waiting.setdefault(like, [])
        group.append(image)
        if len(group) == most or (len(group) + 1) * height * width > pixels:
            yield waiting.pop(like)
    yield from waiting.values()


def call(cell: Cell, denoise: Callable[..., Any], noisy: "Tensor", image: Sample) -> "Tensor":
    """Run the method; whatever goes wrong is one line that names method and image.

    Raises
    ------
    BenchError
        If the method raises anything.
    """
    where = f"method {cell.label}, image {image.name}"
    try:
        return denoise(noisy, image.sigma).detach()
    except BenchError as error:
        raise BenchError(f"{where}: {error}") from error
    except Exception as error:
        raised = (
            one_line(error)
            if lacking(error)
            else f"raised {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        )
        raise BenchError(f"{where}: {raised}") from error
