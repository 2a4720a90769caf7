"""Tables that studies print: as text, for the terminal's width."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.console import console, plain

if TYPE_CHECKING:
    from rich.table import Table


def grid(texts: Sequence[str], numbers: Sequence[str], width: int = 24) -> "Table":
    """Return an empty table: columns of text up to a width, then columns of numbers."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 1))
    for name in texts:
        made.add_column(name, overflow="fold", max_width=width)
    for name in numbers:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def as_text(*tables: "Table") -> str:
    """Return tables as they would be printed, one below the other, in plain letters: names may have any others."""
    screen = plain(width=console().width, color_system=None)
    with screen.capture() as captured:
        for place, table in enumerate(tables):
            if place:
                screen.print()
            screen.print(table)
    return captured.get()
