"""What became of a published number: measured, and held against the ledger."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bench.common.paths import ROOT
from bench.common.tables import numbered_rows
from bench.judge.ledger import Published
from bench.judge.tolerance import AGREE
from bench.judge.verdict import Verdict, held, score
from bench.plan.cell import Cell
from bench.store.memory import Memory
from bench.store.results import Result
from bench.studies.verify.numbers import Number

CAUSES = ROOT / "results" / "causes.csv"
"""Why numbers are not reproduced, where that is known."""

EXPLAINED = 0.02
"""What a cause may leave of a difference in dB."""

OPEN = ("above", "below", "undecided", "not comparable")
"""Verdicts that ask for a cause."""


@dataclass(frozen=True)
class Judged:
    """A published number, and the measurement that fits it best among the protocols it may have been made under.

    Attributes
    ----------
    number : Number
        The number.
    cell : Cell, optional
        What was measured, its first seed; None where nothing was yet.
    result : Result, optional
        Its scores.
    verdict : Verdict, optional
        What they say.
    tried : int
        Protocols that were measured.
    """

    number: Number
    cell: Cell | None = None
    result: Result | None = None
    verdict: Verdict | None = None
    tried: int = 0

    @property
    def word(self) -> str:
        """The verdict's word; empty where nothing was measured."""
        return self.verdict.word if self.verdict else ""

    @property
    def seeds_needed(self) -> int | None:
        """Seeds that would settle an undecided number; None where no number of them would."""
        if not self.verdict or not self.result:
            return None
        return self.verdict.tolerance.seeds_needed(self.verdict.difference, len(self.result.seeds))

    @property
    def may_be_chance(self) -> bool:
        """Whether a number that is off may be so by our draws alone, which more seeds would show."""
        if not self.verdict or self.word not in ("above", "below"):
            return False
        limits = self.verdict.tolerance
        return abs(self.verdict.difference - limits.shift) <= limits.allowed + AGREE * limits.ours

    @property
    def cause(self) -> str:
        """Why it is not reproduced, where that is known."""
        return cause(self.number.row, self.verdict.difference) if self.verdict and self.word in OPEN else ""

    def row(self, memory: Memory) -> dict[str, Any]:
        """Return its row of the table."""
        row = self.number.row
        about: dict[str, Any] = {
            "method": row.method, "variant": row.variant, "dataset": row.dataset, "colour": row.colour,
            "degradation": row.degradation, "metric": row.metric, "image": row.image, "paper": row.paper,
            "table": row.table, "stated": row.protocol, "published": row.value,
        }  # fmt: skip
        if self.verdict is None or self.cell is None or self.result is None:
            return about
        return about | {
            "measured": score(self.result, row),
            "difference": self.verdict.difference,
            "allowed": self.verdict.allowed,
            "verdict": self.word,
            "cause": self.cause,
            "with": self.cell.label,
            "protocol": self.cell.protocol.name,
            "tried": self.tried,
            "seeds": " ".join(map(str, self.result.seeds)),
            "key": memory.earlier(self.cell),
        }


def judged(number: Number, memory: Memory) -> Judged:
    """Hold what is known of a number against it, under the first protocol that meets it, or else the nearest.

    The more were tried, the more a difference must rule out.
    """
    found = []
    for cell in number.cells:
        if result := _result(cell, number.image, memory):
            found.append(Judged(number, cell, result, held(result, number.row)))
            if found[-1].word == "reproduced":  # what was measured for other numbers is no better than this
                break
    if not found:
        return Judged(number)
    best = replace(min(found, key=_distance), tried=len(found))
    assert best.verdict is not None
    if best.word == "reproduced" and not best.verdict.tolerance.excludes(best.verdict.difference, len(found)):
        why = f"{best.verdict.reason}; the nearest of {len(found)} that were tried, which rules out less"
        return replace(best, verdict=replace(best.verdict, word="undecided", reason=why))
    return best


def _distance(one: Judged) -> tuple[bool, bool, float]:
    assert one.verdict is not None
    limits = one.verdict.tolerance
    return one.word != "reproduced", not one.cause, abs(one.verdict.difference - limits.shift) / limits.allowed


def _result(cell: Cell, image: str, memory: Memory) -> Result | None:
    """Gather the seeds of a cell that are known; with seed 0 at least."""
    first = memory.earlier(cell)
    if not first:
        return None
    # Seeds of two versions of the code are not one measurement.
    seeds = [(one, memory.earlier(one)) for one in with_seeds(cell)]
    known = [one for one, key in seeds if key and (key == one.key) == (first == cell.key)]
    result = Result(tuple(memory.get(one) for one in known))
    return result.only(image) if image else result


_MOST = 16


def seeded(cell: Cell) -> bool:
    """Whether another seed gives another noise."""
    return cell.degradation.random and cell.protocol.noise_draw == "independent"


def with_seeds(cell: Cell) -> list[Cell]:
    """Return a cell of seed 0, and those of other seeds where they give another noise."""
    return [replace(cell, seed=seed) for seed in range(_MOST)] if seeded(cell) else [cell]


def cause(row: Published, difference: float) -> str:
    """Return why a number is not reproduced, by `CAUSES`; empty where no cause explains it.

    A cause explains differences, measured minus published, from its `least` to its `most` only, and only where no more
    than `EXPLAINED` of the difference is left.
    """
    known = _of({name: getattr(row, name) for name in _KEYS}, difference)
    return next((cause for cause, left in known if abs(left) <= EXPLAINED), "")


def nearest(row: Mapping[str, str]) -> tuple[str, float] | None:
    """Return the cause that leaves the least of the difference of a row of the table, and what it leaves."""
    known = _of({**row, "value": row["published"]}, float(row["difference"]))
    return min(known, key=lambda one: abs(one[1]), default=None)


_KEYS = ("method", "variant", "dataset", "degradation", "metric", "image", "paper", "value")


def _of(values: Mapping[str, str], difference: float) -> Iterator[tuple[str, float]]:
    """Give the causes of a number, each with what of the difference it leaves."""
    for known in _causes():
        least, most = float(known["least"] or -math.inf), float(known["most"] or math.inf)
        if all(known[name] in ("", values[name]) for name in _KEYS) and least <= difference <= most:
            yield known["cause"], float(known["left"] or 0)


@cache
def _causes() -> Collection[dict[str, str]]:
    return numbered_rows(CAUSES, (*_KEYS, "least", "most", "left", "cause", "evidence")).values()
