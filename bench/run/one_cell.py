"""Running one cell: images in, noise on, method over them, scores out, as one record."""

import math
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.common import devices, provenance
from bench.common.errors import one_line
from bench.plan.cell import Cell
from bench.run.batches import in_batches
from bench.run.from_files import from_files
from bench.run.isolated import loaded
from bench.run.processes import in_processes, job_count, limited
from bench.run.progress import CellProgress
from bench.run.runtimes.choice import only_networks, runtime_of
from bench.run.runtimes.cost import Cost
from bench.run.sample import MOST_ALONE, Output, Sample, alone, samples
from bench.run.saving import needs_floats
from bench.run.scoring import rows_of
from bench.run.seen import Seen, faults_of, in_threads
from bench.run.settings import Settings
from bench.run.suspicion import ROUNDED, Look, looks, odd_images, references_opened, rounded, traces, untraced
from bench.run.watched import watching
from bench.score.scorer import TOGETHER
from bench.store.opened import Opened
from bench.store.records import Record, described

if TYPE_CHECKING:
    from bench.score import belonging


class Clock:
    """Seconds spent in each part of a cell."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("load", "method", "score"), 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` for one part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class Part:
    """What came of a cell's images, or of some of them where several processes share a cell.

    Attributes
    ----------
    seen : Seen
        Rows of the record, and what is likely wrong with each output.
    failed : dict
        The error of each image that failed alone.
    about : dict
        What the record's provenance says of where and how that was.
    clean : dict
        What is to be known of a person's clean images beside each other.
    """

    seen: Seen
    failed: dict[str, Exception]
    about: dict[str, Any]
    clean: dict[str, Look] = field(default_factory=dict)


def run_cell(
    cell: Cell,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    progress: CellProgress = CellProgress(),  # noqa: B008 - no state
) -> Record:
    """Run a cell and return its record.

    Parameters
    ----------
    cell : Cell
        What to run.
    settings : Settings
        Where and how.
    progress : CellProgress
        Told of each file that is downloaded and each image that is done.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged, or the method fails or returns what it must not.
    """
    return joined(cell, [run_part(cell, settings, progress)])


def run_part(cell: Cell, settings: Settings, progress: CellProgress) -> Part:
    """Run a cell, or what `part_of` made of one; parameters and errors are those of `run_cell`."""
    started, start = datetime.now(UTC), time.perf_counter()
    clock = Clock()
    device = devices.chosen(settings.device)
    devices.reset_peak_memory(device)
    failed: dict[str, Exception] = {}
    # On the CPU the method itself has all cores.
    threads = 0 if device == "cpu" else max(1, min(8, provenance.cores() - 1))
    images = _timed(samples(cell, progress.files, failed, threads), clock)
    exact = settings.save is not None and needs_floats(cell)
    how: dict[str, Any] = {}
    seen = Seen()
    traced: list[belonging.Trace] = []
    scarce: list[str] = []
    whole: list[bool] = []
    clean: dict[str, Look] = {}
    scored, total = 0, 0.0
    with (
        closing(run_method(cell, images, settings, device, how, failed)) as outputs,
        in_threads(threads) as begin,
    ):
        for group in _of_one_shape(outputs):
            of_group = [sample for output in group for sample in output.samples]
            for output in group:
                clock.seconds["method"] += 0 if math.isnan(output.seconds) else output.seconds * len(output.samples)
            with clock.part("score"), alone(failed, *of_group):
                rows = rows_of(cell, group, device, scarce, exact=exact)
                seen.add(of_group, rows, faults_of(group, begin, recorded=cell.degradation.recorded))
                traced += traces(cell, group)
                whole += rounded(cell, group)
                clean |= looks(cell, of_group)
                scored, total = scored + len(rows), total + sum(row["psnr"] for row in rows)
            with clock.part("score"):
                seen.wait(failed, threads)
            if scored:
                progress.images(scored, len(cell.dataset.images), total / scored)
        with clock.part("score"):
            seen.wait(failed)
    clock.seconds["total"] = time.perf_counter() - start
    opened = how.pop("opened", Opened())
    about = described(cell, opened) | {
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": clock.seconds,
        "device": devices.title(device),
        "drivers": devices.drivers(device),
        "peak_memory": devices.peak_memory(device) + how.pop("workers_memory", 0),
        **how,
        "notes": [*how.get("notes", ()), *scarce, *[ROUNDED] * (bool(whole) and all(whole))],
        "warnings": [
            *how.get("warnings", ()),
            *references_opened(cell, opened),
            *(() if any(seen.faults) else untraced(traced)),
        ],
    }
    return Part(seen, failed, about, clean)


def part_of(cell: Cell, names: Collection[str]) -> Cell:
    """Return a cell with some of its images only; it has the key of the whole one, and its images the same noise."""
    images = [image for image in cell.dataset.images if image.name in names]
    return replace(cell, dataset=replace(cell.dataset, images=images))


def joined(cell: Cell, parts: Sequence[Part]) -> Record:
    """Return the record of a cell whose images were run in parts.

    Raises
    ------
    BenchError, ValueError
        If no image has a result, or more failed than may fail alone: the error of the first that is too many.
    """
    from bench.score import sanity

    failed = {name: error for part in parts for name, error in part.failed.items()}
    rows = [row for part in parts for row in part.seen.rows]
    faults = [fault for part in parts for fault in part.seen.faults]
    if not rows or len(failed) > MOST_ALONE:
        raise list(failed.values())[MOST_ALONE if rows else 0]
    likely = sanity.warnings(faults, [row["image"] for row in rows])
    about = parts[0].about if len(parts) == 1 else _together([part.about for part in parts])
    about |= {
        "seconds": {name: round(seconds, 4) for name, seconds in about["seconds"].items()},
        "notes": list(about.get("notes", ())),
        "warnings": [
            *_missing(failed, len(cell.dataset.images)),
            *cell.dataset.warnings,
            *odd_images(cell, {name: look for part in parts for name, look in part.clean.items()}),
            *about.get("warnings", ()),
            *likely,
        ],
        "failed_images": {name: one_line(error) for name, error in failed.items()},
    }
    order = {name: i for i, name in enumerate(cell.dataset.image_names())}
    return Record(sorted(rows, key=lambda row: order[row["image"]]), about)


def _together(abouts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return where and how the parts of a cell ran: seconds and processes of all, memory of the largest."""
    lists = {
        name: list(dict.fromkeys(line for about in abouts for line in about.get(name, ())))
        for name in ("notes", "warnings")
    }
    texts = {
        name: "; ".join(dict.fromkeys(about[name] for about in abouts)) for name in ("machine", "device", "runtime")
    }
    numbers = {
        "started": min(about["started"] for about in abouts),
        "seconds": {name: sum(about["seconds"][name] for about in abouts) for name in abouts[0]["seconds"]},
        "peak_memory": max(about["peak_memory"] for about in abouts),
        "jobs": sum(about["jobs"] for about in abouts),
    }
    return abouts[0] | lists | texts | numbers


def run_method(
    cell: Cell,
    images: Iterator[Sample],
    settings: Settings,
    device: str,
    how: dict[str, Any],
    failed: dict[str, Exception],
) -> Generator[Output]:
    """Run the method over the images; what a record says of where and how that was is put into `how`."""
    if cell.outputs:
        outputs, notes = from_files(cell, images, failed)
        how |= asdict(Cost()) | {"runtime": "", "fallback": "", "jobs": 1, "threads": 1, "notes": notes}
        yield from outputs
        return
    if cell.method.processes:
        only_networks(cell.inference.precision, compiled=settings.compile)
        jobs, lone = job_count(settings)
        runtime = runtime_of(cell.method.load)
        how |= asdict(Cost()) | {"runtime": runtime, "fallback": "", "jobs": jobs, "threads": 1, "notes": lone}
        with watching(cell) as recorder:
            yield from in_processes(limited(cell, settings), images, how, failed)
        how["opened"] = recorder.opened
        return
    threads = settings.threads or provenance.cores()
    with loaded(cell, device, settings, threads) as runner:
        how |= asdict(runner.cost) | {"runtime": runner.runtime, "fallback": runner.fallback}
        how |= {"jobs": 1, "threads": threads, "notes": runner.notes, "warnings": runner.warnings}
        yield from in_batches(cell, images, runner, device, failed)
        how |= runner.about | runner.finish()


def _missing(failed: Mapping[str, Exception], count: int) -> list[str]:
    """Say which images the means are not of, and why."""
    causes = [f"{name}: {one_line(error)}" for name, error in failed.items()]
    more = f"; and {len(causes) - 3} more" if len(causes) > 3 else ""
    return [f"{count - len(failed)} of {count} images; failed: {'; '.join(causes[:3])}{more}"] * bool(failed)


def _timed(images: Iterator[Sample], clock: Clock) -> Iterator[Sample]:
    """Count the time that reading and degrading take."""
    while True:
        with clock.part("load"):
            sample = next(images, None)
        if sample is None:
            return
        yield sample


def _of_one_shape(outputs: Iterator[Output]) -> Iterator[list[Output]]:
    """Give outputs together that are scored together: small ones of one shape that come one after another."""
    group: list[Output] = []
    numbers, began = 0, time.perf_counter()
    for output in outputs:
        if group and output.denoised.shape[1:] != group[0].denoised.shape[1:]:
            yield group
            group, numbers = [], 0
        if not group:
            began = time.perf_counter()
        group.append(output)
        numbers += output.denoised.numel()
        if numbers >= TOGETHER or time.perf_counter() - began > PATIENCE:
            yield group
            group, numbers = [], 0
    if group:
        yield group


PATIENCE = 0.5
"""Seconds after which images that are done are scored, so that one sees how it goes on."""
