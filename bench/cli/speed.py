"""Measure speed as ratios (make speed)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    what: Annotated[
        str, typer.Option(help="train: the speed of training by METHOD's recipe; scale: how cost grows.")
    ] = "",
    method: Annotated[str, typer.Option(help="Networks: time their forward pass against plain PyTorch only.")] = "",
    data: Annotated[str, typer.Option(help="Dataset for the networks: bsd68; for training, the recipe's.")] = "",
    images: Annotated[int, typer.Option(min=1, help="How many of its images.")] = 12,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1; cpu otherwise, for training auto.")] = "",
    records: Annotated[int, typer.Option(min=30, help="With WHAT=scale: the most records that are written.")] = 2400,
    table: options.Table = None,
) -> None:
    """Measure speed as ratios against references in the same run (make speed)."""
    from bench.common.parsing import unknown
    from bench.common.tables import write_table
    from bench.studies.speed.rows import line
    from bench.studies.speed.study import forward, measure
    from bench.train import throughput

    if what not in ("", "train", "scale"):
        raise unknown("WHAT", what, ("train", "scale"))
    if what == "scale":
        scale(records, table)
        return
    if what:
        timed = throughput.measure(method, data, device=device or "auto")
    elif method:
        timed = forward(method, data or "bsd68", device or "cpu")
    else:
        timed = measure(data or "bsd68", images, device or "cpu")
    rows = []
    for row in timed:
        rows.append(row)
        say(line(row))
        if table is not None:
            write_table(table, rows)  # after each row, so that what is measured stays where a later one is interrupted


def scale(records: int, table: Path | None) -> None:
    """Print how cost grows, and write the table, and the charts beside it."""
    from bench.common.tables import write_table
    from bench.studies.scale import study

    rows = study.measure(
        records,
        lambda row: say(f"{row['part']} {row['count']}: {row['what']}: {row['seconds']:.4g} s  {row['remark']}"),
    )
    if table is not None:
        write_table(table, rows)
        study.save(rows, table.with_suffix(""))
