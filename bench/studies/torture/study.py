"""`make torture`: attempts to lose results, to falsify them and to run what is only read, and what came of them."""

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.common.tables import write_table
from bench.studies.text_table import as_text, grid
from bench.studies.torture.damage import records
from bench.studies.torture.determinism import determinism
from bench.studies.torture.faults import faults
from bench.studies.torture.inputs import inputs
from bench.studies.torture.kills import kills
from bench.studies.torture.load import load
from bench.studies.torture.tally import NEVER, Effort, LoadCheckpoint, Tally

PARTS: Mapping[str, tuple[Callable[[Effort], Iterator[Tally]], float]] = {
    "kills": (kills, 0.35),
    "records": (records, 0.1),
    "faults": (faults, 0.15),
    "input": (inputs, 0.25),
    "determinism": (determinism, 0.05),
    "load": (load, 0.1),
}
"""What is tried, and its share of the time."""


def torture(parts: Sequence[str], seed: int, seconds: float, load_checkpoint: LoadCheckpoint) -> Iterator[Tally]:
    """Try parts of `PARTS`, one after another.

    Parameters
    ----------
    parts : sequence of str
        Their names.
    seed : int
        Of all that chance decides; moments of kills also depend on how fast the machine is.
    seconds : float
        About how long; what has begun ends.
    load_checkpoint : callable
        As of `Effort`.
    """
    shares = sum(PARTS[name][1] for name in parts)
    for name in parts:
        part, share = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
            draw, time = random.Random(f"{seed} {name}"), seconds * share / shares
            yield from part(Effort(Path(folder), draw, time, load_checkpoint=load_checkpoint))


def failed(tallies: Sequence[Tally]) -> bool:
    """Whether anything is lost, false, was run, or ended in a traceback."""
    return any(tally.found[kind] for tally in tallies for kind in NEVER)


def printable(tallies: Sequence[Tally]) -> str:
    """Return the rows as a text, with the first examples of what was found below them."""
    made = grid(["part", "what"], ["tried", *NEVER, "other", "seconds"], width=60)
    made.add_column("", overflow="fold", style="dim")
    for tally in tallies:
        row = tally.row
        counts = [str(row[name] or "") for name in (*NEVER, "other")]
        made.add_row(tally.part, tally.what, str(tally.tried), *counts, f"{tally.seconds:.0f}", tally.remark)
    return "\n".join([as_text(made).rstrip(), *(line for tally in tallies for line in tally.examples)])


def write(table: Path, tallies: Sequence[Tally]) -> None:
    """Write the rows as a table."""
    write_table(table, [tally.row for tally in tallies])
