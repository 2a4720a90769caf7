"""How a campaign goes on, in the terminal: one progress line for the cell, and one for all of them."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from bench.common.errors import shortened, visible
from bench.common.interruption import CURRENT
from bench.plan.cell import Cell, Failure
from bench.run.expected import expected_seconds
from bench.run.progress import CellProgress
from bench.run.progress import Progress as CampaignProgress
from bench.run.settings import Settings
from bench.run.time_left import TimeLeft, duration
from bench.store.records import Store


class Live(CampaignProgress):
    """The progress of a campaign.

    Each cell has a line while it runs: images done, mean PSNR so far, images a second, time left. Where several run,
    another one says how many are done and what time is left for all, as do the lines that stay.

    Parameters
    ----------
    out : Console
        Where it is printed.
    failures : bool
        Whether failures are printed as they come; False where the caller prints them.
    """

    def __init__(self, out: Console, *, failures: bool = True) -> None:
        self.out, self.failures = out, failures
        self.left = TimeLeft({})
        self.requests: dict[tuple[tuple[str, str], ...], str] = {}
        self.bar = Progress(
            TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[psnr]}"),
            TextColumn("{task.fields[speed]}"),
            _Remaining(self),
            console=out,
            disable=not out.is_terminal,
            transient=True,
            expand=True,
        )

    def planned(self, total: int, finished: int) -> None:
        """Say how many cells are finished already, and show the progress line."""
        if finished:
            self.out.print(f"{finished} of {total} cells are finished already", style="dim")
        if finished < total:
            self.bar.start()

    def waiting(self, cells: Sequence[Cell], store: Store, settings: Settings) -> None:
        """Show how many cells there are to run, and how long that takes by the records of earlier ones."""
        if len(cells) < 2:
            return
        self.left = TimeLeft(expected_seconds(cells, store.like(cells), settings))
        self.requests = {_words(cell.request): cell.key for cell in cells}
        self.bar.add_task("all cells", total=len(cells), psnr="", speed="", all_cells=True)

    def begin(self, cell: Cell) -> CellProgress:
        """Start a cell's line and return what keeps it up to date."""
        return _Line(self.bar, visible(f"{cell.label}, {cell.data_label}, {cell.degradation}"))

    def note(self, line: str) -> None:
        """Print how a person's images were understood."""
        self.out.print(visible(f"note: {line}"), markup=False, soft_wrap=True)

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """Print the line that stays of a finished cell, and what is to be known of its result."""
        net = f" [{cell.net.id}]" if cell.net.weights else ""
        more = ""
        if cell.extrapolates and cell.net.trained:
            more = f"; outside its training range {cell.net.trained[0]:g}-{cell.net.trained[1]:g}"
        if about["fallback"]:
            more += f"; in PyTorch, since onnxruntime cannot: {about['fallback']}"
        seconds = about["seconds"]["total"]
        more += self._ended(cell.key, seconds)
        self.out.print(visible(f"done  {cell.title}{net}: {seconds:.1f} s{more}"), markup=False)
        for note in about["notes"]:
            self.note(f"{cell.label}: {note}")
        for warning in about["warnings"]:
            line = visible(f"warning: {cell.label} on {cell.data_label}: {warning}")
            self.out.print(line, style="bold yellow", markup=False)

    def failed(self, failure: Failure) -> None:
        """Print why something failed."""
        self._ended(self.requests.get(_words(failure.request), ""))
        if self.failures:
            failed(failure)

    def ended(self, cells: int, seconds: float) -> None:
        """Take the progress lines away, and say how long it took; an interruption has a line of its own."""
        self.bar.stop()
        if cells > 1 and not CURRENT.number:
            self.out.print(f"{cells} cells in {seconds:.0f} s", style="dim")

    def _ended(self, key: str, seconds: float = math.nan) -> str:
        """Count a cell that ended; return what is to be said of all of them, empty where it was the only one."""
        if key not in self.left.waiting:
            return ""
        self.left.end(key, seconds)
        for task in self.bar.tasks:
            if "all_cells" in task.fields:
                self.bar.update(task.id, completed=self.left.over)
        return f"; {self.left.over} of {self.left.total}{self.remaining()}"

    def remaining(self) -> str:
        """Say what time is left for all cells, as `, about 12 min left`; empty where nothing is known of it."""
        seconds = self.left.seconds()
        return f", {duration(seconds)} left" if self.left.waiting and not math.isnan(seconds) else ""


TITLE = 400
"""Letters of what failed, at most; they may have been typed."""


def failed(failure: Failure) -> None:
    """Print why something failed, on standard error, as one line."""
    print(visible(f"failed  {shortened(failure.title, TITLE)}: {shortened(failure.cause)}"), file=sys.stderr)  # noqa: T201


def _words(request: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(request.items())


class _Remaining(TimeRemainingColumn):
    """The time left for a cell by its images, and for all cells by what such ones took."""

    def __init__(self, live: Live) -> None:
        super().__init__(compact=True)
        self.live = live

    def render(self, task: Task) -> Text:
        if "all_cells" in task.fields:
            return Text(self.live.remaining().removeprefix(", "), style="progress.remaining")
        return super().render(task)


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
