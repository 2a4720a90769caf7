"""Four charts of how cost grows; a line of slope one is what grows in proportion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report.figures import styles

PARTS = ("images", "cells", "records", "workers")
"""The charts, by what is counted."""


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
        figure, grid = plt.subplots(2, 2, figsize=(8.6, 6.4), layout="constrained")
        for axes, part in zip(grid.flat, PARTS, strict=True):
            _chart(axes, part, [row for row in rows if row["part"] == part])
        styles.save(figure, path, ("png",))


def _chart(axes: Any, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(str(row["what"]), []).append((float(row["count"]), float(row["seconds"])))
    axes.set(xscale="log", yscale="log", xlabel=part, ylabel="seconds")
    axes.set_title(f"Time against {part}")
    axes.grid(visible=True, axis="y")
    for place, (what, points) in enumerate((what, sorted(set(points))) for what, points in lines.items()):
        if len(points) < 2:
            continue
        look = styles.style(place)
        counts, seconds = zip(*points, strict=True)
        axes.plot(counts, seconds, color=look.colour, marker=look.marker, markersize=4, linewidth=1.2, label=what)
        power = -1 if part == "workers" else 1
        straight = [seconds[0] * (count / counts[0]) ** power for count in counts]
        axes.plot(counts, straight, color=styles.SOFT, linewidth=0.7, linestyle=":", zorder=0)
    axes.legend(fontsize=7)
