"""Whether today's code gives what earlier code gave: a few images of a cell are measured again, not all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.common.errors import BenchError
from bench.judge.tolerance import ARITHMETIC
from bench.plan.cell import Cell
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.memory import Memory
from datasets.choosing import chosen

MOST = 2
"""Images that are measured again, of different shapes where there are such."""


def confirm(cells: Sequence[Cell], memory: Memory, settings: Settings) -> Iterator[tuple[Cell, str]]:
    """Measure a few images of each cell that earlier code measured, and let its scores stand where those are the same.

    Yields
    ------
    Cell, str
        The cell, and what differs; empty where its scores stand.
    """
    for cell in cells:
        names = _sample(memory.get(cell).images)
        try:
            record = run_cell(replace(cell, dataset=chosen(cell.dataset, ",".join(names))), settings)
        except (BenchError, ValueError) as error:
            yield cell, str(error)
            continue
        known = {row["image"]: row for row in memory.get(cell).images}
        differing = [line for row in record.images for line in differences(known[row["image"]], row)]
        if not differing:
            memory.adopt(cell, names)
        yield cell, "; ".join(differing)


def _sample(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the first image of each of the smallest shapes."""
    shapes: dict[tuple[int, int], str] = {}
    for row in sorted(rows, key=lambda row: row["height"] * row["width"]):
        shapes.setdefault((row["height"], row["width"]), row["image"])
    return list(shapes.values())[:MOST]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Say which scores of an image differ by more than rounding does."""
    for metric, slack in ARITHMETIC.items():
        if not abs(then[metric] - now[metric]) <= slack:
            yield f"{now['image']} has {metric} {now[metric]:.4f} and had {then[metric]:.4f}"
