"""`make speed`: speed and memory as ratios against references timed in the same run."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.common import devices, provenance
from bench.common.errors import BenchError
from bench.common.float32 import exact
from bench.plan.cell import Cell
from bench.plan.request import Request, plan
from bench.run.images import degraded, pictures
from bench.run.isolated import apart
from bench.run.loading import weights_path
from bench.run.one_cell import run_cell
from bench.run.runtimes.choice import prepare
from bench.run.sample import forget
from bench.run.settings import Settings
from bench.score.scorer import scores
from bench.store.records import Record
from bench.studies.speed.growth import finished_grid, many_images, planning
from bench.studies.speed.rows import TURNS, Row, in_turns, row, timed

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SIGMA = 25.0
"""The noise that everything is timed at, 0-255 scale."""


def measure(data: str, images: int, device: str = "cpu") -> Iterator[Row]:
    """Time the harness against plain references, on the first images of a set, and yield one row a comparison.

    Yields
    ------
    dict
        That of `bench.studies.speed.rows.row`.
    """
    yield from evaluation(data, images, devices.chosen(device))
    yield from _scoring(images)
    yield from _processes()
    yield from planning(((10_000, 3.0), (100_000, 30.0)))
    yield finished_grid()
    yield many_images(5_000, 10.0)
    yield from _commands()


def evaluation(data: str, images: int, device: str) -> Iterator[Row]:
    """Time DnCNN on the first images of a set against the loop that most published code uses; rows as of `measure`."""
    cell = _first(_cell("dncnn", data), images)
    backends = ("onnxruntime", "torch") if device == "cpu" else ("torch",)

    # Processor time of one thread each: on a machine that others use too, threads that wait for each other say nothing.
    on_cpu = device == "cpu"
    clock, threads = (time.process_time, 1) if on_cpu else (time.perf_counter, 0)

    def work(cell: Cell) -> list[Callable[[], Any]]:
        ways = [Settings(device, backend, threads=threads) for backend in backends]
        return [lambda: plain_loop(cell, device, threads), *(lambda w=way: _first_run(cell, w) for way in ways)]

    in_turns(*work(_first(cell, 1)), turns=1)  # imports belong to neither
    (plain, loop_seconds), *found = in_turns(*work(cell), clock=clock)
    how = f"{'processor time, one thread each, ' if on_cpu else ''}median of {TURNS}"
    for backend, (record, seconds) in zip(backends, found, strict=True):
        gap = max(abs(one["psnr"] - plain[one["image"]]) for one in record.images)
        yield row(
            f"{cell.label} on {images} images of {data}, {backend}, against the plain loop", seconds, loop_seconds,
            f"{how}; PSNR differs by at most {gap:.1e} dB; export and set-up counted",
            aim=0.45 if backend == backends[0] else None,
        )  # fmt: skip
        spent = record.provenance["seconds"]
        yield row(
            f"evaluation with {cell.label}, {backend}, against its forward passes alone",
            spent["load"] + spent["method"] + spent["score"], spent["method"], "loading, noise and scoring counted",
            aim=1.05,
        )  # fmt: skip
        yield _memory(record, cell.label)


def _first_run(cell: Cell, settings: Settings) -> Record:
    """Run a cell as one that comes first in its process: nothing of its images is there already."""
    forget()
    return run_cell(cell, settings)


def _scoring(images: int) -> Iterator[Row]:
    """All scores of an output and of its noisy image against scikit-image, by one thread each."""
    import torch

    cell = _first(_cell("median", "builtin"), images)
    triples = []
    for photograph in pictures(cell.dataset):
        assert photograph.clean is not None
        noisy = degraded(cell, photograph).noisy
        triples.append((photograph.clean, noisy, 0.5 * noisy + 0.5 * photograph.clean.astype("float32") / 255))

    def ours() -> None:
        for clean, noisy, out in triples:
            scores(cell, [clean], [noisy], torch.from_numpy(out).permute(2, 0, 1)[None])

    def theirs() -> None:
        for clean, noisy, out in triples:
            for image in (out, noisy):
                _scikit_image(clean, image)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    in_turns(ours, theirs, turns=1)
    (_, measured), (_, reference) = in_turns(ours, theirs, turns=5, clock=time.process_time)
    torch.set_num_threads(threads)
    yield row(
        f"PSNR, SSIM and MSE of {len(triples)} images and their noisy versions, against scikit-image", measured,
        reference, "processor time, one thread each, median of 5", aim=0.25,
    )  # fmt: skip


def _scikit_image(clean: "np.ndarray", image: "np.ndarray") -> None:
    """Score an image, 1.0 = white, as most published code does."""
    import numpy as np
    from skimage import metrics

    pair = clean.astype(np.float64), np.rint(np.clip(image * 255, 0, 255)).astype(np.float64)
    metrics.peak_signal_noise_ratio(*pair, data_range=255)  # type: ignore[no-untyped-call]
    metrics.mean_squared_error(*pair)
    metrics.structural_similarity(  # type: ignore[no-untyped-call]
        *pair, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


def forward(methods: str, data: str, device: str = "cpu") -> Iterator[Row]:
    """Time the forward pass of networks as the harness runs them against plain PyTorch, on one image.

    Both run on all cores, in turns, five times each after a first one; the medians count. Plain is the network in
    PyTorch's default layout, without gradients. The image is the first of the dataset, up to 256x256 of it.

    Yields
    ------
    dict
        As for `measure`; the remark names the runtime and the largest difference of the outputs.

    Raises
    ------
    BenchError
        If a method is not known.
    """
    device = devices.chosen(device)
    cells, failures = plan(Request(methods, data, f"{SIGMA:g}"))
    if failures:
        raise BenchError(failures[0].cause)
    for cell in cells:
        yield apart(cell, _forward, cell, device)


@exact()
def _forward(cell: Cell, device: str) -> Row:
    """Time one network's forward pass."""
    import torch

    cores = provenance.cores()
    torch.set_num_threads(cores)
    network = cell.method.load(cell.net, weights_path(cell), cell.options)
    sigma, noisy = SIGMA / 255, _first_image(cell).to(device)
    channels = noisy.shape[1]
    runner = prepare(
        network, channels=channels, device=device, runtime="auto", sigma=sigma, threads=cores,
        multiple=cell.net.size_multiple,
    )  # fmt: skip
    plain = cell.method.load(cell.net, weights_path(cell), cell.options)
    if isinstance(plain, torch.nn.Module):
        plain.to(device)
    times: dict[str, list[float]] = {"plain": [], "harness": []}
    for _ in range(6):
        with torch.no_grad():
            expected, seconds = timed(lambda: plain(noisy, sigma), device)
        times["plain"].append(seconds)
        found, seconds = timed(lambda: runner.run(noisy, sigma), device)
        times["harness"].append(seconds)
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    gap = float((torch.as_tensor(found) - expected).abs().max())
    height, width = noisy.shape[-2:]
    return row(
        f"forward pass of {cell.label}, {cell.dataset.colour}, {height}x{width}, against plain PyTorch",
        medians["harness"],
        medians["plain"],
        f"{runner.runtime}; outputs differ by at most {gap:.0e}",
    )


def _first_image(cell: Cell) -> "Tensor":
    import torch

    (picture,) = pictures(cell.dataset, [cell.dataset.images[0].name])
    noisy = degraded(cell, picture).noisy
    height, width = (min(256, side // 16 * 16) for side in noisy.shape[:2])  # a multiple for every network
    if not (height and width):
        raise BenchError(
            f"dataset {cell.dataset.name}, image {picture.name}: is smaller than 16x16 pixels; take larger ones"
        )
    return torch.from_numpy(noisy[:height, :width]).permute(2, 0, 1)[None].contiguous()


@exact()
def plain_loop(cell: Cell, device: str = "cpu", threads: int = 0) -> dict[str, float]:
    """Run a network cell as most published code does, and return the PSNR of each image.

    One image at a time through PyTorch in its default layout, metrics in NumPy and scikit-image
    after each image: the reference that the harness is timed against. `threads` are PyTorch's; 0: as they are.
    """
    import numpy as np
    import torch
    from skimage.metrics import structural_similarity

    torch.set_num_threads(threads or torch.get_num_threads())
    network: Any = cell.method.load(cell.net, weights_path(cell), cell.options)
    network.to(device)
    scores = {}
    for photograph in pictures(cell.dataset):
        clean, noisy = photograph.clean, degraded(cell, photograph).noisy
        assert clean is not None
        with torch.no_grad():
            output = network(torch.from_numpy(noisy).permute(2, 0, 1)[None].to(device), SIGMA / 255).cpu()
        image = np.rint(np.clip(output[0].permute(1, 2, 0).numpy() * 255, 0, 255))
        error = np.mean((image.astype(np.float64) - clean) ** 2)
        scores[photograph.name] = float(10 * np.log10(255**2 / error))
        for picture in (image, noisy * 255):
            structural_similarity(  # type: ignore[no-untyped-call]
                clean.astype(np.float64), picture.astype(np.float64), channel_axis=2, data_range=255,
                gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            )  # fmt: skip
    return scores


def _processes() -> Iterator[Row]:
    """BM3D on all cores against one thread."""
    cores = provenance.cores()
    cell = _first(_cell("bm3d", "builtin"), cores)
    run_cell(_first(cell, cores), Settings(jobs=cores))  # the workers' start belongs to neither
    works = [lambda jobs=jobs: _first_run(cell, Settings(jobs=jobs)) for jobs in (cores, 1)]
    (_, parallel), (_, single) = in_turns(*works)
    what = f"{cell.label} on {cores} images of builtin, {cores} processes, against one thread"
    yield row(what, parallel, single, f"median of {TURNS}", aim=round(1.1 / cores, 2))


def _commands() -> Iterator[Row]:
    """How soon the light commands answer."""
    for words in (("--help",), ("list",), ("run", "--method", "dncnnn")):
        command = [sys.executable, "-m", "bench", *words]
        times = [timed(lambda c=command: subprocess.run(c, capture_output=True, check=False))[1] for _ in range(5)]  # type: ignore[misc]
        yield row(
            f"python -m bench {' '.join(words)}",
            statistics.median(times),
            1.0,
            "median of 5, against a second",
            aim=1.0,
        )


def _memory(record: Record, label: str) -> Row:
    gib = record.provenance["peak_memory"] / 2**30
    return row(f"resident memory of {label} (GiB)", gib, 4.0, "peak, against 4 GiB", aim=1.0)


def _cell(method: str, data: str) -> Cell:
    cells, failures = plan(Request(method, data, f"{SIGMA:g}"))
    if failures:
        raise BenchError(failures[0].cause)
    return cells[0]


def _first(cell: Cell, count: int) -> Cell:
    return replace(cell, dataset=replace(cell.dataset, images=cell.dataset.images[:count]))
