"""The ranked table of measured and published numbers, in the terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.common.errors import visible
from bench.report.console import plain
from bench.report.top import PUBLISHED, Place
from bench.score.metrics import shown

WIDE = 1000
"""Columns where no terminal wraps lines."""


def print_places(out: Console, rows: Sequence[Place]) -> None:
    """Print a table for each dataset, colour and noise."""
    for (dataset, colour, degradation, metric), group in groupby(rows, key=_board):
        kind = shown()[metric]
        out.print()
        out.print(visible(f"{dataset}, {colour}, {degradation}: {kind.title} {kind.unit}".rstrip()), style="bold")
        grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        for heading, right in (("", True), (kind.unit or kind.title, True), ("Number is", False)):
            grid.add_column(heading, justify="right" if right else "left", no_wrap=True)
        for heading in ("Method", "Protocol", "Source"):
            grid.add_column(heading, overflow="fold")
        warned: dict[str, None] = {}
        for row in group:
            if row.warnings:
                warned.setdefault(f"WARNING: {row.method}, {row.protocol}: {row.warnings}")
            what = row.origin + (f", {row.verdict}" if row.verdict else "")
            style = "" if row.origin == PUBLISHED else "bold"
            texts = (str(row.place), row.value, what, row.method, row.protocol, row.source)
            grid.add_row(*(Text(visible(text), style) for text in texts))
        (out if out.is_terminal else plain(file=out.file, width=WIDE)).print(grid)
        for line in warned:
            out.print(visible(line), style="bold yellow", markup=False, soft_wrap=True)
    out.print("published numbers are their papers'; only those of one protocol are comparable", style="dim")


def _board(row: Place) -> tuple[str, str, str, str]:
    return row.dataset, row.colour, row.degradation, row.metric
