"""Engines: who runs the cells. Each one speaks `concurrent.futures`; the client stores."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import replace

from bench.common import provenance
from bench.common.errors import BenchError, lacking, one_line
from bench.plan.cell import Cell, Failure
from bench.run.one_cell import run_cell
from bench.run.processes import workers
from bench.run.progress import CellProgress
from bench.run.settings import Settings
from bench.store.records import Record

Outcome = tuple[Cell, Record | Failure]


def run_all(
    cells: Sequence[Cell], settings: Settings, begin: Callable[[Cell], CellProgress] = lambda cell: CellProgress()
) -> Iterator[Outcome]:
    """Run cells and yield each with its record, or with the failure it ended in.

    Parameters
    ----------
    cells : sequence of Cell
        Cells that are not finished.
    settings : Settings
        Where and how a cell runs. The engine ``"serial"``: one after another in this process (the images of
        one-at-a-time methods are spread over `settings.jobs` processes). ``"loky"``: `settings.jobs` worker
        processes, each with a cell and its share of the cores.
    begin : callable
        Called with a cell that begins (serial engine); returns what is told how it goes on.
    """
    if settings.engine == "serial":
        for cell in cells:
            yield cell, _attempt(cell, settings, begin(cell))
        return
    jobs = settings.jobs or provenance.cores()
    share = replace(settings, jobs=1, threads=settings.threads or max(1, provenance.cores() // jobs))
    lost: list[Cell] = []
    for cell, outcome in _submit(workers(jobs), cells, share):
        if isinstance(outcome, BrokenExecutor):
            lost.append(cell)
        else:
            yield cell, outcome
    # A worker that dies takes the cells of the others with it: each lost one gets a worker of its own.
    for cell in lost:
        for _, outcome in _submit(workers(1), [cell], share):
            if isinstance(outcome, BrokenExecutor):
                outcome = Failure(cell.request, f"its worker process died: {one_line(outcome)}")
            yield cell, outcome


def _submit(
    executor: Executor, cells: Sequence[Cell], settings: Settings
) -> Iterator[tuple[Cell, Record | Failure | BrokenExecutor]]:
    futures = {executor.submit(_attempt, cell, settings, CellProgress()): cell for cell in cells}
    for future in as_completed(futures):
        error = future.exception()
        if error is not None and not isinstance(error, BrokenExecutor):
            raise error
        yield futures[future], error or future.result()


def _attempt(cell: Cell, settings: Settings, progress: CellProgress) -> Record | Failure:
    try:
        return run_cell(cell, settings, progress)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cells go on
        if os.environ.get("BENCH_TRACEBACK"):
            traceback.print_exc()
        expected = isinstance(error, BenchError | ValueError) or lacking(error)
        hint = "" if expected else " (BENCH_TRACEBACK=1 shows where)"
        return Failure(cell.request, one_line(error) + hint)
