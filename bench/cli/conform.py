"""What any method must do, or what packages give for one and the same thing (make conform)."""

from dataclasses import asdict
from typing import Annotated

import typer

from bench.cli import options
from bench.common.errors import BenchError
from bench.run.settings import TIMEOUT, Settings


def command(
    method: Annotated[str, typer.Option(help="One method of any origin; none: tables of packages.")] = "",
    weights: options.Weights = "",
    megapixels: Annotated[float, typer.Option(min=0.001, help="Size of the large image.")] = 1.0,
    device: options.Device = "cpu",
    timeout: options.Timeout = TIMEOUT,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Check a method for range, shape, sizes, colour, receptive field; without one, packages (make conform)."""
    if not method:
        from bench.cli.printing import print_outcomes
        from bench.studies.conform.tables import build

        if weights:
            raise BenchError(f"WEIGHTS={weights}: expected METHOD too; say which method they belong to")
        print_outcomes(build(out, table))
        return
    from bench.common.tables import write_table
    from bench.report import terminal
    from bench.report.console import console
    from bench.studies.conform.study import conform

    screen = console()
    rows = []
    for colour, check in conform(method, weights, megapixels, device, Settings(timeout=timeout)):
        rows.append({"method": method, "colour": colour, **asdict(check)})
        terminal.check(screen, colour, check.name, check.remark, passed=check.passed)
    failed = sum(row["passed"] is False for row in rows)
    screen.print(f"{method}: {failed} checks failed" if failed else f"{method} conforms")
    if table is not None:
        write_table(table, rows)
    if failed:
        raise typer.Exit(1)
