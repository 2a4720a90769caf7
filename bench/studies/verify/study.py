"""`make verify`: the ledger measured row by row, with a committed table as its memory."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import datasets
import methods
from bench.common import provenance
from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.common.tables import write_csv
from bench.judge.tolerance import AGREE, noise_draw
from bench.judge.verified import STATES, TABLE, counts, sentence
from bench.plan.cell import Cell, Failure
from bench.plan.resolve import whole_of
from bench.report.terminal import duration
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.memory import Memory
from bench.studies.deadline import Deadline, SpentError
from bench.studies.text_table import as_text, grid
from bench.studies.verify.confirm import confirm
from bench.studies.verify.judged import Judged, judged, seeded, with_seeds
from bench.studies.verify.numbers import Number, measurable
from datasets.listing import some

MOST_SEEDS = 8
"""More seeds than these are not run for a number that one seed leaves undecided."""

SEEDS_AGAIN = 5
"""Seeds that a number is measured with before one draw of ours is believed that it is off: 1 of 100 is by chance."""


def build(
    method: Sequence[str],
    data: Sequence[str],
    out: Path,
    *,
    table: Path = TABLE,
    budget: float = 0.0,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Iterator[str | Failure]:
    """Measure what of the ledger is not measured yet, and judge all of it.

    Parameters
    ----------
    method, data : sequence of str
        Names of methods and datasets; empty, or ``"all"`` among them: all whose files are here.
    out : Path
        Folder of results; records in it count too.
    table : Path
        Gets the verdicts; beside it lie the scores of cells and images, which later runs go on from.
    budget : float
        Seconds after which no cell is begun any more, but for the first one of earlier code; 0: none.

    Raises
    ------
    BenchError
        If a name is unknown, nothing of the ledger fits, or the table is no name of a CSV file.
    """
    if table.suffix.lower() != ".csv" or table.is_dir():
        raise BenchError(f"--table {table}: expected the name of a CSV file, as results/measured/verify.csv")
    method, data = (() if "all" in names else names for names in (method, data))
    for variable, names, registry in (("METHOD", method, methods.available()), ("DATA", data, datasets.available())):
        for name in names:
            if variable == "DATA" and (whole := whole_of(name)):
                raise BenchError(f"DATA={name}: published numbers are of whole datasets; give DATA={whole}")
            if name not in registry:
                raise unknown(variable, name, registry)
    everything = measurable()
    asked = [number for number in everything if number.is_of(method, data)]
    if not asked:
        raise _none(method, data, everything)
    memory = Memory(table, out / "runs")
    chosen = [number for number in asked if number.here or (method and data)]
    away = [] if method and data else [number for number in asked if not number.here]
    known = [number for number in away if judged(number, memory).verdict]
    if len(away) > len(known):
        rows = [number.row for number in away if not judged(number, memory).verdict]
        names = ", ".join(dict.fromkeys(f"{row.method} on {row.dataset}" for row in rows))
        yield f"{len(rows)} more need files that are not here; METHOD and DATA together fetch them: {names}"
    yield from _torn(everything, memory)
    progress = _Progress(budget, lambda: _write(table, everything, memory))
    if stale := _stale(chosen, memory):
        yield f"{len(stale)} cells are known from earlier code: a few images of each are measured again and compared"
    for cell, differing in confirm(stale, memory, settings):
        yield f"{cell.title}: {f'measured again, since {differing}' if differing else 'as with earlier code'}"
        if progress.over:
            break
    tried: set[str] = set()
    while waiting := _waiting(chosen, memory, tried):
        yield _forecast(chosen, waiting, memory)
        tried.update(cell.key for cell in waiting)
        try:
            yield from run_campaign(waiting, memory, settings, progress).failures
        except SpentError:
            yield f"the budget is spent; {sum(not memory.has(cell) for cell in waiting)} cells wait for the next run"
            break
    _write(table, everything, memory)
    found = [judged(number, memory) for number in chosen + known]
    yield f"\n{summary([one.row(memory) for one in found])}{calibration(found)}\n{table}"


def _none(method: Sequence[str], data: Sequence[str], everything: Sequence[Number]) -> BenchError:
    """Return the error where no number is of what was asked for, with what there is of the one and of the other."""
    found = (
        (method, [number.cells[0].dataset.name for number in everything if number.is_of(method, ())]),
        (data, [number.cells[0].method.name for number in everything if number.is_of((), data)]),
    )
    there = [f"of {', '.join(names)}: {some(dict.fromkeys(others)) or 'none'}" for names, others in found if names]
    asked = " on ".join(", ".join(names) for names in (method, data) if names)
    return BenchError(f"no published number that can be measured is of {asked}; there are {'; '.join(there)}")


class _Progress(Deadline):
    """Writes the table after each cell, and begins none when the time is over."""

    def __init__(self, seconds: float, write: Callable[[], None]) -> None:
        super().__init__(seconds, failures=False)
        self.write = write

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """Say what came of a cell, and write it down."""
        super().done(cell, about)
        self.write()


def _torn(numbers: Sequence[Number], memory: Memory) -> Iterator[str]:
    """Say which cells the tables have in part only."""
    if torn := dict.fromkeys(cell.title for number in numbers for cell in number.cells if memory.torn(cell)):
        yield f"WARNING: {memory.images_path} lacks images of {some(list(torn))}, which count as not measured"
    if lost := len(memory.images.keys() - memory.cells.keys()):
        yield f"WARNING: {memory.cells_path} lacks {lost} of the cells of {memory.images_path.name}; they are left out"


def _stale(numbers: Sequence[Number], memory: Memory) -> list[Cell]:
    """Return the cells whose scores earlier code gave, each once."""
    cells = {cell.key: cell for number in numbers for first in number.cells for cell in with_seeds(first)}
    return [cell for key, cell in cells.items() if memory.earlier(cell) not in ("", key)]


def _write(table: Path, numbers: Sequence[Number], memory: Memory) -> None:
    """Write the verdicts of the whole ledger, whatever was asked for."""
    write_csv(table, [judged(number, memory).row(memory) for number in numbers], digits=6)


def _waiting(numbers: Sequence[Number], memory: Memory, tried: set[str]) -> list[Cell]:
    """Return the cells that would tell more, the quickest first; those that earlier code measured are the last."""
    cells: dict[str, Cell] = {}
    for number in numbers:
        for cell in _next(number, memory):
            if cell.key not in tried and not memory.has(cell):
                cells.setdefault(cell.key, cell)
    return sorted(cells.values(), key=lambda cell: (bool(memory.earlier(cell)), _seconds(cell, memory)))


def _next(number: Number, memory: Memory) -> Iterator[Cell]:
    """Give the first cell of a row that is not measured, while what is measured does not settle it."""
    for cell in number.cells:
        if not memory.has(cell):
            yield cell
            return
        one = judged(number, memory)
        if one.word == "reproduced":
            return
        seeds = one.seeds_needed or 0 if one.word == "undecided" else SEEDS_AGAIN if one.may_be_chance else 0
        if seeded(cell) and seeds <= MOST_SEEDS:
            more = [replace(cell, seed=seed) for seed in range(1, seeds)]
            if unrun := [cell for cell in more if not memory.has(cell)]:
                yield from unrun
                return


def _forecast(numbers: Sequence[Number], waiting: Sequence[Cell], memory: Memory) -> str:
    """Say how much there is to do."""
    known = sum(judged(number, memory).verdict is not None for number in numbers)
    earlier = sum(bool(memory.earlier(cell)) for cell in waiting)
    seconds = sum(_seconds(cell, memory) for cell in waiting)
    images = sum(len(cell.dataset.images) for cell in waiting)
    again = f", {earlier} of them again, since their code changed" if earlier else ""
    return (
        f"{known} of {len(numbers)} published numbers are measured; {len(waiting)} cells of {images} images are to "
        f"run{again}: {duration(seconds)} on this machine"
    )


ROUGHLY = {"networks": 3.6, "processes": 23.0}
"""Seconds a million pixels (gray) on two cores, where nothing was measured yet: DnCNN; BM3D."""


def _seconds(cell: Cell, memory: Memory) -> float:
    """Return about how long a cell takes: by cells of its net, those of this machine first, or else roughly."""
    pixels = _pixels(cell, memory)
    rates: dict[bool, list[float]] = {}
    for key, row in memory.cells.items():
        area = sum(image["height"] * image["width"] for image in memory.images.get(key, ()))
        if area and row["net"] == cell.net.id and row["ensemble"] == str(cell.inference.ensemble):
            rates.setdefault(row["machine"] == provenance.machine(), []).append(float(row["seconds"]) / area)
    if rates:
        return median(rates[max(rates)]) * pixels
    each = ROUGHLY["processes" if cell.method.processes else "networks"]
    return each * pixels / 1e6 * (3 if cell.dataset.colour == "rgb" and cell.method.processes else 1)


def _pixels(cell: Cell, memory: Memory) -> float:
    for key, row in memory.cells.items():
        if row["dataset"] == cell.dataset.name and key in memory.images:
            return float(sum(image["height"] * image["width"] for image in memory.images[key]))
    return len(cell.dataset.images) * 481.0 * 321.0


def summary(rows: Sequence[Mapping[str, object]]) -> str:
    """Return how many numbers of each method and dataset are in which state."""
    found = counts(rows)
    made = grid(["method", "dataset"], ["numbers", *STATES])
    for of, of_it in found.items():
        made.add_row(*of, str(of_it.total()), *(str(of_it[name] or "") for name in STATES))
    return f"{as_text(made).rstrip()}\n{sentence(sum(found.values(), Counter()))}"


def calibration(found: Iterable[Judged]) -> str:
    """Say whether noise is as strong as the tolerance takes it for, by the PSNRs whose sources drew their own.

    Parameters
    ----------
    found : iterable of Judged
        Numbers, measured or not.
    """
    comparable = (
        (one.verdict.difference - one.verdict.tolerance.shift) / one.verdict.tolerance.deviation
        for one in found
        if one.verdict and one.word != "not comparable" and one.verdict.tolerance.deviation
        if one.number.row.metric == "psnr" and noise_draw(one.number.row) == "independent"
    )
    deviations = list(comparable)
    if not deviations:
        return ""
    size = math.sqrt(sum(value * value for value in deviations) / len(deviations))
    beyond = sum(abs(value) > AGREE for value in deviations)
    return (
        f"\n{len(deviations)} PSNRs under noise of their source's own drawing differ by {size:.2f} standard deviations "
        f"of the two draws (root mean square; 1 is right), {beyond} of them by more than 1 in 100 should"
    )
