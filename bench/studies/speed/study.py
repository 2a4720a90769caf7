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
from bench.run.settings import Settings
from bench.store.records import Record

if TYPE_CHECKING:
    from torch import Tensor

Row = dict[str, str | float]

SIGMA = 25.0
"""The noise that everything is timed at, 0-255 scale."""


def measure(data: str, images: int, device: str = "cpu") -> Iterator[Row]:
    """Time the harness against plain references, on the first images of a set, and yield one row a comparison.

    Yields
    ------
    dict
        `what`, `measured` and `reference` (seconds), `ratio`, and a `remark`.
    """
    yield from _network(data, images, devices.chosen(device))
    yield from _processes()
    yield from _commands()


def _network(data: str, images: int, device: str) -> Iterator[Row]:
    """DnCNN against the loop that most published code uses."""
    cell = _first(_cell("dncnn", data), images)
    run_cell(_first(cell, 1), Settings(device=device))  # imports belong to neither
    plain_loop(_first(cell, 1), device)
    plain, loop_seconds = _timed(lambda: plain_loop(cell, device))
    for backend in ("onnxruntime", "torch") if device == "cpu" else ("torch",):
        record, seconds = _timed(lambda b=backend: run_cell(cell, Settings(device=device, runtime=b)))  # type: ignore[misc]
        gap = max(abs(row["psnr"] - plain[row["image"]]) for row in record.images)
        yield _row(
            f"{cell.label} on {images} images of {data}, {backend}, against the plain loop",
            seconds,
            loop_seconds,
            f"PSNR differs by at most {gap:.1e} dB; export and set-up counted",
        )
        spent = record.provenance["seconds"]
        around = spent["load"] + spent["score"]
        yield _row(f"harness around {cell.label}, {backend}", around, spent["method"], "loading, noise and scoring")
        yield _memory(record, cell.label)


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
    runner = prepare(network, channels=channels, device=device, runtime="auto", sigma=sigma, threads=cores)
    plain = cell.method.load(cell.net, weights_path(cell), cell.options)
    if isinstance(plain, torch.nn.Module):
        plain.to(device)
    times: dict[str, list[float]] = {"plain": [], "harness": []}
    for _ in range(6):
        with torch.no_grad():
            expected, seconds = _timed(lambda: plain(noisy, sigma), device)
        times["plain"].append(seconds)
        found, seconds = _timed(lambda: runner.run(noisy, sigma), device)
        times["harness"].append(seconds)
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    gap = float((torch.as_tensor(found) - expected).abs().max())
    height, width = noisy.shape[-2:]
    return _row(
        f"forward pass of {cell.label}, {cell.dataset.colour}, {height}x{width}, against plain PyTorch",
        medians["harness"],
        medians["plain"],
        f"{runner.runtime}; outputs differ by at most {gap:.0e}",
    )


def _first_image(cell: Cell) -> "Tensor":
    import torch

    (picture,) = pictures(cell.dataset, [cell.dataset.images[0].name])
    noisy = degraded(cell, picture).noisy
    height, width = (min(256, side // 8 * 8) for side in noisy.shape[:2])  # a multiple for every network
    if not (height and width):
        raise BenchError(
            f"dataset {cell.dataset.name}, image {picture.name}: is smaller than 8x8 pixels; take larger ones"
        )
    return torch.from_numpy(noisy[:height, :width]).permute(2, 0, 1)[None].contiguous()


@exact()
def plain_loop(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Run a network cell as most published code does, and return the PSNR of each image.

    One image at a time through PyTorch in its default layout, metrics in NumPy and scikit-image
    after each image: the reference that the harness is timed against.
    """
    import numpy as np
    import torch
    from skimage.metrics import structural_similarity

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
    """BM3D on all cores against one thread, on eight photographs."""
    cell = _first(_cell("bm3d", "builtin"), 8)
    cores = provenance.cores()
    run_cell(_first(cell, cores), Settings(jobs=cores))  # the workers' start belongs to neither
    _, parallel = _timed(lambda: run_cell(cell, Settings(jobs=cores)))
    _, single = _timed(lambda: run_cell(cell, Settings(jobs=1)))
    yield _row(f"{cell.label} on 8 images of builtin, {cores} processes, against one thread", parallel, single, "")


def _commands() -> Iterator[Row]:
    """How soon the light commands answer."""
    for words in (("--help",), ("list",), ("run", "--method", "dncnnn")):
        command = [sys.executable, "-m", "bench", *words]
        times = [_timed(lambda c=command: subprocess.run(c, capture_output=True, check=False))[1] for _ in range(5)]  # type: ignore[misc]
        yield _row(
            f"python -m bench {' '.join(words)}", statistics.median(times), 1.0, "median of 5, against one second"
        )


def _memory(record: Record, label: str) -> Row:
    gib = record.provenance["peak_memory"] / 2**30
    return _row(f"resident memory of {label} (GiB)", gib, 4.0, "peak, against 4 GiB")


def _cell(method: str, data: str) -> Cell:
    cells, failures = plan(Request(method, data, f"{SIGMA:g}"))
    if failures:
        raise BenchError(failures[0].cause)
    return cells[0]


def _first(cell: Cell, count: int) -> Cell:
    return replace(cell, dataset=replace(cell.dataset, images=cell.dataset.images[:count]))


def _timed(work: Callable[[], Any], device: str = "cpu") -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    devices.synchronise(device)
    return result, time.perf_counter() - start


def _row(what: str, measured: float, reference: float, remark: str) -> Row:
    return {
        "what": what,
        "measured": round(measured, 4),
        "reference": round(reference, 4),
        "ratio": round(measured / reference, 4),
        "remark": remark,
    }
