"""The comparison of methods in every metric: mean and value of each, and what the images tell apart."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from bench.judge.paired import half_interval
from bench.report.columns import published_value
from bench.report.figures.paired import differences, spread
from bench.report.figures.parts import LETTER, ROW, cut, rows_axis, value_beside
from bench.report.figures.styles import INK, SOFT, WIDE, Style
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import METRICS, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST, PANELS = 16, 4
"""Methods of a panel, and leaderboards of a figure."""

LOGARITHMIC = 8.0
"""Ratio of the largest and the least error from which on its axis is logarithmic."""

NEAR = 0.35
"""Share of the methods' range by which the axis is made longer, if need be, to show the noisy input."""


def comparison_figure(
    boards: Sequence[Leaderboard], looks: Mapping[str, Style], width: float = WIDE, metrics: Sequence[str] = ()
) -> "Figure":
    """Draw a row of panels, one a metric, for each leaderboard of one dataset and protocol, with references.

    Points, not bars: a bar of PSNR says nothing by its length unless it begins at 0, and then it hides the
    differences. The line through a point is the 95 % interval of its paired difference to the first method, on the
    same images: methods differ from each other by much less than images do. The noisy input has the last row: a
    dashed line through the panel where it is near, an arrow otherwise.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset and protocol, with references.
    looks : mapping
        The style of each label.
    width : float
        In inches.
    metrics : sequence of str
        All without.
    """
    import matplotlib.pyplot as plt

    metrics = metrics or tuple(METRICS)
    kept = spread(boards, PANELS)
    rows = [min(len(board.entries), MOST) + 1 for board in kept]
    figure, grid = plt.subplots(
        len(kept), len(metrics), squeeze=False, figsize=(width, sum(ROW * n + 0.36 for n in rows) + 0.5),
        gridspec_kw={"height_ratios": [ROW * n + 0.36 for n in rows]}, layout="constrained",
    )  # fmt: skip
    for line, board in zip(grid, kept, strict=True):
        entries = board.entries[:MOST]
        letters = 36 if width >= WIDE else 20  # "DnCNN (10 layers of 16) (own chest)" is whole
        names = [cut(entry.result.label, letters) for entry in entries] + ["noisy input"]
        for axes, metric in zip(line, metrics, strict=True):
            _panel(axes, board, metric, looks)
            rows_axis(axes, range(len(names)), names if axes is line[0] else [""] * len(names))
        line[0].get_yticklabels()[-1].set_color(SOFT)
        more = len(board.entries) - len(entries)
        line[0].set_title(cut(board.noise, 40) + (f"; {more} more are left out" if more else ""))
    for axes, metric in zip(grid[-1], metrics, strict=True):
        look = shown()[metric]
        title = f"{look.title} ({look.unit})" if look.unit else look.title
        axes.set_xlabel(textwrap.fill(title, int(width / len(metrics) / LETTER)))
    return figure


def _panel(axes: "Axes", board: Leaderboard, metric: str, looks: Mapping[str, Style]) -> None:
    form, better = shown()[metric].form, shown()[metric].better
    drawn: list[float] = []
    entries = board.entries[:MOST]
    for height, entry in enumerate(entries):
        mean = _mean(list(entry.result.images(metric).values()))
        value_beside(axes, height, format(mean, form) if math.isfinite(mean) else "–", INK)
        if not math.isfinite(mean):
            continue
        half = half_interval(differences(entry.result, entries[0].result, metric)) if height else 0.0
        look = looks[entry.result.label]
        axes.errorbar(
            mean, height, xerr=half, fmt=look.marker, color=look.colour, ms=5, mew=0, elinewidth=1.2, zorder=3
        )
        drawn += [mean - half, mean + half]
        paper = published_value(entry, metric)
        if paper is not None:
            axes.plot(paper, height, "o", ms=8.5, mfc="none", mec=INK, mew=0.8, zorder=4)
            drawn.append(paper)
    noisy = entries[0].result.mean(f"noisy_{metric}")
    value_beside(axes, len(entries), format(noisy, form) if math.isfinite(noisy) else "–", SOFT)
    if drawn:
        _limits(axes, drawn, noisy, len(entries), logarithmic=better == "low")


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


def _limits(axes: "Axes", drawn: Sequence[float], noisy: float, height: float, *, logarithmic: bool) -> None:
    """Fit the axis to the methods, and show the noisy input: as a line where it is near, as an arrow where not."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    least = min((value for value in drawn if value > 0), default=0.0)
    log = logarithmic and least > 0 and max(drawn) / least > LOGARITHMIC
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    low, high = (math.log10(least), math.log10(max(drawn))) if log else (min(drawn), max(drawn))
    room = (high - low) or abs(high) * 0.02 or 1.0
    place = (math.log10(noisy) if noisy > 0 else low) if log else noisy
    near = math.isfinite(noisy) and low - NEAR * room <= place <= high + NEAR * room
    if near:
        low, high = min(low, place), max(high, place)
        axes.axvline(noisy, color=SOFT, linestyle="--", linewidth=1, zorder=1)
    low, high = low - 0.06 * room, high + 0.06 * room
    if logarithmic and not log:
        low = max(low, 0.0)
    axes.set_xlim((10**low, 10**high) if log else (low, high))
    if not near and math.isfinite(noisy):
        side, sign = (0.02, "<") if place < low else (0.95, ">")  # clear of the value beside it
        axes.plot(side, height, sign, color=SOFT, ms=5, transform=axes.get_yaxis_transform(), clip_on=False)
