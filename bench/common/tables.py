"""Tables as CSV files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from bench.common.atomic import ADVICE, write_whole


def csv_text(rows: Iterable[Any], *, columns: Sequence[str] = (), digits: int | None = None) -> str:
    r"""Return rows as CSV, the names of the columns first.

    Parameters
    ----------
    rows : iterable of mapping or dataclass
        A column is there if one row has it, in order of first appearance. NaN and None are empty fields.
    columns : sequence of str
        Columns that come first, and are there without a row that has them.
    digits : int, optional
        Significant digits of floats; all that tell a float apart otherwise.

    Examples
    --------
    >>> csv_text([{"a": 1, "b": float("nan")}, {"a": 0.1234567, "c": "x, y"}], digits=3)
    'a,b,c\n1,,\n0.123,,"x, y"\n'
    """
    flat = [_mapping(row) for row in rows]
    names = list(dict.fromkeys([*columns, *(name for row in flat for name in row)]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_field(row.get(name), digits) for name in names] for row in flat)
    return text.getvalue()


def write_csv(
    path: Path, rows: Iterable[Any], *, columns: Sequence[str] = (), digits: int | None = None, advice: str = ADVICE
) -> None:
    """Write rows as a CSV file, which appears whole; parameters as of `csv_text` and `bench.common.atomic.write_whole`.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    write_whole(path, csv_text(rows, columns=columns, digits=digits), advice=advice)


def _mapping(row: Any) -> Mapping[str, Any]:
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else row


def _field(value: Any, digits: int | None) -> Any:
    if value is None or value != value:
        return ""
    return f"{value:.{digits}g}" if digits is not None and isinstance(value, float) else value
