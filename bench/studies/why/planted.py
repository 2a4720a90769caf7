"""`make why TARGET=each`: the number of each choice is the target in turn, and it is seen whether that is named."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from bench.studies.text_table import as_text, grid
from bench.studies.why.choices import Choices, Switch, pairs
from bench.studies.why.pace import Pace
from bench.studies.why.running import Place, measured
from bench.studies.why.scores import Sums
from bench.studies.why.search import Search, exact, fits
from bench.studies.why.table import FORMS, SHOWN, verdict
from bench.studies.why.target import Target

RARE, PAIRS = 20, 20
"""Choices that are not usual, and pairs of choices, that are planted: drawn from all that move the number."""

DECIMALS = {"psnr": (2, 5), "ssim": (4, 6)}
"""Of the planted numbers: as papers print them, and as a program does."""

NAMED = ("first", "among others", "in the file", "too small", "no")
"""How a planted choice comes out; too small: the decimals do not tell it from the cell as it is."""

Switches = tuple[Switch, ...]


@dataclass
class Kept:
    """Runs of the method that are kept from one search to the next: what one search did not ask for, it does not know.

    Attributes
    ----------
    runs : dict
        By whether they are of the whole set, and of crops, and by the choices of the input; None where it failed.
    """

    runs: dict[tuple[bool, bool, Choices], Sums | None] = field(default_factory=dict)

    def __call__(
        self, place: Place, asked: Mapping[Choices, Sequence[Choices]], metrics: Sequence[str], pace: Pace
    ) -> tuple[dict[Choices, Sums], list[str]]:
        """Do as `measured`, for what was not asked for before."""
        where = place.held is None, place.cropped
        new = {before: of_it for before, of_it in asked.items() if not self._has((*where, before), of_it)}
        sums, failures = measured(place, new, metrics, pace)
        for before in new:
            run, found = (*where, before), sums.get(before)
            if known := self.runs.get(run):
                self.runs[run] = known | found if found else known
            else:
                self.runs[run] = found
        kept = {before: self.runs[*where, before] for before in asked}
        return {before: one for before, one in kept.items() if one is not None}, failures

    def _has(self, run: tuple[bool, bool, Choices], scored: Sequence[Choices]) -> bool:
        if run not in self.runs:
            return False
        sums = self.runs[run]
        return sums is None or all(choices in sums for choices in scored)


def planted(whole: Place, crops: Place, metric: str, runs: int | None, trials: int) -> Iterator[str | dict[str, Any]]:
    """Plant choices that move the number of a cell, each usual one and some others, and pairs; search for each.

    Parameters
    ----------
    whole, crops : Place
        As for `Search`.
    metric : str
        ``"psnr"`` or ``"ssim"``.
    runs : int, optional
        Inputs that each search may run on the set; None: as many as five minutes take.
    trials : int
        Pairs that each search tries on crops for each of them.

    Yields
    ------
    str or dict
        What is being done, and a row for each planted choice.
    """
    kept = Kept()
    every = Search(whole, crops, Target({metric: "0"}), 0.0, runs, trials, measure=kept, complete=True)
    every.plain()
    runs = every.count  # a run that is kept takes no time
    every.run_on_set([(switch,) for switch in every.before])
    plain = every.found(()) or {}
    moving = [one for switch in every.all if _moves(every, one := (switch,), metric)]
    usual, rare = ([one for one in moving if bool(one[0].rank) == is_rare] for is_rare in (False, True))
    chance = random.Random(0)
    alone = [*usual, *chance.sample(rare, min(RARE, len(rare)))]
    together = list(pairs([switch for (switch,) in moving]))
    drawn = chance.sample(together, min(4 * PAIRS, len(together)))
    every.run_on_set([some for some in drawn if all(switch.before for switch in some)])
    both = [some for some in drawn if _moves(every, some, metric)][:PAIRS]
    yield (
        f"{len(moving)} of {len(every.all)} choices move it by {SHOWN[metric]:g} or more; planted are the {len(usual)} "
        f"usual ones, {len(alone) - len(usual)} others and {len(both)} pairs"
    )
    for some in [*alone, *both]:
        number = (every.found(some) or plain)[metric]
        row: dict[str, Any] = {
            "planted": " and ".join(switch.words for switch in some),
            "switches": len(some),
            metric: number,
            f"{metric}_effect": number - plain[metric],
        }
        for decimals in DECIMALS[metric]:
            target = Target({metric: f"{number:.{decimals}f}"})
            search = Search(whole, crops, target, 0.0, runs, trials, measure=kept, values=every.values)
            row |= _searched(search, some, decimals)
        yield row


def _moves(search: Search, some: Switches, metric: str) -> bool:
    """Return whether switches give a number of their own: not that of the cell, and not that of one of them alone."""
    parts: list[Switches] = [(), *((switch,) for switch in some if len(some) > 1)]
    values = [found[metric] for one in (some, *parts) if (found := search.found(one)) is not None]
    return len(values) == len(parts) + 1 and all(abs(values[0] - value) >= SHOWN[metric] for value in values[1:])


def _searched(search: Search, some: Switches, decimals: int) -> dict[str, Any]:
    """Search for a planted number as a person would, and say what is named."""
    search.plain()
    search.on_trial()
    search.single()
    if not search.explained():
        search.double()
    found = fits(search)
    said = [line for line in verdict(search, found, dict.fromkeys(search.target.metrics, 0.0)) if " if " in line]
    orders = [" and ".join(switch.words for switch in order) for order in permutations(some)]
    place = next((n for n, line in enumerate(said, 1) if any(f" if {words} (" in line for words in orders)), 0)
    fitting = exact(found)
    listed = any(set(fit.switches) == set(some) for fit in fitting)
    too_small = any(not fit.switches for fit in fitting)  # the cell itself has the number
    named = "first" if place == 1 else "among others" if place else "in the file" if listed else "no"
    named = "too small" if too_small else named
    return {f"named_{decimals}_decimals": named, f"explanations_{decimals}_decimals": len(fitting)}


def line_of(row: Mapping[str, Any], metric: str) -> str:
    """Say how one planted choice came out."""
    named = (f"{row[f'named_{decimals}_decimals']} ({decimals} decimals)" for decimals in DECIMALS[metric])
    return f"{row[metric]:{FORMS[metric]}} if {row['planted']}: {', '.join(named)}"


def summary(rows: Sequence[Mapping[str, Any]], metric: str) -> Iterator[str]:
    """Say how many planted choices are named, and show those that are not."""
    for decimals in DECIMALS[metric]:
        column = f"named_{decimals}_decimals"
        for size, words in ((1, "choices"), (2, "pairs")):
            of_size = [row[column] for row in rows if row["switches"] == size]
            counts = {word: of_size.count(word) for word in NAMED}
            told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
            yield f"{decimals} decimals, {len(of_size)} {words}: {told}"
    columns = [f"named_{decimals}_decimals" for decimals in DECIMALS[metric]]
    missed = [row for row in rows if row[columns[-1]] not in NAMED[:2]]
    if missed:
        made = grid(["not named"], [metric.upper(), "effect", *(f"{d} decimals" for d in DECIMALS[metric])], width=76)
        for row in missed:
            numbers = [format(row[metric], FORMS[metric]), format(row[f"{metric}_effect"], f"+{FORMS[metric]}")]
            made.add_row(row["planted"], *numbers, *(row[column] for column in columns))
        yield f"\n{as_text(made).rstrip()}"
