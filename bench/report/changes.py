"""What changed between two folders of results: cells, numbers, verdicts, versions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report.columns import entry
from bench.store.merge import agree
from bench.store.records import Record, store_of
from bench.store.results import Result, in_time

METRICS = ("psnr", "ssim", "mse")
DECIMALS = 4
"""Of the numbers, as in files."""

INPUTS = {
    "data": "contents of the images",
    "weights": "weights",
    "code": "code of the method",
    "opened": "files that the method opens",
    "outputs": "finished outputs",
    "harness": "code of the benchmark",
}
"""Parts of what determines a result that bear one name and may yet be others, by their names in a record."""

CELL = ("method", "dataset", "degradation", "protocol", "seed")


@dataclass(frozen=True)
class Change:
    """A cell that both folders have.

    Attributes
    ----------
    cell : tuple of str
        As `CELL` has it.
    a, b : mapping
        The mean of each of `METRICS` over the images; NaN where there is no reference.
    verdict_a, verdict_b : str
        On the PSNR.
    images : int
        How many images have another score, or are there in one only.
    inputs : tuple of str
        What a person brought is other than in A, of `INPUTS`: the two are then not one thing measured twice.
    """

    cell: tuple[str, ...]
    a: Mapping[str, float]
    b: Mapping[str, float]
    verdict_a: str
    verdict_b: str
    images: int
    inputs: tuple[str, ...] = ()

    def difference(self, metric: str) -> float:
        """Return B minus A, of the numbers as they are shown."""
        a, b = (round(means[metric], DECIMALS) for means in (self.a, self.b))
        return round(b - a, DECIMALS) + 0.0  # no minus before a zero

    def differs(self, metric: str) -> bool:
        """Whether its mean is another one by more than rounding, as `make merge` takes it."""
        return not agree(metric, self.a[metric], self.b[metric])

    @property
    def changed(self) -> bool:
        """Whether a number or the verdict is another one; a number that only one of them has is."""
        return any(map(self.differs, METRICS)) or self.images > 0 or self.verdict_a != self.verdict_b

    @property
    def row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        numbers: dict[str, Any] = {}
        for metric in METRICS:
            numbers |= {
                f"{metric}_{of}": round(means[metric], DECIMALS) for of, means in (("a", self.a), ("b", self.b))
            }
            numbers[f"{metric}_difference"] = self.difference(metric)
        verdicts = {"verdict_a": self.verdict_a, "verdict_b": self.verdict_b}
        others = {"images_changed": self.images, "inputs_changed": ", ".join(self.inputs)}
        return dict(zip(CELL, self.cell, strict=True)) | numbers | verdicts | others


@dataclass(frozen=True)
class Changes:
    """What two folders have, and how it differs.

    Attributes
    ----------
    both : tuple of Change
        Cells that both have, in the order of their names.
    only_a, only_b : tuple of tuple of str
        Cells that one of them has.
    versions : mapping
        Packages, machine and the like whose values differ, each with those of A and of B.
    left_out : tuple of str
        Lines on files that cannot be used.
    repeated : int
        Cells of which a folder has several records; the last one counts.
    """

    both: tuple[Change, ...]
    only_a: tuple[tuple[str, ...], ...]
    only_b: tuple[tuple[str, ...], ...]
    versions: Mapping[str, tuple[str, str]]
    left_out: tuple[str, ...]
    repeated: int

    @property
    def changed(self) -> list[Change]:
        """Cells whose numbers or verdicts differ."""
        return [change for change in self.both if change.changed]

    def largest(self) -> tuple[str, Change] | None:
        """Return the metric and the cell of the largest change, of PSNR, or else of SSIM or MSE; None without any."""
        for metric in METRICS:
            some = [one for one in self.both if one.differs(metric) and abs(one.difference(metric)) > 0]
            if some:
                return metric, max(some, key=lambda one: abs(one.difference(metric)))
        return None


def between(a: Path, b: Path) -> Changes:
    """Hold the results of a folder against those of another one.

    Parameters
    ----------
    a, b : Path
        Folders that OUT named, or the `runs` in them.

    Raises
    ------
    BenchError
        If one of them has no finished cell.
    """
    stores = store_of(a), store_of(b)
    found = [store.finished() for store in stores]
    first, second = (_by_cell(records) for records in found)
    return Changes(
        both=tuple(_change(cell, first[cell], second[cell]) for cell in sorted(first.keys() & second.keys())),
        only_a=tuple(sorted(first.keys() - second.keys())),
        only_b=tuple(sorted(second.keys() - first.keys())),
        versions=_versions(first.values(), second.values()),
        left_out=tuple(line for store in stores for line in store.lines_left_out),
        repeated=sum(map(len, found)) - len(first) - len(second),
    )


def _by_cell(records: Sequence[Record]) -> dict[tuple[str, ...], Record]:
    """Return the last record of each cell, by its name: contents differ where something changed."""
    cells: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        cells.setdefault(_cell(record.provenance), []).append(record)
    return {cell: in_time(of_cell)[-1] for cell, of_cell in cells.items()}


def _cell(about: Mapping[str, Any]) -> tuple[str, ...]:
    words = (about["label"], about["dataset"]["name"], about["degradation"], about["protocol"]["name"], about["seed"])
    return tuple(map(str, words))


def _change(cell: tuple[str, ...], a: Record, b: Record) -> Change:
    means = [{metric: record.mean(metric) for metric in METRICS} for record in (a, b)]
    rows = [{row["image"]: row for row in record.images} for record in (a, b)]
    images = sum(
        not (name in rows[0] and name in rows[1])
        or not all(agree(metric, *(_number(r[name].get(metric)) for r in rows)) for metric in METRICS)
        for name in rows[0] | rows[1]
    )
    return Change(cell, means[0], means[1], _verdict(a), _verdict(b), images, _other_inputs(a, b))


def _other_inputs(a: Record, b: Record) -> tuple[str, ...]:
    """Name the inputs of two records of one name that are not the same, whether or not the numbers are."""
    first, second = (record.provenance.get("identity", {}) for record in (a, b))
    return tuple(said for name, said in INPUTS.items() if first.get(name) != second.get(name))


def _verdict(record: Record) -> str:
    found = entry(Result((record,))).verdict
    return found.title if found else "not published"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _versions(a: Iterable[Record], b: Iterable[Record]) -> dict[str, tuple[str, str]]:
    """Return what computed the records of both, where it differs: all values of each, in the order of their names."""
    known: tuple[dict[str, set[str]], dict[str, set[str]]] = ({}, {})
    for records, values in zip((a, b), known, strict=True):
        for about in (record.provenance for record in records):
            named = {name: about.get(name) for name in ("machine", "device", "runtime", "commit")}
            for name, value in ((about.get("versions") or {}) | named).items():
                values.setdefault(name, set()).add(str(value or "none"))
    names = dict.fromkeys((*known[0], *known[1]))
    texts = {name: tuple(", ".join(sorted(values.get(name, {"none"}))) for values in known) for name in names}
    return {name: (one, other) for name, (one, other) in texts.items() if one != other}
