"""What changed between two result folders (make compare-runs)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    a: Annotated[Path, typer.Option("--a", help="A folder that OUT named.")] = options.RESULTS,
    b: Annotated[Path | None, typer.Option("--b", help="The folder that is held against it.")] = None,
    table: options.Table = None,
) -> None:
    """Say what changed between two result folders: cells, numbers, verdicts, versions (make compare-runs)."""
    from bench.common.errors import BenchError
    from bench.common.tables import write_table
    from bench.report.changes import CELL, between
    from bench.report.changes_table import print_changes
    from bench.report.console import console

    if b is None:
        raise BenchError("B is missing: expected make compare-runs A=folder B=folder")
    found = between(a, b)
    for line in found.left_out:
        say(line, err=True)
    print_changes(console(), found)
    if table is not None:
        only = [(cell, "A") for cell in found.only_a] + [(cell, "B") for cell in found.only_b]
        rows = [change.row | {"only_in": ""} for change in found.both]
        write_table(table, rows + [dict(zip(CELL, cell, strict=True)) | {"only_in": name} for cell, name in only])
