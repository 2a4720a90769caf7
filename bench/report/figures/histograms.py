"""Histograms of the noise, of what each method took away, and of the error that it left, as in DnCNN's paper."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.figures.parts import cut, legend, legend_columns
from bench.report.figures.styles import INK, LINE, WIDE, Style
from bench.report.leaderboard import Leaderboard

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.images import BoardImage

MOST = 6
"""Methods of a figure."""

IMAGES = 4
"""Of a leaderboard, whose pixels are counted."""

REACH, BINS = 4.0, 81
"""Standard deviations of the noise on each side, and about how many bins there are over them all."""


@dataclass(frozen=True)
class Histograms:
    """Densities over the pixels of all images, a grey level: of the noise, and of each method in order.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
        In grey levels.
    noise : ndarray, shape (bins,)
        Of the noisy image less the clean one.
    residuals, errors : list of ndarray, shape (bins,)
        Of the noisy image less the denoised one, and of that less the clean one.
    """

    edges: "np.ndarray"
    noise: "np.ndarray"
    residuals: "list[np.ndarray]"
    errors: "list[np.ndarray]"


def histograms(images: "Iterable[BoardImage]", deviation: float) -> Histograms | None:
    """Count all pixels of some images; None where none has a clean one, or there is no noise.

    Parameters
    ----------
    images : iterable of BoardImage
        Of one leaderboard.
    deviation : float
        Of the noise in grey levels, which sets the bins.
    """
    import numpy as np

    if not deviation > 0:
        return None
    edges = _edges(deviation)
    counts: list[np.ndarray] = []
    samples = 0
    for image in images:
        if image.clean is None:
            continue
        clean, noisy = (array.astype(np.float64) for array in (image.clean, image.noisy))
        outputs = [output.astype(np.float64) for output in image.outputs[:MOST]]
        parts = [noisy - clean, *(noisy - output for output in outputs), *(output - clean for output in outputs)]
        found = [np.histogram(part, edges)[0] for part in parts]
        counts = [a + b for a, b in zip(counts, found, strict=True)] if counts else found
        samples += clean.size
    if not counts:
        return None
    noise, *others = (count / samples / (edges[1] - edges[0]) for count in counts)
    half = len(others) // 2
    return Histograms(edges, noise, others[:half], others[half:])


def _edges(deviation: float) -> "np.ndarray":
    """Return the edges of bins, which hold a whole odd number of grey levels each: errors are whole numbers."""
    import numpy as np

    width = 2 * round((2 * REACH * deviation / BINS - 1) / 2) + 1
    width = max(width, 1)
    half = math.ceil(REACH * deviation / width)
    return (np.arange(-half, half + 2) - 0.5) * width


def histograms_figure(
    board: Leaderboard, found: Histograms, looks: Mapping[str, Style], width: float = WIDE
) -> "Figure":
    """Draw the noise and each method's residual beside the normal curve of its sigma, and each method's error.

    Parameters
    ----------
    board : Leaderboard
        With references; its best methods are drawn.
    found : Histograms
        Of its images.
    looks : mapping
        The style of each label.
    width : float
        In inches.
    """
    import matplotlib.pyplot as plt

    labels = [entry.result.label for entry in board.entries[: len(found.residuals)]]
    wide = width >= WIDE
    lines = math.ceil((len(labels) + 3) / legend_columns(width))
    size = width, (2.3 if wide else 3.9) + 0.17 * lines
    figure, grid = plt.subplots(*((1, 2) if wide else (2, 1)), squeeze=False, figsize=size, layout="constrained")
    left, right = grid.flat
    normal = board.strength if board.kind == "gaussian" else None
    draw(left, right, found, {label: looks[label] for label in labels}, normal)
    left.set_xlabel(f"noisy less clean, noisy less denoised\n(grey levels), {cut(board.noise, 30)}")
    right.set_xlabel("denoised less clean (grey levels)\n")
    left_out = len(board.entries) - len(labels)
    name_marks(figure, {label: looks[label] for label in labels}, normal=bool(normal), left_out=left_out)
    return figure


def draw(
    left: "Axes", right: "Axes", found: Histograms, looks: Mapping[str, Style], normal: float | None = None
) -> None:
    """Draw the noise and each method's residual on one pair of axes, and each method's error on another.

    Parameters
    ----------
    looks : mapping
        The style of each method, in the order of the histograms.
    normal : float, optional
        Standard deviation, in grey levels, of the normal curve that is drawn beside the noise.
    """
    import numpy as np

    middles = (found.edges[1:] + found.edges[:-1]) / 2
    left.stairs(found.noise, found.edges, fill=True, color=LINE, zorder=1)
    if normal:
        curve = np.exp(-((middles / normal) ** 2) / 2) / (normal * math.sqrt(2 * math.pi))
        left.plot(middles, curve, "--", color=INK, lw=1, zorder=3)
    for axes, densities in ((left, found.residuals), (right, found.errors)):
        for place, (look, density) in enumerate(zip(looks.values(), densities, strict=True)):
            axes.plot(
                middles, density, drawstyle="steps-mid", color=look.colour, lw=1, marker=look.marker, ms=3,
                markevery=(place, len(looks) + 3), zorder=2,
            )  # fmt: skip
        axes.set_xlim(found.edges[0], found.edges[-1])
        axes.grid(visible=True, axis="both")
        axes.set_ylabel("density a grey level")
    right.set_yscale("log")
    right.yaxis.set_major_formatter("{x:g}")
    positive = [value for density in found.errors for value in density if value > 0]
    right.set_ylim(max(min(positive, default=1e-6), 1e-6))


def name_marks(figure: "Figure", looks: Mapping[str, Style], *, normal: bool, left_out: int = 0) -> None:
    """Name below a figure what `draw` drew on it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [Patch(color=LINE)]
    names = ["noise"]
    if normal:
        handles.append(Line2D([], [], ls="--", color=INK, lw=1))
        names.append("normal curve of its σ")
    for label, look in looks.items():
        handles.append(Line2D([], [], color=look.colour, marker=look.marker, ms=3, lw=1))
        names.append(label)
    if left_out:
        handles.append(Line2D([], [], ls=""))
        names.append(f"{left_out} more are left out")
    legend(figure, handles, names, below=True)
