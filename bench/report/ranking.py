"""Best and second of a leaderboard: marked only where the images tell them from the rest."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bench.judge.paired import LEVEL, holm, signed_rank
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import shown
from bench.store.results import Result

if TYPE_CHECKING:
    import numpy as np

Mark = Literal["best", "second", "tied"]
"""``"tied"``: the first by its mean, where it is not the best, and those that the images do not tell from it."""


def marks(board: Leaderboard, metric: str = "psnr") -> dict[str, Mark]:
    """Return which methods of a leaderboard are marked, by label.

    The method of the best mean is held against each other one on the same images (Wilcoxon's signed-rank test,
    corrected by Holm's method for their number). It is the best where it differs from all of them; otherwise it and
    those that it does not differ from are tied, and there is no best. The second is found likewise among the rest, and
    has no mark where it is tied. Methods that lack images of the others, or a value, take no part.

    Parameters
    ----------
    board : Leaderboard
        At least two methods; one alone is the best of nothing.
    metric : str
        A metric that tables show.

    Returns
    -------
    dict
        ``"best"``, ``"second"`` or ``"tied"``; methods without a mark are left out.
    """
    better = -1 if shown()[metric].better == "low" else 1
    results = sorted(_comparable(board, metric), key=lambda result: -better * result.mean(metric))
    if len(results) < 2:
        return {}
    ties = _tied_with_first(results, metric, better)
    if ties:
        return dict.fromkeys((result.label for result in (results[0], *ties)), "tied")
    found: dict[str, Mark] = {results[0].label: "best"}
    if len(results) > 2 and not _tied_with_first(results[1:], metric, better):
        found[results[1].label] = "second"
    return found


def _comparable(board: Leaderboard, metric: str) -> list[Result]:
    """Return the results that have a finite value of each image of the board."""
    scored = {row.result.label: (row.result, row.result.images(metric)) for row in board.entries}
    images = max((of_it.keys() for _, of_it in scored.values()), key=len)
    return [
        result
        for result, of_it in scored.values()
        if of_it.keys() == images and not result.failed_images and all(map(math.isfinite, of_it.values()))
    ]


def _tied_with_first(results: Sequence[Result], metric: str, better: int) -> list[Result]:
    """Return the later results that the images do not show to be worse than the first one."""
    import numpy as np

    first, *others = results
    gains = [better * _differences(first, other, metric) for other in others]
    p_values = holm([signed_rank(gain) for gain in gains])
    # The mean and most of the images must say the same: one image can lift a mean above those that win on all others.
    worse = [p < LEVEL and gain.mean() > 0 and np.median(gain) > 0 for p, gain in zip(p_values, gains, strict=True)]
    return [other for other, is_worse in zip(others, worse, strict=True) if not is_worse]


def _differences(one: Result, other: Result, metric: str) -> "np.ndarray":
    """Return the difference on each image, of the seeds that both have, or else of all."""
    import numpy as np

    shared = set(one.seeds) & set(other.seeds) or {*one.seeds, *other.seeds}
    first, second = (_of_seeds(result, shared).images(metric) for result in (one, other))
    return np.array([first[image] - second[image] for image in first])


def _of_seeds(result: Result, seeds: set[int]) -> Result:
    return replace(result, records=tuple(r for r in result.records if r.provenance["seed"] in seeds))
