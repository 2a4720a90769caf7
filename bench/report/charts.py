"""Charts of each dataset: drawn once, as SVG for the page, PDF for a paper, and in other formats that are asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation import KINDS
from bench.report import styles
from bench.report.columns import published_value
from bench.report.comparison import comparison_figure
from bench.report.generalisation import generalisation_figure
from bench.report.leaderboard import Leaderboard
from bench.report.styles import Style, wrapped
from bench.score.metrics import shown
from bench.store.records import slug

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
    and outside that range; the PSNR of every image with the mean and the published value; every metric.

    Parameters
    ----------
    boards : sequence of Leaderboard
    folder : Path
        Where the files go.
    formats : sequence of str
        Further ones, of `FORMATS`.

    Returns
    -------
    list of Chart

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
            stem = slug(f"{dataset}-{protocol}{'' if kind == 'gaussian' else f'-{kind}'}")
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
    import pandas as pd

    rows = [
        {
            "method": entry.result.label,
            "strength": board.strength,
            "gain": entry.result.mean("psnr") - entry.result.mean("noisy_psnr"),
            "published": (published_value(entry, "psnr") or math.nan) - entry.result.mean("noisy_psnr"),
        }
        for board in boards
        for entry in board.entries
    ]
    data = pd.DataFrame(rows)
    figure, axes = plt.subplots(figsize=(6.4, max(3.8, 0.9 + 0.26 * data["method"].nunique())), layout="constrained")
    last = data.sort_values(["strength", "gain"], ascending=False).drop_duplicates("method")
    for method in last["method"]:  # the legend in the order of the lines' ends
        style, points = label_styles[method], data[data["method"] == method].sort_values("strength")
        axes.plot(points["strength"], points["gain"], color=style.colour, marker=style.marker, ms=4.5, label=method)
        axes.plot(points["strength"], points["published"], "o", ms=9, mfc="none", mec=style.colour, mew=1)
    if data["published"].notna().any():
        axes.plot([], [], "o", ms=9, mfc="none", mec="0.4", label="published")
    kind = boards[0].kind
    what = "noise σ (0–255 scale)" if kind == "gaussian" else f"{kind}:{next(iter(KINDS[kind].parameters))}"
    axes.set(xlabel=what, ylabel="PSNR gain over the noisy input (dB)")
    axes.set_xticks(sorted(data["strength"].unique()))
    axes.grid(visible=True, axis="both", linewidth=0.5)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _images(boards: Sequence[Leaderboard], label_styles: Mapping[str, Style]) -> "Figure":
    """PSNR of every image as a dot, the mean as a diamond, the published mean as a line."""
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    height = 0.9 + sum(0.34 * len(board.entries) + 0.25 for board in boards)
    figure, grid = plt.subplots(
        len(boards), 1, figsize=(6.4, height), sharex=True, squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": [len(board.entries) + 0.5 for board in boards]},
    )  # fmt: skip
    for axes, board in zip(grid[:, 0], boards, strict=True):
        data = pd.DataFrame(
            [
                {"method": entry.result.label, "psnr": value}
                for entry in board.entries
                for value in list(entry.result.images("psnr").values())[:MAX_POINTS]
            ]
        )
        sns.stripplot(
            data,
            x="psnr",
            y="method",
            hue="method",
            palette={label: style.colour for label, style in label_styles.items()},
            size=3,
            alpha=0.55,
            jitter=0.18,
            legend=False,
            ax=axes,
        )
        for place, entry in enumerate(board.entries):
            mean = entry.result.mean("psnr")
            axes.plot(
                mean, place, "D", ms=6, mfc=label_styles[entry.result.label].colour, mec="black", mew=0.8, zorder=5
            )
            paper = published_value(entry, "psnr")
            if paper is not None:
                axes.plot([paper, paper], [place - 0.36, place + 0.36], color="black", linewidth=1.4, zorder=4)
        axes.set(ylabel="", xlabel="")
        axes.set_yticks(range(len(board.entries)), [wrapped(entry.result.label) for entry in board.entries], fontsize=8)
        axes.set_title(board.noise, loc="left", fontsize=9)
        sns.despine(ax=axes, left=True)
    grid[-1, 0].set_xlabel("PSNR (dB)\ndots: images, diamond: mean, bar: published mean")
    return figure
