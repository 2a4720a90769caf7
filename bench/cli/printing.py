"""What several commands do with what they get: print it, and end with the exit status that says how it went."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bench.common.errors import visible_lines

if TYPE_CHECKING:
    from bench.plan.cell import Failure


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text, in which no name moves the cursor; on standard error, or without an end of line, if wanted."""
    typer.echo(visible_lines(text), err=err, nl=nl)


def print_outcomes(outcomes: "Iterable[str | Failure]") -> None:
    """Print what was made, and what failed.

    Raises
    ------
    typer.Exit
        With status 2 where something failed and nothing was made, 1 where something failed.
    """
    from bench.plan.cell import Failure
    from bench.report import terminal

    made, failures = 0, 0
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            terminal.failed(outcome)
            failures += 1
        else:
            say(outcome)
            made += 1
    if failures:
        raise typer.Exit(1 if made else 2)


def print_warnings() -> None:
    """Print on standard error what of the registries is left out, or not used as its record says."""
    from bench.plan.resolve import problems

    for line in problems():
        say(f"warning: {line}", err=True)


def print_rows(rows: Iterable[Mapping[str, Any]], table: Path | None = None) -> None:
    """Print a small table, and write it to a file where one is named."""
    import pandas as pd

    from bench.common.tables import write_table

    frame = pd.DataFrame(list(rows))
    say(frame.to_string(index=False))
    if table is not None:
        write_table(table, frame.to_dict("records"))
