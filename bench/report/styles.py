"""What the charts share: colour and marker of every method, its label, and what was published of it."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from bench.report.columns import Entry

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
"""Told apart by the colour-blind (Okabe and Ito, without their yellow, which is too light for a line)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""As many as are told apart when small. Their number and that of the colours have no common divisor, so that 56 methods
look different."""

LABEL = 26
"""Letters of a line of a label."""


@dataclass(frozen=True)
class Mark:
    """How a method looks in every chart."""

    colour: str
    marker: str


def marks(labels: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for each label, in the order of the alphabet, so that it depends on nothing else."""
    order = sorted(set(labels))
    return {label: Mark(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, label in enumerate(order)}


def wrapped(label: str) -> str:
    """Return a label in lines that are short enough for the side of a chart."""
    return textwrap.fill(label, LABEL)


def published(entry: Entry, metric: str) -> float | None:
    """Return the value that was published of a result, in the unit of the chart; None where there is none.

    Parameters
    ----------
    entry : Entry
        Of a leaderboard.
    metric : str
        ``"psnr"``, ``"ssim"`` or ``"mse"``.
    """
    if metric == "psnr" and entry.verdict and entry.verdict.published.metric == "psnr":
        return entry.verdict.published.number
    return float(entry.ssim) if metric == "ssim" and entry.ssim else None
