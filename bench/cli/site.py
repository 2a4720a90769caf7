"""The public leaderboard as static files, from what is committed (make site)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    to: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the pages; results/site otherwise.")
    ] = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Write the public leaderboard, measured beside published, as static files (make site)."""
    from bench.judge.verified import TABLE
    from bench.report.site.build import build
    from bench.store.memory import Memory
    from bench.studies.verify.judged import judged
    from bench.studies.verify.numbers import measurable

    memory = Memory(TABLE, out / "runs")
    page = build([judged(number, memory).row(memory) for number in measurable()], TABLE, to or out / "site")
    say(f"leaderboard: {page}")
