"""Try to lose results, to get false ones, and to run what is only read (make torture)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say
from bench.common.paths import ROOT


def command(
    what: Annotated[
        str, typer.Option(help="kills, records, faults, input, determinism, load: a comma list, or all.")
    ] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Of all that chance decides.")] = 0,
    budget: Annotated[str, typer.Option(help="About how long: 90s, 10m, 2h.")] = "10m",
    table: options.Table = ROOT / "results" / "measured" / "torture.csv",
) -> None:
    """Kill, damage, starve and deceive the benchmark, and count what is lost, false or run by it (make torture)."""
    from bench.common.parsing import budget_seconds, split, unknown
    from bench.studies.torture.study import PARTS, failed, printable, torture, write
    from bench.train.checkpoint import load

    parts = list(PARTS) if what.strip() == "all" else split(what, "WHAT")
    for part in parts:
        if part not in PARTS:
            raise unknown("WHAT", part, PARTS)
    tallies = []
    for tally in torture(parts, seed, budget_seconds(budget), load):
        tallies.append(tally)
        bad = ", ".join(f"{count} {kind}" for kind, count in tally.found.items()) or "nothing lost"
        say(f"{tally.part}  {tally.what}: {tally.tried} tried, {bad} ({tally.seconds:.0f} s)")
        if table:
            write(table, tallies)
    say(f"\n{printable(tallies)}\n{table or ''}".rstrip())
    if failed(tallies):
        raise typer.Exit(1)
