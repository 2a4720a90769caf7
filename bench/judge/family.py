"""A family of numbers judged as one: what deviates the same way at each noise level is no accident of a draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.judge.ledger import Claim
from bench.judge.tolerance import noise_draw
from bench.judge.verdict import Verdict, judge
from bench.store.results import Result

SURE = 3.0
"""Standard deviations from which a mean difference counts as systematic: 0.3 % of families without one reach it."""


@dataclass(frozen=True)
class Family:
    """The numbers of one method in one dataset, at several noise levels or protocols of the same rules.

    Attributes
    ----------
    label, dataset : str
        Whose numbers.
    count : int
        How many.
    mean : float
        Mean of measured minus published, what rounding of outputs explains taken away, in dB.
    deviation : float
        Standard deviation of that mean, were there no difference.
    """

    label: str
    dataset: str
    count: int
    mean: float
    deviation: float

    @property
    def systematic(self) -> bool:
        """Whether the numbers differ, taken together."""
        return abs(self.mean) > SURE * self.deviation

    def __str__(self) -> str:
        """Say it in a line."""
        side = "above" if self.mean > 0 else "below"
        return (
            f"{self.label} on {self.dataset} lies {side} the published numbers throughout: {self.mean:+.3f} dB in the "
            f"mean of {self.count}, {abs(self.mean) / self.deviation:.1f} standard deviations: systematic, "
            "whatever the verdict of each"
        )


def families(results: Sequence[Result]) -> list[Family]:
    """Return the families of at least two judged PSNRs among results, in their order.

    A generator that is reset gives one field for all noise levels: the draws of such a source count as one draw, and so
    do ours under such a protocol; others as independent. The rounding of a printed number has the deviation of a
    uniform one. What arithmetic moves is taken to move all of them the same way.
    """
    groups: dict[tuple[str, ...], list[Verdict]] = {}
    for result in results:
        verdict = judge(result)
        if verdict and verdict.word != "not comparable" and not isinstance(verdict.published, Claim):
            of = result.label, result.dataset, result.rules.noise_draw, result.protocol, verdict.published.paper
            groups.setdefault(of, []).append(verdict)
    return [
        _family(label, dataset, draw, group) for (label, dataset, draw, *_), group in groups.items() if len(group) > 1
    ]


def _family(label: str, dataset: str, draw: str, group: Sequence[Verdict]) -> Family:
    limits = [verdict.tolerance for verdict in group]
    ours = _of_sum([t.ours for t in limits], one_draw=draw != "independent")
    theirs = _of_sum([t.theirs for t in limits], one_draw=noise_draw(group[0].published) != "independent")
    rounding = math.hypot(*(t.rounding / math.sqrt(3) for t in limits))
    arithmetic = sum(t.arithmetic for t in limits)
    mean = sum(v.difference - t.shift for v, t in zip(group, limits, strict=True)) / len(group)
    return Family(label, dataset, len(group), mean, math.hypot(ours, theirs, rounding, arithmetic) / len(group))


def _of_sum(deviations: Sequence[float], *, one_draw: bool) -> float:
    return sum(deviations) if one_draw else math.hypot(*deviations)
