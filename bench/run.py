"""Running one cell: images in, noise on, method over them, scores out, as one record."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import devices, files, provenance
from bench.backends import Runner, only_networks, prepare
from bench.cost import Cost
from bench.errors import BenchError
from bench.images import degraded, pictures
from bench.inference import Tiles, ensembled, padded, tiled
from bench.noise_level import told
from bench.plan import Cell, describe
from bench.score import Clock, Sample, Scorer, Watcher
from bench.store import Record

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.inference import Run


@dataclass(frozen=True)
class Settings:
    """Where and how cells run; none of it changes a result.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    backend : str
        ``"auto"``, ``"torch"``, ``"onnxruntime"`` or ``"ncnn"``.
    jobs : int
        Processes for methods that take one image at a time; 0: one a core.
    threads : int
        Threads for networks on the CPU; 0: one a core.
    compile : bool
        Whether PyTorch compiles networks before it runs them.
    memory : float
        GiB that a cell may take, on the device; 0: a limit that the harness chooses.
    """

    device: str = "auto"
    backend: str = "auto"
    jobs: int = 0
    threads: int = 0
    compile: bool = False
    memory: float = 0.0


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
    device = devices.chosen(settings.device)
    devices.reset_peak_memory(device)
    images = _images(cell, clock, watcher)
    how: dict[str, Any]
    if cell.method.processes:
        only_networks(cell.inference.precision, compiled=settings.compile)
        how = asdict(Cost()) | {"backend": "plain", "jobs": settings.jobs or provenance.cores(), "threads": 1}
        outputs = _in_processes(cell, images, how)
    else:
        threads = settings.threads or provenance.cores()
        runner = _load(cell, device, settings, threads)
        how = asdict(runner.cost) | {"backend": runner.backend, "jobs": 1, "threads": threads}
        outputs = _in_batches(cell, images, runner, device)
    scorer = Scorer(cell, device, clock, watcher)
    for batch, denoised, seconds in outputs:
        scorer.score(batch, denoised, seconds)
    clock.seconds["total"] = time.perf_counter() - start
    about = _about(cell) | {
        "started": started.isoformat(timespec="seconds"),
        "seconds": {k: round(v, 4) for k, v in clock.seconds.items()},
        "device": devices.title(device),
        "peak_memory": devices.peak_memory(device) + how.pop("workers_memory", 0),
        **how,
    }
    order = {name: i for i, name in enumerate(cell.dataset.image_names())}
    return Record(sorted(scorer.rows, key=lambda row: order[row["image"]]), about)


def _images(cell: Cell, clock: Clock, watcher: Watcher) -> Iterator[Sample]:
    """Read and degrade the images one after another."""
    images = pictures(cell.dataset, advance=watcher.files)
    while True:
        with clock.part("load"):
            picture = next(images, None)
        if picture is None:
            return
        with clock.part("noise"):
            image = degraded(cell, picture)
            sample = Sample(picture.name, image.clean, image.noisy, told(cell, image))
        yield sample


def _load(cell: Cell, device: str, settings: Settings, threads: int) -> Runner:
    """Load the method, and put around it what the harness does for every method."""
    import torch

    torch.set_num_threads(threads)
    denoise = cell.method.load(cell.net, weights_path(cell), cell.options)
    sigma, backend = _fixed_sigma(cell), settings.backend
    if sigma is None and cell.net.given_sigma and isinstance(denoise, torch.nn.Module):
        if backend not in ("auto", "torch"):
            raise BenchError(f"BACKEND={backend} fixes sigma, and here each image has its own; use BACKEND=torch")
        sigma, backend = _ANY_SIGMA, "torch"
    runner = prepare(
        denoise,
        channels=3 if cell.dataset.colour == "rgb" else 1,
        device=device,
        backend=backend,
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


Output = tuple[list[Sample], "Tensor", float]
"""Images, what the method made of them (B, C, H, W), and its seconds for each."""


def _in_batches(cell: Cell, images: Iterable[Sample], runner: Runner, device: str) -> Iterator[Output]:
    """Run images of one shape together, as many as the device gains from; time the method alone."""
    import torch

    warm = False
    for batch in _same_shape(images, runner.images, runner.pixels):
        noisy = torch.stack([torch.from_numpy(image.noisy).permute(2, 0, 1) for image in batch]).to(device)
        if not warm:  # start-up cost of kernels and caches belongs to no image
            _call(cell, runner.run, noisy[..., :64, :64].contiguous(), batch[0])
            warm = True
        devices.synchronise(device)
        start = time.perf_counter()
        denoised = _call(cell, runner.run, noisy, batch[0])
        devices.synchronise(device)
        yield batch, denoised, (time.perf_counter() - start) / len(batch)


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


def _in_processes(cell: Cell, images: Iterable[Sample], how: dict[str, Any]) -> Iterator[Output]:
    """Spread images over one-threaded worker processes, and give them back as they come.

    The memory of the workers is put into `how`.
    """
    import torch

    if how["jobs"] == 1:
        for image in images:
            denoised, seconds, _ = _denoise_one(cell, replace(image, clean=None, noisy=image.noisy.copy()))
            yield [image], torch.from_numpy(denoised), seconds
        return
    from loky import get_reusable_executor

    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    executor = get_reusable_executor(max_workers=how["jobs"], env=single, timeout=60)
    running: dict[Future[Any], Sample] = {}

    def finished() -> Iterator[Output]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            denoised, seconds, memory = future.result()
            how["workers_memory"] = max(how.get("workers_memory", 0), memory * how["jobs"])
            yield [running.pop(future)], torch.from_numpy(denoised), seconds

    try:
        for image in images:
            running[executor.submit(_denoise_one, cell, replace(image, clean=None))] = image
            if len(running) >= 2 * how["jobs"]:
                yield from finished()
        while running:
            yield from finished()
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _denoise_one(cell: Cell, image: Sample) -> tuple["np.ndarray", float, int]:
    """Denoise one image in this process; returns (1, C, H, W), the seconds, and the peak of memory."""
    import torch

    torch.set_num_threads(1)
    denoise = _loaded(cell)
    tensor = torch.from_numpy(image.noisy).permute(2, 0, 1)[None]
    start = time.perf_counter()
    denoised = _call(cell, denoise, tensor, image)
    return denoised.numpy(), time.perf_counter() - start, provenance.peak_memory()


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

    Raises
    ------
    BenchError
        When it is called, if what comes back is none.
    """

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        import torch

        denoised = denoise(noisy, sigma)
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
            "ledger": list(cell.dataset.ledger or (cell.dataset.name, cell.dataset.colour)),
        },
        "degradation": str(cell.degradation),
        "kind": cell.degradation.kind,
        "strength": cell.degradation.strength,
        "sigma": cell.degradation.sigma,
        "random": cell.degradation.random,
        "told_sigma": cell.told_sigma,
        "protocol": asdict(cell.protocol),
        "seed": cell.seed,
        "extrapolates": cell.extrapolates,
        "inference": asdict(cell.inference),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "commit": provenance.commit(),
    }
