"""The comparison of methods in every metric: mean, 95 % interval and value of each, the best on top."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from bench.report.columns import published_value
from bench.report.figures.styles import Style, wrapped
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import METRICS, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 7.6 / 3
"""Inches: three metrics fill the page of a paper."""
ROW, HEAD = 0.235, 0.5
"""Inches of a line of a label, and beyond the rows of each noise."""

LOGARITHMIC = 8.0
"""Ratio of the largest and the least error from which on its axis is logarithmic."""

NEAR = 0.35
"""Share of the methods' range by which the axis is made longer, if need be, to show the noisy input."""


def comparison_figure(boards: Sequence[Leaderboard], styles: Mapping[str, Style]) -> "Figure":
    """Draw a row of panels, one a metric, for each leaderboard of one dataset and protocol, with references.

    Points, not bars: a bar of PSNR says nothing by its length unless it begins at 0, and then it hides the
    differences. The noisy input has the last row: a dashed line through the panel where it is near, an arrow otherwise.
    """
    import matplotlib.pyplot as plt

    names = [[wrapped(entry.result.label) for entry in board.entries] + ["noisy input"] for board in boards]
    lines = [sum(1 + 0.75 * name.count("\n") for name in row) for row in names]
    figure, grid = plt.subplots(
        len(boards), len(METRICS), squeeze=False,
        figsize=(PANEL * len(METRICS), sum(ROW * n + HEAD for n in lines) + 0.25),
        gridspec_kw={"height_ratios": [ROW * n + HEAD for n in lines]},
    )  # fmt: skip
    for row, board, labels in zip(grid, boards, names, strict=True):
        heights = _heights(labels)
        for axes, metric in zip(row, METRICS, strict=True):
            _panel(axes, board, metric, heights, styles)
            axes.set_yticks(heights, labels if axes is row[0] else [], fontsize=8)
        row[0].get_yticklabels()[-1].set_color("0.4")
        row[0].set_title(board.noise, loc="left", fontsize=9, fontweight="bold")
    for axes, look in zip(grid[-1], shown().values(), strict=True):
        axes.set_xlabel(f"{look.title} ({look.unit})" if look.unit else look.title, fontsize=9)
    figure.set_layout_engine("constrained", w_pad=0.06)
    return figure


def _heights(labels: Sequence[str]) -> list[float]:
    """Return where on the axis each label stands: labels of several lines take more room."""
    heights, top = [], 0.0
    for label in labels:
        room = 1 + 0.75 * label.count("\n")
        heights.append(top + room / 2)
        top += room
    return heights


def _panel(
    axes: "Axes", board: Leaderboard, metric: str, heights: Sequence[float], styles: Mapping[str, Style]
) -> None:
    form, better = shown()[metric].form, shown()[metric].better
    drawn: list[float] = []
    for entry, height in zip(board.entries, heights[:-1], strict=True):
        values = list(entry.result.images(metric).values())
        mean, error = fmean(values), half_interval(values)
        _value(axes, height, mean, form)
        if not math.isfinite(mean):
            continue
        style = styles[entry.result.label]
        axes.errorbar(
            mean, height, xerr=error, fmt=style.marker, color=style.colour, ms=6, mew=0, elinewidth=1.3, zorder=3
        )
        drawn += [mean - error, mean + error]
        paper = published_value(entry, metric)
        if paper is not None:
            axes.plot(paper, height, "o", ms=10, mfc="none", mec="black", mew=0.9, zorder=4)
            drawn.append(paper)
    noisy = board.entries[0].result.mean(f"noisy_{metric}")
    _value(axes, heights[-1], noisy, form, color="0.4")
    if drawn:
        _limits(axes, drawn, noisy, heights[-1], logarithmic=better == "low")
    axes.set_ylim(heights[-1] + 0.6, 0)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x", color="0.9", linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)


def half_interval(values: Sequence[float]) -> float:
    """Return half the 95 % interval of the mean over images, by Student's t; 0 for a single image.

    Examples
    --------
    >>> round(half_interval([1.0, 2.0, 3.0]), 3)  # t = 4.303 for 2 degrees of freedom
    2.484
    """
    from scipy import stats

    if len(values) < 2 or not all(map(math.isfinite, values)):
        return 0.0
    return float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def _value(axes: "Axes", height: float, value: float, form: str, color: str = "0.15") -> None:
    """Print a value in the column right of a panel."""
    text = format(value, form) if math.isfinite(value) else "–"
    place = {"xycoords": ("axes fraction", "data"), "va": "center_baseline", "ha": "left"}
    axes.annotate(text, (1.02, height), fontsize=7.5, color=color, **place)  # type: ignore[arg-type]


def _limits(axes: "Axes", drawn: Sequence[float], noisy: float, height: float, *, logarithmic: bool) -> None:
    """Fit the axis to the methods, and show the noisy input: as a line where it is near, as an arrow where not."""
    from matplotlib.ticker import LogLocator, NullLocator

    least = min((value for value in drawn if value > 0), default=0.0)
    log = logarithmic and least > 0 and max(drawn) / least > LOGARITHMIC
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    low, high = (math.log10(least), math.log10(max(drawn))) if log else (min(drawn), max(drawn))
    room = (high - low) or abs(high) * 0.02 or 1.0
    place = (math.log10(noisy) if noisy > 0 else low) if log else noisy
    near = math.isfinite(noisy) and low - NEAR * room <= place <= high + NEAR * room
    if near:
        low, high = min(low, place), max(high, place)
        axes.axvline(noisy, color="0.4", linestyle="--", linewidth=1, zorder=1)
    low, high = low - 0.06 * room, high + 0.06 * room
    if logarithmic and not log:
        low = max(low, 0.0)
    axes.set_xlim((10**low, 10**high) if log else (low, high))
    if not near and math.isfinite(noisy):
        side, sign = (0.02, "<") if place < low else (0.98, ">")
        axes.plot(side, height, sign, color="0.4", ms=5, transform=axes.get_yaxis_transform(), clip_on=False)
