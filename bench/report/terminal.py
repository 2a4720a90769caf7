"""The output of commands in the terminal: progress, tables, failures."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench.report.live import Live, failed
from bench.report.result_table import print_results
from bench.run.forecast import Forecast, bytes_to_download
from bench.run.time_left import duration

__all__ = ("Live", "check", "duration", "failed", "print_forecasts", "print_results")


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


def _downloads(some: Sequence[Forecast]) -> str:
    size, unknown = bytes_to_download(some)
    parts = [f"{size / 1e6:.1f} MB"] if size else []
    parts += [f"{unknown} file{'s' if unknown > 1 else ''} of unknown size"] if unknown else []
    return f"{' and '.join(parts)} to download" if parts else ""
