"""The figure of `make residuals`: histograms of a batch of patches."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.figures import styles
from bench.report.figures.histograms import MOST, draw, histograms, name_marks
from bench.report.figures.styles import INK, LINE
from bench.report.images import BoardImage

if TYPE_CHECKING:
    from bench.plan.cell import Cell

SIZE = 7.16, 2.5
"""Inches: two columns of a paper."""
STEP = 4
"""Grey levels of a bin of the images."""


def save(cell: "Cell", labels: Sequence[str], patches: Sequence[BoardImage], deviation: float, path: Path) -> None:
    """Draw the histograms of images, of noise and residuals, and of errors, and save them as PNG and PDF.

    Parameters
    ----------
    labels : sequence of str
        Of the methods; the first ones are drawn.
    deviation : float
        Of the noise, in grey levels.
    path : Path
        Of the files, without their ending.
    """
    import matplotlib.pyplot as plt

    found = histograms(patches, deviation)
    with styles.charts():
        figure, axes = plt.subplots(1, 3 if found else 1, squeeze=False, figsize=SIZE, layout="constrained")
        figure.suptitle(f"{cell.dataset.title}, {styles.noise_title(cell.degradation)}, {len(patches)} patches")
        _images(axes[0, 0], patches)
        if found:
            looks = styles.styles(labels[:MOST])
            normal = cell.degradation.strength if cell.degradation.kind == "gaussian" else None
            draw(axes[0, 1], axes[0, 2], found, looks, normal)
            axes[0, 1].set_xlabel("noise and residuals (grey levels)")
            axes[0, 2].set_xlabel("errors (grey levels)")
            for one in axes[0, 1:]:
                one.set_ylabel("")
            name_marks(figure, looks, normal=bool(normal), left_out=len(labels) - len(looks))
        styles.save(figure, path, ("png", "pdf"))


def _images(axes: Any, patches: Sequence[BoardImage]) -> None:
    """Draw the grey levels of the clean and of the noisy patches."""
    import numpy as np

    clean, noisy = (np.concatenate([getattr(one, of).ravel() for one in patches]) for of in ("clean", "noisy"))
    low, high = min(0, noisy.min()), max(256, noisy.max())
    edges = np.arange(np.floor(low / STEP), np.ceil(high / STEP) + 1) * STEP
    for values, fill, colour, name in ((clean, True, LINE, "clean"), (noisy, False, INK, "noisy")):
        density, _ = np.histogram(values, edges)
        axes.stairs(density / values.size / STEP, edges, fill=fill, color=colour, label=name)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("clean and noisy (grey levels)")
    axes.set_ylabel("density a grey level")
    axes.legend(loc="upper right")
    axes.grid(visible=True, axis="both")
