"""The chart of generalisation: PSNR against sigma, within and outside the range that methods were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.report.figures.styles import Style, wrapped
from bench.report.leaderboard import Leaderboard

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

LEVELS = 3
"""Noise levels of one method from which on there is such a chart."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """The PSNR of a method at a noise level."""

    sigma: float  # 0-255 scale
    psnr: float  # in dB
    # The sigmas that the net was trained on; None where nothing was trained, or the record does not say.
    trained: Range | None

    @property
    def within(self) -> bool:
        """Whether the net was trained on this sigma; so are methods that are not trained."""
        return self.trained is None or self.trained[0] <= self.sigma <= self.trained[1]


def points(boards: Sequence[Leaderboard]) -> dict[str, list[Point]]:
    """Return the points of every method by rising sigma, the one with the highest PSNR at the largest sigma first.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset and protocol; those that are not Gaussian noise of one sigma are left out.
    """
    levels: dict[str, dict[float, Point]] = {}
    for board in boards:
        if board.kind != "gaussian" or board.strength is None:
            continue
        for entry in board.entries:
            ends = entry.result.about["net"]["trained"]
            trained = (float(ends[0]), float(ends[1])) if ends else None
            point = Point(board.strength, entry.result.mean("psnr"), trained)
            levels.setdefault(entry.result.label, {}).setdefault(board.strength, point)
    rows = {label: [at[sigma] for sigma in sorted(at)] for label, at in levels.items()}
    return dict(sorted(rows.items(), key=lambda row: (-row[1][-1].sigma, -row[1][-1].psnr)))


def cut_at_range(first: Point, second: Point) -> list[tuple[Range, Range, bool]]:
    """Cut the line between two points of a method at the end of its range.

    Parameters
    ----------
    first, second : Point
        Of neighbouring noise levels.

    Returns
    -------
    list of (tuple, tuple, bool)
        Sigma at both ends, PSNR at both ends, and whether it lies within the range.

    Examples
    --------
    >>> cut_at_range(Point(5, 38.0, (0, 10)), Point(25, 30.0, (0, 10)))
    [((5, 10), (38.0, 36.0), True), ((10, 25), (36.0, 30.0), False)]
    """
    ends, values = (first.sigma, second.sigma), (first.psnr, second.psnr)
    if first.within == second.within or first.trained != second.trained or first.trained is None:
        return [(ends, values, first.within and second.within)]
    edge = first.trained[1] if first.within else first.trained[0]
    share = (edge - first.sigma) / (second.sigma - first.sigma)
    level = first.psnr + share * (second.psnr - first.psnr)
    cut = [((first.sigma, edge), (first.psnr, level), first.within)]
    cut.append(((edge, second.sigma), (level, second.psnr), second.within))
    return [piece for piece in cut if piece[0][0] < piece[0][1]]


def generalisation_figure(boards: Sequence[Leaderboard], styles: Mapping[str, Style]) -> "Figure | None":
    """Draw PSNR against sigma: solid and filled within the range of training, dashed and open outside it.

    Where all trained nets share one range, it is shaded too.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of one dataset and protocol, with references.

    Returns
    -------
    Figure or None
        None where no method was run at three noise levels of which one is outside its range.
    """
    rows = points(boards)
    if not any(len(row) >= LEVELS and not all(point.within for point in row) for row in rows.values()):
        return None
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    figure, axes = plt.subplots(figsize=(7.0, max(4.0, 0.9 + 0.26 * (len(rows) + 4))), layout="constrained")
    handles: list[Artist] = []
    for place, (label, row) in enumerate(rows.items()):
        style, above = styles[label], 3 - place / len(rows)  # the best is drawn over the others
        for first, second in pairwise(row):
            for ends, values, within in cut_at_range(first, second):
                axes.plot(ends, values, "-" if within else "--", color=style.colour, lw=1.4, zorder=above - 1)
        for point in row:
            face = style.colour if point.within else "white"
            axes.plot(
                point.sigma, point.psnr, style.marker, color=style.colour, mfc=face, mew=1.2, ms=5.5, zorder=above
            )
        name = wrapped(f"{label}{_range_text(label, row)}")
        handles.append(Line2D([], [], color=style.colour, marker=style.marker, ms=5.5, lw=1.4, label=name))
    noisy = {b.strength: b.entries[0].result.mean("noisy_psnr") for b in boards if b.kind == "gaussian"}
    sigmas = sorted(sigma for sigma in noisy if sigma is not None)
    handles += axes.plot(
        sigmas, [noisy[sigma] for sigma in sigmas], ":", color="0.35", lw=1.4, zorder=1, label="noisy input"
    )
    grey: dict[str, Any] = {"color": "0.2", "marker": "o", "ms": 5.5, "lw": 1.2}
    handles.append(Line2D([], [], **grey, label="within its training range,\nor not trained"))
    handles.append(Line2D([], [], **grey, ls="--", mfc="white", label="outside it"))
    ranges = {point.trained for row in rows.values() for point in row if point.trained}
    if len(ranges) == 1:
        low, high = next(iter(ranges))
        right = axes.get_xlim()[1]
        handles.append(axes.axvspan(low, min(high, right), color="0.93", lw=0, zorder=0, label="trained on this range"))
        axes.set_xlim(min(low, sigmas[0]), right)
    axes.set(xlabel="noise σ (0–255 scale)", ylabel="PSNR (dB)")
    axes.set_xticks(sigmas)
    axes.grid(visible=True, axis="both", color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _range_text(label: str, row: Sequence[Point]) -> str:
    """Say the range of a method with one net, where its label does not."""
    ranges = {point.trained for point in row}
    only = next(iter(ranges))
    if len(ranges) > 1 or only is None:
        return ""
    text = f"{only[0]:g}" if only[0] == only[1] else f"{only[0]:g}-{only[1]:g}"
    return "" if text in label else f" (trained {text})"
