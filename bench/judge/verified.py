"""What `make verify` found, read from its committed table: how many numbers are reproduced, explained or open."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from bench.common.paths import ROOT

TABLE = ROOT / "results" / "measured" / "verify.csv"

STATES = ("reproduced", "explained", "open", "not measured")
"""What a published number is: an explained one is not reproduced, and the cause is known."""


def state(row: Mapping[str, object]) -> str:
    """Return which of `STATES` a row of the table is in."""
    if not row.get("verdict"):
        return "not measured"
    return "reproduced" if row["verdict"] == "reproduced" else "explained" if row.get("cause") else "open"


def counts(rows: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], Counter[str]]:
    """Count the states of each method, with its variant, on each dataset, in the order of the rows."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        of = f"{row['method']} {row['variant']}".strip(), str(row["dataset"])
        found.setdefault(of, Counter())[state(row)] += 1
    return found


def sentence(of: Counter[str]) -> str:
    """Say it in a line."""
    return (
        f"{of['reproduced']} of {of.total() - of['not measured']} measured numbers reproduced, {of['explained']} "
        f"explained, {of['open']} open; {of['not measured']} not measured yet"
    )


@cache
def committed() -> tuple[Mapping[str, str], ...]:
    """Return the rows of the committed table; none where there is no such file."""
    if not TABLE.is_file():
        return ()
    with TABLE.open(newline="", encoding="utf-8") as table:
        return tuple(csv.DictReader(table))
