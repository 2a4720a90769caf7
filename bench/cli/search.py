"""Search for a network's block, number and channels (make search)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    method: Annotated[str, typer.Option(help="The recipe that candidates are trained by.")] = "search-siamese",
    data: Annotated[str, typer.Option(help="Training images instead of the recipe's: datasets, or paths.")] = "",
    noise: Annotated[str, typer.Option(help="Noise instead of the recipe's; a range is drawn for each patch.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the choices; the recipe's otherwise.")] = None,
    budget: Annotated[str, typer.Option(help="Time of this sitting, as 9m; the same command goes on.")] = "",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="What else is different, NAME=VALUE in TOML: population=4, 'blocks=[1,2]'."),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the record, and of the weights: searched@own-NAME.")] = "",
    device: options.Device = "auto",
    jobs: options.Threads = 0,
    out: options.Out = options.RESULTS,
) -> None:
    """Search by evolution, and write the recipe of the best network for make train (make search)."""
    from bench.cli.printing import print_outcomes
    from bench.common.parsing import budget_seconds
    from bench.train.search.searcher import requested_search, search_and_store

    seconds = budget_seconds(budget)
    base, plan = requested_search(method, data, noise, " ".join(change or ()), name, seed)
    print_outcomes(
        search_and_store(base, plan, out, name=name, device=device, threads=jobs, budget=seconds, report_line=say)
    )
