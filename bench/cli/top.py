"""Rank what was measured and what was published of a dataset, in one table (make top)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    data: options.Data = "bsd68",
    noise: options.Noise = "",
    metric: Annotated[str, typer.Option(help="psnr, ssim or mse.")] = "psnr",
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Rank what was measured and what was published of a dataset, each with its protocol and source (make top)."""
    from dataclasses import asdict

    from bench.common.parsing import split
    from bench.common.tables import write_table
    from bench.plan.resolve import dataset_words, degradations
    from bench.report.console import console
    from bench.report.top import places
    from bench.report.top_table import print_places
    from bench.store.records import Store
    from bench.store.results import current, gather

    store = Store(out / "runs")
    results = current(gather(store.scores()))
    for line in store.lines_left_out:
        say(line, err=True)
    noises = split(degradations(noise), "NOISE") if noise else []
    rows = [row for word in dataset_words(data) for row in places(results, word, noises, metric)]
    print_places(console(), rows)
    if table is not None:
        write_table(table, [asdict(row) for row in rows])
