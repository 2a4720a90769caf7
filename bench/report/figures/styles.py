"""Styles of all figures: colour and marker of each method, themes, labels and files."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.degradation import Degradation

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
"""Different for the colour-blind too (Okabe and Ito, without their yellow, which is too light for a line)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""As many as differ when small. Their number and that of the colours have no common divisor, so that 56 methods
look different."""

LABEL = 26
"""Letters of a line of a label."""

RESOLUTION = 300
"""Dots an inch of a PNG."""

_UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Metadata without which the files of one figure are equal from day to day."""


@dataclass(frozen=True)
class Style:
    """How a method looks in a figure."""

    colour: str
    marker: str


def style(index: int) -> Style:
    """Return the style of the method of that number; numbers below 56 look different."""
    return Style(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)])


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """Return a style for each label, in the order of the alphabet, so that it depends on nothing else."""
    return {label: style(i) for i, label in enumerate(sorted(set(labels)))}


def wrapped(label: str) -> str:
    """Return a label in lines that are short enough for the side of a chart."""
    return textwrap.fill(label, LABEL)


def noise_title(noise: "Degradation") -> str:
    """Return how the heading of a figure says the noise."""
    return f"σ = {noise.sigma:g}" if noise.sigma is not None and noise.additive_gaussian else str(noise)


@contextmanager
def charts() -> Iterator[None]:
    """Draw charts in the block: a light grid, text of SVG files that stays text."""
    import seaborn as sns

    with _theme({}):
        rc = {"svg.fonttype": "none", "svg.hashsalt": "charts", "axes.grid.axis": "x", "pdf.fonttype": 42}
        sns.set_theme(context="paper", style="whitegrid", font_scale=1.1, rc=rc)
        yield


@contextmanager
def panels() -> Iterator[None]:
    """Draw panels of pictures in the block: small letters and thin lines, for two columns of a paper."""
    thin: dict[Any, Any] = dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.5)
    with _theme({"font.size": 7, "axes.titlesize": 7, "axes.titlepad": 3, "pdf.fonttype": 42, **thin}):
        yield


@contextmanager
def _theme(rc: dict[Any, Any]) -> Iterator[None]:
    import matplotlib as mpl

    mpl.use("Agg")
    with mpl.rc_context(rc):
        yield


def save(figure: "Figure", path: Path, formats: Sequence[str], resolution: int | None = None) -> None:
    """Save a figure and close it.

    Parameters
    ----------
    path : Path
        Of the files, without ending.
    formats : sequence of str
        Their endings: ``"svg"``, ``"pdf"``, ``"png"``.
    resolution : int, optional
        Dots an inch of a PNG; `RESOLUTION` otherwise.

    Raises
    ------
    BenchError
        If a file cannot be written.
    """
    import matplotlib.pyplot as plt

    for name in formats:
        content = io.BytesIO()
        figure.savefig(content, format=name, dpi=resolution or RESOLUTION, metadata=_UNDATED[name])
        figure.set_layout_engine("none")  # it took long, and holds for the other formats
        write_whole(path.with_name(f"{path.name}.{name}"), content.getvalue())
    plt.close(figure)
