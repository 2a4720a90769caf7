"""Methods that take one image at a time, over the images of a cell: spread over worker processes."""

import importlib.util
import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.common import provenance, subnormal
from bench.common.interruption import work_for
from bench.plan.cell import Cell
from bench.run.batches import call, self_score, unscored
from bench.run.loading import arranged, weights_path
from bench.run.runtimes.choice import Runner, plain
from bench.run.sample import Output, Sample, alone
from bench.run.settings import Settings

if TYPE_CHECKING:
    import numpy as np


TINY = 48 * 48
"""Pixels of an image that is soon denoised, whatever the method."""

START = 4.0
"""Seconds of the method that worker processes take to start."""


def in_processes(
    cell: Cell, images: Iterable[Sample], how: dict[str, Any], failed: dict[str, Exception]
) -> Iterator[Output]:
    """Spread images over one-threaded worker processes, and give them back as they come.

    Tiny images are denoised in this process until they have taken as long as workers take to start: a quick method is
    through before that. The memory of the workers, how many there were, and what is recognised of the method, is put
    into `how`, and the errors of images that fail alone into `failed`.
    """
    import torch

    images, spent = iter(images), 0.0
    for image in images:
        if how["jobs"] > 1 and (spent > START or image.noisy[..., 0].size > TINY):
            yield from _in_workers(cell, itertools.chain([image], images), how, failed)
            return
        with alone(failed, image):
            denoised, seconds, scores, about = denoise_one(cell, image)
        if image.name not in failed:
            spent += seconds
            _note(how, about)
            yield Output([image], torch.from_numpy(denoised), seconds, scores)
    how["jobs"] = 1


def _in_workers(
    cell: Cell, images: Iterable[Sample], how: dict[str, Any], failed: dict[str, Exception]
) -> Iterator[Output]:
    import torch

    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    executor = workers(how["jobs"], single)
    running: dict[Future[Any], Sample] = {}
    # With each image goes its cell, which would carry the names and the files of all of them.
    cell = replace(cell, dataset=replace(cell.dataset, images=()))

    def finished() -> Iterator[Output]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            image = running.pop(future)
            with alone(failed, image):
                (denoised, seconds, scores, about), memory = future.result()
            if image.name in failed:
                continue
            how["workers_memory"] = max(how.get("workers_memory", 0), memory * how["jobs"])
            _note(how, about)
            yield Output([image], torch.from_numpy(denoised), seconds, scores)

    try:
        for image in images:
            running[executor.submit(_in_worker, cell, image)] = image
            if len(running) >= 2 * how["jobs"]:
                yield from finished()
        while running:
            yield from finished()
    except BaseException:
        for future in running:
            future.cancel()
        raise


def job_count(settings: Settings) -> tuple[int, list[str]]:
    """Return how many worker processes there are, and a line where there could be more."""
    jobs = settings.jobs or provenance.cores()
    if jobs > 1 and importlib.util.find_spec("loky") is None:
        return 1, [f"one process and not {jobs}: the package loky is not installed (pip install loky)"]
    return jobs, []


def workers(count: int, environment: Mapping[str, str] | None = None, *, fresh: bool = False) -> Executor:
    """Return worker processes, which stay for the next cell, or new ones; they end with this one."""
    from loky import get_reusable_executor

    quiet_tracker()
    executor: Executor = get_reusable_executor(
        max_workers=count, env=environment, timeout=60, reuse=False if fresh else "auto",
        initializer=work_for, initargs=(os.getpid(),),
    )  # fmt: skip
    return executor


def quiet_tracker() -> None:
    """Let loky's tracker tidy up silently behind a program that was killed; its processes begin after this."""
    word = "ignore:resource_tracker"
    if word not in sys.warnoptions:
        sys.warnoptions.append(word)


def limited(cell: Cell, settings: Settings) -> Cell:
    """Return a cell whose program, if it is one, has the time and the memory of the settings."""
    within = getattr(cell.method.load, "within", None)
    if within is None:
        return cell
    return replace(cell, method=replace(cell.method, load=within(settings.timeout, settings.memory)))


def _note(how: dict[str, Any], about: Mapping[str, Any]) -> None:
    for kind in ("notes", "warnings"):
        how[kind] = list(dict.fromkeys([*how.get(kind, ()), *about[kind]]))


def _in_worker(cell: Cell, image: Sample) -> tuple[Any, int]:
    """Denoise one image in a worker process, and return the peak of its memory too."""
    return denoise_one(cell, image), provenance.peak_memory()


def denoise_one(cell: Cell, image: Sample) -> tuple["np.ndarray", float, list[tuple[float, float]], dict[str, Any]]:
    """Denoise one image in this process.

    Returns
    -------
    tuple
        The output (1, C, H, W), the seconds, self scores, and notes and warnings of the method.
    """
    import torch

    subnormal.flush()
    torch.set_num_threads(1)
    runner = _loaded(cell)
    denoise = runner.run
    tensor = torch.from_numpy(image.noisy).permute(2, 0, 1)[None]
    start = time.perf_counter()
    denoised = call(cell, denoise, tensor, image)
    seconds = time.perf_counter() - start
    scores = [self_score(cell, denoise, tensor, denoised, image) for _ in unscored([image])]
    return denoised.numpy(), seconds, scores, {"notes": runner.notes, "warnings": runner.warnings}


def _loaded(cell: Cell) -> Runner:
    """Load a method once a worker process."""
    key = (cell.net.id, cell.net.returns, cell.code, tuple(sorted(cell.options.items())), cell.inference)
    if key not in _LOADED:
        denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
        runner = plain(denoise)
        _LOADED[key] = replace(runner, run=arranged(denoise, denoise, cell, runner))
    return _LOADED[key]


_LOADED: dict[tuple[Any, ...], Runner] = {}
