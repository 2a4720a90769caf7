"""The engine of a Dask cluster: it hands cells to workers as these get free, and takes what comes back."""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line
from bench.plan.cell import Cell, Failure
from bench.run.cluster.guard import TOPIC, digest, guard, required
from bench.run.cluster.scheduler import PATIENCE, connected
from bench.run.cluster.worker import run_here
from bench.run.expected import shares
from bench.run.one_cell import Part, joined, part_of
from bench.run.settings import Settings
from bench.store.records import Record

if TYPE_CHECKING:
    from distributed import Client, Future

Attempt = Callable[[Cell, Settings], Record | Part | Failure]

LOOK = 1.0
"""Seconds between two looks at which workers there are."""


@dataclass(frozen=True)
class Job:
    """A cell, or the images of it that one worker gets."""

    cell: Cell
    attempt: Attempt
    on_gpu: bool


@dataclass
class Workers:
    """The workers of a cluster, as they were last looked at.

    Attributes
    ----------
    cpu, gpu : set of str
        Addresses of those that take cells, without and with a GPU.
    refused : dict
        Of the others, by address: why.
    there : int
        How many there are, with those that have not yet said what they have.
    """

    client: "Client"
    name: str
    cpu: set[str] = field(default_factory=set)
    gpu: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    there: int = 0

    def look(self) -> None:
        """Ask the scheduler."""
        there = self.client.scheduler_info(n_workers=-1)["workers"]
        self.there = len(there)
        resources = {address: one["resources"] for address, one in there.items()}
        self.gpu = {address for address, has in resources.items() if self.name in has and "GPU" in has}
        self.cpu = {address for address, has in resources.items() if self.name in has} - self.gpu
        if len(self.cpu) + len(self.gpu) < len(there):
            events = [said for _, said in self.client.get_events(TOPIC) if said["name"] == self.name]
            self.refused = {
                one["worker"]: f"worker {one['worker']} on {one['host']} gets no cells: {one['differs']}"
                for one in events
                if one["differs"] and one["worker"] in there
            }

    def free(self, running: Mapping["Future[Any]", Job], *, on_gpu: bool) -> int:
        """Return how many more jobs of a kind workers can take."""
        busy_gpu = sum(job.on_gpu for job in running.values())
        if on_gpu:
            return len(self.gpu) - busy_gpu
        # Where all workers have a GPU, what needs none runs beside what does.
        return (len(self.cpu) - len(running) + busy_gpu) if self.cpu else len(self.gpu) - len(running)

    def needed(self, job: Job) -> dict[str, float]:
        """Return what of a worker a job takes."""
        if job.on_gpu:
            return {self.name: 1, "GPU": 1}
        return {self.name: 1, f"{self.name}-cpu": 1} if self.cpu else {self.name: 1}


def run_on_cluster(
    cells: Sequence[Cell],
    settings: Settings,
    expected: Mapping[str, float],
    attempts: tuple[Attempt, Attempt],
    note: Callable[[str], None],
) -> Iterator[tuple[Cell, Record | Failure]]:
    """Run cells on the workers of a scheduler and yield each with its record, or the failure it ended in.

    A worker that dies loses the cell in hand, which another one gets. What cannot be known of the workers is not
    trusted: one with other code or packages gets no cell.

    Parameters
    ----------
    cells : sequence of Cell
        In the order in which they begin.
    settings : Settings
        `scheduler` and, for a batch system, `jobs` among them.
    expected : mapping
        Likely seconds of each cell, by its key.
    attempts : tuple of callable
        What runs a whole cell on a worker, and what a part of one.
    note : callable
        Told, in a line, of workers that are refused, and of those that are waited for.

    Raises
    ------
    BenchError
        If there is no scheduler or it goes away, or no worker can take the cells.
    """
    requirement = required(cells)
    with connected(settings.scheduler, settings.jobs) as client:
        try:
            plugin = guard(requirement)
            client.register_plugin(plugin, name=digest(requirement))
            workers = Workers(client, digest(requirement))
            _wait_for_workers(workers, settings, note)
            yield from _dispatch(cells, settings, expected, attempts, workers, note)
        except (OSError, TimeoutError, CancelledError) as error:
            raise _gone(settings) from error


def _gone(settings: Settings) -> BenchError:
    return BenchError(
        f"SCHEDULER={settings.scheduler}: the scheduler is gone; what is finished is kept, "
        "and the same command goes on from there when it is back"
    )


def _wait_for_workers(workers: Workers, settings: Settings, note: Callable[[str], None]) -> None:
    """Wait until a worker takes cells; those of a batch system may take long to come."""
    queued = settings.scheduler.endswith((".yml", ".yaml"))
    until = math.inf if queued else time.monotonic() + PATIENCE
    said: set[str] = set()
    told = False
    while True:
        workers.look()
        _say_refused(workers, said, note)
        if workers.gpu or (workers.cpu and settings.device.partition(":")[0] != "cuda"):
            return
        if workers.cpu and not queued:
            raise BenchError(
                f"DEVICE={settings.device}: no worker of SCHEDULER={settings.scheduler} declares a GPU; start one with "
                "--resources GPU=1, or use DEVICE=cpu"
            )
        if time.monotonic() > until or (not queued and workers.refused and len(workers.refused) == workers.there):
            refused = f"; {len(workers.refused)} were refused" if workers.refused else ""
            raise BenchError(
                f"SCHEDULER={settings.scheduler}: it has no worker that takes cells{refused}; start one in a checkout "
                "of this commit with python -m distributed.cli.dask_worker, or see docs/scale.md"
            )
        if refusals := getattr(workers.client.cluster, "refusals", ()):
            raise BenchError(f"SCHEDULER={settings.scheduler}: its batch system took no job: {refusals[-1][:300]}")
        if queued and not told:
            note(f"waiting for the first of {settings.jobs} jobs to start")
            told = True
        time.sleep(LOOK / 5)


def _say_refused(workers: Workers, said: set[str], note: Callable[[str], None]) -> None:
    for line in workers.refused.values():
        if line not in said:
            said.add(line)
            note(line)


def _jobs(
    cells: Sequence[Cell], settings: Settings, expected: Mapping[str, float], attempts: tuple[Attempt, Attempt],
    workers: Workers,
) -> Iterator[Job]:  # fmt: skip
    """Give the jobs that cells make."""
    whole, some = attempts
    counts = shares(cells, expected, len(workers.cpu or workers.gpu))
    wants_gpu = settings.device != "cpu" and bool(workers.gpu)
    for cell in cells:
        needs_one = not cell.method.processes and not cell.outputs
        on_gpu = wants_gpu and (needs_one or not workers.cpu)
        names, count = cell.dataset.image_names(), counts[cell.key]
        if count == 1:
            yield Job(cell, whole, on_gpu)
            continue
        for first in range(count):
            yield Job(part_of(cell, names[first::count]), some, on_gpu)


def _dispatch(
    cells: Sequence[Cell],
    settings: Settings,
    expected: Mapping[str, float],
    attempts: tuple[Attempt, Attempt],
    workers: Workers,
    note: Callable[[str], None],
) -> Iterator[tuple[Cell, Record | Failure]]:
    jobs = list(_jobs(cells, settings, expected, attempts, workers))
    waiting = {on_gpu: deque(job for job in jobs if job.on_gpu == on_gpu) for on_gpu in (True, False)}
    gathered = _Gathered(cells, jobs)
    running: dict[Future[Any], Job] = {}
    said = set(workers.refused.values())
    looked, gpu_gone = time.monotonic(), False
    try:
        while running or any(waiting.values()):
            for on_gpu, line in waiting.items():
                while line and workers.free(running, on_gpu=on_gpu) > 0:
                    job = line.popleft()
                    if not gathered.is_over(job.cell):
                        running[_submit(workers, job, settings)] = job
            for future in _ended(running, LOOK if running else 0):
                yield from gathered.add(running.pop(future), _outcome(future, workers.client))
            if time.monotonic() - looked > LOOK:
                looked, had = time.monotonic(), bool(workers.cpu or workers.gpu)
                workers.look()
                _say_refused(workers, said, note)
                if not had and (workers.cpu or workers.gpu):
                    # Jobs that found no worker are not looked at again when one offers itself.
                    for future in list(running):
                        job = running.pop(future)
                        future.cancel()
                        waiting[job.on_gpu].appendleft(job)
                elif had and not (workers.cpu or workers.gpu):
                    note("no worker is left; waiting for one")
                elif waiting[True] and not workers.gpu and not gpu_gone:
                    note("no worker with a GPU is left; waiting for one")
                gpu_gone = bool(waiting[True]) and not workers.gpu
    finally:
        for future in running:
            with suppress(Exception):  # the scheduler may be gone
                future.cancel()


_COUNT = itertools.count()


def _submit(workers: Workers, job: Job, settings: Settings) -> "Future[Any]":
    import cloudpickle

    sent = replace(settings, scheduler="", save=settings.save)
    payload = cloudpickle.dumps((job.attempt, job.cell, sent))
    name = f"{job.cell.key}-{next(_COUNT)}-{time.time_ns()}"
    return workers.client.submit(run_here, payload, key=name, resources=workers.needed(job), pure=False)


def _ended(running: Mapping["Future[Any]", Job], timeout: float) -> list["Future[Any]"]:
    """Return the futures that are through, waiting for the first one for a while."""
    from distributed import wait

    if not running:
        time.sleep(LOOK / 5)
        return []
    try:
        return list(wait(list(running), timeout=timeout, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _outcome(future: "Future[Any]", client: "Client") -> Record | Part | Failure | BaseException:
    """Return what came of a job; an error of the worker's end, and none of the scheduler's."""
    from distributed import KilledWorker

    if future.cancelled() and client.scheduler is not None:
        raise CancelledError
    try:
        return future.result()
    except KilledWorker as error:
        return BenchError(f"the worker that ran it died, {len(set(map(str, [error.last_worker])))} and others before")
    except (CancelledError, OSError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cells go on
        return error


class _Gathered:
    """Parts of cells, until a cell has all of its own."""

    def __init__(self, cells: Sequence[Cell], jobs: Sequence[Job]) -> None:
        self._whole = {cell.key: cell for cell in cells}
        self._missing: dict[str, int] = {}
        for job in jobs:
            self._missing[job.cell.key] = self._missing.get(job.cell.key, 0) + 1
        self._parts: dict[str, list[Part]] = {}
        self._over: set[str] = set()

    def is_over(self, cell: Cell) -> bool:
        """Whether a cell has failed, so that the rest of it need not run."""
        return cell.key in self._over

    def add(
        self, job: Job, outcome: Record | Part | Failure | BaseException
    ) -> Iterator[tuple[Cell, Record | Failure]]:
        """Yield the cell of a job with its outcome, where it has that now."""
        cell = self._whole[job.cell.key]
        if cell.key in self._over:
            return
        if isinstance(outcome, Part):
            parts = self._parts.setdefault(cell.key, [])
            parts.append(outcome)
            if len(parts) < self._missing[cell.key]:
                return
            try:
                outcome = joined(cell, self._parts.pop(cell.key))
            except (BenchError, ValueError) as error:
                outcome = error
        if not isinstance(outcome, Failure | BaseException) and not _answers(outcome, cell):
            outcome = BenchError("its worker returned what is no record of its images")
        self._over.add(cell.key)
        yield cell, Failure(cell.request, one_line(outcome)) if isinstance(outcome, BaseException) else outcome


def _answers(outcome: Any, cell: Cell) -> bool:
    """Whether what a worker returned is a record of all images of a cell, those that failed alone among them."""
    if not isinstance(outcome, Record):
        return False
    images = {row["image"] for row in outcome.images} | set(outcome.provenance["failed_images"])
    return outcome.provenance["key"].startswith(cell.key) and images == set(cell.dataset.image_names())
