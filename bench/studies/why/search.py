"""The search for the switches that meet a target: all of the score, and so many of the input as there are runs for."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

from bench.studies.why.available import switches
from bench.studies.why.choices import Choices, Switch, base_of, pairs
from bench.studies.why.running import Place, measured
from bench.studies.why.scores import Sums
from bench.studies.why.target import Target, numbers

PAIR_TRIALS, PAIR_RUNS = 80, 6
"""Pairs of inputs that are tried on crops, and how many of them run on the set."""

REFINEMENTS = 3
"""Times that a number, as the sigma of the noise, is drawn closer to the one that meets the target."""

GROWS = 0.25
"""How much of an effect on crops may be another one on the set."""


@dataclass
class Search:
    """What is known of a cell under other choices.

    Attributes
    ----------
    whole, crops : Place
        The set, and the crops where choices are tried first; the same of a small set.
    target : Target
        What is to be met.
    draw : float
        How far another noise draw may move the first metric.
    runs : int
        How many inputs may run on the set.
    """

    whole: Place
    crops: Place
    target: Target
    draw: float
    runs: int
    on_set: dict[Choices, Sums] = field(default_factory=dict)
    on_crops: dict[Choices, Sums] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _found: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base = base_of(self.whole.cell)
        self.all = switches(self.whole.cell, self.target.metrics)
        self.before = [switch for switch in self.all if switch.before]
        self.after = [switch for switch in self.all if not switch.before]

    @property
    def small(self) -> bool:
        """Whether the set is so small that crops would save nothing."""
        return self.crops is self.whole

    def plain(self) -> None:
        """Run the cell as it is, and score it under all choices of the score, one and two at a time."""
        views = [(), *((switch,) for switch in self.after), *pairs(self.after)]
        self._run(self.whole, {self.base: [self.base.with_(some) for some in views]})
        if self.small:
            self.on_crops = self.on_set
        else:
            self._run(self.crops, {self.base: [self.base]})

    def single(self) -> None:
        """Try every input on crops, and run those on the set that may meet the target, alone or with another score."""
        self._try([(switch,) for switch in self.before])
        for _ in range(REFINEMENTS):
            closer = list(self._between())
            self._try([(switch,) for switch in closer])
            self.before += closer
            self.all += closer
        ranked = sorted(self.before, key=self._alone_or_scored)
        self._run_on_set([(switch,) for switch in ranked][: self.runs])

    def double(self) -> None:
        """Try those pairs of inputs on crops whose effects add up to the target, and run the nearest on the set."""
        known = [switch for switch in self.before if self._known((switch,))]
        nearest = sorted(pairs(known), key=self._cost)[:PAIR_TRIALS]
        self._try(nearest)
        self._run_on_set(sorted(nearest, key=self._cost)[:PAIR_RUNS])

    def explained(self) -> bool:
        """Whether the cell as it is meets the target, or a usual switch does, so that pairs need not be looked for."""
        usual = [(), *((switch,) for switch in self.all if not switch.rank)]
        return any((found := self.found(some)) and self.target.distance(found) <= 1 for some in usual)

    def found(self, some: Sequence[Switch]) -> dict[str, float] | None:
        """Return the numbers of the set under switches; None where they were not measured."""
        key = (*some, self.target.metrics)
        if key not in self._found:
            choices, sums = self.base.with_(some), self.on_set.get(self._input(some))
            if sums is None or choices not in sums:
                return None
            self._found[key] = numbers(sums, choices, self.target.metrics)
        return self._found[key]

    def images(self, some: Sequence[Switch]) -> dict[str, float]:
        """Return the first metric of each image under switches that were measured."""
        return self.on_set[self._input(some)].images(self.base.with_(some), self.target.first)

    def effect(self, some: Sequence[Switch]) -> float:
        """Return what switches change of the first metric, on the set or else as it is guessed from crops."""
        first = self.target.first
        plain = self.found(())
        measured_ = self.found(some)
        if plain and measured_:
            return measured_[first] - plain[first]
        if self._known(some):
            return self._on_crops(some) + (0.0 if len(some) < 2 else self._beyond(some))
        return sum(self.effect((switch,)) for switch in some)

    def tried(self) -> Iterator[tuple[Switch, ...]]:
        """Give all switches and pairs that were measured on the set."""
        singles: list[tuple[Switch, ...]] = [(switch,) for switch in self.after]
        for before in self.on_set:
            inputs = [switch for switch in self.before if getattr(before, switch.axis) == switch.value]
            scored = [(), *singles, *pairs(self.after)] if not inputs else [(), *singles]
            yield from ((*inputs, *after) for after in scored if self.found((*inputs, *after)) is not None)

    def guessed(self, switch: Switch) -> bool:
        """Whether a switch was tried on crops."""
        return switch.before and self._known((switch,))

    def _beyond(self, some: Sequence[Switch]) -> float:
        """Return what the single effects on the set have beyond those on crops."""
        return sum(self.effect((s,)) - self._on_crops((s,)) for s in some)

    def _on_crops(self, some: Sequence[Switch]) -> float:
        first, base = self.target.first, self.on_crops[self.base]
        return self.on_crops[self._input(some)].mean(self.base.with_(some), first) - base.mean(self.base, first)

    def _known(self, some: Sequence[Switch]) -> bool:
        return self._input(some) in self.on_crops

    def _input(self, some: Iterable[Switch]) -> Choices:
        return self.base.with_(switch for switch in some if switch.before)

    def _missing(self, some: Sequence[Switch]) -> float:
        """Return how far the guess for switches is off the target."""
        plain = self.found(()) or {}
        return abs(plain[self.target.first] + self.effect(some) - self.target.number(self.target.first))

    def _doubt(self, some: Sequence[Switch]) -> float:
        """Return how far the guess for switches may itself be off."""
        drawn = self.draw * any(switch.axis == "field" for switch in some)
        rough = sum(abs(self.effect((s,))) for s in some if s.before and self.found((s,)) is None)
        # Two faults of the input seldom add up: the larger one leaves little for the other to do.
        inputs = [switch for switch in some if switch.before]
        both = (
            sorted(abs(self.effect((s,))) for s in inputs) if len(inputs) > 1 and not self._known(some) else (0.0, 0.0)
        )
        return 0.02 + drawn + GROWS * rough + both[0] + both[-1] / 20

    def _cost(self, some: Sequence[Switch]) -> float:
        return sum(switch.rank for switch in some) / 2 + self._missing(some) / self._doubt(some)

    def _alone_or_scored(self, switch: Switch) -> float:
        if not self._known((switch,)):
            return float("inf")
        doubt, plain = self._doubt((switch,)), (self.found(()) or {})[self.target.first]
        away = plain + self.effect((switch,)) - self.target.number(self.target.first)
        scored = (1 + after.rank / 2 + abs(away + self.effect((after,))) / doubt for after in self.after)
        return switch.rank / 2 + min(abs(away) / doubt, *scored)

    def _between(self) -> Iterator[Switch]:
        """Give switches of other whole numbers, as the sigma of the noise, between two that enclose the target."""
        families: dict[tuple[str, str], list[tuple[int, Switch]]] = {}
        for switch in self.before:
            number = re.fullmatch(r"([a-z]*)(\d+)", switch.value)
            if number and self._known((switch,)) and number[2] in switch.words and switch.value != "256":
                families.setdefault((switch.axis, number[1]), []).append((int(number[2]), switch))
        wanted = self.target.number(self.target.first) - (self.found(()) or {})[self.target.first]
        for (axis, prefix), members in families.items():
            known = {number: (self.effect((switch,)), switch) for number, switch in members}
            own = self.whole.cell.degradation.sigma
            if axis in ("level", "told") and own is not None and own == int(own):
                known[int(own)] = 0.0, members[0][1]
            ordered = [(number, *known[number]) for number in sorted(known)]
            for (low, before, switch), (high, behind, _) in pairwise(ordered):
                if high - low < 2 or not min(before, behind) < wanted < max(before, behind):
                    continue
                share = (wanted - before) / (behind - before)
                nearest = math.floor(low + share * (high - low))
                for between in {nearest, nearest + 1} - {low, high}:
                    words = re.sub(r"\b\d+\b", str(between), switch.words)
                    yield replace(switch, value=f"{prefix}{between}", words=words, rank=2)

    def _try(self, some: Sequence[tuple[Switch, ...]]) -> None:
        if self.small:
            self._run_on_set(some)
        else:
            self._run(self.crops, {self._input(one): [self._input(one)] for one in some})

    def _run_on_set(self, some: Sequence[tuple[Switch, ...]]) -> None:
        """Run inputs on the set, and score a single one under every other choice of the score."""
        asked = {}
        for one in some:
            scored: list[tuple[Switch, ...]] = [()] if len(one) > 1 else [(), *((switch,) for switch in self.after)]
            asked[self._input(one)] = [self.base.with_((*one, *after)) for after in scored]
        self._run(self.whole, asked)

    def _run(self, place: Place, asked: "dict[Choices, list[Choices]]") -> None:
        known = self.on_set if place is self.whole else self.on_crops
        new = {before: of_it for before, of_it in asked.items() if before not in known}
        sums, failures = measured(place, new, self.target.metrics)
        known |= sums
        self.failures += failures


@dataclass(frozen=True, eq=False)
class Fit:
    """Switches that meet a target.

    Attributes
    ----------
    switches : tuple of Switch
        None: the cell as it is.
    numbers : dict
        By metric.
    off : float
        How far they are off, 1 where they just meet it under the same noise.
    """

    switches: tuple[Switch, ...]
    numbers: dict[str, float]
    off: float

    @property
    def rank(self) -> float:
        """How unusual they are, in the order of what is named first."""
        return sum(switch.rank for switch in self.switches) + min(self.off, 1.0) / 2


def fits(search: Search) -> list[Fit]:
    """Return all that was measured, the nearest first."""
    target, found = search.target, []
    for some in search.tried():
        values = search.found(some)
        if values is not None:
            off = target.distance(values)
            off = max(off, target.of_images(search.images(some))) if target.images else off
            found.append(Fit(some, values, off))
    return sorted(found, key=lambda fit: fit.off)


def exact(found: Sequence[Fit]) -> list[Fit]:
    """Return the fits under the very noise of the cell, the fewest switches and the most usual first."""
    return _smallest([fit for fit in found if fit.off <= 1])


def near(found: Sequence[Fit], target: Target, draw: "dict[str, float]") -> list[Fit]:
    """Return the fits that another noise draw explains the rest of, in the same order."""
    return _smallest([fit for fit in found if all(_within(fit, target, draw, metric) for metric in target.metrics)])


def _within(fit: Fit, target: Target, draw: "dict[str, float]", metric: str) -> bool:
    return abs(fit.numbers[metric] - target.number(metric)) <= target.exact(metric) + draw[metric]


def _smallest(found: Sequence[Fit]) -> list[Fit]:
    """Leave out fits of which a part fits already."""
    sets = {frozenset(fit.switches) for fit in found}
    parts = {
        fit: [frozenset(p) for n in range(len(fit.switches)) for p in combinations(fit.switches, n)] for fit in found
    }
    kept = [fit for fit in found if not any(part in sets for part in parts[fit])]
    return sorted(kept, key=lambda fit: (len(fit.switches), fit.rank))
