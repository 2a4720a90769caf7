"""What tables read of a record, and of which kind: a file that has another thing there is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.plan.cell import RECORD_FORMAT
from bench.plan.protocol import Protocol
from bench.score.scorer import scored

LONGEST = 10_000
"""Characters of a text of a record."""

LARGEST = 10**9
"""The largest size, count or strength that is one."""


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_seed(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST


def _is_level(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_pair(value: Any) -> bool:
    """Whether it is two names, or none."""
    return not value or (_is_texts(value) and len(value) == 2)


def _is_range(value: Any) -> bool:
    return not value or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


Check = Callable[[Any], bool]

NEEDED: Mapping[str, Check] = {
    "key": _is_text, "label": _is_text, "degradation": _is_text, "kind": _is_text, "started": _is_text,
    "device": _is_text, "runtime": _is_text, "random": _is_flag, "seed": _is_seed, "jobs": _is_count,
    "threads": _is_count, "strength": _is_level, "sigma": _is_level, "protocol": _is_table, "net": _is_table,
    "net.published": _is_pair, "net.published_ensemble": _is_pair, "dataset": _is_table, "dataset.name": _is_text,
    "dataset.title": _is_text, "dataset.colour": _is_text, "dataset.ledger": _is_pair, "seconds": _is_table,
    "seconds.total": _is_number,
}  # fmt: skip
"""What the provenance of a record has; what follows a point stands in the table before it."""

ALLOWED: Mapping[str, Check] = {
    "versions": _is_table, "failed_images": _is_table, "notes": _is_texts, "warnings": _is_texts, "own": _is_table,
    "method": _is_text, "paper": _is_text, "machine": _is_text, "commit": _is_text, "fallback": _is_text,
    "told_sigma": _is_text, "order": _is_count, "net.trained": _is_range, "net.trained_on": _is_texts,
    "net.label": _is_text, "net.id": _is_text, "dataset.word": _is_text, "dataset.source": _is_text,
    "dataset.notes": _is_texts,
}  # fmt: skip
"""What it may have besides, as records of other times have not."""


def check(rows: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]) -> None:
    """Raise `BenchError` where a file is no record that tables could show.

    Parameters
    ----------
    rows : sequence of mapping
        A row an image; within a column all are of one type or None, as in a Parquet file.
    provenance : mapping
        What was known when the cell ran.
    """
    identity = provenance.get("identity") if isinstance(provenance, dict) else None
    found = identity.get("format") if isinstance(identity, dict) else None
    if found != RECORD_FORMAT:
        raise BenchError(
            f"its format is {str(found)[:20] if found else 'unknown'}, and this version reads {RECORD_FORMAT}"
        )
    lacking = []
    for name, holds in {**NEEDED, **ALLOWED}.items():
        table, _, inner = name.rpartition(".")
        place = provenance.get(table, {}) if table else provenance
        if inner in place and not holds(place[inner]):
            raise BenchError(f"its {name} is {str(place[inner])[:40]!r}, which no record has")
        if inner not in place and name in NEEDED:
            lacking.append(name)
    if lacking:
        raise BenchError(f"its provenance lacks {', '.join(lacking)}")
    try:
        protocol = Protocol(**provenance["protocol"])
    except (TypeError, BenchError) as error:
        raise BenchError(f"its protocol is none of this version ({one_line(error)})") from None
    said = provenance["protocol"]
    if not all(_is_text(said.get(one.name)) or _is_count(said.get(one.name)) for one in fields(protocol)):
        raise BenchError("its protocol lacks a word, or has one that none has")
    _check_rows(rows)


def _check_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise BenchError("it has no image")
    if not {"image", "height", "width", "psnr", "seconds"} <= rows[0].keys():
        raise BenchError("it lacks the scores of images")
    names = [row["image"] for row in rows]
    if not all(map(_is_text, names)):
        raise BenchError("its images have no names")
    if len(set(names)) < len(names):
        raise BenchError("it has an image twice")
    for name in ("height", "width"):
        if not all(_is_count(row[name]) and row[name] for row in rows):
            raise BenchError(f"{name} of an image is none")
    for name in ("told_sigma", "seconds", *scored()):
        if not all(value is None or type(value) in (int, float) for value in (rows[0].get(name), rows[-1].get(name))):
            raise BenchError(f"{name} of an image is no number")
