"""Tables, charts and pictures of all runs (make report)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    pictures: Annotated[int, typer.Option(min=0, help="Images shown for each dataset and noise; 0: all.")] = 12,
    format: Annotated[str, typer.Option(help="Files of the charts besides SVG and PDF: png.")] = "",
    one_file: Annotated[
        bool, typer.Option("--one-file", help="A page that needs no other file (3 images a table).")
    ] = False,
    out: options.Out = options.RESULTS,
) -> None:
    """Turn all finished cells into tables, charts and pictures (make report)."""
    from functools import partial

    from bench.common.parsing import split
    from bench.report.build import build

    page = build(out, pictures, split(format, "FORMAT"), partial(say, err=True), one_file=one_file)
    say(f"report: {page}")
