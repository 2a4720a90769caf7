"""What several figures have in common: looks of verdicts, cut texts, limits that one outlier does not set, a legend."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.figures.styles import LABEL, SOFT, WIDE, Style, literal

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERDICTS = {
    "reproduced": Style("#1a7f4b", "o"),
    "above": Style("#0b6aa8", "^"),
    "below": Style("#b25b00", "v"),
    "undecided": Style(SOFT, "D"),
    "not comparable": Style(SOFT, "X"),
}
"""Colour and marker of each verdict, as on the page."""

ROW = 0.165
"""Inches from one row of names to the next."""

LETTER = 0.064
"""Inches of a letter, on average."""

NEAR = 0.9
"""Share of the values that an axis shows at least."""

MINUS = "\N{MINUS SIGN}"


def cut(text: str, most: int) -> str:
    """Return a text in so many letters at most; the middle goes, since names of variants differ in the end.

    Examples
    --------
    >>> cut("DnCNN-B (10 layers of 16)", 16), cut("DnCNN-B", 16)
    ('DnCNN-B… of 16)', 'DnCNN-B')
    """
    text = " ".join(literal(text).split())
    end = most // 2 - 1
    return text if len(text) <= most else f"{text[: most - end - 1].rstrip()}…{text[len(text) - end :]}"


def signed(number: str) -> str:
    """Return a printed number with a true minus sign."""
    return number.replace("-", MINUS)


def reach(values: Sequence[float], least: float) -> float:
    """Return how far from 0 an axis goes: to the farthest value, where that is no outlier, and to `least` at least.

    Examples
    --------
    >>> reach([0.1, -0.2, 0.3], 0.05), reach([0.1, -0.2] * 10 + [5.0], 0.05)
    (0.3, 0.4)
    """
    sizes = sorted(abs(value) for value in values if math.isfinite(value))
    if not sizes:
        return least
    usual = sizes[math.ceil(NEAR * len(sizes)) - 1]
    return max(least, sizes[-1] if sizes[-1] <= 2 * usual else 2 * usual)


def value_beside(axes: "Axes", height: float, text: str, colour: str) -> None:
    """Print a value in the column right of a panel."""
    axes.annotate(
        text, (1.02, height), xycoords=("axes fraction", "data"), va="center_baseline", ha="left", color=colour
    )  # fmt: skip


def rows_axis(axes: "Axes", heights: Sequence[float], names: Sequence[str]) -> None:
    """Make a vertical axis of names, the first on top."""
    axes.set_yticks(heights, names)
    axes.set_ylim(max(heights, default=0) + 0.6, min(heights, default=0) - 0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def legend(figure: "Figure", handles: "Sequence[Artist]", names: Sequence[str], *, below: bool | None = None) -> None:
    """Name marks beside a wide figure, or below a narrow one."""
    width = figure.get_size_inches()[0]
    if below if below is not None else width < WIDE:
        columns = min(legend_columns(width), len(names))
        letters = int((width / columns - 0.5) / LETTER)
        places = [i for column in range(columns) for i in range(column, len(names), columns)]  # matplotlib goes down
        names = [textwrap.fill(literal(names[i]), letters) for i in places]
        figure.legend([handles[i] for i in places], names, loc="outside lower center", ncols=columns, columnspacing=1.2)
    else:
        names = [textwrap.fill(literal(name), LABEL) for name in names]
        figure.legend(handles, names, loc="outside right upper")


def legend_columns(width: float) -> int:
    """Return how many columns of names stand below a figure of a width in inches."""
    return max(1, int(width / 1.75))
