"""Paired differences: how far each method is from the best one on the same images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from bench.judge.paired import half_interval
from bench.report.figures.parts import ROW, cut, reach, rows_axis, signed, value_beside
from bench.report.figures.styles import COLUMN, INK, SOFT, WIDE, Style
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import shown
from bench.store.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST, PANELS = 16, 4
"""Methods of a panel, and panels of a figure."""

STROKES = 60
"""Images of a row that are drawn: of more, so many from the lowest difference to the highest."""


def differences(result: Result, best: Result, metric: str) -> list[float]:
    """Return the score of a method less that of another on each image that both have, over the seeds that both have."""
    seeds = set(result.seeds) & set(best.seeds) or {*result.seeds, *best.seeds}
    kept = (tuple(r for r in one.records if r.provenance["seed"] in seeds) for one in (result, best))
    mine, theirs = (replace(result, records=records).images(metric) for records in kept)
    found = [mine[name] - theirs[name] for name in mine if name in theirs]
    return [value for value in found if math.isfinite(value)]


def spread(items: Sequence[Leaderboard], most: int) -> list[Leaderboard]:
    """Return so many of some at most, evenly from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def paired_figure(
    boards: Sequence[Leaderboard], looks: Mapping[str, Style], width: float = WIDE, metric: str = "psnr"
) -> "Figure | None":
    """Draw a panel a leaderboard: for each method a stroke an image, the mean difference and its 95 % interval.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset, protocol and kind of noise, with references; the best of each is the one of the best PSNR.
    looks : mapping
        The style of each label.
    width : float
        In inches.
    metric : str
        A metric that tables show.

    Returns
    -------
    Figure or None
        None where no leaderboard has two methods.
    """
    kept = spread([board for board in boards if len(board.entries) > 1], PANELS)
    if not kept:
        return None
    import matplotlib.pyplot as plt

    columns = min(len(kept), 1 if width <= COLUMN else 2)
    lines = math.ceil(len(kept) / columns)
    rows = max(min(len(board.entries), MOST) for board in kept)
    figure, grid = plt.subplots(
        lines, columns, squeeze=False, figsize=(width, lines * (ROW * rows + 0.62)), layout="constrained"
    )
    for axes, board in zip(grid.flat, kept, strict=False):
        _panel(axes, board, looks, metric, letters=36 if columns == 1 else 24)
    for axes in list(grid.flat)[len(kept) :]:
        axes.set_axis_off()
    return figure


def _panel(axes: "Axes", board: Leaderboard, looks: Mapping[str, Style], metric: str, letters: int) -> None:
    entries = board.entries[:MOST]
    best, unit = entries[0].result, shown()[metric].unit
    gained = {entry.result.label: differences(entry.result, best, metric) for entry in entries}
    means = {label: fmean(values) for label, values in gained.items() if values}
    end = reach([value for values in list(gained.values())[1:] for value in values], 0.0) or 1.0
    far = -1.06 * end, 1.06 * end
    if all(value <= 0.25 * end for values in gained.values() for value in values):
        far = -1.06 * end, 0.25 * end  # all are worse nearly everywhere
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
    for height, (label, values) in enumerate(gained.items()):
        look = looks[label]
        if height and values:
            axes.plot(*_strokes(values, height, far), color=look.colour, lw=0.9, alpha=0.6, zorder=2)
        if label in means:
            mean, half = means[label], half_interval(values)
            place = min(max(mean, far[0]), far[1])
            axes.plot((max(mean - half, far[0]), min(mean + half, far[1])), (height, height), color=INK, lw=1, zorder=3)
            axes.plot(place, height, look.marker, ms=5, mfc=look.colour, mec=INK, mew=0.6, zorder=4, clip_on=False)
        text = signed(f"{means[label]:+.3f}") if height and label in means else "best" if not height else "–"
        value_beside(axes, height, text, INK if height else SOFT)
    axes.set_xlim(far)
    rows_axis(axes, range(len(gained)), [cut(label, letters) for label in gained])
    axes.set_title(cut(board.noise, 40))
    more = len(board.entries) - len(entries)
    name = f"{shown()[metric].title} less that of the best{f' ({unit})' if unit else ''}"
    axes.set_xlabel(name + (f"\n{more} more are left out" if more else ""))


def _strokes(values: Sequence[float], height: int, far: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Return one line of upright strokes, at the values or at the ends of the axis."""
    some = sorted(values)
    if len(some) > STROKES:
        some = [some[round(place * (len(some) - 1) / (STROKES - 1))] for place in range(STROKES)]
    places = [min(max(value, far[0]), far[1]) for value in some]
    return [x for place in places for x in (place, place, math.nan)], [height - 0.3, height + 0.3, math.nan] * len(some)
