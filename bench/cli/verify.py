"""Measure every published number that can be measured, and judge it (make verify)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options


def command(
    method: Annotated[str, typer.Option(help="Methods, a comma list; empty: all whose weights are here.")] = "",
    data: Annotated[str, typer.Option(help="Datasets, a comma list; empty: all whose images are here.")] = "",
    budget: Annotated[str, typer.Option(help="Time after which no cell is begun: 90s, 9m, 1.5h.")] = "",
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    jobs: options.Jobs = 0,
    table: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The table of verdicts, which later runs go on from.")
    ] = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Measure what of the ledger is not measured yet, and judge all of it (make verify)."""
    from bench.cli.printing import print_outcomes
    from bench.common.parsing import budget_seconds, split
    from bench.judge.verified import TABLE
    from bench.plan.resolve import dataset_words
    from bench.studies.verify.study import build

    print_outcomes(
        build(
            split(method, "METHOD") if method else (),
            dataset_words(data) if data else (),
            out,
            table=table or TABLE,
            budget=budget_seconds(budget),
            settings=options.settings(device, backend, jobs),
        )
    )
