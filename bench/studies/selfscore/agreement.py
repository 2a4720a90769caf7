"""How a score without reference ranks methods, held against true PSNR."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.common.errors import BenchError

CLEAR = 0.1
"""Methods whose mean PSNR differs by more dB than this are told apart by a good score."""


@dataclass(frozen=True)
class Agreement:
    """How a score without reference ranks methods, held against true PSNR."""

    # Rank correlations (tau-b, rho) of the means over the images; 1: the same order.
    kendall: float
    spearman: float
    image_kendall: float  # mean over the images of the rank correlation on one image
    alike: float  # share of the pairs of methods whose means are ordered alike; pairs of one PSNR do not count
    clear_alike: float  # the same for pairs more than `CLEAR` dB apart; NaN where there is none
    regret: float  # dB that the method of the best mean score lies below the best one
    image_regret: float  # the same with the best method chosen for each image; mean over the images


def agreement(true: Mapping[str, Sequence[float]], score: Mapping[str, Sequence[float]]) -> Agreement:
    """Compare the order of methods by a score, where less is better, with that by true PSNR, where more is.

    Parameters
    ----------
    true : mapping of str to sequence of float
        For each method the PSNR of each image, in dB.
    score : mapping of str to sequence of float
        For each method the score of each image, in the same order.

    Returns
    -------
    Agreement
        Kendall, Biometrika 1938, and Spearman, American Journal of Psychology 1904, as SciPy computes them.

    Raises
    ------
    BenchError
        If there are fewer than two methods, or the two do not hold the same methods and images.
    """
    names = list(true)
    if len(names) < 2 or set(names) != set(score) or len({len(v) for v in (*true.values(), *score.values())}) != 1:
        raise BenchError(
            "agreement of two rankings: expected two or more methods with the same images in both, "
            f"got {len(names)} and {len(score)}; run each method on every image"
        )
    gained = [fmean(true[name]) for name in names]
    lost = [-fmean(score[name]) for name in names]
    images = [
        ([true[name][i] for name in names], [-score[name][i] for name in names]) for i in range(len(true[names[0]]))
    ]
    return Agreement(
        kendall=_correlation("kendalltau", gained, lost),
        spearman=_correlation("spearmanr", gained, lost),
        image_kendall=fmean(_correlation("kendalltau", a, b) for a, b in images),
        alike=_alike(gained, lost, 0.0),
        clear_alike=_alike(gained, lost, CLEAR),
        regret=_regret(gained, lost),
        image_regret=fmean(_regret(a, b) for a, b in images),
    )


def _correlation(kind: str, first: Sequence[float], second: Sequence[float]) -> float:
    from scipy import stats

    measure: Callable[..., tuple[float, float]] = getattr(stats, kind)
    return float(measure(first, second)[0])


def _alike(gained: Sequence[float], lost: Sequence[float], least: float) -> float:
    pairs = [
        (gained[i] - gained[j]) * (lost[i] - lost[j]) > 0
        for i, j in itertools.combinations(range(len(gained)), 2)
        if abs(gained[i] - gained[j]) > least
    ]
    return fmean(pairs) if pairs else math.nan


def _regret(gained: Sequence[float], lost: Sequence[float]) -> float:
    return max(gained) - gained[max(range(len(lost)), key=lost.__getitem__)]
