"""A campaign of 100,000 cells on 64 GPUs, simulated from what cells took in this project's own measurements."""

import heapq
import itertools
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.common.tables import rows_of

METHODS, SETS, LEVELS, SEEDS = 100, 20, 10, 5
"""The campaign; measured methods and sets take turns until there are as many."""

GPU_SPEEDUP = 100.0
"""By how much a GPU is assumed to run a network faster than the two cores of the measurements, at full precision.

DnCNN does 1.1e12 operations a megapixel: in 12.7 s on those cores 0.09e12 a second, of which a GPU does 9e12.
"""

SET_UP = 1.0
"""Seconds that a cell is assumed to take on a GPU besides its network: weights, warm-up, noise and scores."""

CORES = 8
"""Of a worker without a GPU; what was measured ran on `MEASURED_CORES`."""

MEASURED_CORES = 2


@dataclass(frozen=True)
class Job:
    """A cell: its likely seconds on the worker that it needs."""

    seconds: float
    on_gpu: bool


@dataclass(frozen=True)
class Outcome:
    """What a simulated campaign took.

    Attributes
    ----------
    makespan : float
        Seconds from the first cell's begin to the last one's end.
    busy_gpu, busy_cpu : float
        Share of that time in which workers of a kind had a cell.
    """

    makespan: float
    busy_gpu: float
    busy_cpu: float


def campaign(tables: Path, speedup: float = GPU_SPEEDUP) -> list[Job]:
    """Return the cells of the campaign in the order of the request: methods, sets, noise levels, seeds.

    Parameters
    ----------
    tables : Path
        The folder of `verify-cells.csv` and `verify-images.csv`.
    speedup : float
        Of a GPU over the measured cores, for networks.
    """
    rates, sizes = _measured(tables)
    methods = itertools.islice(itertools.cycle(sorted(rates.items())), METHODS)
    sets = list(itertools.islice(itertools.cycle(sorted(sizes.items())), SETS))
    jobs = []
    for ((_, runtime), rate), (_, megapixels) in itertools.product(methods, sets):
        network = runtime != "Python"
        seconds = rate * megapixels
        seconds = seconds / speedup + SET_UP if network else seconds * MEASURED_CORES / CORES
        jobs += [Job(seconds, network)] * (LEVELS * SEEDS)
    return jobs


def _measured(tables: Path) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Return the seconds a megapixel of each method and its runtime, and the megapixels of each set."""
    area: dict[str, float] = defaultdict(float)
    for row in rows_of(tables / "verify-images.csv"):
        area[row["key"]] += int(row["height"]) * int(row["width"]) / 1e6
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    sizes: dict[str, list[float]] = defaultdict(list)
    for row in rows_of(tables / "verify-cells.csv"):
        if row["key"] in area:
            sizes[row["dataset"]].append(area[row["key"]])
            if row["method"] != "none":
                rates[row["method"], row["runtime"]].append(float(row["seconds"]) / area[row["key"]])
    return {way: median(found) for way, found in rates.items()}, {name: max(found) for name, found in sizes.items()}


def simulated(jobs: Sequence[Job], gpus: int, others: int, client: float) -> Outcome:
    """Run jobs in their order, each on the first free worker of its kind, as the engine of a cluster does.

    Parameters
    ----------
    jobs : sequence of Job
        In the order in which they begin.
    gpus, others : int
        Workers with a GPU, and without one; where there are none of these, all jobs go to the first.
    client : float
        Seconds of the command that gives and stores cells, for each; it does one at a time.

    Returns
    -------
    Outcome
    """
    waiting = {kind: deque(job for job in jobs if (job.on_gpu or not others) == kind) for kind in (True, False)}
    ends: list[tuple[float, int, bool]] = []
    number, now, busy = itertools.count(), 0.0, {True: 0.0, False: 0.0}

    def begin(kind: bool, at: float) -> float:
        if waiting[kind]:
            job = waiting[kind].popleft()
            busy[kind] += job.seconds
            at += client
            heapq.heappush(ends, (at + job.seconds, next(number), kind))
        return at

    for kind, count in ((True, gpus), (False, others)):
        for _ in range(count):
            now = begin(kind, now)
    last = 0.0
    while ends:
        end, _, kind = heapq.heappop(ends)
        last, now = end, begin(kind, max(now, end))
    return Outcome(last, *(busy[kind] / (last * max(1, count)) for kind, count in ((True, gpus), (False, others))))


def longest(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs in the order in which the engine takes them (`bench.run.expected.longest_first`)."""
    return sorted(jobs, key=lambda job: job.seconds, reverse=True)


def rows(tables: Path, client: float) -> Iterator[dict[str, str | float]]:
    """Yield what `make speed` measured of two workers, and the campaign simulated on 1 to 64 GPUs and otherwise."""
    for row in rows_of(tables / "speed.csv"):
        if found := re.match(r"(.+), (\d+) processes, against one thread", row["what"]):
            for count, taken in ((1, row["reference"]), (int(found[2]), row["measured"])):
                yield {"part": "workers", "what": f"measured by make speed: {found[1]}", "count": count,
                       "seconds": float(taken), "remark": ""}  # fmt: skip
    jobs = campaign(tables)
    for workers in (1, 2, 4, 8, 16, 32, 64):
        yield _row("longest first", longest(jobs), workers, client)
    yield _row("order of the request", jobs, 64, client)
    yield _row("shortest first", longest(jobs)[::-1], 64, client)
    few = jobs[:: LEVELS * SEEDS]
    yield _row(f"{len(few)} of the cells, longest first", longest(few), 64, client)
    yield _row(f"{len(few)} of the cells, order of the request", few, 64, client)
    for seconds in (0.02, 0.1):
        yield _row(f"longest first, the command takes {seconds} s a cell", longest(jobs), 64, seconds)
    for speedup in (20.0, 500.0):
        yield _row(f"longest first, GPU {speedup:g} times the CPU", longest(campaign(tables, speedup)), 64, client)
    for others in (0, 128, 256):
        yield _row(f"longest first, {others} workers without a GPU", longest(jobs), 64, client, others)


def _row(
    order: str, jobs: Sequence[Job], workers: int, client: float, others: int | None = None
) -> dict[str, str | float]:
    cpus = workers if others is None else others
    found = simulated(jobs, workers, cpus, client)
    return {
        "part": "workers", "what": f"simulated: {order}", "count": workers, "seconds": round(found.makespan, 1),
        "remark": f"{workers} GPUs {found.busy_gpu:.1%} busy, {cpus} workers of {CORES} cores {found.busy_cpu:.1%}; "
        f"{len(jobs) / found.makespan:.3g} cells/s",
    }  # fmt: skip
