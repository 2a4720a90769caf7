"""The memory of a committed folder: scores of cells in two tables, which any machine goes on from; no pictures."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.common.tables import write_csv
from bench.plan.cell import Cell
from bench.score.metrics import METRICS
from bench.store.records import Record, Store, described

SCORES = (*METRICS, *(f"noisy_{name}" for name in METRICS), "noise_psnr")
"""What of an image is kept, besides its name and size."""

HOW = ("device", "runtime", "jobs", "threads", "machine", "started")
"""What of a cell is kept of how it ran."""


class Memory(Store):
    """A store that keeps scores in the tables ``NAME-cells.csv`` and ``NAME-images.csv``.

    Parameters
    ----------
    table : Path
        ``folder/NAME.csv``, beside which the two lie.
    runs : Path
        The folder of a `Store`, whose records count too: what is there is taken over. Failures are noted there.
    """

    def __init__(self, table: Path, runs: Path) -> None:
        super().__init__(runs)
        self.cells_path, self.images_path = (table.with_name(f"{table.stem}-{of}.csv") for of in ("cells", "images"))
        self.cells = {row["key"]: row for row in _rows(self.cells_path)}
        self.images: dict[str, list[dict[str, Any]]] = {}
        for row in _rows(self.images_path):
            self.images.setdefault(row.pop("key"), []).append(_read(row))

    def has(self, cell: Cell) -> bool:
        """Whether the scores of a cell are known, here or in a record."""
        if cell.key not in self.cells and super().has(cell):
            self.put(cell, super().get(cell))
        return cell.key in self.cells

    def earlier(self, cell: Cell) -> str:
        """Return the key under which the same cell was measured, with earlier code or packages if not with today's."""
        asked = _words(cell)
        same = (key for key, row in self.cells.items() if all(row[name] == value for name, value in asked.items()))
        return cell.key if cell.key in self.cells else next(same, "")

    def adopt(self, cell: Cell, images: Iterable[str]) -> None:
        """Let scores that earlier code gave stand for today's, which gives the same for some images."""
        old = self.earlier(cell)
        self.cells[cell.key] = self.cells.pop(old) | {"key": cell.key, "confirmed": " ".join(images)}
        self.images[cell.key] = self.images.pop(old)
        self._write()

    def put(self, cell: Cell, record: Record) -> None:
        """Keep the scores of a cell, in the place of those that earlier code gave."""
        old = self.earlier(cell)
        self.cells.pop(old, None)
        self.images.pop(old, None)
        about = record.provenance
        how = {name: str(about.get(name, "")) for name in HOW}
        self.cells[cell.key] = _words(cell) | {"key": cell.key} | how | {"seconds": f"{about['seconds']['total']:.1f}"}
        names = ("image", "height", "width", *SCORES)
        self.images[cell.key] = [{name: row.get(name) for name in names} for row in record.images]
        self._write()

    def get(self, cell: Cell, columns: Iterable[str] | None = None) -> Record:
        """Return what is known of a cell, with today's code or else with earlier code."""
        key = self.earlier(cell)
        return Record(self.images[key], described(cell) | _how(self.cells[key]) | {"key": key})

    def _write(self) -> None:
        order = sorted(self.cells, key=lambda key: [self.cells[key][name] for name in _WORDS])
        rows = [{"key": key} | row for key in order for row in self.images[key]]
        write_csv(self.images_path, rows, digits=7)
        write_csv(self.cells_path, [self.cells[key] for key in order], columns=("key",))


_WORDS = ("method", "net", "dataset", "degradation", "protocol", "ensemble", "seed")


def _words(cell: Cell) -> dict[str, str]:
    """Return what is asked of a cell, whatever code answers."""
    values = (
        cell.method.name, cell.net.id, cell.dataset.name, cell.degradation, cell.protocol.name, cell.inference.ensemble,
        cell.seed,
    )  # fmt: skip
    return dict(zip(_WORDS, map(str, values), strict=True))


def _how(row: Mapping[str, str]) -> dict[str, Any]:
    counts = {name: int(row[name] or 1) for name in ("jobs", "threads")}
    plain: dict[str, Any] = {name: row[name] for name in HOW}
    return plain | counts | {"fallback": "", "seconds": {"total": float(row["seconds"])}, "failed_images": {}}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as table:
            yield from csv.DictReader(table)


def _read(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of an image as a record has it; what is empty is NaN."""
    sizes = {name: int(row[name]) for name in ("height", "width")}
    return {"image": row["image"]} | sizes | {name: float(row.get(name) or "nan") for name in SCORES}
