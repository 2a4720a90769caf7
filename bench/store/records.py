"""Records on disk: one Parquet file a finished cell, which appears whole or not at all."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.common import provenance
from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.common.text_files import DAMAGE
from bench.plan.cell import Cell, Failure, describe
from bench.score.scorer import scored
from bench.store import claims
from bench.store.opened import Opened, opened_of
from bench.store.parquet import decoded, encoded
from bench.store.shape import check
from bench.store.verified import Verified
from methods.sealed_json import parsed, sealed

LINES = 20
"""Of what is left out, those that are said one by one."""

ADVICE = "make room there or give OUT=another/folder; finished cells stay"


@dataclass(frozen=True)
class Record:
    """What a finished cell leaves.

    Attributes
    ----------
    images : list of dict
        One row an image: `image`, `height`, `width`, `told_sigma` (what the method was told, 0-255 scale, or
        None), `psnr`, `ssim`, `mse`, the same of the noisy input (`noisy_psnr` ...), `noise_psnr` and `noise_l1`, NaN
        where there is no reference, `seconds` (the method's own) and `denoised` (the pixels, uint8 in the order H, W,
        C). Of a cell that just ran also `exact`, its output as it was scored (H, W, C), where that is asked for; it is
        not stored.
    provenance : dict
        The cell's identity and all that was known when it ran.
    """

    images: list[dict[str, Any]]
    provenance: dict[str, Any]

    def mean(self, column: str) -> float:
        """Return the mean of a column over the images; NaN where one of them has no value."""
        if column not in self._means:
            values: list[Any] = [row.get(column) for row in self.images]
            self._means[column] = float("nan") if None in values else sum(values) / len(values)
        return self._means[column]

    @cached_property
    def _means(self) -> dict[str, float]:
        return {}


def described(cell: Cell, opened: Opened = Opened()) -> dict[str, Any]:  # noqa: B008 - frozen
    """Return what of the provenance of a record is known before its cell runs, but for what its method opened."""
    weights, digest = cell.net.weights, opened.digest
    return {
        "key": f"{cell.key}-{digest}" if digest else cell.key,
        "identity": cell.identity | ({"opened": digest} if digest else {}),
        "opened": opened.plain,
        "label": cell.plain_label,
        "own": cell.own,
        "method": cell.method.name,
        "paper": cell.method.paper,
        "net": describe(cell.net),
        "weights": asdict(weights) | {"local": Path(weights.local).name} if weights else None,
        "dataset": {
            "name": cell.dataset.name,
            "title": cell.dataset.title,
            "colour": cell.dataset.colour,
            "source": cell.dataset.source,
            "notes": list(cell.dataset.notes),
            "word": cell.dataset.word or cell.dataset.name,
            "white": cell.dataset.white,
            "noise_name": cell.dataset.noise_name,
            "ledger": list(cell.dataset.ledger) if cell.dataset.ledger else None,
        },
        "degradation": str(cell.degradation),
        "kind": cell.degradation.kind,
        "strength": cell.degradation.strength,
        "sigma": cell.degradation.sigma,
        "random": cell.degradation.random,
        "told_sigma": cell.told_sigma,
        "protocol": asdict(cell.protocol),
        "seed": cell.seed,
        "extrapolates": cell.extrapolates,
        "inference": asdict(cell.inference),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "commit": provenance.commit(),
    }


class Store:
    """The folder `runs` of an output folder.

    Parameters
    ----------
    folder : Path
        Created when the first record is put in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left_out: dict[Path, str] = {}
        """Files that were found there and cannot be used, and why: one line each in `lines_left_out`."""
        self._found: dict[tuple[str, tuple[str, ...] | None], Path] = {}
        self._sound: set[Path] = set()
        self._verified = Verified(folder, score_columns())
        self._like: dict[Path, dict[str, list[Path]]] = {}
        """The records that lay in a folder when the first one was put in, by the name of their cell."""

    def path(self, cell: Cell, key: str = "") -> Path:
        """Return where a cell's record lies, or will, whose key is that of the cell or a longer one."""
        return self.folder / slug(cell.dataset.name) / f"{slug(cell.file_name)}_{key or cell.key}.parquet"

    def has(self, cell: Cell) -> bool:
        """Whether the cell is finished: there is a record, and what its method opened has not changed since."""
        return self._record(cell) is not None

    def changes(self, cell: Cell) -> list[str]:
        """Return the files and variables that changed since the last record of a cell that is not finished."""
        for path in self._versions(cell)[:1]:
            return opened_of(read(path, ("image",)).provenance).changed(cell.folders or ())
        return []

    def put(self, cell: Cell, record: Record) -> None:
        """Store a record; a failure noted for the cell is forgotten."""
        rows = [{name: value for name, value in row.items() if name != "exact"} for row in record.images]
        path = self.path(cell, record.provenance.get("key", ""))
        order = self._order(path)
        about = record.provenance | ({"order": order} if order else {})
        write_whole(path, encoded(rows, about), advice=ADVICE)
        self._found[cell.key, cell.folders] = path
        self.left_out.pop(path, None)
        self._failure_path(_asked(cell)).unlink(missing_ok=True)

    def get(self, cell: Cell, columns: Iterable[str] | None = None) -> Record:
        """Read the record of a finished cell, with what is claimed of it."""
        return self._read(self._record(cell) or self.path(cell), columns)

    def finished(self) -> list[Record]:
        """Read every finished record as `scores` does.

        Raises
        ------
        BenchError
            If there is none.
        """
        if records := self.scores():
            return records
        damaged = f"; {len(self.left_out)} files there cannot be used" if self.left_out else ""
        raise BenchError(f"{self.folder}: has no finished cell{damaged}; run make bench first, or name another folder")

    def claim(self, cell: Cell, rows: Sequence[Mapping[str, str]] | None = None) -> None:
        """Note what a cell, finished or not, is held against (`bench.store.claims.note`)."""
        claims.note(self.folder, cell, rows, ADVICE)

    def put_requests(self, failures: Iterable[Failure]) -> None:
        """Note the words of a request that are no cell, and forget those of the request before."""
        for path in self.folder.glob("failed/request-*.json"):
            path.unlink(missing_ok=True)
        for failure in failures:
            self._note(f"request-{failure.key}", failure)

    def put_failure(self, cell: Cell, failure: Failure) -> None:
        """Note that a cell failed, and why; it is tried again by the next run that asks for it."""
        self._note(_asked(cell), failure)

    def paths(self) -> list[Path]:
        """Return every finished record; a folder that may not be read is left out."""
        closed = [
            folder
            for folder in (self.folder, *self.folder.glob("*/"))
            if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
        ]
        self.left_out |= dict.fromkeys(closed, "this folder may not be read")
        return sorted(self.folder.glob("*/*.parquet"))

    def scores(self, *, pictures: bool = False) -> list[Record]:
        """Read every finished record without its pictures; what cannot be read or is of another format is left out.

        Parameters
        ----------
        pictures : bool
            Whether a record is left out too where only its pictures are damaged.
        """
        records = [record for path in self.paths() if (record := self.usable(path, pictures=pictures))]
        self.remember()
        return records

    def remember(self) -> None:
        """Keep what was verified of many records, so that who asks next need not do it again."""
        self._verified.save()

    def like(self, cells: Iterable[Cell], limit: int = 50) -> list[Record]:
        """Read the last records of the methods of some cells, as `scores` does: what others took tells nothing."""
        heads = tuple({slug(f"{replace(cell, method_name='').label} on ") for cell in cells})
        paths = sorted((path for path in self.paths() if path.name.startswith(heads)), key=_written)
        return [record for path in paths[-limit:] if (record := self.usable(path, pictures=False))]

    def failures(self) -> list[Failure]:
        """Return every failure that was noted and not mended since; a note that cannot be read is left out."""
        return [found for path in sorted(self.folder.glob("failed/*.json")) if (found := self.failure(path))]

    def failure(self, path: Path) -> Failure | None:
        """Read the note of a failure; None where it cannot be read."""
        try:
            entry = parsed(path.read_text(encoding="utf-8"))
            return Failure({k: str(v) for k, v in entry["request"].items()}, str(entry["cause"]))
        except DAMAGE:
            self.left_out[path] = "it is no note of a failure"
        return None

    @property
    def lines_left_out(self) -> list[str]:
        """What cannot be used, a line each, of many the first."""
        lines = [f"left out {path}: {cause}" for path, cause in sorted(self.left_out.items())]
        return lines[:LINES] + ([f"left out {len(lines) - LINES} more files of {self.folder}"] if lines[LINES:] else [])

    def usable(self, path: Path, *, pictures: bool) -> Record | None:
        """Read a record without its pictures; None where it is left out."""
        try:
            rows, provenance = self._verified.read(path, pictures=pictures)
            check(rows, provenance)
        except BenchError as error:
            self.left_out[path] = str(error)
            return None
        return self._with_claims(Record(rows, provenance))

    def _read(self, path: Path, columns: Iterable[str] | None) -> Record:
        wanted = None if columns is None else set(columns)
        if wanted is None or not wanted.issubset(score_columns()) or not self._verified.has(path):
            return self._with_claims(read(path, wanted))
        rows, provenance = self._verified.read(path, pictures=False)
        return self._with_claims(Record([{k: v for k, v in row.items() if k in wanted} for row in rows], provenance))

    def _with_claims(self, record: Record) -> Record:
        try:
            return replace(record, provenance=claims.with_claims(self.folder, record.provenance))
        except BenchError as error:
            self.left_out[claims.path_of(self.folder, record.provenance)] = str(error)
            return record

    def _is_sound(self, path: Path) -> bool:
        """Whether a record can be read; what is damaged is left out, and its cell runs again."""
        if path not in self._sound:
            try:
                if not self._verified.has(path):
                    self._verified.read(path, pictures=False)
            except BenchError as error:
                if path.exists():
                    self.left_out[path] = str(error)
                return False
            self._sound.add(path)
        return True

    def _record(self, cell: Cell) -> Path | None:
        """Return the record of a cell that holds now, or was put in before; None where there is none."""
        if cell.folders is None:
            path = self.path(cell)
            return path if self._is_sound(path) else None
        if (cell.key, cell.folders) not in self._found:
            for path in self._versions(cell):
                if not opened_of(read(path, ("image",)).provenance).changed(cell.folders):
                    self._found[cell.key, cell.folders] = path
                    break
        return self._found.get((cell.key, cell.folders))

    def _versions(self, cell: Cell) -> list[Path]:
        """Return the records of a cell whose method opened other files at other times, the last one first."""
        paths = self.path(cell).parent.glob(f"*_{cell.key}*.parquet")
        return sorted(filter(self._is_sound, paths), key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _order(self, path: Path) -> int:
        """Return how many results of a cell there were before this one, by other code: clocks may be set back."""
        if path.parent not in self._like:
            like = self._like[path.parent] = {}
            for other in path.parent.glob("*.parquet"):
                like.setdefault(_cell_of(other), []).append(other)
        orders = [-1]
        for other in self._like[path.parent].get(_cell_of(path), ()):
            if other != path:
                with suppress(BenchError):  # it is said where it is read
                    orders.append(int(read(other, ("image",)).provenance.get("order", 0)))
        return max(orders) + 1

    def _note(self, name: str, failure: Failure) -> None:
        text = sealed({"request": dict(failure.request), "cause": failure.cause})
        write_whole(self._failure_path(name), text, advice=ADVICE)

    def _failure_path(self, name: str) -> Path:
        return self.folder / "failed" / f"{name}.json"


def _cell_of(path: Path) -> str:
    return path.stem.rpartition("_")[0]


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


def store_of(folder: Path) -> Store:
    """Return the store of a folder that a person names: an output folder, or the `runs` in it."""
    return Store(folder if folder.name == "runs" and not (folder / "runs").is_dir() else folder / "runs")


def _asked(cell: Cell) -> str:
    """Hash what was asked for, whatever the contents: a method that is mended answers the same request."""
    paths = {name: text for name, text in cell.own.items() if name != "code"}
    return hashlib.sha256(json.dumps([cell.file_name, paths]).encode()).hexdigest()[:20]


def read(path: Path, columns: Iterable[str] | None = None) -> Record:
    """Read one record; `columns` leaves out what is not needed, as the images.

    Raises
    ------
    BenchError
        If it is no whole record.
    """
    try:
        return Record(*decoded(path, columns))
    except BenchError as error:
        raise BenchError(f"record {path}: cannot be read ({error}); delete it and its cell runs again") from None


def score_columns() -> tuple[str, ...]:
    """Return the columns of a record without its pictures."""
    return ("image", "height", "width", "told_sigma", *scored(), "seconds")


def slug(text: str) -> str:
    """Return a text as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.@=]+", "-", text).strip("-").lower()[:80]


def distinct_slug(text: str) -> str:
    """Return a text as part of a file name that no other text has: with a hash where something of it is lost.

    Examples
    --------
    >>> distinct_slug("bsd68-gaussian:25"), distinct_slug("folder 木") == distinct_slug("folder 火")
    ('bsd68-gaussian-25', False)
    """
    lossless = re.fullmatch(r"(folder )?[A-Za-z0-9.@=:,_-]{,73}", text)
    return (
        slug(text)
        if lossless
        else f"{slug(text)}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:6]}"
    )
