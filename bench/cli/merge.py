"""Join the results of two machines (make merge)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    from_: Annotated[
        Path | None, typer.Option("--from", help="A folder that OUT named, on this or another machine.")
    ] = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Take the results of another folder into OUT: records and failures; nothing is overwritten (make merge)."""
    from bench.common.errors import BenchError
    from bench.store.merge import lines, merge
    from bench.store.records import Store, store_of

    if from_ is None:
        raise BenchError("FROM is missing: expected make merge FROM=folder")
    merged = merge(store_of(from_), Store(out / "runs"))
    for line in lines(merged):
        say(line)
    if merged.conflicts or merged.left_out:
        raise typer.Exit(1)
