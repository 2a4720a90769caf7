"""Quality against cost: PSNR against seconds, multiply-accumulates and parameters, with the Pareto front."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.columns import Entry
from bench.report.figures.parts import cut, legend, legend_columns
from bench.report.figures.styles import SOFT, WIDE, Style
from bench.report.leaderboard import Leaderboard

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 16
"""Methods of a figure."""

USUAL = 25.0
"""The strength of noise that is drawn, where it was measured."""


@dataclass(frozen=True)
class Cost:
    """A kind of cost: the title of its axis, its value of a row (None: not known), and what those without it lack."""

    title: str
    value: Callable[[Entry], float | None]
    lack: str


def machine(entry: Entry) -> tuple[str, str]:
    """Return the machine and the device that a row's seconds are of."""
    about = entry.result.about
    return str(about["machine"]), str(about["device"])


def of_one_machine(entries: Sequence[Entry]) -> tuple[str, str]:
    """Return the machine and the device that most rows ran on; the first of several."""
    return Counter(map(machine, entries)).most_common(1)[0][0]


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points than which no other costs no more and has no less, by rising cost.

    Parameters
    ----------
    points : sequence of (float, float)
        Cost, and a quality of which more is better.

    Examples
    --------
    >>> pareto([(3, 30.0), (1, 28.0), (2, 27.0), (3, 29.0), (5, 30.0)])
    [(1, 28.0), (3, 30.0)]
    """
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def usual(boards: Sequence[Leaderboard]) -> Leaderboard:
    """Return the leaderboard of the most methods; of several the one whose noise is the nearest to `USUAL`."""
    return min(boards, key=lambda b: (-len(b.entries), abs((b.strength or 0.0) - USUAL), b.degradation))


def cost_figure(boards: Sequence[Leaderboard], looks: Mapping[str, Style], width: float = WIDE) -> "Figure | None":
    """Draw PSNR against each cost that is known of two methods at least, for one noise of a dataset.

    Seconds of one machine and device only, the one of most methods: those of others are named and left out, and where
    runtimes differ, they stand with the names. Methods without a count of multiply-accumulates or parameters, as
    those that are no network, are named too.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset, protocol and kind of noise, with references; `usual` is drawn.
    looks : mapping
        The style of each label.
    width : float
        In inches.

    Returns
    -------
    Figure or None
        None where no cost is known of two methods.
    """
    board = usual(boards)
    entries = [entry for entry in board.entries if math.isfinite(entry.result.mean("psnr"))][:MOST]
    if len(entries) < 2:
        return None
    where = of_one_machine(entries)
    costs = [
        Cost("seconds an image", lambda e: e.result.mean("seconds") if machine(e) == where else None, "elsewhere"),
        Cost(
            "multiply-accumulates a pixel",
            lambda e: (e.result.about.get("macs_per_megapixel") or 0) / 1e6,
            "no count",
        ),
        Cost("parameters", lambda e: e.result.about.get("parameters"), "none or not known"),
    ]
    drawn = {cost: points for cost in costs if len(points := _points(entries, cost)) > 1}
    if not drawn:
        return None
    import matplotlib.pyplot as plt

    wide = width >= WIDE
    shape = (1, len(drawn)) if wide else (len(drawn), 1)
    lines = math.ceil(len(entries) / legend_columns(width)) + 1
    height = (2.3 if wide else 2.0 * len(drawn)) + 0.19 * lines
    figure, grid = plt.subplots(*shape, squeeze=False, sharey=True, figsize=(width, height), layout="constrained")
    letters = 34 if wide and len(drawn) > 2 else 52
    for axes, (cost, points) in zip(grid.flat, drawn.items(), strict=True):
        _panel(axes, cost, points, looks)
        missing = [entry.result.label for entry in entries if entry.result.label not in points]
        axes.set_xlabel(cost.title + (f"\n{_named(cost.lack, missing, letters)}" if missing else ""))
    for axes in grid[:, 0]:
        axes.set_ylabel(f"PSNR (dB), {cut(board.noise, 20)}")
    _name(figure, board, entries, looks)
    return figure


def _points(entries: Sequence[Entry], cost: Cost) -> dict[str, tuple[float, float]]:
    values = {entry.result.label: (cost.value(entry), entry.result.mean("psnr")) for entry in entries}
    return {label: (value, psnr) for label, (value, psnr) in values.items() if value and math.isfinite(value)}


def _panel(axes: "Axes", cost: Cost, points: Mapping[str, tuple[float, float]], looks: Mapping[str, Style]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator

    front = pareto(list(points.values()))
    axes.plot(*zip(*front, strict=True), "--", color=SOFT, lw=1, zorder=1, drawstyle="steps-post")
    for label, (value, psnr) in points.items():
        axes.plot(value, psnr, looks[label].marker, color=looks[label].colour, ms=6, mew=0, zorder=2)
    values = [value for value, _ in points.values()]
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 1.6, max(values) * 1.6)
    narrow = max(values) / min(values) < 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=6))
    axes.xaxis.set_major_formatter("{x:g}" if cost.lack == "elsewhere" else EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="both")


def _named(what: str, labels: Sequence[str], letters: int) -> str:
    """Name those that are left out, in two lines at most."""
    for most in range(len(labels), -1, -1):
        more = [f"{len(labels) - most} more"] if most < len(labels) else []
        text = f"{what}: {', '.join([*(cut(label, 24) for label in labels[:most]), *more])}"
        if len(text) <= 2 * letters or not most:
            break
    place = text.rfind(" ", 0, letters) if len(text) > letters else -1
    return text if place < 0 else f"{text[:place]}\n{text[place + 1 :]}"


def _name(figure: "Figure", board: Leaderboard, entries: Sequence[Entry], looks: Mapping[str, Style]) -> None:
    from matplotlib.lines import Line2D

    runtimes = {entry.result.runtime for entry in entries}
    handles: list[Artist] = []
    names = []
    for entry in entries:
        look = looks[entry.result.label]
        handles.append(Line2D([], [], ls="", color=look.colour, marker=look.marker, ms=6, mew=0))
        ran = f", {entry.result.runtime}" if len(runtimes) > 1 and entry.result.runtime else ""
        names.append(f"{entry.result.label}{ran}")
    handles.append(Line2D([], [], ls="--", color=SOFT, lw=1))
    names.append("Pareto front")
    if len(board.entries) > len(entries):
        handles.append(Line2D([], [], ls=""))
        names.append(f"{len(board.entries) - len(entries)} more are left out")
    legend(figure, handles, names, below=True)
