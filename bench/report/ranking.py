"""Best and second of a leaderboard: marked only where the images tell them from the rest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from bench.judge.paired import LEVEL, holm, signed_rank
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import shown
from bench.store.results import Result

if TYPE_CHECKING:
    import numpy as np

Mark = Literal["best", "second", "tied"]
"""``"tied"``: the first by its mean, where it is not the best, and those that the images do not tell from it."""


def marks(board: Leaderboard, metric: str = "psnr") -> Mapping[str, Mark]:
    """Return which methods of a leaderboard are marked, by label.

    The method of the best mean is held against each other one on the same images (Wilcoxon's signed-rank test,
    corrected by Holm's method for their number). It is the best where it differs from all of them; otherwise it and
    those that it does not differ from are tied, and there is no best. The second is found likewise among the rest, and
    has no mark where it is tied. Methods that lack images of the others, or a value, take no part. Nothing is marked
    where the images are so few that even a method which is the best on all of them could not be told from the others.

    Parameters
    ----------
    board : Leaderboard
        At least two methods; one alone is the best of nothing.
    metric : str
        A metric that tables show.

    Returns
    -------
    mapping
        ``"best"``, ``"second"`` or ``"tied"``; methods without a mark are left out.
    """
    found = _FOUND.setdefault(board, {})
    if metric not in found:
        found[metric] = _marks(board, metric)
    return found[metric]


_FOUND: WeakKeyDictionary[Leaderboard, dict[str, Mapping[str, Mark]]] = WeakKeyDictionary()
"""What was found for leaderboards that are still there: page and papers ask for the same."""


def _marks(board: Leaderboard, metric: str) -> Mapping[str, Mark]:
    better = -1 if shown()[metric].better == "low" else 1
    scored = sorted(_comparable(board, metric), key=lambda one: -better * one.result.mean(metric))
    least = 2 * 0.5 ** len(scored[0].images) if scored else 0.0  # the p-value where all images say the same
    if len(scored) < 2 or least * (len(scored) - 1) >= LEVEL:
        return {}
    ties = _tied_with_first(scored, better)
    if ties:
        return dict.fromkeys((one.result.label for one in (scored[0], *ties)), "tied")
    found: dict[str, Mark] = {scored[0].result.label: "best"}
    if len(scored) > 2 and not _tied_with_first(scored[1:], better):
        found[scored[1].result.label] = "second"
    return found


@dataclass(frozen=True)
class _Scored:
    """A result, and its score of each image, the mean over its seeds."""

    result: Result
    metric: str
    images: Mapping[str, float]

    def of_seeds(self, seeds: set[int]) -> Mapping[str, float]:
        """Return the scores of some of its seeds."""
        if set(self.result.seeds) == seeds:
            return self.images
        records = tuple(record for record in self.result.records if record.provenance["seed"] in seeds)
        return replace(self.result, records=records).images(self.metric)


def _comparable(board: Leaderboard, metric: str) -> list[_Scored]:
    """Return the results that have a finite value of each image of the board."""
    scored = [_Scored(row.result, metric, row.result.images(metric)) for row in board.entries]
    names = max((one.images.keys() for one in scored), key=len)
    whole = [one for one in scored if one.images.keys() == names and not one.result.failed_images]
    return [one for one in whole if all(map(math.isfinite, one.images.values()))]


def _tied_with_first(scored: Sequence[_Scored], better: int) -> list[_Scored]:
    """Return the later ones that the images do not show to be worse than the first one."""
    import numpy as np

    first, *others = scored
    gains = [better * _differences(first, other) for other in others]
    p_values = holm([signed_rank(gain) for gain in gains])
    # The mean and most of the images must say the same: one image can lift a mean above those that win on all others.
    worse = [p < LEVEL and gain.mean() > 0 and np.median(gain) > 0 for p, gain in zip(p_values, gains, strict=True)]
    return [other for other, is_worse in zip(others, worse, strict=True) if not is_worse]


def _differences(one: _Scored, other: _Scored) -> "np.ndarray":
    """Return the difference on each image, of the seeds that both have, or else of all."""
    import numpy as np

    seeds = set(one.result.seeds), set(other.result.seeds)
    shared = seeds[0] & seeds[1]
    first, second = (scored.of_seeds(shared or mine) for scored, mine in zip((one, other), seeds, strict=True))
    return np.array([first[image] - second[image] for image in first])
