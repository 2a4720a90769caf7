"""`make selfscore`: methods ranked without a reference, and how that agrees with PSNR where there is one."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.common.parsing import split
from bench.plan.cell import Cell
from bench.plan.request import Request, plan
from bench.run.images import degraded, pictures
from bench.run.loading import load
from bench.run.noise_level import sigma_for
from bench.run.settings import Settings
from bench.score.metrics import psnr
from bench.score.self_score import SelfScore, difference, held_out, masked_error, reach, score

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["Agreement", "SelfScore", "agreement", "difference", "held_out", "masked_error", "reach", "score", "study"]

Row = dict[str, str | int | float | None]

CLEAR = 0.1
"""Methods whose mean PSNR differs by more dB than this are told apart by a good score."""

NOISY = "noisy image"
"""The row of the noisy image as it is: the method that does nothing."""


@dataclass(frozen=True)
class Agreement:
    """How a score without reference ranks methods, held against true PSNR.

    Attributes
    ----------
    kendall, spearman : float
        Rank correlations (tau-b, rho) of the means over the images; 1: the same order.
    image_kendall : float
        Mean over the images of the rank correlation on one image.
    alike : float
        Share of the pairs of methods whose means are ordered alike; pairs of one PSNR do not count.
    clear_alike : float
        The same for pairs more than `CLEAR` dB apart; NaN where there is none.
    regret : float
        dB that the method of the best mean score lies below the best one.
    image_regret : float
        The same with the best method chosen for each image; mean over the images.
    """

    kendall: float
    spearman: float
    image_kendall: float
    alike: float
    clear_alike: float
    regret: float
    image_regret: float


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


def study(
    method: str,
    data: str,
    noise: str = "",
    *,
    sigma: str = "",
    images: int = 0,
    side: int = 0,
    radius: int | None = None,
    settings: Settings = Settings(device="cpu"),  # noqa: B008 - no state
) -> Iterator[Row]:
    """Score methods with and without reference, and yield a row each and one for the agreement of the two.

    Parameters
    ----------
    method, data, noise : str
        As on METHOD, DATA and NOISE.
    sigma : str
        A comma list of what the methods that take it are told besides the truth (0-255 scale).
    images : int
        How many images, from the first; 0: all.
    side : int
        Pixels up to which the middle of each noisy image is taken; 0: the whole.
    radius : int, optional
        As for `held_out`; not given: `reach` of the noise.
    settings : Settings
        Where networks run.

    Yields
    ------
    dict
        `dataset`, `degradation`, `method`, `images`, `radius`; `psnr` and its `rank`; `self_score` (squared grey
        levels, less is better), its `standard_error` and its `self_rank`; `behind`, how much more it is than the best
        one's, and `behind_error`, the standard error of that. Up to two of those the two are tied. The row of the
        agreement is named ``agreement`` and holds the fields of `Agreement` instead, in columns of their own; a
        dataset without references has none, and no `psnr`.

    Raises
    ------
    BenchError
        If words mean nothing, a file is missing, or an image is too small.
    """
    for cells in _groups(method, data, noise, sigma):
        cell = cells[0]
        around = reach(cell.degradation) if radius is None else radius
        scores: dict[str, list[SelfScore]] = {}
        true: dict[str, list[float]] = {}
        runs = [(cell, load(cell, settings.device, settings, settings.threads or 1).run) for cell in cells]
        wanted = cell.dataset.image_names()[: images or None]
        for picture in pictures(cell.dataset, wanted):
            image = degraded(cell, picture)
            noisy = _tensor(image.noisy, side)
            clean = None if image.clean is None else _tensor(image.clean, side)
            held = held_out(noisy, radius=around)
            for label, sigma_told, run in (
                (NOISY, None, _as_it_is),
                *((cell.label, sigma_for(cell, image), run) for cell, run in runs),
            ):
                found = score(run, noisy, sigma_told, held=held)
                true.setdefault(label, []).append(_psnr(clean, found.denoised, cell.protocol.output))
                # The output is not needed again, and of many images it would not fit into memory.
                scores.setdefault(label, []).append(replace(found, denoised=noisy[..., :0, :0]))
        yield from _rows(cell, around, true, scores)


def _groups(method: str, data: str, noise: str, sigma: str) -> Iterator[list[Cell]]:
    """Plan the cells, and return those together that see the same noisy images."""
    cells, failures = plan(Request(method, data, noise))
    for word in split(sigma) if sigma else ():
        more, failed = plan(Request(method, data, noise, sigma=word))
        cells += [cell for cell in more if cell.net.given_sigma]
        failures += failed
    if failures:
        raise BenchError(failures[0].cause)

    def seen(cell: Cell) -> tuple[str, str, str]:
        return cell.dataset.name, str(cell.degradation), cell.protocol.name

    for _, group in itertools.groupby(sorted(cells, key=seen), seen):
        yield list(group)


def _rows(
    cell: Cell, radius: int, true: Mapping[str, list[float]], scores: Mapping[str, list[SelfScore]]
) -> Iterator[Row]:
    about: Row = {"dataset": cell.dataset.name, "degradation": str(cell.degradation)}
    gained = {name: fmean(values) for name, values in true.items()}
    means = {name: fmean(found.error for found in values) for name, values in scores.items()}
    known = not any(math.isnan(value) for value in gained.values())
    ranks = {name: i for i, name in enumerate(sorted(gained, key=lambda name: -gained[name]), 1)}
    order = sorted(means, key=means.__getitem__)
    for rank, name in enumerate(order, 1):
        behind = [difference(a, b) for a, b in zip(scores[name], scores[order[0]], strict=True)]
        yield about | {
            "method": name,
            "images": len(scores[name]),
            "radius": radius,
            "psnr": round(gained[name], 3) if known else None,
            "rank": ranks[name] if known else None,
            "self_score": round(means[name], 3),
            "standard_error": round(_of_mean([found.standard_error for found in scores[name]]), 3),
            "self_rank": rank,
            "behind": round(fmean(value for value, _ in behind), 3),
            "behind_error": round(_of_mean([error for _, error in behind]), 3),
        }
    if known:
        found = agreement(true, {name: [one.error for one in values] for name, values in scores.items()})
        yield (
            about
            | {"method": "agreement", "images": len(true[NOISY]), "radius": radius}
            | {name: round(value, 3) for name, value in asdict(found).items()}
        )


def _of_mean(errors: Sequence[float]) -> float:
    """Return the standard error of a mean of independent values from theirs."""
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)


def _as_it_is(noisy: "Tensor", sigma: float | None) -> "Tensor":
    return noisy


def _tensor(image: "np.ndarray", side: int) -> "Tensor":
    """Return the middle of an image (H, W, C) as a tensor (1, C, H, W)."""
    import torch

    from datasets.images import centre_crop

    if side:
        image = centre_crop(image, min(side, image.shape[0]), min(side, image.shape[1]))
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()


def _psnr(clean: "Tensor | None", denoised: "Tensor", output: str) -> float:
    if clean is None:
        return math.nan
    levels = (denoised.double() * 255).clamp(0, 255)
    return float(psnr(clean, levels.round() if output == "uint8" else levels)[0])


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
