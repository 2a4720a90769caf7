"""The matrix of the page: methods over (dataset, noise), with the ledger's rows of methods that were not run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import methods
from bench.degradation import KINDS
from bench.judge.ledger import INPUTS, ledger
from bench.judge.verdict import other_protocol
from bench.plan.protocol import Protocol
from bench.report.columns import Entry, published_value
from bench.report.figures.styles import Style, styles
from bench.report.leaderboard import Leaderboard
from bench.report.ranking import marks
from bench.score.metrics import shown

UNSTATED = "protocol not stated"
"""What is said of a published number whose source does not say how it was measured."""

GLYPHS = {"reproduced": "✓", "above": "▲", "below": "▼", "undecided": "?", "not comparable": "≠", UNSTATED: "°"}
"""What stands for a verdict, beside its colour."""


@dataclass(frozen=True)
class Value:
    """A metric of a method in a column: the number and its text, place among the methods, and what was published."""

    number: float
    text: str
    rank: int
    mark: str = ""
    published: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Row:
    """A method over the columns.

    Attributes
    ----------
    label : str
        Its name.
    family, colours, told : str
        What a person filters by: the file of `methods/` that it is from, its images, and how it comes to know sigma.
    style : Style, optional
        How it looks in figures; None where it is in none.
    cells : mapping
        The values of each metric by the anchor of the board.
    paper : str
        Its source.
    measured : bool
        Whether it was run; otherwise its numbers are the ledger's.
    """

    label: str
    family: str
    colours: tuple[str, ...]
    told: str
    style: Style | None
    cells: Mapping[str, Mapping[str, Value]]
    paper: str = ""
    measured: bool = True


@dataclass(frozen=True)
class Matrix:
    """Methods over boards, or over what has their `anchor`, `dataset`, `title`, `noise` and `protocol`."""

    boards: tuple[Any, ...]
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether the methods of a column were measured alike, so that they have places."""
        return any(value.rank for row in self.rows for cell in row.cells.values() for value in cell.values())

    def choices(self, name: str) -> list[str]:
        """Return the different values of an attribute of the rows, sorted: what a filter offers."""
        values = (getattr(row, name) for row in self.rows)
        return sorted({v for value in values for v in ((value,) if isinstance(value, str) else value) if v})

    @property
    def groups(self) -> list[tuple[str, str, int]]:
        """Return the heads over the columns: dataset, its title, and the number of its boards."""
        sizes: dict[tuple[str, str], int] = {}
        for board in self.boards:
            sizes[board.dataset, board.title] = sizes.get((board.dataset, board.title), 0) + 1
        return [(dataset, title, size) for (dataset, title), size in sizes.items()]


def matrix(boards: Sequence[Leaderboard]) -> Matrix:
    """Set the results of all boards beside each other.

    Parameters
    ----------
    boards : sequence of Leaderboard
        One a column.
    """
    looks = styles(entry.result.label for board in boards for entry in board.entries)
    entries: dict[str, dict[str, Entry]] = {}
    for board in boards:
        for entry in board.entries:
            entries.setdefault(entry.result.label, {}).setdefault(board.anchor, entry)
    cells = {board.anchor: _column(board) for board in boards}
    rows = [
        Row(
            label=label,
            family=_family(found),
            colours=tuple(sorted({e.result.about["dataset"]["colour"] for e in found.values()})),
            told=_told(next(iter(found.values()))),
            style=looks[label],
            cells={anchor: cells[anchor][label] for anchor in found},
            paper=next(iter(found.values())).result.about["paper"],
        )
        for label, found in entries.items()
    ]
    metrics = tuple(shown()) if any(board.has_reference for board in boards) else ()
    return Matrix(tuple(boards), (*rows, *_ledger_rows(boards)), metrics)


def _column(board: Leaderboard) -> dict[str, dict[str, Value]]:
    """Return the values of each method of a board by metric; of images without a reference the self-score."""
    looks = shown()
    column: dict[str, dict[str, Value]] = {entry.result.label: {} for entry in board.entries}
    for metric in looks if board.has_reference else ("self_mse",):
        form, low = (looks[metric].form, looks[metric].better == "low") if metric in looks else (".2f", True)
        means = {entry.result.label: entry.result.mean(metric) for entry in board.entries}
        order = sorted((mean if low else -mean) for mean in means.values() if mean == mean)
        marked = marks(board, metric) if metric in looks else {}
        for entry in board.entries:
            label, mean = entry.result.label, means[entry.result.label]
            if mean != mean:
                continue
            verdict, paper = entry.verdicts.get(metric), published_value(entry, metric)
            column[label][metric] = Value(
                number=mean,
                text=format(mean, form),
                rank=1 + order.index(mean if low else -mean),
                mark=marked.get(label, ""),
                published=verdict.published.value if verdict and paper is not None else "",
                verdict=verdict.title if verdict else "",
            )
    return column


def _family(found: Mapping[str, Entry]) -> str:
    """Return the file of `methods/` that a method is from; `own` for a person's."""
    about = next(iter(found.values())).result.about
    method = methods.available().get(about["method"])
    if method is None or about.get("own", {}).get("code"):
        return "own"
    return str(getattr(method.load, "__module__", "")).rpartition(".")[2].replace("_", " ")


def _told(entry: Entry) -> str:
    about = entry.result.about
    if about["net"]["given_sigma"]:
        return "given sigma"
    trained = about["net"]["trained"]
    return "one sigma" if trained and trained[0] == trained[1] else "blind"


def _ledger_rows(boards: Sequence[Leaderboard]) -> Iterator[Row]:
    """Yield what was published on these boards of methods that did not run there."""
    places: dict[tuple[str, str, str], tuple[str, Protocol]] = {}
    for board in boards:
        result = board.entries[0].result
        if result.ledger and board.has_reference and board.kind in KINDS:
            places.setdefault((*result.ledger, board.degradation), (board.anchor, result.rules))
    ran = {(board.anchor, *(entry.result.published_as or ())) for board in boards for entry in board.entries}
    yield from published_rows(places, ran, tuple(shown()))


def published_rows(
    places: Mapping[tuple[str, str, str], tuple[str, Protocol]],
    ran: Collection[tuple[str, ...]],
    metrics: Sequence[str],
) -> Iterator[Row]:
    """Yield rows of the ledger's means that were made under the same rules, the reference row of each.

    Parameters
    ----------
    places : mapping
        For dataset, colour and degradation as the ledger has them: the anchor of a column, and its rules.
    ran : collection of tuple
        Anchor, method and variant of what was measured, which is left out.
    metrics : sequence of str
        Those of the matrix.
    """
    found: dict[str, dict[str, dict[str, Value]]] = {}
    colours: dict[str, set[str]] = {}
    papers: dict[str, str] = {}
    for row in ledger():
        anchor, rules = places.get((row.dataset, row.colour, row.degradation), ("", None))
        if rules is None or row.image or row.metric not in metrics or row.method in INPUTS:
            continue
        if (anchor, row.method, row.variant) in ran or other_protocol(rules, row):
            continue
        label = f"{row.method} {row.variant}".strip()
        papers.setdefault(label, row.source)
        colours.setdefault(label, set()).add(row.colour)
        remark = UNSTATED if row.protocol == "unstated" else ""
        cell = found.setdefault(label, {}).setdefault(anchor, {})
        cell.setdefault(row.metric, Value(row.number, row.value, 0, verdict=remark))
    for label in sorted(found, key=str.casefold):
        seen = tuple(sorted(colours[label]))
        yield Row(label, "published", seen, "", None, found[label], papers[label], measured=False)
