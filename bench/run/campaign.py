"""The campaign: the one way from cells to stored records. Finished cells are skipped, failures are kept."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.common.interruption import CURRENT
from bench.plan.cell import Cell, Failure, understood
from bench.run.engine import run_all
from bench.run.expected import expected_seconds, longest_first
from bench.run.isolated import prepare_for
from bench.run.progress import Progress
from bench.run.saving import Saver, needs_floats
from bench.run.settings import RUNTIMES, Settings
from bench.store.opened import opened_of
from bench.store.records import Record, Store, score_columns
from datasets.listing import some

SAME = 0.005
"""Decibels that the PSNR of an image may differ by from one machine or runtime to another."""


@dataclass(frozen=True)
class Campaign:
    """What came of some cells.

    Attributes
    ----------
    store : Store
        Holds their records.
    finished : tuple of Cell
        Those that have a record that answers what was asked, in that order.
    failures : tuple of Failure
        What could not be planned, and what did not finish.
    """

    store: Store
    finished: tuple[Cell, ...]
    failures: tuple[Failure, ...]

    def records(self) -> list[Record]:
        """Read the records of the finished cells, each once, without their pictures."""
        found = [self.store.get(cell, score_columns()) for cell in self.finished]
        return list({record.provenance["key"]: record for record in found}.values())


def run_campaign(
    cells: Sequence[Cell],
    store: Store,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    failures: Sequence[Failure] = (),
    *,
    fresh: bool = False,
) -> Campaign:
    """Run the cells that have no record, and store what comes of each.

    Parameters
    ----------
    cells : sequence of Cell
        As `bench.plan.request.plan` gives them.
    store : Store
        Gets the records, and notes of failures.
    settings : Settings
        Where and how they run. Where a person names a device, a runtime or compilation, a record that was
        made otherwise does not count as finished.
    progress : Progress, optional
        Told how it goes on.
    failures : sequence of Failure
        Parts of the request that are no cells: noted in the store beside the others.
    fresh : bool
        Whether finished cells run again too.

    Returns
    -------
    Campaign
    """
    progress = progress or Progress()
    store.put_requests(failures)
    lost = list(failures)
    for failure in failures:
        progress.failed(failure)
    for note in understood(cells):
        progress.note(note)
    waiting = [cell for cell in cells if fresh or not finished(cell, store, settings)]
    store.remember()
    for note in dict.fromkeys(_reasons(cells, waiting, store, fresh=fresh)):
        progress.note(note)
    for line in store.lines_left_out:
        progress.note(f"{line}; its cell runs again")
    saver = Saver(settings.save, cells) if settings.save else None
    if saver:
        waiting = _save_finished(cells, waiting, store, saver, progress)
    if settings.engine == "serial":
        prepare_for(waiting)
    failed = set()
    progress.planned(len(cells), len(cells) - len(waiting))
    progress.waiting(waiting, store, settings)
    start, stored, kept = time.perf_counter(), 0, len(cells) - len(waiting)
    CURRENT.keep(kept, len(cells))
    try:
        for cell, outcome in run_all(*_given(waiting, store, settings, progress)):
            if isinstance(outcome, Failure):
                store.put_failure(cell, outcome)
                lost.append(outcome)
                failed.add(cell.key)
                progress.failed(outcome)
            else:
                moved = _moved(cell, outcome, store)
                store.put(cell, outcome)
                stored += 1
                CURRENT.keep(kept + stored, len(cells))
                if saver:
                    saver.save(cell, outcome)
                progress.done(cell, outcome.provenance)
                if moved:
                    progress.note(moved)
    finally:
        progress.ended(stored, time.perf_counter() - start)
        if saver and saver.images:
            progress.note(saver.summary())
    return Campaign(store, tuple(cell for cell in cells if cell.key not in failed), tuple(lost))


def _moved(cell: Cell, record: Record, store: Store) -> str:
    """Say that a cell that was finished has other numbers now, by how much; empty where it has not."""
    if not store.has(cell):
        return ""
    before = {row["image"]: row["psnr"] for row in store.get(cell, ("image", "psnr")).images}
    both = [row for row in record.images if row["image"] in before]
    apart = [abs(row["psnr"] - before[row["image"]]) for row in both]
    far = [one for one in apart if one > SAME]
    return (
        f"{cell.label} on {cell.data_label}: {len(far)} of {len(apart)} images have another PSNR than before, by up to "
        f"{max(far):.3f} dB, though nothing changed that is known: it draws at random, or reads what cannot be seen"
        if far
        else ""
    )


def _given(cells: Sequence[Cell], store: Store, settings: Settings, progress: Progress) -> tuple[Any, ...]:
    """Return what an engine is given; those with many workers begin with the cells that take longest."""
    if settings.engine == "serial":
        return cells, settings, progress.begin
    expected = expected_seconds(cells, store.like(cells), settings, anywhere=True)
    return longest_first(cells, expected), settings, progress.begin, expected, progress.note


def _save_finished(
    cells: Sequence[Cell], waiting: Sequence[Cell], store: Store, saver: Saver, progress: Progress
) -> list[Cell]:
    """Save what records hold of the finished cells; return the cells that must run, those among them that hold less."""
    keys = {cell.key for cell in waiting}
    again = {cell.key for cell in cells if cell.key not in keys and needs_floats(cell)}
    if again:
        progress.note(f"{len(again)} finished cells run again: SAVE needs more than the 8 bits that their records hold")
    for cell in cells:
        if cell.key not in keys | again:
            saver.save(cell, store.get(cell))
    return [cell for cell in cells if cell.key in keys | again]


def _reasons(cells: Sequence[Cell], waiting: Sequence[Cell], store: Store, *, fresh: bool) -> Iterator[str]:
    """Say why cells of a person's own code run again, and what of those that do not cannot be known."""
    again = set(map(id, waiting))
    for cell in cells:
        if cell.folders is None or fresh:
            continue
        if id(cell) not in again:
            unseen = opened_of(store.get(cell, ("image",)).provenance).unseen
            if unseen:
                hides = f"it {', '.join(unseen)}, and what that reads cannot be seen"
                yield f"{cell.label}: an earlier result is used; {hides}: FRESH=1 runs it again"
        elif changed := store.changes(cell):
            yield f"{cell.label}: {some(changed)} changed since it was measured: it runs again"


def finished(cell: Cell, store: Store, settings: Settings) -> bool:
    """Whether the store has a record of the cell that answers for what a person asked."""
    if not store.has(cell):
        return False
    if settings.device == settings.runtime == "auto" and not settings.compile:
        return True
    if cell.method.processes or cell.outputs:
        return True  # it is code for the CPU, wherever the cell runs
    about = store.get(cell, ("image",)).provenance
    runtime, _, compiled = str(about["runtime"]).partition(" ")
    if settings.compile != bool(compiled):
        return False
    if runtime in RUNTIMES and settings.runtime not in ("auto", runtime):
        return False
    named = "cuda:0" if settings.device == "cuda" else settings.device
    return named in ("auto", about["device"].partition(" ")[0])  # the product's name stands behind that of the device
