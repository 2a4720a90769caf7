"""Measured minus published: each judged number with the band that chance allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.judge.verified import state
from bench.report.columns import beside
from bench.report.figures.parts import ROW, VERDICTS, cut, legend, reach, rows_axis, signed, value_beside
from bench.report.figures.styles import BACK, INK, LINE, SOFT, WIDE
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import shown

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 48
"""Rows of a figure: they fill a page of a paper."""


FEW = 8
"""Numbers of a row that have their marks on one line; more are spread over its height."""


@dataclass(frozen=True)
class Number:
    """A published number that was measured.

    Attributes
    ----------
    difference, allowed, shift : float
        Measured minus published; what it may be by chance; and around which value.
    word : str
        The verdict.
    explained : bool
        Whether it is not reproduced, and the cause is known.
    """

    difference: float
    allowed: float
    word: str
    shift: float = 0.0
    explained: bool = False

    @property
    def beyond(self) -> float:
        """How many times what is allowed it is off."""
        return abs(self.difference - self.shift) / self.allowed


@dataclass(frozen=True)
class Row:
    """A row of the figure: its name, its numbers, and what is printed at its end."""

    name: str
    numbers: tuple[Number, ...]
    text: str


def of_run(boards: Iterable[Leaderboard], metric: str) -> list[Row]:
    """Return the judged numbers of a run, the highest difference first; what a person claims is none."""
    rows = []
    for board in boards:
        for entry in board.entries:
            verdict = entry.verdicts.get(metric)
            if verdict is None or verdict.is_of_a_claim:
                continue
            number = Number(verdict.difference, verdict.allowed, verdict.word, verdict.tolerance.shift)
            paper = verdict.published
            text = beside(paper.number + verdict.difference, paper.value, shown()[metric].form)[1]
            protocol = "" if board.protocol == "standard" else f", {board.protocol}"
            name = f"{cut(entry.result.label, 24)}, {cut(board.title, 18)}, {board.noise}{cut(protocol, 20)}"
            rows.append(Row(name, (number,), signed(text)))
    return sorted(rows, key=lambda row: (-row.numbers[0].difference, row.name))


def of_table(lines: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return the PSNRs of the committed table (`bench.judge.verified`), a row a method and set."""
    found: dict[str, list[tuple[Number, str]]] = {}
    for line in lines:
        if line["metric"] != "psnr" or line["verdict"] not in VERDICTS:
            continue
        where = state(line)
        name = f"{line['method']} {line['variant']}".strip().replace("trained sigma", "σ") + f", {line['dataset']}"
        number = Number(
            float(line["difference"]), float(line["allowed"]), line["verdict"], explained=where == "explained"
        )
        found.setdefault(name, []).append((number, where))
    return [
        Row(
            name,
            tuple(number for number, _ in numbers),
            f"{sum(where == 'reproduced' for _, where in numbers)} of {len(numbers)}",
        )
        for name, numbers in sorted(found.items(), key=lambda item: item[0].lower())
    ]


def differences_figure(rows: Sequence[Row], metric: str, width: float = WIDE) -> "Figure | None":
    """Draw each row's allowed band, and its numbers with colour and marker of their verdict.

    Where there are more than `MOST` rows, those that are farthest off are shown; the axis says how many are not.

    Parameters
    ----------
    rows : sequence of Row
        What `of_run` or `of_table` returns; None is drawn of no row.
    metric : str
        Whose unit they have.
    width : float
        In inches.
    """
    if not rows:
        return None
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    kept = sorted(rows, key=lambda row: -max(number.beyond for number in row.numbers))[:MOST]
    left_out = len(rows) - len(kept)
    kept = [row for row in rows if row in kept]
    numbers = [number for row in kept for number in row.numbers]
    figure, axes = plt.subplots(figsize=(width, ROW * len(kept) + 1.1), layout="constrained")
    end = reach([n.difference for n in numbers], 1.5 * median(n.allowed for n in numbers))
    for height, row in enumerate(kept):
        _row(axes, height, row, end)
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1)
    axes.set_xlim(-1.08 * end, 1.08 * end)
    letters = 44 if width >= WIDE else 28
    rows_axis(axes, range(len(kept)), [cut(row.name, letters) for row in kept])
    unit = shown()[metric].unit
    axes.set_xlabel(
        f"{shown()[metric].title}: measured minus published{f' ({unit})' if unit else ''}"
        + (f"\n{left_out} more, nearer to what was published, are left out" if left_out else "")
    )
    words = [word for word in VERDICTS if any(number.word == word for number in numbers)]
    handles: list[Artist] = [_mark(word) for word in words]
    if any(number.explained for number in numbers):
        handles.append(Line2D([], [], ls="none", marker="o", ms=4.5, mfc=BACK, mec=INK, mew=1))
        words.append("hollow: cause known")
    legend(figure, [*handles, Patch(color=LINE)], [*words, "allowed by chance"], below=True)
    return figure


def _mark(word: str) -> "Artist":
    from matplotlib.lines import Line2D

    look = VERDICTS[word]
    return Line2D([], [], ls="none", marker=look.marker, ms=4.5, color=look.colour, mew=1)


def _row(axes: "Axes", height: int, row: Row, end: float) -> None:
    """Draw a row; what lies beyond the end of the axis stands at its end, with an arrow head."""
    allowed, shift = (median(getattr(n, name) for n in row.numbers) for name in ("allowed", "shift"))
    low, high = (max(-1.08 * end, min(1.08 * end, shift + side * allowed)) for side in (-1, 1))
    axes.barh(height, high - low, left=low, height=0.72, color=LINE, linewidth=0, zorder=1)
    for (word, explained), spots in _by_look(row, end).items():
        look = VERDICTS[word]
        places, heights = zip(*spots, strict=True)
        axes.plot(
            places, [height + spot for spot in heights], look.marker, ms=4 if len(row.numbers) > FEW else 4.5,
            mfc=BACK if explained else look.colour, color=look.colour, mew=0.9, zorder=3,
        )  # fmt: skip
    for number in row.numbers:
        if abs(number.difference) > end:
            side, sign = (-1, "<") if number.difference < 0 else (1, ">")
            axes.plot(
                side * 1.06 * end, height, sign, ms=3, color=VERDICTS[number.word].colour, clip_on=False, zorder=3
            )
    worst = max(row.numbers, key=lambda number: number.beyond)
    value_beside(axes, height, row.text, SOFT if " of " in row.text else VERDICTS[worst.word].colour)


def _by_look(row: Row, end: float) -> dict[tuple[str, bool], list[tuple[float, float]]]:
    """Return where the marks of each look stand: on the axis, and above or below the middle of the row."""
    found: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for index, number in enumerate(row.numbers):
        spot = (index % 5 - 2) * 0.12 if len(row.numbers) > FEW else 0.0
        place = max(-end, min(end, number.difference))
        found.setdefault((number.word, number.explained), []).append((place, spot))
    return found
