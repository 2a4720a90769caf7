"""The tables of `make segment`: means over seeds, text for the terminal, the image of the figure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.common.errors import BenchError
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


def over_seeds(rows: Sequence[Row], methods: Methods) -> list[Row]:
    """Return means and deviations of rows of methods that differ in the number at the end of their name alone.

    Returns
    -------
    list of dict
        Two rows a group of two or more, of the same columns: the mean, and the standard deviation with n - 1. Weights
        for other noise are another group.
    """
    import numpy as np

    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        cell = methods.get(row["input"])
        found = _NUMBERED.fullmatch(cell.method.name) if cell else None
        if cell and found:
            groups.setdefault((found[1], cell.net.trained), []).append(row)
    made = []
    for (name, _), members in groups.items():
        if len(members) > 1:
            values = {key: [row[key] for row in members] for key in members[0] if key != "input"}
            for word, of in (("mean", np.mean), ("standard deviation", lambda numbers: np.std(numbers, ddof=1))):
                numbers = {key: float(of(value)) for key, value in values.items()}
                made.append({"input": f"{name}-*, {word} of {len(members)}", **numbers})
    return made


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
    """Return the image where the first method gains as much mean IoU over noisy as on most: the lower median."""
    first, noisy = scores[1], scores[0]
    gains = {name: mean_iou(first.counts[name]) - mean_iou(noisy.counts[name]) for name in noisy.counts}
    known = sorted((name for name, gain in gains.items() if gain == gain), key=gains.__getitem__)
    if not known:
        raise BenchError("no pixel of the label maps has a class; is all of it void?")
    return known[(len(known) - 1) // 2]
