"""Check what any method must do (make conform)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.run.settings import TIMEOUT, Settings


def command(
    method: Annotated[str, typer.Option(help="One method of any origin.")],
    weights: options.Weights = "",
    megapixels: Annotated[float, typer.Option(min=0.001, help="Size of the large image.")] = 1.0,
    device: options.Device = "cpu",
    timeout: options.Timeout = TIMEOUT,
) -> None:
    """Check a method for range, shape, sizes, determinism, colour, receptive field (make conform)."""
    from bench.report import terminal
    from bench.report.console import console
    from bench.studies.conform.study import conform

    screen = console()
    failed = 0
    for colour, check in conform(method, weights, megapixels, device, Settings(timeout=timeout)):
        failed += check.passed is False
        terminal.check(screen, colour, check.name, check.remark, passed=check.passed)
    screen.print(f"{method}: {failed} checks failed" if failed else f"{method} conforms")
    if failed:
        raise typer.Exit(1)
