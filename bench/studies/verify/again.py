"""`make verify-measured`: cells of the committed tables, picked at random, are measured again and compared."""

import random
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common.errors import BenchError
from bench.common.tables import rows_of
from bench.judge.verified import TABLE
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.memory import Memory
from bench.store.records import Store
from bench.store.results import Result, gather
from bench.studies.deadline import Deadline, SpentError
from bench.studies.verify.confirm import differences
from bench.studies.verify.judged import with_seeds
from bench.studies.verify.numbers import is_here, measurable

FOLDER = TABLE.parent

CLOSE = {"psnr": 0.001, "ssim": 0.0001, "noisy_psnr": 0.001}
"""Columns of a table that are compared, and by how much a mean may differ: float32 sums in another order."""

_ROW = re.compile(r"^\| (.*?) \| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """A committed result, and the cells that measure it again: one a seed."""

    table: str
    cells: tuple[Cell, ...]
    row: dict[str, str]  # of a table of results; empty: of the memory of `make verify`

    @property
    def title(self) -> str:
        """What it is, in a line."""
        seeds = f", {len(self.cells)} seeds" if len(self.cells) > 1 else ""
        return f"{self.table}: {self.cells[0].title}{seeds}"


def build(
    count: int, seed: int, budget: float, method: Sequence[str] = (), data: Sequence[str] = (), folder: Path = FOLDER
) -> Iterator[str | Failure]:
    """Measure some of the committed results again, and yield a line for each; a failure where one differs.

    Parameters
    ----------
    count, seed : int
        How many, and by which chance.
    budget : float
        Seconds after which no cell is begun any more; 0: none.
    method, data : sequence of str
        Names of methods and datasets; empty: all.
    folder : Path
        Of the tables, whose README names the commands.

    Raises
    ------
    BenchError
        If no committed result fits whose files are here.
    """
    memory = Memory(folder / TABLE.name, folder / "nothing")
    every, orphans = committed(folder)
    yield "\n".join(f"{name}: {state}" for name, state in _states(folder, every, memory))
    if orphans:
        yield f"rows that no command of {folder / 'README.md'} makes: {', '.join(orphans)}"
    asked = [
        one
        for one in every
        if (not method or one.cells[0].method.name in method) and (not data or one.cells[0].dataset.name in data)
    ]
    here = [one for one in asked if is_here(one.cells[0])]
    if not here:
        words = " on ".join(filter(None, (", ".join(method), ", ".join(data)))) or "any method"
        why = "has its files here; set BENCH_MIRROR" if asked else "is in results/measured/; make list names all"
        raise BenchError(f"no committed result of {words} {why}")
    yield f"{len(here)} of {len(every)} committed results can be measured here"
    time, done = Deadline(budget, failures=False), 0
    for one in random.Random(seed).sample(here, min(count, len(here))):
        if time.over:
            break
        try:
            found = list(compared(one, memory, time))
        except SpentError:
            break
        done += 1
        yield Failure({"": one.title}, "; ".join(found)) if found else f"as committed  {one.title}"
    yield f"{done} of {min(count, len(here))} measured again" + ("; the time is over" if time.over else "")


def _states(folder: Path, every: Sequence[Measured], memory: Memory) -> Iterator[tuple[str, str]]:
    """Give each committed table, with how it is made again, and how much of it was not made at the current key."""
    counts = Counter(one.table for one in every)
    current = {one.cells[0].key for one in every if not one.row and memory.has(one.cells[0])}
    commands = _commands(folder)
    for name in sorted(path.name for path in folder.glob("*.csv")):
        words = dict.fromkeys(_START.match(command)[0].strip() for command in commands.get(name, ()))  # type: ignore[index]
        made = f"made by {', '.join(words)}, not compared" if words else "NO COMMAND of README.md makes it"
        keys = [row["key"] for row in rows_of(folder / name) if row.get("key")]
        old = sum(key not in current for key in keys)
        yield (
            name,
            (f"{counts[name]} results, compared at random" if counts[name] else made)
            + (f"; {old} of {len(keys)} rows not made at the current key" if keys else "; no key says by which code"),
        )


_BENCH = "make bench "

_START = re.compile(r"(?:(?!\S*=|--)\S+\s*)*")
"""Of a command, what stands before its first variable or option."""


def _commands(folder: Path) -> dict[str, list[str]]:
    """Return the commands of each table, by its name."""
    return {
        name: re.findall(r"`((?:make|python|taskset|for) [^`]+)`", commands)
        for names, commands in _ROW.findall((folder / "README.md").read_text(encoding="utf-8"))
        for name in re.findall(r"`([\w.-]+\.csv)`", names)
    }


def committed(folder: Path = FOLDER) -> tuple[list[Measured], list[str]]:
    """Return the committed results, and those of which no command says how they were made."""
    found: list[Measured] = []
    orphans: list[str] = []
    for name, commands in _commands(folder).items():
        if cells := _cells([command.removeprefix(_BENCH) for command in commands if command.startswith(_BENCH)]):
            for row in rows_of(folder / name):
                of = cells.get((row["method"], row["net"], row["dataset"], row["degradation"], row["protocol"]))
                if of is None:
                    orphans.append(f"{name}: {row['method']} on {row['dataset']}, {row['degradation']}")
                else:
                    found.append(Measured(name, tuple(of), row))
    memory = Memory(folder / TABLE.name, folder / "nothing")
    known = {cell.key: cell for number in measurable() for first in number.cells for cell in with_seeds(first)}
    found += [Measured(memory.cells_path.name, (cell,), {}) for cell in known.values() if memory.earlier(cell)]
    return found, orphans


def _cells(commands: Sequence[str]) -> dict[tuple[str, ...], list[Cell]]:
    """Return the cells of commands by what a row of a table names; those of all seeds together."""
    found: dict[tuple[str, ...], list[Cell]] = {}
    for command in commands:
        words = dict(word.split("=", 1) for word in shlex.split(command))
        for cell in plan(Request(**{name.lower(): value for name, value in words.items()}))[0]:  # type: ignore[arg-type]
            row = (cell.label, cell.net.id, cell.dataset.name, str(cell.degradation), cell.protocol.name)
            found.setdefault(row, []).append(cell)
    return found


def compared(one: Measured, memory: Memory, progress: Deadline) -> Iterator[str]:
    """Measure a result again, and say what differs."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_campaign(one.cells, Store(Path(folder)), Settings(), progress)
        if done.failures:
            yield done.failures[0].cause
            return
        records = done.records()
    if one.row:
        (result,) = gather(records)
        yield from _differing(one.row, result)
        return
    then = {row["image"]: row for row in memory.get(one.cells[0]).images}
    for record in records:
        for row in record.images:
            yield from differences(then[row["image"]], row)


def _differing(row: dict[str, str], result: Result) -> Iterator[str]:
    for name, close in CLOSE.items():
        now = result.mean(name)
        if row.get(name) and not abs(float(row[name]) - now) <= close:
            yield f"{name} is {now:.4f}, and {row[name]} in the table"
