"""The figure of `make where`: error against the distance from a boundary, and one image with its error maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.figures import styles
from bench.report.figures.styles import Style
from bench.studies.where.table import NOISY
from bench.studies.where.zones import DISTANCES, boundaries

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.plan.cell import Cell
    from bench.studies.where.errors import ErrorMaps

WIDTH = 7.16
"""Inches: two columns of a paper."""
CURVES, AROUND = 2.5, 0.35
"""Inches: height of the curves with what stands around them, and of what stands above the pictures."""
TALLEST = 2.4
"""Inches that a picture is high at most."""
BARS = "0.86"
"""Grey of the shares of the pixels."""
BOUNDARY = (0.9, 0.62, 0.0)
"""Colour of boundaries (Okabe and Ito's orange)."""


def save(cell: "Cell", table: "pd.DataFrame", maps: "ErrorMaps", path: Path) -> None:
    """Draw a summary and one image, and save them as PNG and PDF.

    Parameters
    ----------
    table : DataFrame
        What `bench.studies.where.table.summary` returns; the kind ``distance`` is drawn.
    maps : ErrorMaps
        The image; the first two methods' error maps are shown.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    far = table[table["kind"] == "distance"]
    methods = [method for method in far["method"].unique() if method != NOISY]
    shown = methods[:2]
    looks = styles.styles(methods)
    tall, wide = maps.clean.shape[:2]
    pictures = min(TALLEST, WIDTH / (1.2 + len(shown)) * tall / wide) + AROUND
    with styles.panels():
        figure = plt.figure(figsize=(WIDTH, CURVES + pictures), layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=(CURVES, pictures))
        upper, lower = parts
        upper.suptitle(f"{cell.dataset.title}, {styles.noise_title(cell.degradation)}", fontsize=8)
        compared = len(methods) > 1
        axes = upper.subplots(1, 3 if compared else 2)
        _error(axes[0], far, looks)
        if compared:
            _difference(axes[1], far, looks)
        _shares(axes[-1], far, looks)
        for one in axes:
            _by_distance(one)
        handles, names = axes[0].get_legend_handles_labels()
        handles, names = [*handles, Patch(color=BARS)], [*names, "share of the pixels"]
        upper.legend(handles, names, ncols=len(names), frameon=False, loc="outside lower center", handlelength=1.6)
        _pictures(lower, maps, shown, cell)
        styles.save(figure, path.with_suffix(""), ("png", "pdf"))


def _error(axes: Any, far: "pd.DataFrame", looks: Mapping[str, Style]) -> None:
    """MSE, and for one method alone the interval of its mean over images.

    Beside others it would mislead: the images differ by much more than the methods do on the same image.
    """
    for method, look in looks.items():
        rows = far[far["method"] == method]
        if len(looks) == 1:
            _band(axes, rows, look, ("mse_low", "mse_high"))
        _curve(axes, rows, look, "mse", method)
    axes.set_ylim(bottom=0)
    axes.set_title("error, mean over images")
    axes.set_ylabel("MSE (squared grey levels)")


def _difference(axes: Any, far: "pd.DataFrame", looks: Mapping[str, Style]) -> None:
    """PSNR in the same zone of the same images, less that of the first method."""
    (first, of_first), *others = looks.items()
    axes.axhline(0, color=of_first.colour, linewidth=1)
    for method, look in others:
        rows = far[far["method"] == method]
        _band(axes, rows, look, ("difference_low", "difference_high"))
        _curve(axes, rows, look, "psnr_difference", method)
    axes.set_title(f"paired difference to {first}")
    axes.set_ylabel("PSNR difference (dB)")


def _shares(axes: Any, far: "pd.DataFrame", looks: Mapping[str, Style]) -> None:
    """Share of the squared error, on bars of the share of the pixels."""
    pixels = far[far["method"] == next(iter(looks))]
    axes.bar(_places(pixels), 100 * pixels["pixels_share"], width=0.86, color=BARS, linewidth=0)
    step = min(0.2, 0.7 / len(looks))
    for index, (method, look) in enumerate(looks.items()):
        rows = far[far["method"] == method]
        axes.plot(
            [place + step * (index - (len(looks) - 1) / 2) for place in _places(rows)],
            100 * rows["error_share"],
            linestyle="none",
            marker=look.marker,
            markersize=2.6,
            color=look.colour,
        )
    axes.set_ylim(bottom=0)
    axes.set_title("share of the squared error")
    axes.set_ylabel("share of the image (%)")


def _curve(axes: Any, rows: "pd.DataFrame", look: Style, column: str, label: str) -> None:
    axes.plot(
        _places(rows), rows[column], color=look.colour, linewidth=1, marker=look.marker, markersize=3, label=label
    )


def _band(axes: Any, rows: "pd.DataFrame", look: Style, ends: tuple[str, str]) -> None:
    axes.fill_between(_places(rows), *(rows[end] for end in ends), color=look.colour, alpha=0.2, linewidth=0)


def _places(rows: "pd.DataFrame") -> list[int]:
    return [DISTANCES.index(part) for part in rows["part"]]


def _by_distance(axes: Any) -> None:
    axes.set_xticks(range(len(DISTANCES)), [name.replace("-", "–") for name in DISTANCES])
    axes.set_xlim(-0.5, len(DISTANCES) - 0.5)
    axes.set_xlabel("distance from a boundary (pixels)")
    axes.tick_params(labelsize=5.8, length=2, pad=2)
    axes.spines[["top", "right"]].set_visible(False)


def _pictures(figure: Any, maps: "ErrorMaps", methods: list[str], cell: "Cell") -> None:
    """Show the clean image with its boundaries, and beside it the methods' errors on one scale."""
    import numpy as np

    axes = figure.subplots(1, 1 + len(methods))
    axes[0].imshow(_drawn(maps, cell.dataset.void), interpolation="nearest")
    annotators = len(maps.labels)
    axes[0].set_title(f"{maps.name}, boundaries" + (f" by {annotators} annotators" if annotators > 1 else ""))
    roots = [np.sqrt(maps.errors[method]) for method in methods]
    # A few pixels are wrong by much more than all others, which would be black beside them.
    most = max(float(np.percentile(np.stack(roots), 99.5)), 1.0)
    for one, method, root in zip(axes[1:], methods, roots, strict=True):
        picture = one.imshow(root, cmap="magma", vmin=0, vmax=most, interpolation="nearest")
        one.set_title(method)
    for one in axes:
        one.set(xticks=[], yticks=[])
    bar = figure.colorbar(picture, ax=axes, extend="max", extendfrac=0.03, aspect=30, pad=0.01)
    gray = maps.clean.shape[2] == 1
    bar.set_label("|error| (grey levels)" if gray else "RMS error of the channels (grey levels)", labelpad=2)
    bar.ax.tick_params(labelsize=6, length=2, width=0.4, pad=1)
    bar.outline.set_linewidth(0.4)


def _drawn(maps: "ErrorMaps", void: int | None) -> "np.ndarray":
    """Return the clean image in pale grey, with the boundaries the stronger the more annotators drew them."""
    import numpy as np

    gray = np.clip(maps.clean.astype(np.float64), 0, 255).mean(axis=2) / 255
    pale = np.repeat((0.25 + 0.75 * gray)[..., None], 3, axis=2)
    share = boundaries(maps.labels, void).mean(axis=0)[..., None]
    return (1 - share) * pale + share * np.array(BOUNDARY)
