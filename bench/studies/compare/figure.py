"""The critical-difference diagram: mean ranks on a line, a bar over methods that the images do not tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.judge.paired import Pair, cliques
from bench.report.figures import styles

WIDTH = 3.5
"""Inches: one column of a paper."""
LINE = 0.17
"""Inches between two names."""


def save(ranks: Mapping[str, float], found: Sequence[Pair], title: str, path: Path) -> None:
    """Draw the mean ranks of methods (Demsar 2006, Fig. 1), and save them as PNG and PDF.

    Bars join methods none of which differ by Wilcoxon's tests, corrected by Holm's method.

    Parameters
    ----------
    ranks : mapping
        The mean rank of each method.
    path : Path
        Of the files, without ending.
    """
    import matplotlib.pyplot as plt

    order = sorted(ranks, key=lambda name: ranks[name])
    bars = cliques(order, found)
    looks = styles.styles(ranks)
    left = order[: (len(order) + 1) // 2]
    with styles.panels():
        figure, axes = plt.subplots(figsize=(WIDTH, 0.75 + LINE * (len(left) + len(bars))), layout="constrained")
        axes.set_xlim(0.5, len(order) + 0.5)
        axes.set_ylim(-len(left) - len(bars) - 0.5, 0)
        axes.xaxis.tick_top()
        axes.set_xticks(range(1, len(order) + 1))
        axes.set_yticks([])
        axes.spines[["left", "right", "bottom"]].set_visible(False)
        axes.set_title(f"{title}: mean rank", fontsize=7)
        for place, bar in enumerate(bars):
            ends = ranks[bar[0]] - 0.04, ranks[bar[-1]] + 0.04
            axes.plot(ends, [-0.6 - place] * 2, color="black", linewidth=2.2, solid_capstyle="butt")
        for place, name in enumerate(order):
            on_left = name in left
            row = place if on_left else len(order) - 1 - place
            height, edge = -len(bars) - 1.0 - row, 0.5 if on_left else len(order) + 0.5
            axes.plot([ranks[name], ranks[name], edge], [0, height, height], color=looks[name].colour, linewidth=0.8)
            axes.plot(ranks[name], 0, looks[name].marker, color=looks[name].colour, ms=4, clip_on=False, zorder=3)
            side, shift = ("right", -0.06) if on_left else ("left", 0.06)
            text = f"{name} {ranks[name]:.2f}"
            axes.text(edge + shift, height, text, ha=side, va="center", fontsize=6.5)
        styles.save(figure, path, ("png", "pdf"))
