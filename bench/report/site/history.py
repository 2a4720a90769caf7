"""How the measured numbers changed, from commit to commit of their table."""

import csv
import io
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEY = ("method", "variant", "dataset", "colour", "degradation", "metric", "image", "paper", "table")
"""What a published number is known by."""


@dataclass(frozen=True)
class Change:
    """What became of a number with a commit: its date and name, and what the table said then."""

    date: str
    commit: str
    measured: str
    verdict: str


def key(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return what a number is known by, in any version of the table."""
    return tuple(str(row.get(name) or "") for name in KEY)


def history(table: Path) -> dict[tuple[str, ...], list[Change]]:
    """Return the changes of each number, the oldest first; none where there is no git or no repository.

    Parameters
    ----------
    table : Path
        The committed table of verdicts.
    """
    changes: dict[tuple[str, ...], list[Change]] = {}
    for line in reversed(_git(table, "log", "--format=%h %cs", "--", table.name).splitlines()):
        commit, date = line.split()
        for row in csv.DictReader(io.StringIO(_git(table, "show", f"{commit}:./{table.name}"))):
            if not row.get("verdict"):
                continue
            now = Change(
                date, commit, _shown(row["measured"]), row["verdict"] + " (explained)" * bool(row.get("cause"))
            )
            found = changes.setdefault(key(row), [])
            if not found or (found[-1].measured, found[-1].verdict) != (now.measured, now.verdict):
                found.append(now)
    return changes


def _shown(number: str) -> str:
    """Return four decimals, so that the last bits of another processor are no change."""
    return f"{float(number):.4f}"


def _git(table: Path, *words: str) -> str:
    command: Sequence[str] = ("git", "-C", str(table.parent), *words)
    try:
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
