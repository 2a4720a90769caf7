"""What a study leaves in its folder: tables and figures of one name, and beside them their title and command."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError, one_line, visible_json
from methods.sealed_json import parsed

LARGEST = 50_000_000
"""Bytes of a file of a study."""


@dataclass(frozen=True)
class About:
    """What a study was asked: a title for people, the command, and what else is known."""

    title: str
    command: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)


def write_about(stem: Path, title: str, command: str, **content: Any) -> None:
    """Write what the files of a name are, as JSON beside them.

    Parameters
    ----------
    stem : Path
        Of the files, without their ending.
    title, command : str
        What they show, in a line, and what is typed to make them again.
    **content
        What else the report shows, as plain data.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    text = json.dumps({"title": title, "command": command, **content}, ensure_ascii=False, allow_nan=False)
    write_whole(Path(f"{stem}.json"), visible_json(text) + "\n")


def read_about(stem: Path) -> About:
    """Read what `write_about` wrote; of files from before, their name says what they are.

    Raises
    ------
    BenchError
        If there is a file, and it is none.
    """
    path = Path(f"{stem}.json")
    if not path.exists():
        return About(stem.name)
    content = json_of(path)
    title, command = content.get("title"), content.get("command")
    if not isinstance(title, str) or not isinstance(command, str):
        raise BenchError("it has no title and command, as files that studies write have")
    return About(title, command, content)


def without_machine(images: str) -> str:
    """Return a word on DATA without whose machine it is: of a path the last four parts.

    Examples
    --------
    >>> without_machine("bsd68"), without_machine("/home/ada/data/lab/2024/scans")
    ('bsd68', 'data/lab/2024/scans')
    """
    return "/".join(Path(images).parts[-4:])


def json_of(path: Path, *, sealed: bool = False) -> dict[str, Any]:
    """Read a JSON object; a `sealed` one has a checksum, which may be that of a change by hand.

    Raises
    ------
    BenchError
        If it is none, or not as it was written, in one line without the path.
    """
    try:
        _check_size(path)
        text = path.read_text(encoding="utf-8")
        content = parsed(text, by_hand=True) if sealed else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"it cannot be read as JSON ({one_line(error)})") from None
    if not isinstance(content, dict):
        raise BenchError("it holds no JSON object")
    return content


def table_of(path: Path, words: Sequence[str], numbers: Sequence[str], *, empty: bool = False) -> list[dict[str, Any]]:
    """Read a table (CSV) of a study: words as they are, and numbers, NaN where a field is empty.

    Parameters
    ----------
    path : Path
        The file.
    words, numbers : sequence of str
        The columns that it must have; others stay texts.
    empty : bool
        Whether it may have no row.

    Raises
    ------
    BenchError
        If it is none, in one line without the path.
    """
    try:
        _check_size(path)
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            there, found = table.fieldnames or (), list(table)
    except (OSError, ValueError, csv.Error) as error:
        raise BenchError(f"it cannot be read as a table ({one_line(error)})") from None
    if lacking := [name for name in (*words, *numbers) if name not in there]:
        raise BenchError(f"it lacks the columns {', '.join(lacking)}")
    if not (found or empty):
        raise BenchError("it has no row")
    rows: list[dict[str, Any]] = []
    for line, row in enumerate(found, 2):
        if lacking := [name for name in (*words, *numbers) if row.get(name) is None]:
            raise BenchError(f"line {line} lacks {', '.join(lacking)}")
        try:
            rows.append({k: v for k, v in row.items() if k} | {name: float(row[name] or "nan") for name in numbers})
        except ValueError as error:
            raise BenchError(f"line {line}: {error}") from None
    return rows


def _check_size(path: Path) -> None:
    if path.stat().st_size > LARGEST:
        raise BenchError(f"it has more than {LARGEST // 1_000_000} MB")
