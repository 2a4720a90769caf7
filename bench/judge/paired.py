"""Paired statistics of methods on the same images: differences, intervals, tests, ranks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.05
"""Of all tests of a group together: p-values are corrected for their number (Holm 1979)."""

RESAMPLES = 10_000
"""Of the bootstrap over images (BCa, Efron 1987), with a fixed seed."""

POWER = 0.8
"""With which a difference of the size `Pair.detectable` is found."""

EFFICIENCY = 3 / math.pi
"""Of Wilcoxon's test against Student's where differences are normal: it needs 5 % more images."""


FEW = 100
"""Images up to which Wilcoxon's test goes through all signs here: `scipy.stats` takes a second to import, and one more
where differences tie."""


@dataclass(frozen=True)
class Pair:
    """How one method differs from another on the same noisy images.

    Attributes
    ----------
    method, against : str
        The two.
    images, seeds : int
        How many of each; the seeds of an image are averaged first.
    difference, low, high : float
        Mean over the images of the score of `method` minus that of `against`, and its 95 % interval over images.
    wins : float
        Share of the images on which `method` is better; an equal score counts half.
    p, p_corrected : float
        Wilcoxon's signed-rank test of the differences, and the same corrected for all pairs of the group.
    detectable : float
        The least difference that so many images show at `LEVEL`, alone, with probability `POWER`.
    draw_deviation : float
        Standard deviation of `difference` over seeds of the noise; NaN for a single seed.
    """

    method: str
    against: str
    images: int
    seeds: int
    difference: float
    low: float
    high: float
    wins: float
    p: float
    p_corrected: float
    detectable: float
    draw_deviation: float

    @property
    def tie(self) -> bool:
        """Whether the images do not tell the two apart."""
        return not self.p_corrected < LEVEL

    def seeds_for(self, precision: float) -> int | None:
        """Return how many seeds bring the 95 % interval of the difference on these very images to ± `precision`."""
        if math.isnan(self.draw_deviation):
            return None
        return max(1, math.ceil((1.96 * self.draw_deviation / precision) ** 2))


def pairs(scores: "Mapping[str, np.ndarray]", *, higher_is_better: bool) -> list[Pair]:
    """Compare all pairs of methods.

    Parameters
    ----------
    scores : mapping
        Of each method the scores (seeds, images) on the same noisy images.
    higher_is_better : bool
        The direction of the metric.

    Returns
    -------
    list of Pair
        In the order of the methods: each later one against each earlier one.
    """
    both = list(combinations(scores, 2))
    tested = [signed_rank(scores[b].mean(0) - scores[a].mean(0)) for a, b in both]
    corrected = holm(tested)
    return [
        _pair(b, a, scores[b] - scores[a], p, adjusted, higher_is_better=higher_is_better)
        for (a, b), p, adjusted in zip(both, tested, corrected, strict=True)
    ]


def half_interval(values: Sequence[float]) -> float:
    """Return half the 95 % interval of a mean over images, by Student's t; 0 for a single image.

    Of methods that ran on the same images, it says how they compare only where the values are paired differences.

    Examples
    --------
    >>> round(half_interval([1.0, 2.0, 3.0]), 3)  # t = 4.303 for 2 degrees of freedom
    2.484
    """
    from scipy.special import stdtrit  # scipy.stats takes seconds to import

    if len(values) < 2 or not all(map(math.isfinite, values)):
        return 0.0
    return float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))


def signed_rank(differences: "np.ndarray") -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; NaN for fewer than two images, 1 for no difference.

    Exact for up to `FEW` images, by the normal distribution beyond. Differences of 0 keep their ranks: there they
    count for no sign, beyond half for each.

    Parameters
    ----------
    differences : ndarray, shape (images,)
        Of the scores of two methods on the same images.
    """
    import numpy as np

    if len(differences) < 2:
        return math.nan
    if not differences.any():
        return 1.0
    if len(differences) > FEW:
        from scipy.stats import wilcoxon

        return float(wilcoxon(differences, zero_method="zsplit").pvalue)
    _, places, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    ranks = (2 * counts.cumsum() - counts + 1)[places]  # doubled: those of ties are whole and a half
    chances = np.ones(1)  # of each sum of the ranks of positive signs, where both signs are as likely
    for rank in ranks[differences != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = ranks[differences > 0].sum()
    return float(min(1.0, 2 * min(chances[: found + 1].sum(), chances[found:].sum())))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method; NaN stays and counts not.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])  # 3 x 0.01; 2 x 0.03; the larger of 0.04 and the one before
    [0.03, 0.06, 0.06]
    """
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    corrected, floor = list(p_values), 0.0
    for place, i in enumerate(order):
        floor = max(floor, min(1.0, (len(order) - place) * p_values[i]))
        corrected[i] = floor
    return corrected


def average_ranks(scores: "Mapping[str, np.ndarray]", *, higher_is_better: bool) -> dict[str, float]:
    """Return each method's mean rank over the images, 1 the best; equal scores share their ranks."""
    import numpy as np
    from scipy.stats import rankdata

    table = np.array([by_seed.mean(0) for by_seed in scores.values()])
    ranks = rankdata(-table if higher_is_better else table, axis=0).mean(1)
    return dict(zip(scores, ranks.tolist(), strict=True))


def cliques(order: Sequence[str], found: Sequence[Pair]) -> list[tuple[str, ...]]:
    """Return the longest runs of methods, in an order of rank, none of which differ from each other (Demsar 2006)."""
    tied = {frozenset((pair.method, pair.against)) for pair in found if pair.tie}
    runs: list[tuple[str, ...]] = []
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and all(frozenset((order[i], order[end])) in tied for i in range(start, end)):
            end += 1
        run = tuple(order[start:end])
        if len(run) > 1 and not any(set(run) <= set(other) for other in runs):
            runs.append(run)
    return runs


def _pair(
    method: str, against: str, by_seed: "np.ndarray", p: float, corrected: float, *, higher_is_better: bool
) -> Pair:
    from scipy.stats import norm

    seeds, images = by_seed.shape
    differences = by_seed.mean(0)
    low, high = _interval(differences)
    better = differences if higher_is_better else -differences
    spread = differences.std(ddof=1) / math.sqrt(images) if images > 1 else math.nan
    return Pair(
        method=method,
        against=against,
        images=images,
        seeds=seeds,
        difference=float(differences.mean()),
        low=low,
        high=high,
        wins=float(((better > 0) + 0.5 * (better == 0)).mean()),
        p=p,
        p_corrected=corrected,
        detectable=float((norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)) * spread / math.sqrt(EFFICIENCY)),
        draw_deviation=float(by_seed.mean(1).std(ddof=1)) if seeds > 1 else math.nan,
    )


def _interval(differences: "np.ndarray") -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean over images."""
    import numpy as np
    from scipy.stats import bootstrap

    if len(differences) < 2:
        return math.nan, math.nan
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    found = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)
