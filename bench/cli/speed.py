"""Measure speed as ratios (make speed)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    what: Annotated[str, typer.Option(help="train: the speed of training by METHOD's recipe; all otherwise.")] = "",
    method: Annotated[str, typer.Option(help="Networks: time their forward pass against plain PyTorch only.")] = "",
    data: Annotated[str, typer.Option(help="Dataset for the networks: bsd68; for training, the recipe's.")] = "",
    images: Annotated[int, typer.Option(min=1, help="How many of its images.")] = 12,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1; cpu otherwise, for training auto.")] = "",
    table: options.Table = None,
) -> None:
    """Measure speed as ratios against references in the same run (make speed)."""
    from bench.common.parsing import unknown
    from bench.common.tables import write_table
    from bench.studies.speed.rows import line
    from bench.studies.speed.study import forward, measure
    from bench.train import throughput

    if what not in ("", "train"):
        raise unknown("WHAT", what, ("train",))
    if what:
        timed = throughput.measure(method, data, device=device or "auto")
    elif method:
        timed = forward(method, data or "bsd68", device or "cpu")
    else:
        timed = measure(data or "bsd68", images, device or "cpu")
    rows = []
    for row in timed:
        rows.append(row)
        typer.echo(line(row))
    if table is not None:
        write_table(table, rows)
