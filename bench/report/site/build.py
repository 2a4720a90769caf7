"""The public leaderboard: measured beside published, for all numbers that can be measured, as static files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import methods
from bench.common.atomic import write_whole
from bench.common.tables import csv_text
from bench.degradation import parse
from bench.judge.ledger import Published, ledger
from bench.judge.verified import STATES, sentence, state
from bench.plan.protocol import PROTOCOLS
from bench.report.page.html import assets, environment
from bench.report.page.matrix import GLYPHS, Matrix, Row, Value, published_rows
from bench.report.site.history import Change, history, key
from bench.score.metrics import shown
from bench.store.records import distinct_slug

SCRIPTS = ("core.js", "table.js", "matrix.js", "site.js")

MISSING = "–"
"""Stands where nothing is measured yet."""

RANKED = ("psnr", "ssim")
"""Metrics of the matrix."""


@dataclass(frozen=True)
class Board:
    """A column of the matrix: published numbers of one set of images and one noise."""

    dataset: str
    colour: str
    degradation: str
    has_reference: bool = True
    protocol: str = "standard"
    target: str = "numbers"

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return distinct_slug(f"{self.dataset}-{self.colour}-{self.degradation}")

    @property
    def title(self) -> str:
        """The set of images."""
        return self.dataset

    @property
    def noise(self) -> str:
        """The noise in words."""
        return self.degradation.replace("gaussian:", "σ = ")


@dataclass(frozen=True)
class Number:
    """A published number and what became of it.

    Attributes
    ----------
    row : mapping
        Of the table of verdicts.
    source : Published, optional
        Its row of the ledger.
    changes : sequence of Change
        What the committed table said, the oldest first.
    """

    row: Mapping[str, Any]
    source: Published | None
    changes: Sequence[Change]

    @property
    def name(self) -> str:
        """Method and variant."""
        return f"{self.row['method']} {self.row['variant']}".strip()

    @property
    def state(self) -> str:
        """Reproduced, explained, open or not measured."""
        return state(self.row)

    @property
    def address(self) -> str:
        """Where the number is printed."""
        return self.source.address if self.source else ""

    @cached_property
    def digits(self) -> int:
        """Decimals that the measured number is shown with: one more than are printed."""
        return len(str(self.row["published"]).partition(".")[2]) + 1


def build(rows: Sequence[Mapping[str, Any]], table: Path, folder: Path) -> Path:
    """Write the leaderboard as static files.

    Parameters
    ----------
    rows : sequence of mapping
        The verdict on each published number that can be measured, as `results/measured/verify.csv` has them.
    table : Path
        That table, whose commits are the history.
    folder : Path
        Gets `index.html` and `numbers.csv`; any host serves it.

    Returns
    -------
    Path
        The page.
    """
    sources = {key(vars(row)): row for row in ledger()}
    changes = history(table)
    numbers = [Number(row, sources.get(key(row)), changes.get(key(row), [])) for row in rows]
    found = matrix(numbers)
    measured = {number.row["method"] for number in numbers}
    page = (
        environment()
        .get_template("site.html.j2")
        .render(
            matrix=found,
            boards=found.boards,
            numbers=sorted(numbers, key=lambda number: (number.state == "not measured", bool(number.row["image"]))),
            states=Counter(number.state for number in numbers),
            order=STATES,
            sentence=sentence(Counter(number.state for number in numbers)),
            without=[name for name, method in methods.available().items() if not _published(method) & measured],
            metrics={name: look for name, look in shown().items() if name in RANKED},
            glyphs=GLYPHS | {"explained": "∗"},
            looks={},
            sheet=assets(("page.css",)),
            scripts=[assets((name,)) for name in SCRIPTS],
            data={"metrics": {name: {"better": shown()[name].better} for name in RANKED}, "looks": {}},
        )
    )
    write_whole(folder / "numbers.csv", csv_text([dict(row) for row in rows]))
    write_whole(folder / "index.html", page)
    return folder / "index.html"


def _published(method: methods.Method) -> set[str]:
    return {net.published[0] for net in method.nets if net.published}


def matrix(numbers: Sequence[Number]) -> Matrix:
    """Set the means beside each other: methods over images and noise, with those that nobody can measure here yet."""
    places: dict[tuple[str, str, str], Board] = {}
    rows: dict[str, dict[str, dict[str, Value]]] = {}
    colours: dict[str, set[str]] = {}
    papers: dict[str, str] = {}
    ranked = [n for n in numbers if not n.row["image"] and n.row["metric"] in RANKED]
    for number in sorted(ranked, key=_order):
        row = number.row
        place = row["dataset"], row["colour"], row["degradation"]
        board = places.setdefault(place, Board(*place))
        cell = rows.setdefault(number.name, {}).setdefault(board.anchor, {})
        cell.setdefault(row["metric"], _value(number))
        colours.setdefault(number.name, set()).add(row["colour"])
        papers.setdefault(number.name, row["paper"])
    made = [
        Row(name, "", tuple(sorted(colours[name])), "", None, rows[name], papers[name])
        for name in sorted(rows, key=lambda name: (-_known(rows[name]), name.casefold()))
    ]
    ran = {(board.anchor, n.row["method"], n.row["variant"]) for board in places.values() for n in ranked}
    columns = {place: (board.anchor, PROTOCOLS["standard"]) for place, board in places.items()}
    return Matrix(tuple(places.values()), (*made, *published_rows(columns, ran, RANKED)), RANKED)


def _known(cells: Mapping[str, Mapping[str, Value]]) -> int:
    return sum(value.text != MISSING for cell in cells.values() for value in cell.values())


def _order(number: Number) -> tuple[Any, ...]:
    """Sort by images, kind of noise and its strength."""
    noise = parse(number.row["degradation"])
    return number.row["dataset"], number.row["colour"], noise.kind, noise.strength or 0.0


def _value(number: Number) -> Value:
    row = number.row
    form = max(shown()[row["metric"]].form, f".{number.digits - 1}f")
    if number.state == "not measured":
        return Value(float(row["published"]), MISSING, 0, published=str(row["published"]))
    word = row["verdict"] if number.state != "explained" else "explained"
    return Value(float(row["measured"]), format(float(row["measured"]), form), 0, "", str(row["published"]), word)
