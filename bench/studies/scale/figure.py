"""Four charts of how cost grows; a line of slope one is what grows in proportion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report.figures import styles

PARTS = ("images", "cells", "records", "workers")
"""The charts, by what is counted."""

RESOLUTION = 130
"""Dots an inch."""

FINE = 100
"""Up to so large a ratio of seconds an axis is labelled at 1, 2 and 5, beyond it at powers of ten."""


def save(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw seconds against images, cells, records and workers, and save them as PNG.

    Parameters
    ----------
    rows : sequence of mapping
        `part`, `what`, `count`, `seconds`; what has one count only is left out.
    path : Path
        Of the file, without ending.
    """
    import matplotlib.pyplot as plt

    with styles.charts():
        figure, grid = plt.subplots(2, 2, figsize=(8.6, 8.0), layout="constrained")
        for axes, part in zip(grid.flat, PARTS, strict=True):
            _chart(axes, part, [row for row in rows if row["part"] == part])
        styles.save(figure, path, ("png",), RESOLUTION)


def _chart(axes: Any, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    plain = FuncFormatter(lambda value, _: f"{value:,.12g}")
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(str(row["what"]), []).append((float(row["count"]), float(row["seconds"])))
    axes.set(xscale="log", yscale="log", xlabel=part, ylabel="seconds")
    axes.set_title(f"Time against {part}")
    axes.grid(visible=True, axis="y")
    lines = {what: sorted(points) for what, points in lines.items() if len(points) > 1}
    for place, (what, points) in enumerate(lines.items()):
        look = styles.style(place)
        of, seconds = zip(*points, strict=True)
        axes.plot(of, seconds, color=look.colour, marker=look.marker, markersize=4, linewidth=1.2, label=what)
        power = -1 if part == "workers" else 1
        straight = [seconds[0] * (count / of[0]) ** power for count in of]
        axes.plot(of, straight, color=styles.SOFT, linewidth=0.7, linestyle=":", zorder=0)
    counts = sorted({count for points in lines.values() for count, _ in points})
    axes.xaxis.set(major_locator=FixedLocator(counts), major_formatter=plain, minor_locator=NullLocator())
    drawn = [seconds for points in lines.values() for _, seconds in points]
    steps = (1.0, 2.0, 5.0) if drawn and max(drawn) / min(drawn) < FINE else (1.0,)
    axes.yaxis.set(major_locator=LogLocator(subs=steps), major_formatter=plain, minor_locator=NullLocator())
    if lines:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
