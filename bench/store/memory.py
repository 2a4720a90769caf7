"""The memory of a committed folder: scores of cells in two tables, which any machine goes on from; no pictures."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.common.errors import BenchError
from bench.common.tables import csv_text, numbered_rows, write_csv
from bench.plan.cell import Cell
from bench.plan.inference import sigma_word
from bench.score.metrics import METRICS
from bench.store.records import Record, Store, described
from datasets.listing import some

SCORES = (*METRICS, *(f"noisy_{name}" for name in METRICS), "noise_psnr")
"""What of an image is kept, besides its name and size."""

DIGITS = 7
"""Of scores, as they are kept."""

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

    Raises
    ------
    BenchError
        If one of the two is no such table.
    """

    def __init__(self, table: Path, runs: Path) -> None:
        super().__init__(runs)
        self.cells_path, self.images_path = (table.with_name(f"{table.stem}-{of}.csv") for of in ("cells", "images"))
        self.cells: dict[str, dict[str, str]] = {}
        self.images: dict[str, list[dict[str, Any]]] = {}
        self._keys: dict[tuple[str, ...], list[str]] = {}
        self._damaged: list[str] = []
        self._take_in()

    def has(self, cell: Cell) -> bool:
        """Whether the scores of all images of a cell are known, here or in a record."""
        if not self._whole(cell, cell.key) and super().has(cell):
            self.put(cell, super().get(cell))
        return self._whole(cell, cell.key)

    def earlier(self, cell: Cell) -> str:
        """Return the key under which the same cell was measured, with earlier code or packages if not with today's."""
        return next((key for key in (cell.key, *self._alike(cell)) if self._whole(cell, key)), "")

    def torn(self, cell: Cell) -> bool:
        """Whether the tables have something of a cell and lack the rest, so that it counts as not measured."""
        return not self.earlier(cell) and any(self._alike(cell))

    def adopt(self, cell: Cell, images: Iterable[str]) -> None:
        """Let scores that earlier code gave stand for today's, which gives the same for some images."""
        old = self.earlier(cell)
        self._keep(cell, self.cells[old] | {"confirmed": " ".join(images)}, self.images[old])

    def put(self, cell: Cell, record: Record) -> None:
        """Keep the scores of a cell, in the place of those that earlier code gave; none where an image failed."""
        about = record.provenance
        if about.get("failed_images"):
            return
        how = {name: str(about.get(name, "")) for name in HOW} | {"seconds": f"{about['seconds']['total']:.1f}"}
        names = ("image", "height", "width", *SCORES)
        self._keep(
            cell, _words(cell) | how, [{name: _rounded(row.get(name)) for name in names} for row in record.images]
        )

    def get(self, cell: Cell, columns: Iterable[str] | None = None) -> Record:
        """Return what is known of a cell, with today's code or else with earlier code."""
        key = self.earlier(cell)
        return Record(self.images[key], described(cell) | _how(self.cells[key]) | {"key": key})

    def _alike(self, cell: Cell) -> Sequence[str]:
        """Return the keys of what is in the table of a cell, whatever code gave it."""
        return self._keys.get(_question(_words(cell)), ())

    def _whole(self, cell: Cell, key: str) -> bool:
        """Whether all images of a cell have their scores under a key."""
        rows = self.images.get(key, ()) if key in self.cells else ()
        scored = [row["image"] for row in rows if all(row[name] == row[name] for name in METRICS)]
        return bool(scored) and scored == list(cell.dataset.image_names())

    def _keep(self, cell: Cell, about: Mapping[str, str], images: list[dict[str, Any]]) -> None:
        for key in self._alike(cell):
            del self.cells[key]
            self.images.pop(key, None)
        self._keys[_question(_words(cell))] = [cell.key]
        self.cells[cell.key] = {"key": cell.key} | {name: text for name, text in about.items() if name != "key"}
        self.images[cell.key] = images
        self._write()

    def _take_in(self) -> None:
        """Take in the cells of the tables that are not known here: another run may have measured them meanwhile."""
        images: dict[str, list[dict[str, Any]]] = {}
        for row in _rows(self.images_path, _OF_IMAGE, _image):
            images.setdefault(row.pop("key"), []).append(row)
        self.images = images | self.images
        known = set(self._keys)
        cells = list(_rows(self.cells_path, _OF_CELL, _cell))
        sealed = any(CHECKSUM in cell for cell in cells)
        for cell in cells:
            words = _question(cell)
            if words not in known:
                self.cells[cell["key"]] = cell
                self._keys.setdefault(words, []).append(cell["key"])
                self._check(cell, images, sealed=sealed)

    def _check(self, cell: dict[str, str], images: Mapping[str, list[dict[str, Any]]], *, sealed: bool) -> None:
        """Leave out the scores of a cell that are not those that were written, so that it counts as not measured.

        In a table that is `sealed` a cell without a checksum is one whose checksum was taken out.
        """
        written = cell.pop(CHECKSUM, "")
        if (written or sealed) and written != _checksum(cell, images.get(cell["key"], ())):
            self.images.pop(cell["key"], None)
            self._damaged.append(" ".join(cell[name] for name in _WORDS[1:4]))
            cause = "scores there do not match their checksum: those of"
            self.left_out[self.images_path] = f"{cause} {some(self._damaged)}"

    def _write(self) -> None:
        self._take_in()
        order = sorted(self.cells, key=lambda key: _question(self.cells[key]))
        rows = [{"key": key} | row for key in order for row in self.images.get(key, ())]
        write_csv(self.images_path, rows, digits=DIGITS)
        cells = [self.cells[key] | {CHECKSUM: _checksum(self.cells[key], self.images.get(key, ()))} for key in order]
        write_csv(self.cells_path, cells, columns=("key",))


_WORDS = ("method", "net", "dataset", "degradation", "protocol", "ensemble", "seed", "sigma")


def _words(cell: Cell) -> dict[str, str]:
    """Return what is asked of a cell, whatever code answers."""
    values = (
        cell.method.name, cell.net.id, cell.dataset.name, cell.degradation, cell.protocol.name, cell.inference.ensemble,
        cell.seed,
    )  # fmt: skip
    told = {} if cell.inference.sigma is None else {"sigma": sigma_word(cell.inference.sigma)}
    return dict(zip(_WORDS, map(str, values), strict=False)) | told


def _question(words: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(words.get(name, "") for name in _WORDS)


def _rounded(value: Any) -> Any:
    """Return a score as it will be read: a table that rests on it is the same before and after a rerun."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _how(row: Mapping[str, str]) -> dict[str, Any]:
    counts = {name: int(row[name] or 1) for name in ("jobs", "threads")}
    plain: dict[str, Any] = {name: row[name] for name in HOW}
    return plain | counts | {"fallback": "", "seconds": {"total": float(row["seconds"])}, "failed_images": {}}


CHECKSUM = "checksum"
"""The column that holds a hash of a cell's row and of those of its images; tables from before there was one lack it."""

_LATER = ("confirmed", CHECKSUM, "sigma")
"""Columns that a table may lack, and rows that have nothing there."""

_OF_CELL = tuple(dict.fromkeys(("key", *_WORDS, *HOW, "seconds", *_LATER)))
_OF_IMAGE = ("key", "image", "height", "width", *SCORES)

T = TypeVar("T")


def _rows(path: Path, columns: Sequence[str], read: Callable[[dict[str, str]], T]) -> Iterator[T]:
    needed = [name for name in columns if name not in _LATER]
    for line, row in numbered_rows(path, columns, needed).items() if path.is_file() else ():
        try:
            yield read(row)
        except ValueError as error:
            raise BenchError(f"{path}, line {line}: {error}; restore the line, or delete it") from None


def _cell(row: dict[str, str]) -> dict[str, str]:
    """Return the row of a cell, whose numbers are some."""
    _how(row)
    return {name: text for name, text in row.items() if text or name not in _LATER}


def _checksum(cell: Mapping[str, str], images: Iterable[Mapping[str, Any]]) -> str:
    """Return a hash of the rows of a cell and of its images, as they are written."""
    rows = [{name: value for name, value in row.items() if name != "key"} for row in images]
    text = csv_text([dict(sorted(cell.items()))]) + csv_text(rows, digits=DIGITS)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


def _image(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of an image as a record has it, with its key; what is empty is NaN."""
    sizes = {name: int(row[name]) for name in ("height", "width")}
    scores = {name: float(row[name] or "nan") for name in SCORES}
    return {"key": row["key"], "image": row["image"]} | sizes | scores
