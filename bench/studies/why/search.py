"""The search for the switches that meet a target: all of the score, and so many of the input as there are runs for."""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

from bench.studies.why.available import switches
from bench.studies.why.choices import Choices, Switch, base_of, pairs
from bench.studies.why.pace import Pace
from bench.studies.why.running import Place, measured
from bench.studies.why.scores import Sums
from bench.studies.why.target import Target, numbers

PAIR_TRIALS, PAIR_RUNS = 40, 10
"""Pairs of inputs that are tried on crops for each run on the set, and how many run there before it is seen whether
one of them meets the target."""

REFINEMENTS = 3
"""Times that a number, as the sigma of the noise, is drawn closer to the one that meets the target."""

LEAST = {"psnr": 0.02, "ssim": 0.0005}
"""What two effects may differ by where nothing else is known."""

FEW = 4
"""Whole images on which scores are tried that take as long as a method."""

GROWS = 0.25
"""How much of an effect on crops may be another one on the set."""

SHARE = 0.05
"""How much of the smaller of two effects may be another one beside the larger."""


Measure = Callable[
    [Place, Mapping[Choices, Sequence[Choices]], Sequence[str], Pace], tuple[dict[Choices, Sums], list[str]]
]
"""What `measured` is."""

_NUMBER = re.compile(r"([a-z]*)(\d+)")


@dataclass
class Search:
    """What is known of a cell under other choices.

    Attributes
    ----------
    whole, crops : Place
        The set, and the crops where inputs are tried first; the same of a small set.
    target : Target
        What is to be met.
    draw : float
        How far another noise draw may move the first metric.
    runs : int
        How many inputs may run on the set, and how many pairs of inputs where none of them meets the target.
    measure : callable
        `measured`, or what does as it does.
    pace : Pace
        Ends it.
    complete : bool
        Whether everything that is measured on the set is scored under all choices, whether they may meet the target or
        not.
    seconds : float
        What an input takes on the set.
    values : dict
        The numbers that were taken from sums, by switches and metrics.
    """

    whole: Place
    crops: Place
    target: Target
    draw: float
    runs: int
    measure: Measure = measured
    pace: Pace = field(default_factory=Pace)
    complete: bool = False
    seconds: float = math.nan
    few: Place = field(init=False)
    on_set: dict[Choices, Sums] = field(default_factory=dict)
    on_crops: dict[Choices, Sums] = field(default_factory=dict)
    on_few: dict[Choices, Sums] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    values: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict)
    _inputs: dict[tuple[Switch, ...], Choices] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base = base_of(self.whole.cell)
        self.all = switches(self.whole.cell, self.target.metrics)
        self.before = [switch for switch in self.all if switch.before]
        self.after = [switch for switch in self.all if not switch.before]
        self.few = self.whole.some(FEW) if self.thrifty else self.whole

    @property
    def small(self) -> bool:
        """Whether the set is so small that crops would save nothing."""
        return self.crops is self.whole

    @property
    def thrifty(self) -> bool:
        """Whether only scores that may meet the target are taken on the set: an SSIM takes as long as a method."""
        many = len(self.whole.cell.dataset.images) > 2 * FEW
        return many and not self.complete and not self.small and "ssim" in self.target.metrics

    def plain(self) -> None:
        """Run the cell as it is, and score it under the choices of the score, one and two at a time.

        Two at a time on the set only where they may meet the target by what they do on a few images, if scores take
        long.
        """
        alone: list[tuple[Switch, ...]] = [(), *((switch,) for switch in self.after)]
        both = list(pairs(self.after))
        views, start = alone if self.thrifty else [*alone, *both], time.perf_counter()
        self._run(self.whole, {self.base: [self.base.with_(some) for some in views]})
        self.seconds = time.perf_counter() - start
        if self.small:
            self.on_crops = self.on_set
            return
        self._run(self.crops, {self.base: [self.base]})
        if self.thrifty:
            self._run(self.few, {self.base: [self.base.with_(some) for some in [*alone, *both]]})
            likely = [some for some in both if self._may_meet(some)]
            start = time.perf_counter()
            self._run(self.whole, {self.base: [self.base.with_(some) for some in likely]})
            self.seconds = time.perf_counter() - start if likely else self.seconds

    def on_trial(self) -> None:
        """Try every input on crops; a number that may be between two is drawn closer."""
        self._try([(switch,) for switch in self.before])
        for _ in range(REFINEMENTS):
            self._try([(switch,) for switch in self._closer(self._enclosing())])

    def single(self) -> None:
        """Run the usual inputs on the set, and those that may meet the target, alone or with a choice of the score.

        A number that may be between two is drawn closer.
        """
        self.run_on_set(self.likeliest)
        for _ in range(0 if self.small else REFINEMENTS):
            if abs(self._wanted) <= self.draw or self.explained(self.before):
                break
            enclosing = self._enclosing("level", "told", gap=1)
            self.run_on_set([(switch,) for ends in enclosing for switch in ends if switch in self.before])
            self.run_on_set([(switch,) for switch in self._closer(self._enclosing("level", "told"))])

    def double(self) -> None:
        """Try those pairs of inputs on crops whose effects add up to the target, and run the nearest on the set.

        Until one of them meets it.
        """
        known = [switch for switch in self.before if self._known((switch,))]
        tried = sorted(pairs(known), key=self._cost)[: PAIR_TRIALS * self.runs]
        self._try(tried)
        nearest = sorted(tried, key=self._cost)[: self.runs]
        for place in range(0, len(nearest), PAIR_RUNS):
            some = nearest[place : place + PAIR_RUNS]
            self.run_on_set(some)
            if any((found := self.found(one)) and self.target.distance(found) <= 1 for one in some):
                break

    @property
    def likeliest(self) -> list[tuple[Switch, ...]]:
        """The inputs that run on the set: the usual ones, and those that may meet the target, the likeliest first."""
        ranked = sorted((switch for switch in self.before if switch.rank), key=self._alone_or_scored)
        some = [switch for switch in [*self.usual, *ranked[: self.runs]] if self._known((switch,))]
        return [(switch,) for switch in sorted(some, key=self._alone_or_scored)]

    @property
    def usual(self) -> list[Switch]:
        """The inputs that run on the set whatever the target is."""
        return [switch for switch in self.before if not switch.rank]

    def explained(self, some: Sequence[Switch] | None = None) -> bool:
        """Whether the cell as it is meets the target, or one of some switches does.

        Of those that are usual if none are given: then pairs need not be looked for.
        """
        alone = [switch for switch in self.all if not switch.rank] if some is None else some
        each = [(), *((switch,) for switch in alone)]
        return any((found := self.found(one)) and self.target.distance(found) <= 1 for one in each)

    def found(self, some: Sequence[Switch]) -> dict[str, float] | None:
        """Return the numbers of the set under switches; None where they were not measured."""
        sums = self.on_set.get(self._input(some))
        if sums is None:
            return None
        key = (*some, self.target.metrics)
        if key not in self.values:
            choices = self.base.with_(some)
            if choices not in sums:
                return None
            self.values[key] = numbers(sums, choices, self.target.metrics)
        return self.values[key]

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
            inputs = self.inputs(before)
            scored = [(), *singles, *pairs(self.after)] if not inputs else [(), *singles]
            yield from ((*inputs, *after) for after in scored if self.found((*inputs, *after)) is not None)

    def inputs(self, before: Choices) -> tuple[Switch, ...]:
        """Return the switches that make an input."""
        return tuple(s for s in self.before if getattr(before, s.axis) == s.value != getattr(self.base, s.axis))

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

    def _may_meet(self, some: Sequence[Switch]) -> bool:
        """Whether what two switches do on a few images leaves it open that they meet the target on the set."""
        first, sums = self.target.first, self.on_few.get(self._input(some))
        if sums is None or (plain := self.found(())) is None:
            return False

        def on_few(of: Sequence[Switch]) -> float:
            change = self.on_few[self._input(of)].mean(self.base.with_(of), first)
            return change - self.on_few[self.base].mean(self.base, first)

        alone = [on_few((switch,)) for switch in some]
        apart = on_few(some) - sum(alone)  # what they do to each other
        guess, doubt = 0.0, 2 * LEAST[first] + GROWS * abs(apart) + SHARE * min(map(abs, alone))
        for switch, trial in zip(some, alone, strict=True):
            found = self.found((switch,))
            guess += found[first] - plain[first] if found else trial
            doubt += 0.0 if found else 2 * GROWS * abs(trial)
        doubt += self.draw * any(switch.axis == "field" for switch in some) + self.target.exact(first)
        return abs(plain[first] + guess + apart - self.target.number(first)) <= doubt

    def _input(self, some: Iterable[Switch]) -> Choices:
        inputs = tuple(switch for switch in some if switch.before)
        if inputs not in self._inputs:
            self._inputs[inputs] = self.base.with_(inputs)
        return self._inputs[inputs]

    def _missing(self, some: Sequence[Switch]) -> float:
        """Return how far the guess for switches is off the target."""
        plain = self.found(()) or {}
        return abs(plain[self.target.first] + self.effect(some) - self.target.number(self.target.first))

    def _doubt(self, some: Sequence[Switch]) -> float:
        """Return how far the guess for switches may itself be off."""
        drawn = self.draw * any(switch.axis == "field" and self.found((switch,)) is None for switch in some)
        guessed = [abs(self.effect((s,))) for s in some if s.before and self.found((s,)) is None]
        single = drawn + LEAST[self.target.first] * (1 + bool(guessed)) + GROWS * sum(guessed)
        inputs = [abs(self.effect((switch,))) for switch in some if switch.before]
        if len(inputs) < 2:
            return single
        # Two faults of the input seldom add up: the larger one leaves little for the other to do.
        both = sum(inputs) / 50 if self._known(some) else min(inputs) + max(inputs) / 20
        return single + both

    def _cost(self, some: Sequence[Switch]) -> float:
        unusual = sum(switch.rank for switch in some) / (4 if self._known(some) else 1)
        return unusual + self._missing(some) / self._doubt(some)

    def _alone_or_scored(self, switch: Switch) -> float:
        if not self._known((switch,)):
            return float("inf")
        doubt, plain = self._doubt((switch,)), (self.found(()) or {})[self.target.first]
        away = plain + self.effect((switch,)) - self.target.number(self.target.first)
        scored = (1 + after.rank + abs(away + self.effect((after,))) / doubt for after in self.after)
        return switch.rank + min(abs(away) / doubt, *scored)

    @property
    def _wanted(self) -> float:
        """The effect that meets the target."""
        return self.target.number(self.target.first) - (self.found(()) or {})[self.target.first]

    def _enclosing(self, *axes: str, gap: int = 2) -> list[tuple[Switch, Switch]]:
        """Return neighbours among numbers, as the sigma of the noise, whose effects enclose the target.

        They are `gap` apart or more, and on one of some axes if those are given.
        """
        families: dict[tuple[str, str], dict[int, Switch]] = {}
        for switch in self.before:
            number = _NUMBER.fullmatch(switch.value)
            in_words = number and number[2] in switch.words and (not axes or switch.axis in axes)
            if number and in_words and self._known((switch,)):
                families.setdefault((switch.axis, number[1]), {})[int(number[2])] = switch
        found = []
        own = self.whole.cell.degradation.sigma
        for (axis, _), members in families.items():
            if axis in ("level", "told") and own is not None and own == int(own):
                first = next(iter(members.values()))
                members[int(own)] = replace(first, value=str(int(own)))  # the cell itself: it has no effect
            for low, high in pairwise(sorted(members)):
                ends = members[low], members[high]
                effects = sorted(self._of_number(switch) for switch in ends)
                if high - low >= gap and effects[0] < self._wanted < effects[1]:
                    found.append(ends)
        return found

    def _of_number(self, switch: Switch) -> float:
        return self.effect((switch,)) if switch in self.before else 0.0

    def _closer(self, enclosing: Iterable[tuple[Switch, Switch]]) -> list[Switch]:
        """Return new switches with the two whole numbers between neighbours that are nearest to meet the target."""
        made = []
        for low, high in enclosing:
            (first, last), (before, behind) = (
                [int(_NUMBER.fullmatch(switch.value)[2]) for switch in (low, high)],  # type: ignore[index]
                [self._of_number(switch) for switch in (low, high)],
            )
            nearest = math.floor(first + (self._wanted - before) / (behind - before) * (last - first))
            for number in {nearest, nearest + 1} - {first, last}:
                value, words = (re.sub(r"\d+\b", str(number), text) for text in (low.value, low.words))
                made.append(replace(low, value=value, words=words, rank=2))
        self.before += made
        self.all += made
        return made

    def _try(self, some: Sequence[tuple[Switch, ...]]) -> None:
        if self.small:
            self.run_on_set(some)
        else:
            self._run(self.crops, {self._input(one): [self._input(one)] for one in some})

    def run_on_set(self, some: Sequence[tuple[Switch, ...]]) -> None:
        """Run inputs on the set, and score a single one under every other choice of the score.

        Where scores take long, on a few images, and on the set under those choices that may meet the target.
        """
        singly = {self._input(one): self._scored(one) for one in some if self._input(one) not in self.on_set}
        asked = {self._input(one): one for one in some}
        if self.thrifty:
            self._run(self.few, {i: [i, *(i.with_(after) for after in views)] for i, views in singly.items()})
            singly = {
                i: [after for after in views if not after or self._may_meet((*asked[i], *after))]
                for i, views in singly.items()
            }
        self._run(self.whole, {i: [i.with_(after) for after in views] for i, views in singly.items()})

    def _scored(self, some: Sequence[Switch]) -> list[tuple[Switch, ...]]:
        """Return the choices of the score that inputs may be scored under: all, one at a time, of a single one."""
        return [()] if len(some) > 1 else [(), *((switch,) for switch in self.after)]

    def _run(self, place: Place, asked: "dict[Choices, list[Choices]]") -> None:
        known = self.on_set if place is self.whole else self.on_few if place is self.few else self.on_crops
        new = {}
        for before, of_it in asked.items():
            if missing := [choices for choices in of_it if before not in known or choices not in known[before]]:
                new[before] = missing
        sums, failures = self.measure(place, new, self.target.metrics, self.pace)
        for before, scored in sums.items():
            known[before] = known[before] | scored if before in known else scored
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
