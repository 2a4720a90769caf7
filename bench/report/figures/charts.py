"""Charts of each dataset: drawn once, as SVG for the page, PDF for a paper, and in other formats that are asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation import KINDS
from bench.report.columns import published_value
from bench.report.figures import styles
from bench.report.figures.comparison import comparison_figure
from bench.report.figures.generalisation import generalisation_figure
from bench.report.figures.styles import Style, wrapped
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import shown
from bench.store.records import distinct_slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_POINTS = 400

FORMATS = ("svg", "pdf", "png")
"""Files that a chart may be; the first two always are written."""

RESOLUTION = 200
"""Dots an inch of a PNG."""


@dataclass(frozen=True)
class Chart:
    """A drawn chart: where it belongs, what it shows, its SVG, and whether it takes the whole width of the page."""

    dataset: str
    protocol: str
    title: str
    svg: str
    wide: bool = False


def make_charts(boards: Sequence[Leaderboard], folder: Path, formats: Sequence[str] = ()) -> list[Chart]:
    """Draw the charts of every dataset, and save each in a folder as SVG and PDF.

    For each dataset, protocol and kind of noise: PSNR gained against sigma where there are several, with the published
    value as an open ring; where a method was run outside the range that it was trained on, PSNR against sigma within
    and outside that range; the PSNR of every image with the mean and the published value; every metric. Further
    `formats` are of `FORMATS`.

    Raises
    ------
    BenchError
        If a chart cannot be saved in a format.
    """
    for name in formats:
        if name not in FORMATS:
            raise BenchError(f"FORMAT={name}: charts are saved as {', '.join(FORMATS)}")
    *others, last = (metric.title for metric in shown().values())
    compared = (
        f"{', '.join(others)} and {last}: mean, 95 % interval of the mean over the images, ring the published value"
    )
    scored = [board for board in boards if board.has_reference]
    charts = []
    with styles.charts():
        for (dataset, protocol, kind), group in groupby(scored, key=lambda b: (b.dataset, b.protocol, b.kind)):
            members = list(group)
            labels = (row.result.label for board in scored if board.dataset == dataset for row in board.entries)
            label_styles = styles.styles(labels)
            stem = distinct_slug(f"{dataset}-{protocol}{'' if kind == 'gaussian' else f'-{kind}'}")
            rising = [board for board in members if board.strength is not None]
            figures = {
                "psnr": ("PSNR against noise", _curves(rising, label_styles) if len(rising) > 1 else None),
                "generalisation": (
                    "PSNR within and outside the training range", generalisation_figure(rising, label_styles)
                ),
                "images": ("PSNR of each image", _images(members, label_styles)),
                "metrics": (compared, comparison_figure(members, label_styles)),
            }  # fmt: skip
            for name, (title, figure) in figures.items():
                if figure is not None:
                    path = folder / f"{stem}-{name}"
                    styles.save(figure, path, list(dict.fromkeys(["svg", "pdf", *formats])), RESOLUTION)
                    svg = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
                    title = f"{members[0].title}: {title}"
                    charts.append(Chart(dataset, protocol, title, svg[svg.index("<svg") :], wide=name == "metrics"))
    return charts


def _curves(boards: Sequence[Leaderboard], label_styles: Mapping[str, Style]) -> "Figure":
    """PSNR gained over the noisy input, so that methods that lie close stay apart."""
    import matplotlib.pyplot as plt

    lines: dict[str, list[tuple[float, float, float]]] = {}  # strength, gain, and what the published value gains
    for board in boards:
        for entry in board.entries:
            noisy, paper = entry.result.mean("noisy_psnr"), published_value(entry, "psnr")
            gains = entry.result.mean("psnr") - noisy, math.nan if paper is None else paper - noisy
            lines.setdefault(entry.result.label, []).append((board.strength or 0.0, *gains))
    figure, axes = plt.subplots(figsize=(6.4, max(3.8, 0.9 + 0.26 * len(lines))), layout="constrained")
    for label in sorted(lines, key=lambda label: lines[label][-1], reverse=True):  # the legend in the order of the ends
        style = label_styles[label]
        strengths, gain, published = zip(*lines[label], strict=True)
        axes.plot(strengths, gain, color=style.colour, marker=style.marker, ms=4.5, label=label)
        axes.plot(strengths, published, "o", ms=9, mfc="none", mec=style.colour, mew=1)
    if any(math.isfinite(published) for line in lines.values() for *_, published in line):
        axes.plot([], [], "o", ms=9, mfc="none", mec="0.4", label="published")
    kind = boards[0].kind
    what = "noise σ (0–255 scale)" if kind == "gaussian" else f"{kind}:{next(iter(KINDS[kind].parameters))}"
    axes.set(xlabel=what, ylabel="PSNR gain over the noisy input (dB)")
    axes.set_xticks(sorted({board.strength or 0.0 for board in boards}))
    axes.grid(visible=True, axis="both", linewidth=0.5)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _images(boards: Sequence[Leaderboard], label_styles: Mapping[str, Style]) -> "Figure":
    """PSNR of every image as a dot, the mean as a diamond, the published mean as a line."""
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    rng = np.random.default_rng(0)
    height = 0.9 + sum(0.34 * len(board.entries) + 0.25 for board in boards)
    figure, grid = plt.subplots(
        len(boards), 1, figsize=(6.4, height), sharex=True, squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": [len(board.entries) + 0.5 for board in boards]},
    )  # fmt: skip
    for axes, board in zip(grid[:, 0], boards, strict=True):
        for place, entry in enumerate(board.entries):
            colour, mean = label_styles[entry.result.label].colour, entry.result.mean("psnr")
            values = list(entry.result.images("psnr").values())[:MAX_POINTS]
            heights = rng.uniform(place - 0.18, place + 0.18, len(values))  # so that few dots hide each other
            axes.plot(values, heights, "o", color=colour, ms=3, mew=0, alpha=0.55)
            axes.plot(mean, place, "D", ms=6, mfc=colour, mec="black", mew=0.8, zorder=5)
            paper = published_value(entry, "psnr")
            if paper is not None:
                axes.plot([paper, paper], [place - 0.36, place + 0.36], color="black", linewidth=1.4, zorder=4)
        axes.set_ylim(len(board.entries) - 0.5, -0.5)
        axes.set_yticks(range(len(board.entries)), [wrapped(entry.result.label) for entry in board.entries], fontsize=8)
        axes.set_title(board.noise, loc="left", fontsize=9)
        sns.despine(ax=axes, left=True)
    grid[-1, 0].set_xlabel("PSNR (dB)\ndots: images, diamond: mean, bar: published mean")
    return figure
