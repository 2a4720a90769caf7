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
from bench.studies.why.guess import Guess
from bench.studies.why.pace import Pace
from bench.studies.why.running import Place, measured
from bench.studies.why.scores import Sums
from bench.studies.why.target import Target, numbers

SECONDS, FEWEST, MOST = 300.0, 10, 200
"""Where a person does not say how many inputs run on the set: so many as take five minutes, from 10 to 200."""

BATCH = 10
"""How many inputs run on the set before it is seen what they tell of the others."""

OTHERS = 0.01
"""A search for pairs is over where one meets the target, and fewer others than this are expected to."""

REFINEMENTS = 3
"""Times that a number, as the sigma of the noise, is drawn closer to the one that meets the target."""

LEAST = {"psnr": 0.01, "ssim": 0.00025}
"""What two effects may differ by where nothing else is known."""

FEW = 4
"""Whole images on which scores are tried that take as long as a method."""

GROWS = 0.25
"""How much of an effect on crops may be another one on the set."""

INTERACTS = 0.5
"""How much of what two inputs do to each other on crops may be another amount on the set."""

SHARE = 0.05
"""How much of the smaller of two effects may be another one beside the larger."""


Measure = Callable[
    [Place, Mapping[Choices, Sequence[Choices]], Sequence[str], Pace], tuple[dict[Choices, Sums], list[str]]
]
"""What `measured` is."""

Switches = tuple[Switch, ...]

Guessed = tuple[float, float]
"""A number, and the standard deviation of the guess that it is."""

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
    runs : int, optional
        How many inputs may run on the set, and how many pairs of inputs where none of them meets the target; None: as
        many as five minutes take.
    trials : int
        Pairs of inputs that are tried on crops for each that runs on the set.
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
    runs: int | None
    trials: int = 24
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
    _means: dict[Choices, float] = field(default_factory=dict)
    _guesses: tuple[tuple[int, int], dict[Choices, Guessed]] = ((0, 0), {})

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
        start = time.perf_counter()
        self._run(self.whole, {self.base: [self.base.with_(some) for some in alone]})
        self.seconds = time.perf_counter() - start
        if not self.thrifty:
            self._run(self.whole, {self.base: [self.base.with_(some) for some in both]})
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

        The likeliest first, until a usual choice meets it. A number that may be between two is drawn closer.
        """
        self.run_on_set([(switch,) for switch in self.usual if self._known((switch,))])
        rare = [(switch,) for switch in self.before if switch.rank and self._known((switch,))]
        self._likeliest_first(rare, lambda _: self.explained())
        for _ in range(0 if self.small else REFINEMENTS):
            if abs(self._wanted) <= self.draw or self.explained(self.before):
                break
            enclosing = self._enclosing("level", "told", gap=1)
            self.run_on_set([(switch,) for ends in enclosing for switch in ends if switch in self.before])
            self.run_on_set([(switch,) for switch in self._closer(self._enclosing("level", "told"))])

    def double(self) -> None:
        """Try pairs of inputs on crops, the likeliest first, and run the likeliest of them on the set.

        Until one of them meets the target, and it is not to be expected that another does.
        """
        every = sorted(pairs([switch for switch in self.before if self._known((switch,))]), key=self._likely)
        every = every[::-1][: self.trials * self.count]

        def over(rest: Sequence[Switches]) -> bool:
            return any(map(self._meets, every)) and self._expected(rest) < OTHERS

        self._likeliest_first(every, over, self.trials * BATCH)

    def _likeliest_first(
        self, some: Sequence[Switches], over: Callable[[Sequence[Switches]], bool], trials: int = 0
    ) -> None:
        """Run as many inputs on the set as may run, or until it is over; each tells something of the others.

        Between two batches so many of them are tried on crops, in the order in which they are given.
        """
        untried, waiting = (list(some), []) if trials else ([], list(some))
        for left in range(self.count, 0, -BATCH):
            self._try(untried[:trials])
            waiting, untried = [*waiting, *untried[:trials]], untried[trials:]
            waiting = sorted((one for one in waiting if self.found(one) is None), key=self._likely, reverse=True)
            batch, waiting = waiting[: min(BATCH, left)], waiting[min(BATCH, left) :]
            self.run_on_set(batch)
            if over([*waiting, *untried]):
                break

    @property
    def count(self) -> int:
        """How many inputs may run on the set."""
        if self.runs is not None:
            return self.runs
        return min(max(FEWEST, int(SECONDS / self.seconds)), MOST)

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
        return any(map(self._meets, each))

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
        if plain and self._known(some):
            return self.guesses[self._input(some)][0] - plain[first]
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

    @property
    def guesses(self) -> Mapping[Choices, Guessed]:
        """The numbers of the set under the inputs that ran on crops only."""
        state = len(self.on_set), len(self.on_crops)
        if self._guesses[0] != state:
            self._guesses = state, self._guess()
        return self._guesses[1]

    def _guess(self) -> dict[Choices, Guessed]:
        first = self.target.first
        crops = {before: list(sums.images(before, first).values()) for before, sums in self.on_crops.items()}
        both = [before for before in crops if before in self.on_set]
        rest = [before for before in crops if before not in self.on_set]
        if not rest:
            return {}
        guess = Guess([crops[i] for i in both], [self.on_set[i].mean(i, first) for i in both], first)
        means, deviations = guess([crops[i] for i in rest])
        return dict(zip(rest, zip(means.tolist(), deviations.tolist(), strict=True), strict=True))

    def _on_crops(self, some: Sequence[Switch]) -> float:
        """Return what inputs change of the first metric on the crops."""
        return self._mean_of_crops(self._input(some)) - self._mean_of_crops(self.base)

    def _mean_of_crops(self, before: Choices) -> float:
        if before not in self._means:
            self._means[before] = self.on_crops[before].mean(before, self.target.first)
        return self._means[before]

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
        guess, doubt = 0.0, 4 * LEAST[first] + GROWS * abs(apart) + SHARE * min(map(abs, alone))
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

    def _meets(self, some: Sequence[Switch]) -> bool:
        found = self.found(some)
        return found is not None and self.target.distance(found) <= 1

    def _hopes(self, some: Sequence[Switch]) -> list[Guessed]:
        """Return what inputs may give on the set, guessed in one way or in two."""
        first = self.target.first
        plain, effects = (self.found(()) or {})[first], [self.effect((switch,)) for switch in some]
        deviation = math.hypot(LEAST[first], *map(self._deviation, some))
        if len(some) < 2:
            return [(plain + effects[0], deviation)]
        if not self._known(some):  # two faults of the input seldom add up: the larger one leaves little for the other
            low, high = sorted(map(abs, effects))
            return [(plain + sum(effects), math.hypot(deviation, low, high / 20))]
        mutual = self._on_crops(some) - sum(self._on_crops((switch,)) for switch in some)
        added = plain + sum(effects) + mutual, math.hypot(deviation, INTERACTS * mutual)
        alike, beyond = self.guesses.get(self._input(some), added)
        return [added, (alike, math.hypot(LEAST[first], beyond))]

    def _deviation(self, switch: Switch) -> float:
        """Return the standard deviation of what is guessed of an input."""
        if self.found((switch,)) is not None:
            return 0.0
        return math.hypot(self.guesses[self._input((switch,))][1], self.draw * (switch.axis == "field"))

    def _chance(self, hopes: Sequence[Guessed], beside: float = 0.0) -> float:
        """Return the density of the target under guesses, where a choice of the score adds something.

        That of Student's t with four degrees of freedom, since some guesses are far off.
        """
        wanted = self.target.number(self.target.first) - beside
        each = ((wanted - mean, math.hypot(deviation, SHARE * beside)) for mean, deviation in hopes)
        return sum(0.375 * (1 + (away / wide) ** 2 / 4) ** -2.5 / wide for away, wide in each) / len(hopes)

    def _likely(self, some: Sequence[Switch]) -> float:
        """Return how likely inputs meet the target, by how near they may come and how usual they are.

        A single one also together with a choice of the score.
        """
        hopes, unusual = self._hopes(some), sum(switch.rank for switch in some)
        if len(some) > 1:
            return math.exp(-unusual / (4 if self._known(some) else 1)) * self._chance(hopes)
        scored = (math.exp(-1 - after.rank) * self._chance(hopes, self.effect((after,))) for after in self.after)
        return math.exp(-unusual) * max(self._chance(hopes), *scored)

    def _expected(self, some: Iterable[Sequence[Switch]]) -> float:
        """Return how many of some inputs are expected to meet the target."""
        within = 2 * self.target.exact(self.target.first)
        return sum(min(1.0, within * self._chance(self._hopes(one))) for one in some)

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
        for (axis, before), members in families.items():
            if axis in ("level", "told") and not before and own is not None and own == int(own):
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
