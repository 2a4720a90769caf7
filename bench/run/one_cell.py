"""Running one cell: images in, noise on, method over them, scores out, as one record."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.common import devices, provenance
from bench.plan.cell import Cell, describe
from bench.run.batches import Settings, in_batches, in_processes, load
from bench.run.images import degraded, pictures
from bench.run.noise_level import told
from bench.run.runtimes import only_networks
from bench.run.runtimes.cost import Cost
from bench.score.scorer import Clock, Sample, Scorer, Watcher
from bench.store.records import Record

__all__ = ["Settings", "run_cell"]


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
        outputs = in_processes(cell, images, how)
    else:
        threads = settings.threads or provenance.cores()
        runner = load(cell, device, settings, threads)
        how = asdict(runner.cost) | {
            "backend": runner.backend,
            "fallback": runner.fallback,
            "jobs": 1,
            "threads": threads,
        }
        outputs = in_batches(cell, images, runner, device)
    scorer = Scorer(cell, device, clock, watcher)
    for output in outputs:
        scorer.score(output)
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
