"""What a campaign of 100,000 cells costs: growth measured here, the cluster simulated, and both as charts."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.common.paths import ROOT
from bench.studies.scale import figure, growth, simulation

Row = growth.Row

TABLES = ROOT / "results" / "measured"
"""Where the measurements lie that the simulation rests on."""


def measure(records: int, report: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """Measure how cost grows, simulate the cluster, and return a row each; `report` is told each as it comes.

    Parameters
    ----------
    records : int
        The most that are written to a folder for a while, some 20 KB each.
    report : callable
        Told each row.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in _all(Path(folder), records):
            rows.append(row)
            report(row)
    return rows


def _all(folder: Path, records: int) -> Iterator[Row]:
    found: list[Row] = []
    for row in growth.measure(folder, records):
        found.append(row)
        yield row
    # What the command does for each cell: it gives it to a worker, and stores what comes back.
    last = {row["what"]: float(row["seconds"]) / float(row["count"]) for row in found}
    yield from simulation.rows(TABLES, last["stored"] + last[growth.GIVEN])


def save(rows: Sequence[Row], stem: Path) -> None:
    """Draw the rows as charts, and save them as PNG beside a table of the same name."""
    figure.save(rows, stem)
