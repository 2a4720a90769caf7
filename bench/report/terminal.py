"""The output of commands in the terminal: progress, tables, failures."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bench.common.errors import visible
from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, averaged, footnotes
from bench.plan.cell import Cell, Failure
from bench.report.columns import TERMINAL, Column, Entry, best_first, columns, entry, heading, text
from bench.report.console import plain
from bench.run.forecast import Forecast, bytes_to_download
from bench.run.progress import CellProgress
from bench.run.progress import Progress as CampaignProgress
from bench.store.results import Result

SPARED = (("seconds", "runtime"), ("noisy_psnr",), ("mse",), ("ssim", "ssim_published"), ("psnr_deviation",))
"""Columns that a narrow terminal does without, first those at the front; seconds never stand without their runtime."""

WORDS, GAP = 24, 2
"""Letters of a line of a column of words, and columns between two of the table."""

_STYLE = {"reproduced": "green", "above": "cyan", "below": "yellow", "undecided": "magenta", "not comparable": "dim"}


class Live(CampaignProgress):
    """One progress line a cell: images done, mean PSNR so far, images a second, time left.

    Parameters
    ----------
    out : Console
        Where it is printed.
    failures : bool
        Whether failures are printed as they come; False where the caller prints them.
    """

    def __init__(self, out: Console, *, failures: bool = True) -> None:
        self.out, self.failures = out, failures
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[psnr]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )

    def planned(self, total: int, finished: int) -> None:
        """Say how many cells are finished already, and show the progress line."""
        if finished:
            self.out.print(f"{finished} of {total} cells are finished already", style="dim")
        if finished < total:
            self.bar.start()

    def begin(self, cell: Cell) -> CellProgress:
        """Start a cell's line and return what keeps it up to date."""
        return _Line(self.bar, f"{cell.label}, {cell.data_label}, {cell.degradation}")

    def note(self, line: str) -> None:
        """Print how a person's images were understood."""
        self.out.print(f"note: {line}", markup=False, soft_wrap=True)

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """Print the line that stays of a finished cell, and what is to be known of its result."""
        net = f" [{cell.net.id}]" if cell.net.weights else ""
        more = ""
        if cell.extrapolates and cell.net.trained:
            more = f"; outside its training range {cell.net.trained[0]:g}-{cell.net.trained[1]:g}"
        if about["fallback"]:
            more += f"; in PyTorch, since onnxruntime cannot: {about['fallback']}"
        self.out.print(f"done  {cell.title}{net}: {about['seconds']['total']:.1f} s{more}", markup=False)
        for note in about["notes"]:
            self.note(f"{cell.label}: {note}")
        for warning in about["warnings"]:
            self.out.print(f"warning: {cell.label} on {cell.data_label}: {warning}", style="bold yellow", markup=False)

    def failed(self, failure: Failure) -> None:
        """Print why something failed."""
        if self.failures:
            failed(failure)

    def ended(self, cells: int, seconds: float) -> None:
        """Take the progress line away, and say how long it took."""
        self.bar.stop()
        if cells > 1:
            self.out.print(f"{cells} cells in {seconds:.0f} s", style="dim")


class _Line(CellProgress):
    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name = progress, name
        self.task = progress.add_task(name, total=None, psnr="", speed="")
        self.start = 0.0

    def files(self, done: int, total: int) -> None:
        self.progress.update(self.task, description=f"downloading for {self.name}", completed=done, total=total)

    def images(self, done: int, total: int, psnr: float) -> None:
        self.start = self.start or time.perf_counter()
        speed = f"{(done - 1) / (time.perf_counter() - self.start):.1f} images/s" if done > 1 else ""
        self.progress.update(
            self.task, description=self.name, completed=done, total=total,
            psnr="" if math.isnan(psnr) else f"{psnr:.2f} dB", speed=speed, visible=done < total,
        )  # fmt: skip


def failed(failure: Failure) -> None:
    """Print why something failed, on standard error, as one line."""
    print(visible(f"failed  {failure.title}: {failure.cause}"), file=sys.stderr)  # noqa: T201


def check(out: Console, colour: str, name: str, remark: str, *, passed: bool | None) -> None:
    """Print one check of `make conform` as a line."""
    signs = {True: Text("ok  ", "green"), False: Text("FAIL", "red"), None: Text("none", "dim")}
    out.print(Text.assemble(signs[passed], f"  {colour:4}  {name}", (f"  {remark}", "dim")), soft_wrap=True)


def print_forecasts(out: Console, some: Sequence[Forecast]) -> None:
    """Print what would become of each cell, and the sum: cells, time, bytes."""
    waiting = [one for one in some if not one.finished]
    for one in some:
        parts = [duration(one.seconds), _downloads([one])] if not one.finished else []
        text = (
            f"would run  {one.cell.title}: {'; '.join(filter(None, parts))}"
            if parts
            else f"finished   {one.cell.title}"
        )
        out.print(text, markup=False, soft_wrap=True)
    known = [one.seconds for one in waiting if not math.isnan(one.seconds)]
    unknown = len(waiting) - len(known)
    time_left = [duration(sum(known))] if known else []
    time_left += [f"{unknown} of unknown time"] if unknown else []
    sums = [f"{len(waiting)} of {len(some)} cells would run", " and ".join(time_left), _downloads(waiting)]
    out.print("; ".join(filter(None, sums)), style="dim", markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Return a time in words: `about 2.5 h`."""
    if math.isnan(seconds):
        return "time unknown"
    unit, size = next((u, s) for u, s in (("h", 3600), ("min", 60), ("s", 1)) if seconds >= 1.5 * s or s == 1)
    return (
        f"about {max(seconds / size, 0.1):.2g} {unit}" if seconds / size < 10 else f"about {seconds / size:.0f} {unit}"
    )


def _downloads(some: Sequence[Forecast]) -> str:
    size, unknown = bytes_to_download(some)
    parts = [f"{size / 1e6:.1f} MB"] if size else []
    parts += [f"{unknown} file{'s' if unknown > 1 else ''} of unknown size"] if unknown else []
    return f"{' and '.join(parts)} to download" if parts else ""


def print_results(out: Console, results: Sequence[Result]) -> None:
    """Print results beside the published numbers, one table a protocol: the numbers of two never mix.

    Images without a reference have a table of their own, the best by the self-supervised score first.
    """
    for name in dict.fromkeys(result.protocol for result in results):
        members = [entry(result) for result in results if result.protocol == name]
        scored = [row for row in members if row.result.has_reference]
        others = [row for row in members if not row.result.has_reference]
        for rows in (scored, sorted(best_first(others), key=lambda row: row.result.dataset) if others else []):
            if rows:
                out.print()
                _table(out, rows)
    for line in footnotes(results):
        out.print(f"note: {line}", style="dim", markup=False)


def _fitting(rows: Sequence[Entry], room: float) -> tuple[list[Column], list[str]]:
    """Return the columns that there is room for, and the headings of those that are left out."""
    there, left_out = columns(TERMINAL, rows), []
    for names in SPARED:
        if sum(_width(column, rows) + GAP for column in there) - GAP <= room:
            break
        left_out += [heading(column, TERMINAL) for column in there if column.name in names]
        there = [column for column in there if column.name not in names]
    return there, left_out


def _width(column: Column, rows: Sequence[Entry]) -> int:
    texts = [heading(column, TERMINAL), *(text(column, row, "-") for row in rows)]
    return min(max(map(len, texts)), WORDS if _folds(column) else 1000)


def _folds(column: Column) -> bool:
    """Whether a column is of words that may take several lines."""
    return not column.form and column.name != "verdict"


def _table(out: Console, rows: Sequence[Entry]) -> None:
    """Print results of one protocol, and under them the reasons of the verdicts."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    there, left_out = _fitting(rows, out.width if out.is_terminal else math.inf)
    for column in there:
        if _folds(column):
            grid.add_column(heading(column, TERMINAL), overflow="fold", max_width=WORDS)
        else:
            grid.add_column(heading(column, TERMINAL), justify="right" if column.form else "left", no_wrap=True)
    for row in rows:
        style = _STYLE.get(row.verdict.word if row.verdict else "", "dim")
        texts = (text(column, row, "-") for column in there)
        grid.add_row(*(Text(t, style) if c.name == "verdict" else Text(t) for c, t in zip(there, texts, strict=True)))
    # Where no terminal wraps lines, the table has the width that it needs.
    wide = max(out.width, sum(_width(column, rows) + GAP for column in there))
    (out if out.is_terminal else plain(file=out.file, width=wide)).print(grid)
    scored = rows[0].result.has_reference
    remark = averaged([row.result for row in rows]) if scored else f"no reference; {SELF_SCORE}"
    lines = [f"protocol {rows[0].result.protocol}; {remark}"]
    lines += [f"too narrow for {', '.join(left_out)}; a wider terminal or TABLE=file.csv shows all"] if left_out else []
    lines += [PREDICTED_NOISE] if any(row.result.predicts_noise for row in rows) and scored else []
    lines += [
        f"{row.result.label}, {row.result.dataset}, {row.result.degradation}: {verdict.title}: {verdict.reason}"
        for row in rows
        for verdict in row.explained
    ]
    for line in lines:
        out.print(line, style="dim", markup=False)
