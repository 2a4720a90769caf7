"""`make conform` without METHOD: what packages give for one and the same thing, beside what is right."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import datasets
from bench.common.files import missing
from bench.common.tables import write_table
from bench.studies.conform.measured import Row
from bench.studies.text_table import as_text, grid
from datasets import Dataset


def build(out: Path, table: Path | None = None) -> Iterator[str]:
    """Measure all that is at hand, write it into ``out/conform/`` and into a table, and yield tables to print.

    Parameters
    ----------
    out : Path
        The folder of results.
    table : Path, optional
        A file for all rows.
    """
    known = datasets.available()
    every: list[Row] = []
    for _, group in groupby(_measured(known), key=lambda row: (row.what, row.images)):
        found = list(group)
        every += found
        yield printable(found)
    for name in ("set12", "set5", "bsd68", "cbsd68", "kodak24", "kodak24-500"):
        if not _is_here(known[name]):
            yield f"left out  what needs {name}: its files are not on this machine; make bench DATA={name} gets them"
    path = out / "conform" / "conformance.csv"
    for file in filter(None, (path, table)):
        write_table(file, every, digits=6)
    yield f"{len(every)} rows in {table or path}"


def printable(found: Sequence[Row]) -> str:
    """Return rows of one thing as a text, the thing above them."""
    made = grid(["implementation", "version"], ["value", "difference", "seconds"], width=52)
    made.add_column("", overflow="fold", style="dim")
    for row in found:
        numbers = ("" if value != value else f"{value:{form}}" for value, form in _numbers(row))
        made.add_row(row.implementation, row.version, *numbers, row.remark)
    first = found[0]
    right = "" if first.reference != first.reference else f"; right is {first.reference:.6g}"
    return f"\n{first.what}, {first.images}{right}\n{as_text(made)}"


def _is_here(dataset: Dataset) -> bool:
    return not missing("data", dataset.files)


def _numbers(row: Row) -> Iterator[tuple[float, str]]:
    yield from ((row.value, ".4f"), (row.difference, "+.2g"), (row.seconds, ".3f"))


def _measured(known: dict[str, Dataset]) -> Iterator[Row]:
    from bench.run.images import pictures
    from bench.studies.conform import bm3d_packages, copies, quality, resizing

    scored = list(quality.scored(known["builtin"]))
    yield from quality.measured(scored, f"{len(scored)} photographs, gaussian:25, smoothed")
    set5 = known["set5-y"]
    lumas = [picture.clean[..., 0] for picture in pictures(set5) if picture.clean is not None] if _is_here(set5) else []
    yield from resizing.measured(lumas)
    chosen = ("set12", list(bm3d_packages.PUBLISHED)) if _is_here(known["set12"]) else ("builtin", ["camera"])
    yield from bm3d_packages.measured({p.name: p for p in pictures(known[chosen[0]], chosen[1])})
    yield from copies.measured(known, _is_here)
