"""PSNR against the strength of the noise, within and outside the range that methods were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.degradation import KINDS
from bench.report.columns import published_value
from bench.report.figures.parts import legend
from bench.report.figures.styles import BACK, BAND, LINE, SOFT, WIDE, Style
from bench.report.leaderboard import Leaderboard

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
"""Methods of a figure."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """The PSNR of a method at a strength of noise."""

    strength: float  # of Gaussian noise sigma, 0-255 scale
    psnr: float  # in dB
    # The sigmas that the net was trained on; None where nothing was trained, or the record does not say.
    trained: Range | None
    published: float | None = None  # PSNR in dB

    @property
    def within(self) -> bool:
        """Whether the net was trained on this sigma; so are methods that are not trained."""
        return self.trained is None or self.trained[0] <= self.strength <= self.trained[1]


def points(boards: Sequence[Leaderboard]) -> dict[str, list[Point]]:
    """Return the points of every method by rising strength, the one with the highest PSNR at the largest one first.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset, protocol and kind of noise.
    """
    levels: dict[str, dict[float, Point]] = {}
    for board in boards:
        for entry in board.entries if board.strength is not None else ():
            assert board.strength is not None
            ends = entry.result.about["net"]["trained"] if board.kind == "gaussian" else None
            trained = (float(ends[0]), float(ends[1])) if ends else None
            point = Point(board.strength, entry.result.mean("psnr"), trained, published_value(entry, "psnr"))
            levels.setdefault(entry.result.label, {}).setdefault(board.strength, point)
    rows = {label: [at[strength] for strength in sorted(at)] for label, at in levels.items()}
    return dict(sorted(rows.items(), key=lambda row: (-row[1][-1].strength, -row[1][-1].psnr)))


def cut_at_range(first: Point, second: Point) -> list[tuple[Range, Range, bool]]:
    """Cut the line between two points of a method at the end of its range.

    Parameters
    ----------
    first, second : Point
        Of neighbouring strengths.

    Returns
    -------
    list of (tuple, tuple, bool)
        Strength at both ends, PSNR at both ends, and whether it lies within the range.

    Examples
    --------
    >>> cut_at_range(Point(5, 38.0, (0, 10)), Point(25, 30.0, (0, 10)))
    [((5, 10), (38.0, 36.0), True), ((10, 25), (36.0, 30.0), False)]
    """
    ends, values = (first.strength, second.strength), (first.psnr, second.psnr)
    if first.within == second.within or first.trained != second.trained or first.trained is None:
        return [(ends, values, first.within and second.within)]
    edge = first.trained[1] if first.within else first.trained[0]
    share = (edge - first.strength) / (second.strength - first.strength)
    level = first.psnr + share * (second.psnr - first.psnr)
    pieces = [((first.strength, edge), (first.psnr, level), first.within)]
    pieces.append(((edge, second.strength), (level, second.psnr), second.within))
    return [piece for piece in pieces if piece[0][0] < piece[0][1]]


def levels_figure(boards: Sequence[Leaderboard], looks: Mapping[str, Style], width: float = WIDE) -> "Figure | None":
    """Draw PSNR, and what it gains over the noisy input, against the strength of the noise.

    Solid and filled within the range of training, dashed and open outside it; the range is shaded where all trained
    nets share one, and otherwise each has a bar at the foot. A ring is a published number.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset, protocol and kind of noise, with references.
    looks : mapping
        The style of each label.
    width : float
        In inches.

    Returns
    -------
    Figure or None
        None where there are not two strengths.
    """
    noisy = {b.strength: b.entries[0].result.mean("noisy_psnr") for b in boards if b.strength is not None}
    if len(noisy) < 2:
        return None
    import matplotlib.pyplot as plt

    rows = points(boards)
    kept = dict(list(rows.items())[:MOST])
    wide = width >= WIDE
    lines = len(kept) + 4
    tall = max(2.4, 0.16 * lines) if wide else 4.2 + 0.09 * lines
    figure, grid = plt.subplots(
        *((1, 2) if wide else (2, 1)), sharex=True, squeeze=False, figsize=(width, tall), layout="constrained"
    )
    absolute, gain = grid.flat
    sigmas = sorted(noisy)
    absolute.plot(sigmas, [noisy[sigma] for sigma in sigmas], ":", color=SOFT, lw=1.2, zorder=1)
    for axes, base in ((absolute, dict.fromkeys(noisy, 0.0)), (gain, noisy)):
        for place, (label, row) in enumerate(kept.items()):
            # The best is drawn over the others.
            _curve(axes, _above(row, base), looks[label], 3 - place / len(kept))
        axes.grid(visible=True, axis="both")
        axes.set_xticks(sigmas)
    _ranges(absolute, gain, kept, looks)
    absolute.set_ylabel("PSNR (dB)")
    gain.set_ylabel("gain over the noisy input (dB)")
    for axes in grid[-1]:
        axes.set_xlabel(_axis(boards[0].kind))
    _name(figure, kept, looks, len(rows) - len(kept))
    return figure


def _axis(kind: str) -> str:
    return "noise σ (0–255 scale)" if kind == "gaussian" else f"{kind}:{next(iter(KINDS[kind].parameters))}"


def _above(row: Sequence[Point], base: Mapping[float, float]) -> list[Point]:
    """Return points with what they have above the noisy input's values."""
    return [
        Point(p.strength, p.psnr - base[p.strength], p.trained, p.published and p.published - base[p.strength])
        for p in row
    ]


def _curve(axes: "Axes", row: Sequence[Point], look: Style, above: float) -> None:
    for first, second in pairwise(row):
        for ends, values, within in cut_at_range(first, second):
            axes.plot(ends, values, "-" if within else "--", color=look.colour, lw=1.2, zorder=above - 1)
    for point in row:
        face = look.colour if point.within else BACK
        axes.plot(point.strength, point.psnr, look.marker, color=look.colour, mfc=face, mew=1, ms=4.5, zorder=above)
        if point.published is not None:
            axes.plot(point.strength, point.published, "o", ms=8, mfc="none", mec=look.colour, mew=0.8, zorder=above)


def _ranges(absolute: "Axes", gain: "Axes", rows: Mapping[str, Sequence[Point]], looks: Mapping[str, Style]) -> None:
    """Shade the range of training that all trained nets share, or draw that of each at the foot of the first panel."""
    trained = {label: list(dict.fromkeys(p.trained for p in row if p.trained)) for label, row in rows.items()}
    each = {span for spans in trained.values() for span in spans}
    low, high = gain.get_xlim()
    if len(each) == 1:
        start, end = next(iter(each))
        for axes in (absolute, gain):
            axes.axvspan(max(start, low), min(end, high), color=BAND, ec=LINE, lw=0.6, zorder=0)
    elif each:
        bars = [label for label, spans in trained.items() if spans]
        bottom, top = absolute.get_ylim()
        absolute.set_ylim(bottom - (top - bottom) * (0.03 * len(bars) + 0.03), top)
        for place, label in enumerate(reversed(bars)):
            height, look = 0.02 + 0.028 * place, looks[label]
            for start, end in trained[label]:
                absolute.plot(
                    (max(start, low), min(end, high)), (height, height), "-" if start < end else "|", ms=4,
                    color=look.colour, lw=2, solid_capstyle="butt", transform=absolute.get_xaxis_transform(),
                )  # fmt: skip
    gain.set_xlim(low, high)


def _name(figure: "Figure", rows: Mapping[str, Sequence[Point]], looks: Mapping[str, Style], left_out: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    names = []
    for label, row in rows.items():
        handles.append(Line2D([], [], color=looks[label].colour, marker=looks[label].marker, ms=4.5, lw=1.2))
        names.append(f"{label}{_range_text(label, row)}")
    every = [point for row in rows.values() for point in row]
    ranges = {point.trained for point in every} - {None}
    grey: dict[str, Any] = {"color": SOFT, "marker": "o", "ms": 4.5, "lw": 1.2}
    for there, name, mark in (
        (True, "noisy input", Line2D([], [], ls=":", color=SOFT, lw=1.2)),
        (any(not p.within for p in every), "outside its training", Line2D([], [], **grey, ls="--", mfc=BACK)),
        (len(ranges) == 1, "range of training", Patch(fc=BAND, ec=LINE)),
        (len(ranges) > 1, "bar: range of training", Line2D([], [], color=SOFT, lw=2)),
        (any(p.published for p in every), "published", Line2D([], [], ls="", marker="o", ms=8, mfc="none", mec=SOFT)),
        (left_out, f"{left_out} more are left out", Line2D([], [], ls="")),
    ):
        if there:
            handles.append(mark)
            names.append(name)
    legend(figure, handles, names)


def _range_text(label: str, row: Sequence[Point]) -> str:
    """Say the range of a method with one net, where its label does not."""
    ranges = {point.trained for point in row}
    only = next(iter(ranges))
    if len(ranges) > 1 or only is None:
        return ""
    text = f"{only[0]:g}" if only[0] == only[1] else f"{only[0]:g}-{only[1]:g}"
    return "" if text in label else f" (trained {text})"
