"""Charts: drawn once, as SVG for the page and PDF for a paper."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bench.degradation import KINDS
from bench.report.tables import Leaderboard
from bench.store import slug

MAX_POINTS = 400


@dataclass(frozen=True)
class Chart:
    """A drawn chart: where it belongs, what it shows, and its SVG."""

    dataset: str
    protocol: str
    title: str
    svg: str


def draw(boards: Sequence[Leaderboard], folder: Path) -> list[Chart]:
    """Draw the PSNR charts of every dataset, and save each in a folder as SVG and PDF.

    One chart a dataset: PSNR against sigma where there are several, with the published value as an
    open ring; and for each sigma the PSNR of every image with the mean and the published value.
    """
    sns.set_theme(
        context="paper", style="whitegrid", font_scale=1.1, rc={"svg.fonttype": "none", "axes.grid.axis": "x"}
    )
    order = sorted({entry.result.label for board in boards for entry in board.entries})
    colours = dict(zip(order, sns.color_palette("colorblind", max(len(order), 3)), strict=False))
    charts = []
    scored = [board for board in boards if board.has_reference]
    for (dataset, protocol, kind), group in groupby(scored, key=lambda b: (b.dataset, b.protocol, b.kind)):
        members = list(group)
        title, stem = members[0].title, slug(f"{dataset}-{protocol}{'' if kind == 'gaussian' else f'-{kind}'}")
        rising = [board for board in members if board.strength is not None]
        if len(rising) > 1:
            chart = _curves(rising, colours)
            charts.append(_save(chart, folder / f"{stem}-psnr", dataset, protocol, f"{title}: PSNR against noise"))
        chart = _images(members, colours)
        charts.append(_save(chart, folder / f"{stem}-images", dataset, protocol, f"{title}: PSNR of each image"))
        chart = _metrics(members, colours)
        charts.append(_save(chart, folder / f"{stem}-metrics", dataset, protocol, f"{title}: PSNR, SSIM and MSE"))
    return charts


def _curves(boards: Sequence[Leaderboard], colours: dict[str, tuple[float, float, float]]) -> Figure:
    """PSNR gained over the noisy input, so that methods that lie close are told apart."""
    rows = [
        {
            "method": entry.result.label,
            "strength": board.strength,
            "gain": entry.result.mean("psnr") - entry.result.mean("noisy_psnr"),
            "published": entry.verdict.published.number - entry.result.mean("noisy_psnr") if entry.verdict else None,
        }
        for board in boards
        for entry in board.entries
    ]
    data = pd.DataFrame(rows)
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    sns.lineplot(data, x="strength", y="gain", hue="method", palette=colours, marker="o", markersize=4, ax=axes)
    for _, row in data.dropna(subset=["published"]).iterrows():
        axes.plot(row["strength"], row["published"], "o", ms=9, mfc="none", mec=colours[row["method"]], mew=1)
    axes.plot([], [], "o", ms=9, mfc="none", mec="0.4", label="published")
    kind = boards[0].kind
    what = "noise σ (0–255 scale)" if kind == "gaussian" else f"{kind}:{next(iter(KINDS[kind].parameters))}"
    axes.set(xlabel=what, ylabel="PSNR gain over the noisy input (dB)")
    axes.set_xticks(sorted(data["strength"].unique()))
    axes.grid(visible=True, axis="both", linewidth=0.5)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _images(boards: Sequence[Leaderboard], colours: dict[str, tuple[float, float, float]]) -> Figure:
    """PSNR of every image as a dot, the mean as a diamond, the published mean as a line."""
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
            palette=colours,
            size=3,
            alpha=0.55,
            jitter=0.18,
            legend=False,
            ax=axes,
        )
        for place, entry in enumerate(board.entries):
            mean = entry.result.mean("psnr")
            axes.plot(mean, place, "D", ms=6, mfc=colours[entry.result.label], mec="black", mew=0.8, zorder=5)
            if entry.verdict:
                paper = entry.verdict.published.number
                axes.plot([paper, paper], [place - 0.36, place + 0.36], color="black", linewidth=1.4, zorder=4)
        axes.set(ylabel="", xlabel="")
        axes.set_title(board.noise, loc="left", fontsize=9)
        sns.despine(ax=axes, left=True)
    grid[-1, 0].set_xlabel("PSNR (dB): dots images, diamond mean, bar published mean")
    return figure


def _metrics(boards: Sequence[Leaderboard], colours: dict[str, tuple[float, float, float]]) -> Figure:
    """Mean PSNR, SSIM and MSE of every method, with the 95 % interval of the mean over the images."""
    names = {"psnr": "PSNR (dB)", "ssim": "SSIM", "mse": "MSE (squared grey levels)"}
    height = 0.8 + sum(0.3 * len(board.entries) + 0.35 for board in boards)
    figure, grid = plt.subplots(
        len(boards), 3, figsize=(6.4, height), sharex="col", squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": [len(board.entries) + 0.8 for board in boards]},
    )  # fmt: skip
    for row, board in zip(grid, boards, strict=True):
        for axes, metric in zip(row, names, strict=True):
            for place, entry in enumerate(board.entries):
                values = list(entry.result.images(metric).values())
                error = 1.96 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
                colour = colours[entry.result.label]
                axes.errorbar(fmean(values), place, xerr=error, fmt="o", color=colour, ms=6, elinewidth=1.4)
            axes.set_ylim(len(board.entries) - 0.5, -0.5)
            shown = metric == "psnr"
            labels = [entry.result.label for entry in board.entries] if shown else []
            axes.set_yticks(range(len(labels)), labels, fontsize=8)
            axes.tick_params(axis="x", labelsize=8)
            sns.despine(ax=axes, left=True)
        row[0].set_title(board.noise, loc="left", fontsize=9)
    for axes, name in zip(grid[-1], names.values(), strict=True):
        axes.set_xlabel(name, fontsize=9)
    return figure


def _save(figure: Figure, path: Path, dataset: str, protocol: str, title: str) -> Chart:
    figure.savefig(path.with_suffix(".pdf"))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    path.with_suffix(".svg").write_text(svg, encoding="utf-8")
    return Chart(dataset, protocol, title, svg[svg.index("<svg") :])
