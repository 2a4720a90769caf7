"""What changed between two folders of results, in the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.common.errors import visible
from bench.report.changes import DECIMALS, METRICS, Change, Changes
from bench.report.console import plain
from bench.report.top_table import WIDE
from bench.score.metrics import shown


def print_changes(out: Console, found: Changes) -> None:
    """Print the cells that changed, those that one folder has, versions that differ, and the largest change."""
    if found.changed:
        (out if out.is_terminal else plain(file=out.file, width=WIDE)).print(_table(found))
    for name, cells in (("A", found.only_a), ("B", found.only_b)):
        for cell in cells:
            out.print(visible(f"only in {name}: {_title(cell)}"), markup=False, soft_wrap=True)
    for name, (a, b) in found.versions.items():
        out.print(visible(f"{name}: A {a}; B {b}"), style="dim", markup=False, soft_wrap=True)
    for line in _sums(found):
        out.print(visible(line), markup=False, soft_wrap=True)


def _table(found: Changes) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    grid.add_column("Cell", overflow="fold")
    for heading in ("", "A", "B", "B - A"):
        grid.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for change in found.changed:
        for number, (what, a, b, difference) in enumerate(_lines(change)):
            title = "" if number else _title(change.cell)
            grid.add_row(*(Text(visible(text)) for text in (title, what, a, b, difference)))
    return grid


def _lines(change: Change) -> Iterator[tuple[str, str, str, str]]:
    for metric in METRICS:
        if change.differs(metric):
            a, b, difference = change.a[metric], change.b[metric], change.difference(metric)
            yield shown()[metric].title, f"{a:.{DECIMALS}f}", f"{b:.{DECIMALS}f}", f"{difference:+.{DECIMALS}f}"
    if change.verdict_a != change.verdict_b:
        yield "verdict", change.verdict_a, change.verdict_b, ""
    if change.images:
        yield "images", "", "", f"{change.images} differ"
    if change.inputs:
        yield "other", "", "", ", ".join(change.inputs)


def _sums(found: Changes) -> Iterator[str]:
    verdicts = sum(one.verdict_a != one.verdict_b for one in found.both)
    yield (
        f"{len(found.both)} cells in both, of which {len(found.changed)} changed, {verdicts} in their verdict; "
        f"{len(found.only_a)} only in A, {len(found.only_b)} only in B"
    )
    if found.repeated:
        yield f"{found.repeated} earlier records of cells that were measured again are left out"
    if largest := found.largest():
        metric, change = largest
        unit = f" {shown()[metric].unit}".rstrip()
        numbers = f"{change.a[metric]:.{DECIMALS}f} -> {change.b[metric]:.{DECIMALS}f}{unit}"
        difference = f"{change.difference(metric):+.{DECIMALS}f}"
        yield f"largest change: {shown()[metric].title} {numbers} ({difference}), {_title(change.cell)}"
    else:
        yield "largest change: none" if found.both else "largest change: none, since no cell is in both"


def _title(cell: tuple[str, ...]) -> str:
    method, dataset, degradation, protocol, seed = cell
    return f"{method} on {dataset}, {degradation}, {protocol}, seed {seed}"
