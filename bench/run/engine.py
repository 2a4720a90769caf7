"""Engines: who runs the cells. Each one speaks `concurrent.futures`; the client stores."""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from types import MappingProxyType
from typing import TypeVar

from bench.common.errors import BenchError, lacking, of_file, one_line
from bench.plan.cell import Cell, Failure
from bench.run.cluster.engine import run_on_cluster
from bench.run.lanes import Lane, lanes
from bench.run.one_cell import Part, run_cell, run_part
from bench.run.progress import CellProgress
from bench.run.settings import Settings
from bench.store.records import Record

Outcome = tuple[Cell, Record | Failure]

T = TypeVar("T")


def run_all(
    cells: Sequence[Cell],
    settings: Settings,
    begin: Callable[[Cell], CellProgress] = lambda cell: CellProgress(),
    expected: Mapping[str, float] = MappingProxyType({}),
    note: Callable[[str], None] = lambda line: None,
) -> Iterator[Outcome]:
    """Run cells and yield each with its record, or with the failure it ended in.

    Parameters
    ----------
    cells : sequence of Cell
        Cells that are not finished, in the order in which they begin.
    settings : Settings
        Where and how a cell runs. The engine ``"serial"``: one after another in this process (the images of
        one-at-a-time methods are spread over `settings.jobs` processes). ``"loky"``: worker processes of this machine
        (`bench.run.lanes`). ``"dask"``: the workers of a scheduler (`bench.run.cluster`).
    begin : callable
        Called with a cell that begins (serial engine); returns what is told how it goes on.
    expected : mapping
        Likely seconds of each cell, by its key, where something is known; a cluster splits long cells by it.
    note : callable
        Told in a line what a person must know of the workers of a cluster.
    """
    if settings.engine == "serial":
        for cell in cells:
            yield cell, _attempt(cell, settings, begin(cell))
    elif settings.engine == "dask":
        yield from run_on_cluster(cells, settings, expected, (_whole, _some), note)
    else:
        yield from _in_lanes(lanes(cells, settings))


def _in_lanes(among: Sequence[Lane]) -> Iterator[Outcome]:
    """Run the cells of lanes, each of which takes its next one when it is free."""
    lost: list[tuple[Cell, Lane]] = []
    running: dict[Future[Record | Failure], tuple[Cell, Lane]] = {}
    try:
        while True:
            for lane in among:
                free = lane.count - sum(taken is lane for _, taken in running.values())
                for cell in [lane.waiting.popleft() for _ in range(min(free, len(lane.waiting)))]:
                    running[lane.executor().submit(_whole, cell, lane.settings)] = (cell, lane)
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell, lane = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    lost.append((cell, lane))
                elif error is not None:
                    raise error
                else:
                    yield cell, future.result()
        # A worker that dies takes the cells of the others with it: each lost one gets a worker of its own.
        for cell, lane in lost:
            try:
                yield cell, lane.executor(alone=True).submit(_whole, cell, lane.settings).result()
            except BrokenExecutor as error:
                yield cell, Failure(cell.request, f"its worker process died: {one_line(error)}")
    finally:
        for lane in among:
            lane.close()


def _whole(cell: Cell, settings: Settings) -> Record | Failure:
    return _attempt(cell, settings, CellProgress())


def _some(cell: Cell, settings: Settings) -> Part | Failure:
    return _guarded(run_part, cell, settings, CellProgress())


def _attempt(cell: Cell, settings: Settings, progress: CellProgress) -> Record | Failure:
    return _guarded(run_cell, cell, settings, progress)


def _guarded(
    run: Callable[[Cell, Settings, CellProgress], T], cell: Cell, settings: Settings, progress: CellProgress
) -> T | Failure:
    try:
        return run(cell, settings, progress)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cells go on
        if os.environ.get("BENCH_TRACEBACK"):
            traceback.print_exc()
        expected = isinstance(error, BenchError | ValueError) or lacking(error) or of_file(error)
        hint = "" if expected else " (BENCH_TRACEBACK=1 shows where)"
        return Failure(cell.request, one_line(error) + hint)
