"""Finishing cells for those who read records: what is there already is not run again."""

from collections.abc import Iterator, Sequence

from bench.plan.cell import Cell, Failure
from bench.run.one_cell import Settings
from bench.store.records import Store


def finished(cells: Sequence[Cell], store: Store, settings: Settings) -> Iterator[Failure]:
    """Run the cells that have no record, one after another, and store what comes of each.

    Parameters
    ----------
    cells : sequence of Cell
        What is needed.
    store : Store
        Gets the records, and notes of failures.
    settings : Settings
        Where and how they run.

    Yields
    ------
    Failure
        What could not be run; the others are in the store.
    """
    from bench.report import terminal
    from bench.run.engine import run_all

    waiting = [cell for cell in cells if not store.has(cell)]
    if not waiting:
        return
    live, failures = terminal.Live(terminal.console()), []
    with live.shown():
        for cell, outcome in run_all(waiting, "serial", settings, live.begin):
            if isinstance(outcome, Failure):
                store.put_failure(outcome)
                failures.append(outcome)
            else:
                store.put(cell, outcome)
                live.done(cell, outcome.provenance["seconds"]["total"])
    yield from failures
