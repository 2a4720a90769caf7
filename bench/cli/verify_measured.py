"""Measure cells of the committed tables again, and compare (make verify-measured)."""

from typing import Annotated

import typer


def command(
    count: Annotated[int, typer.Option(min=1, help="How many, picked at random.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice.")] = 0,
    budget: Annotated[str, typer.Option(help="Time after which no cell is begun: 90s, 9m, 1.5h.")] = "",
    method: Annotated[str, typer.Option(help="Methods, a comma list; empty: all.")] = "",
    data: Annotated[str, typer.Option(help="Datasets, a comma list; empty: all.")] = "",
) -> None:
    """Measure results of results/measured/ again by the commands beside them, and compare (make verify-measured)."""
    from bench.cli.printing import print_outcomes
    from bench.common.parsing import budget_seconds, split
    from bench.plan.resolve import dataset_names
    from bench.studies.verify.again import build

    methods, sets = split(method, "METHOD") if method else [], dataset_names(data) if data else []
    print_outcomes(build(count, seed, budget_seconds(budget), methods, sets))
