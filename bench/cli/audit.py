"""Test images in training sets, and other unfair company (make audit)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    data: Annotated[
        str, typer.Option(help="Datasets and folders; `train:` before a folder that was trained on. All that is here.")
    ] = "",
    limits: Annotated[
        bool, typer.Option("--limits", help="Plant overlaps in photographs instead, and say which are found.")
    ] = False,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Find test images, or parts and copies of them, in training sets and in other test sets (make audit)."""
    from bench.cli.printing import print_outcomes, print_rows

    if limits:
        from bench.studies.audit.planted import build_limits

        print_rows(build_limits(data or "bsd68"), table)
        return
    from bench.studies.audit.study import build

    print_outcomes(build(data, out, table))
