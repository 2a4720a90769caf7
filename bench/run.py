"""Running one cell: images in, noise on, method over them, scores out, as one record."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import files, provenance
from bench.backend import Runner, prepare
from bench.degradation import degrade
from bench.errors import BenchError
from bench.metrics import METRICS
from bench.plan import Cell, describe
from bench.store import Record

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """Where and how cells run; none of it changes a result.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    backend : str
        ``"auto"``, ``"torch"`` or ``"onnxruntime"``.
    jobs : int
        Processes for methods that take one image at a time; 0: one a core.
    threads : int
        Threads for networks on the CPU; 0: one a core.
    """

    device: str = "auto"
    backend: str = "auto"
    jobs: int = 0
    threads: int = 0


@dataclass
class Clock:
    """Seconds spent in each part of a cell."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("load", "noise", "method", "score"), 0.0))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` for one part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class Watcher:
    """Told how a cell goes on; this one does nothing with it."""

    def files(self, done: int, total: int) -> None:
        """Files of the dataset that are there, of those that it has; while it is downloaded."""

    def images(self, done: int, total: int, psnr: float) -> None:
        """Images done, images in the set, mean PSNR so far."""


def run_cell(cell: Cell, settings: Settings = Settings(), watcher: Watcher = Watcher()) -> Record:  # noqa: B008 - no state
    """Run a cell and return its record.

    Parameters
    ----------
    cell : Cell
        What to run.
    settings : Settings
        Where and how.
    watcher : Watcher
        Told of each file that is downloaded and each image that is done.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged, or the method fails or returns what it must not.
    """
    started, start = datetime.now(UTC), time.perf_counter()
    clock = Clock()
    provenance.reset_peak_memory()
    device = _device(settings.device)
    scorer = _Scorer(cell, device, clock, watcher)
    if cell.method.processes:
        jobs = settings.jobs or provenance.cores()
        runner = Runner(_refuse, "plain", 1, 0)
        for image, denoised, seconds in _in_processes(cell, _images(cell, clock, watcher), jobs):
            scorer.score([image], denoised, seconds)
        threads = 1
    else:
        jobs, threads = 1, settings.threads or provenance.cores()
        runner = _load(cell, device, settings.backend, threads)
        for batch, denoised, seconds in _in_batches(cell, _images(cell, clock, watcher), runner, device):
            scorer.score(batch, denoised, seconds)
    clock.seconds["total"] = time.perf_counter() - start
    about = _about(cell) | {
        "started": started.isoformat(timespec="seconds"),
        "seconds": {k: round(v, 4) for k, v in clock.seconds.items()},
        "device": _device_name(device),
        "backend": runner.backend,
        "batch": runner.batch,
        "jobs": jobs,
        "threads": threads,
        "parameters": runner.parameters,
        "peak_memory": _peak_memory(device),
    }
    order = {name: i for i, name in enumerate(cell.dataset.image_names())}
    return Record(sorted(scorer.rows, key=lambda row: order[row["image"]]), about)


@dataclass(frozen=True)
class _Image:
    name: str
    clean: "np.ndarray"  # uint8 (H, W, C)
    noisy: "np.ndarray"  # float32 (H, W, C)


def _images(cell: Cell, clock: Clock, watcher: Watcher) -> Iterator[_Image]:
    """Read and degrade the images one after another."""
    owner = f"dataset {cell.dataset.name}"
    with clock.part("load"):
        paths = files.fetch("data", owner, cell.dataset.files, watcher.files)
    for name, path in zip(cell.dataset.image_names(), paths, strict=True):
        with clock.part("load"):
            clean = cell.dataset.read(path)
        with clock.part("noise"):
            noisy = degrade(
                clean, cell.degradation, cell.protocol, dataset=cell.dataset.name, image=name, seed=cell.seed
            )
        yield _Image(name, clean, noisy)


def _load(cell: Cell, device: str, backend: str, threads: int) -> Runner:
    import torch

    torch.set_num_threads(threads)
    denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
    return prepare(
        denoise,
        channels=3 if cell.dataset.colour == "rgb" else 1,
        device=device,
        backend=backend,
        sigma=cell.degradation.sigma / 255,
        threads=threads,
    )


def weights_path(cell: Cell) -> Path | None:
    """Return the verified file of the cell's weights, downloading it if need be."""
    if cell.net.weights is None:
        return None
    return files.fetch("weights", f"weights of {cell.net.label}", [cell.net.weights])[0]


def _in_batches(
    cell: Cell, images: Iterable[_Image], runner: Runner, device: str
) -> Iterator[tuple[list[_Image], "Tensor", float]]:
    """Run images of one shape together, as many as the device gains from; time the method alone."""
    import torch

    warm = False
    for batch in _same_shape(images, runner.batch):
        noisy = torch.stack([torch.from_numpy(image.noisy).permute(2, 0, 1) for image in batch]).to(device)
        if not warm:  # start-up cost of kernels and caches belongs to no image
            _call(cell, runner, noisy[..., :64, :64].contiguous(), batch[0].name)
            warm = True
        _synchronise(device)
        start = time.perf_counter()
        denoised = _call(cell, runner, noisy, batch[0].name)
        _synchronise(device)
        yield batch, denoised, (time.perf_counter() - start) / len(batch)


def _same_shape(images: Iterable[_Image], size: int) -> Iterator[list[_Image]]:
    waiting: dict[tuple[int, ...], list[_Image]] = {}
    for image in images:
        group = waiting.setdefault(image.clean.shape, [])
        group.append(image)
        if len(group) == size:
            yield waiting.pop(image.clean.shape)
    yield from waiting.values()


def _in_processes(cell: Cell, images: Iterable[_Image], jobs: int) -> Iterator[tuple[_Image, "Tensor", float]]:
    """Spread images over one-threaded worker processes, and give them back as they come."""
    import torch

    if jobs == 1:
        for image in images:
            denoised, seconds = _denoise_one(cell, image.name, image.noisy)
            yield image, torch.from_numpy(denoised), seconds
        return
    from loky import get_reusable_executor

    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    executor = get_reusable_executor(max_workers=jobs, env=single, timeout=60)
    running: dict[Future[Any], _Image] = {}
    try:
        for image in images:
            running[executor.submit(_denoise_one, cell, image.name, image.noisy)] = image
            if len(running) >= 2 * jobs:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    denoised, seconds = future.result()
                    yield running.pop(future), torch.from_numpy(denoised), seconds
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                denoised, seconds = future.result()
                yield running.pop(future), torch.from_numpy(denoised), seconds
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _denoise_one(cell: Cell, name: str, noisy: "np.ndarray") -> tuple["np.ndarray", float]:
    """Denoise one image in this process; returns (1, C, H, W) and the seconds it took."""
    import torch

    torch.set_num_threads(1)
    runner = Runner(_loaded(cell), "plain", 1, 0)
    tensor = torch.from_numpy(noisy).permute(2, 0, 1)[None]
    start = time.perf_counter()
    denoised = _call(cell, runner, tensor, name)
    return denoised.numpy(), time.perf_counter() - start


def _loaded(cell: Cell) -> Callable[..., Any]:
    """Load a method once a worker process."""
    key = (cell.net.id, cell.code, tuple(sorted(cell.options.items())))
    if key not in _LOADED:
        _LOADED[key] = cell.method.load(cell.net, weights_path(cell), cell.options)
    return _LOADED[key]


_LOADED: dict[tuple[Any, ...], Callable[..., Any]] = {}


def _call(cell: Cell, runner: Runner, noisy: "Tensor", image: str) -> "Tensor":
    """Run the method and check what it returns, in one line where it is not what it must be."""
    import torch

    where = f"method {cell.label}, image {image}"
    try:
        denoised = runner.run(noisy, cell.degradation.sigma / 255)
    except Exception as error:
        raise BenchError(f"{where}: raised {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    try:
        denoised = torch.as_tensor(denoised).detach()
    except (TypeError, ValueError, RuntimeError):
        raise BenchError(f"{where}: returned a {type(denoised).__name__}; expected a tensor like its input") from None
    if denoised.shape != noisy.shape:
        raise BenchError(
            f"{where}: returned shape {tuple(denoised.shape)}; expected {tuple(noisy.shape)}, that of its input"
        )
    if not torch.isfinite(denoised).all():
        raise BenchError(f"{where}: returned NaN or infinite values")
    return denoised


def _refuse(noisy: "Tensor", sigma: float) -> "Tensor":
    raise AssertionError("this method runs in worker processes")


class _Scorer:
    """Scores batches as they come and keeps the rows."""

    def __init__(self, cell: Cell, device: str, clock: Clock, watcher: Watcher) -> None:
        self.cell, self.device, self.clock, self.watcher = cell, device, clock, watcher
        self.rows: list[dict[str, Any]] = []

    def score(self, batch: list[_Image], denoised: "Tensor", seconds: float) -> None:
        import torch

        self.clock.seconds["method"] += seconds * len(batch)
        with self.clock.part("score"):
            levels = (denoised.to(self.device).double() * 255).clamp(0, 255)
            if self.cell.protocol.output == "uint8":
                levels = levels.round()
            clean = torch.stack([torch.from_numpy(i.clean).permute(2, 0, 1) for i in batch]).to(self.device).double()
            noisy = (
                torch.stack([torch.from_numpy(i.noisy).permute(2, 0, 1) for i in batch]).to(self.device).double() * 255
            )
            scores = {name: metric(clean, levels).tolist() for name, metric in METRICS.items()}
            scores |= {f"noisy_{name}": metric(clean, noisy).tolist() for name, metric in METRICS.items()}
            pictures = levels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
            for i, image in enumerate(batch):
                height, width = image.clean.shape[:2]
                row: dict[str, Any] = {"image": image.name, "height": height, "width": width}
                row |= {name: values[i] for name, values in scores.items()}
                self.rows.append(row | {"seconds": seconds, "denoised": _png(pictures[i])})
        mean = sum(row["psnr"] for row in self.rows) / len(self.rows)
        self.watcher.images(len(self.rows), len(self.cell.dataset.files), mean)


def _png(pixels: "np.ndarray") -> bytes:
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _about(cell: Cell) -> dict[str, Any]:
    weights = cell.net.weights
    return {
        "key": cell.key,
        "identity": cell.identity,
        "label": cell.label,
        "method": cell.method.name,
        "paper": cell.method.paper,
        "net": describe(cell.net),
        "weights": asdict(weights) | {"local": Path(weights.local).name} if weights else None,
        "dataset": {
            "name": cell.dataset.name,
            "title": cell.dataset.title,
            "colour": cell.dataset.colour,
            "source": cell.dataset.source,
        },
        "degradation": str(cell.degradation),
        "sigma": cell.degradation.sigma,
        "protocol": asdict(cell.protocol),
        "seed": cell.seed,
        "extrapolates": cell.extrapolates,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "commit": provenance.commit(),
    }


def _device(asked: str) -> str:
    import torch

    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return "cpu"
    name = "cuda:0" if asked in ("auto", "cuda") else asked
    index = name.removeprefix("cuda:")
    if not name.startswith("cuda:") or not index.isdecimal():
        raise BenchError(f"DEVICE={asked}: expected auto, cpu, cuda or cuda:N")
    if int(index) >= torch.cuda.device_count():
        raise BenchError(f"DEVICE={asked}: this machine has {torch.cuda.device_count()} CUDA devices; use DEVICE=cpu")
    return name


def _device_name(device: str) -> str:
    import torch

    return "cpu" if device == "cpu" else f"{device} ({torch.cuda.get_device_name(device)})"


def _synchronise(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def _peak_memory(device: str) -> int:
    if device == "cpu":
        return provenance.peak_memory()
    import torch

    return int(torch.cuda.max_memory_allocated(device))
