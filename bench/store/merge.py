"""Records of another machine taken into a store: nothing there is overwritten, and what disagrees is named."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.plan.cell import REQUESTED, Failure
from bench.store import claims
from bench.store.parquet import encoded
from bench.store.records import ADVICE, Record, Store, read, score_columns

TOLERANCE = 1e-4
"""Scores that differ by no more agree: processors round otherwise, and tables show no more."""


@dataclass
class Merged:
    """What became of another folder's records.

    Attributes
    ----------
    taken, same : int
        Records that were taken over, and that were here with the same scores.
    failures : int
        Notes of failures that were taken over.
    conflicts : list of str
        A line for each that is here with other contents; what is here stays.
    left_out : list of str
        A line for each file that cannot be used, there or here.
    """

    taken: int = 0
    same: int = 0
    failures: int = 0
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def merge(source: Store, target: Store) -> Merged:
    """Take the records, failures and claims of a store into another one; the first is only read.

    Parameters
    ----------
    source : Store
        Records that are damaged or of another format are left out, and named.
    target : Store
        Gets each record that it lacks. Several may be merged into it at a time, by several people.

    Raises
    ------
    BenchError
        If there is nothing to merge, both are one, or nothing can be written.
    """
    if not source.folder.is_dir():
        raise BenchError(f"FROM={source.folder}: there is no such folder; name a folder that OUT named elsewhere")
    if target.folder.exists() and target.folder.samefile(source.folder):
        raise BenchError(f"FROM={source.folder}: is the folder that it would be merged into; name another OUT")
    merged = Merged()
    there = {_key(path): path for path in target.paths()}
    orders = _orders(source, target)
    records = [_take(path, source, target, there, orders.get(path), merged) for path in source.paths()]
    answered = {_request(record) for record in records if record}
    _take_failures(source, target, answered, merged)
    _take_claims(source, target, merged)
    merged.left_out += [f"left out {path}: {cause}" for path, cause in sorted(source.left_out.items())]
    return merged


def _take(
    path: Path, source: Store, target: Store, there: Mapping[str, Path], order: int | None, merged: Merged
) -> Record | None:
    """Take a record over, where the target lacks it, with an order if it has one; return it where it can be used."""
    record = source.usable(path, pictures=True)
    if record is None:
        return None
    place = there.get(_key(path), target.folder / path.relative_to(source.folder))
    if not place.exists():
        content = path.read_bytes()
        if order is not None:
            whole = read(path)
            content = encoded(whole.images, whole.provenance | {"order": order})
        write_whole(place, content, advice=ADVICE)
        merged.taken += 1
        return record
    here = target.usable(place, pictures=True)
    if here is None:
        cause = target.left_out.pop(place)
        merged.left_out.append(f"left out {path}: {place} has its place, and {cause}; delete that and merge again")
    elif difference := _difference(here, record):
        merged.conflicts.append(f"{_title(record)}: {difference}; what is in {target.folder} stays")
    else:
        merged.same += 1
    return record


def _orders(source: Store, target: Store) -> dict[Path, int]:
    """Return the order that records get which other code made of a cell, where the target has some of it.

    Each store counts for itself, and its counts say nothing beside those of another: the record that came last by the
    clock comes last.
    """
    kept, keys = _by_cell(target.paths()), set(map(_key, target.paths()))
    orders: dict[Path, int] = {}
    for cell, paths in _by_cell(source.paths()).items():
        new = [path for path in paths if _key(path) not in keys]
        here = [_came(record) for path in kept.get(cell, ()) if new and (record := target.usable(path, pictures=False))]
        there = {path: _came(record) for path in new if (record := source.usable(path, pictures=False))}
        if here and there:
            (last, clock), (_, newest) = max(here), max(there.values())
            for path, (order, _) in there.items():
                orders[path] = order + last if newest > clock else min(order, last)
    return orders


def _by_cell(paths: Iterable[Path]) -> dict[tuple[str, str], list[Path]]:
    """Sort records by their cell, which the names of their folder and file say, whatever code they are of."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        found.setdefault((path.parent.name, path.stem.rpartition("_")[0]), []).append(path)
    return found


def _came(record: Record) -> tuple[int, str]:
    """Return when a record came, in its store and by the clock."""
    return int(record.provenance.get("order", 0)), str(record.provenance.get("started", ""))


def _key(path: Path) -> str:
    """Return the key of a record, which its file's name ends in."""
    return path.stem.rpartition("_")[2]


def _difference(here: Record, there: Record) -> str:
    """Say in what two records of one key differ; empty where they agree."""
    names = [[row["image"] for row in record.images] for record in (here, there)]
    if names[0] != names[1]:
        return f"{len(names[0])} images here and {len(names[1])} there, not the same ones"
    for mine, other in zip(here.images, there.images, strict=True):
        for column in score_columns():
            a, b = mine.get(column), other.get(column)
            if column != "seconds" and not agree(column, a, b):
                return f"{column} of image {mine['image']} is {a} here and {b} there"
    return ""


def agree(column: str, a: Any, b: Any) -> bool:
    """Whether two values of a score are the same but for rounding; a mean squared error as its PSNR is.

    Examples
    --------
    >>> agree("psnr", 24.1, 24.10001), agree("mse", 253.0, 253.0006), agree("mse", 253.0, 253.01)
    (True, True, False)
    """
    if not (isinstance(a, float) and isinstance(b, float)):
        return bool(a == b)
    of_psnr = abs(a) * TOLERANCE * math.log(10) / 10 if column.endswith("mse") else 0.0
    return (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= max(TOLERANCE, of_psnr)


def _title(record: Record) -> str:
    return ", ".join(_request(record))


def _request(record: Record) -> tuple[str, ...]:
    """Return what a record answers, as a failure names it."""
    about = record.provenance
    words = (about["label"], about["dataset"]["name"], about["degradation"], about["protocol"]["name"], about["seed"])
    return tuple(map(str, words))


def _take_failures(source: Store, target: Store, answered: set[tuple[str, ...]], merged: Merged) -> None:
    """Take notes of failures over, but for those that a record of either store answers."""
    notes = _notes(source)
    if notes:
        answered = answered | {_request(record) for record in target.scores()}
    for path, failure in notes:
        place = target.folder / path.relative_to(source.folder)
        if not place.exists() and tuple(failure.request.get(name, "") for name in REQUESTED) not in answered:
            write_whole(place, path.read_bytes(), advice=ADVICE)
            merged.failures += 1
    for path, failure in _notes(target):
        if tuple(failure.request.get(name, "") for name in REQUESTED) in answered:
            path.unlink(missing_ok=True)  # as where a cell that failed runs again


def _notes(store: Store) -> list[tuple[Path, Failure]]:
    found = []
    for path in sorted(store.folder.glob("failed/*.json")):
        failure = store.failure(path)
        if failure:
            found.append((path, failure))
    return found


def _take_claims(source: Store, target: Store, merged: Merged) -> None:
    for path in sorted(source.folder.glob("claims/*.json")):
        place = target.folder / "claims" / path.name
        try:
            there = claims.read(path)
        except BenchError as error:
            source.left_out[path] = str(error)
            continue
        if not place.exists():
            write_whole(place, path.read_bytes(), advice=ADVICE)
        elif there != _here(place):
            merged.conflicts.append(f"claims of cell {path.stem} are others here and there; those in {place} stay")


def _here(place: Path) -> dict[str, Any] | None:
    try:
        return claims.read(place)
    except BenchError:
        return None  # it is said where its record is read


def lines(merged: Merged) -> Iterator[str]:
    """Say what became of the records, the sum last."""
    yield from merged.left_out
    yield from (f"conflict: {line}" for line in merged.conflicts)
    yield (
        f"{merged.taken} records and {merged.failures} failures taken over, {merged.same} records were here already, "
        f"{len(merged.conflicts)} conflicts, {len(merged.left_out)} files left out"
    )
