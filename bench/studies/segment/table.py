"""The tables of `make segment`: means over seeds, text for the terminal, the image of the figure."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from bench.common.errors import BenchError
from bench.judge.paired import POWER, half_interval, signed_rank
from bench.plan.cell import Cell
from bench.studies.segment.evaluation import CLEAN, NOISY, Scores, mean_iou
from bench.studies.text_table import as_text, grid

Methods = Mapping[str, Cell]
"""Cells that differ in the method alone, by its name in tables."""

Row = dict[str, Any]

LEAST_GAP = 0.01
"""Of mean IoU, between clean and noisy: a share of less says nothing."""

_NUMBERED = re.compile(r"(.+@own.*)-(\d+)")
"""Names of weights that were trained several times: they end in a number."""


LEAST_SEEDS = 6
"""From which Wilcoxon's test can give a p below 0.05: 2 / 2^6."""

PAIRED = ("mean", "lower end of 95 %", "upper end of 95 %", "p of Wilcoxon's test", "would have shown")
"""What `paired` says of a difference, a row each."""


def over_seeds(rows: Sequence[Row], methods: Methods) -> list[Row]:
    """Return means and deviations of rows of methods that differ in the number at the end of their name alone.

    Returns
    -------
    list of dict
        Two rows a group of two or more, of the same columns: the mean, and the standard deviation with n - 1. Weights
        for other noise are another group.
    """
    import numpy as np

    made = []
    for (name, _), by_seed in _by_seed(rows, methods).items():
        members = list(by_seed.values())
        if len(members) > 1:
            values = {key: [row[key] for row in members] for key in members[0] if key != "input"}
            for word, of in (("mean", np.mean), ("standard deviation", lambda numbers: np.std(numbers, ddof=1))):
                numbers = {key: float(of(value)) for key, value in values.items()}
                made.append({"input": f"{name}-*, {word} of {len(members)}", **numbers})
    return made


def paired(rows: Sequence[Row], methods: Methods) -> list[Row]:
    """Return how groups of `over_seeds` differ, seed by seed: each later one minus each earlier one of the same seeds.

    Weights of one seed that started alike differ less than those of two seeds, so that pairs show what means do not.

    Returns
    -------
    list of dict
        Five rows (`PAIRED`) a pair of groups with `LEAST_SEEDS` or more: the mean difference, its 95 % interval by
        Student's t, the p-value, and the least difference that so many pairs show with probability `POWER`. Of
        columns that are not finite: NaN.
    """
    made = []
    for ((first, _), before), ((second, _), after) in combinations(_by_seed(rows, methods).items(), 2):
        if len(before) >= LEAST_SEEDS and before.keys() == after.keys():
            columns = [key for key in rows[0] if key != "input"]
            said = [_difference([after[seed][key] - before[seed][key] for seed in before]) for key in columns]
            for number, word in enumerate(PAIRED):
                numbers = {key: one[number] for key, one in zip(columns, said, strict=True)}
                made.append({"input": f"{second}-* minus {first}-*, {len(before)} pairs: {word}", **numbers})
    return made


def _difference(values: Sequence[float]) -> tuple[float, ...]:
    """Return what `PAIRED` names of paired differences."""
    import numpy as np
    from scipy.special import stdtrit  # scipy.stats takes seconds to import

    if not np.isfinite(values).all():
        return (float("nan"),) * len(PAIRED)
    mean, half, freedom = float(np.mean(values)), half_interval(values), len(values) - 1
    shown = half * (1 + float(stdtrit(freedom, POWER) / stdtrit(freedom, 0.975)))
    return mean, mean - half, mean + half, signed_rank(np.array(values)), shown


def _by_seed(rows: Sequence[Row], methods: Methods) -> dict[tuple[Any, ...], dict[int, Row]]:
    """Return the rows of methods whose names end in a number: by name without it and training noise, and by number."""
    groups: dict[tuple[Any, ...], dict[int, Row]] = {}
    for row in rows:
        cell = methods.get(row["input"])
        found = _NUMBERED.fullmatch(cell.method.name) if cell else None
        if cell and found:
            groups.setdefault((found[1], cell.net.trained), {})[int(found[2])] = row
    return groups


def printable_pairs(rows: Sequence[Row]) -> str:
    """Return the rows of `paired` as lines of text; mean IoU in percent."""
    text = ""
    for start in range(0, len(rows), len(PAIRED)):
        mean, low, high, p, shown = rows[start : start + len(PAIRED)]
        of = mean["input"].partition(":")[0]
        text += (
            f"\n{of}: mean IoU {100 * mean['mean_iou']:+.2f} points (95 %: {100 * low['mean_iou']:+.2f} to "
            f"{100 * high['mean_iou']:+.2f}; p {p['mean_iou']:.2g}; {100 * shown['mean_iou']:.2f} would have shown "
            f"with {100 * POWER:.0f} % probability), PSNR {mean['psnr']:+.2f} dB ({low['psnr']:+.2f} to "
            f"{high['psnr']:+.2f})"
        )
    return text


def printable(rows: Sequence[Row], seeds: Sequence[Row] = ()) -> str:
    """Return the rows of `summary` (noisy, methods, clean) and those of `over_seeds` as text, shares in percent."""
    table = grid(("Images",), ("PSNR dB", "mean IoU %", "accuracy %", "IoU gain", "of the gap %"), width=48)
    noisy, clean = (next(row for row in rows if row["input"] == name) for name in (NOISY, CLEAN))
    gap = clean["mean_iou"] - noisy["mean_iou"]
    for row in rows:
        gain = row["mean_iou"] - noisy["mean_iou"]
        between = row is not noisy and row is not clean
        table.add_row(
            row["input"],
            "-" if row is clean else f"{row['psnr']:.2f}",
            f"{100 * row['mean_iou']:.2f}",
            f"{100 * row['accuracy']:.2f}",
            "-" if row is noisy else f"{100 * gain:+.2f}",
            f"{100 * gain / gap:.0f}" if between and gap >= LEAST_GAP else "-",
        )
    for mean, deviation in zip(seeds[::2], seeds[1::2], strict=True):
        shares = [f"{100 * mean[key]:.2f} ± {100 * deviation[key]:.2f}" for key in ("mean_iou", "accuracy")]
        gain = f"{100 * (mean['mean_iou'] - noisy['mean_iou']):+.2f}"
        name = mean["input"].replace("mean of", "mean ± deviation of")
        table.add_row(name, f"{mean['psnr']:.2f} ± {deviation['psnr']:.2f}", *shares, gain, "")
    return f"{as_text(table)}IoU gain: points of mean IoU above noisy; of the gap: that between noisy and clean"


def median_image(scores: Sequence[Scores]) -> str:
    """Return the image where the first method gains as much mean IoU over noisy as on most: the lower median.

    Raises
    ------
    BenchError
        If no pixel of any image has a class.
    """
    first, noisy = scores[1], scores[0]
    gains = {name: mean_iou(first.counts[name]) - mean_iou(noisy.counts[name]) for name in noisy.counts}
    known = sorted((name for name, gain in gains.items() if gain == gain), key=gains.__getitem__)
    if not known:
        raise BenchError("no pixel of the label maps has a class; is all of it void?")
    return known[(len(known) - 1) // 2]
