"""The figure of `make explain`: image, result, filters and net bias, one row a noise level."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.figures import styles
from bench.studies.explain.squares import around, psnr, reach_of

if TYPE_CHECKING:
    import numpy as np

    from bench.studies.explain.explanation import Explanation

WIDTH = 7.16
"""Inches: two columns of a paper."""
NARROWEST = 1.0
"""Inches of a column; with many pixels the figure becomes wider."""
HEAD, AROUND = 0.2, 0.5
"""Inches of the heading, and above and below the panels of a row."""


def save(explanations: "Sequence[Explanation]", path: Path) -> None:
    """Draw explanations of the same image and pixels at several noise levels, and save them as PNG and PDF.

    Raises
    ------
    BenchError
        If they cannot be written.
    """
    import matplotlib.pyplot as plt

    first = explanations[0]
    columns = len(first.filters) + 3
    width = max(WIDTH, columns * NARROWEST)
    height = HEAD + (width / columns + AROUND) * len(explanations)
    reach = reach_of([found for explanation in explanations for found in explanation.filters])
    with styles.panels():
        figure, panels = plt.subplots(
            len(explanations), columns, squeeze=False, figsize=(width, height),
            subplot_kw={"anchor": "N"},
        )  # fmt: skip
        figure.set_layout_engine("constrained", w_pad=0.03)
        figure.suptitle(_heading(first), fontsize=8)
        for row, explanation in zip(panels, explanations, strict=True):
            _row(figure, row, explanation, reach)
        styles.save(figure, path.with_suffix(""), ("png", "pdf"))


def _heading(first: "Explanation") -> str:
    part = "" if first.window.whole else f" ({first.window})"
    return f"{first.cell.label}, {first.cell.dataset.title}, image {first.image}{part}"


def _row(figure: Any, axes: Any, explanation: "Explanation", reach: int) -> None:
    import numpy as np

    sigma = explanation.cell.degradation.sigma
    _picture(axes[0], explanation.noisy, explanation, reach)
    axes[0].set_title("\nnoisy")  # of two lines, as the others
    axes[0].set_ylabel(str(explanation.cell.degradation) if sigma is None else f"σ = {sigma:g}", labelpad=2)
    _picture(axes[1], explanation.denoised, explanation, reach)
    axes[1].set_title(f"\ndenoised, {psnr(explanation):.2f} dB")
    squares = [around(found, reach) for found in explanation.filters]
    most = max(float(np.abs(square).max()) for square in squares) or 1.0  # one scale a row, so that they compare
    for index, (panel, found, square) in enumerate(zip(axes[2:-1], explanation.filters, squares, strict=True)):
        colour = styles.style(index).colour
        _signed(figure, panel, square, most)
        name = found.pixel.kind if found.pixel.kind != "given" else f"{found.pixel.y},{found.pixel.x}"
        panel.set_title(f"{name}: sum {found.total:.3f}\nradius {found.radius:.1f} px", color=colour)
        for spine in panel.spines.values():
            spine.set(color=colour, linewidth=1)
    bias = _largest(explanation.bias) * 255
    # A few pixels of a net can have a hundred times the bias of the others, and all would be white beside them.
    most = max(float(np.percentile(np.abs(bias), 99)), 1.0)
    _signed(figure, axes[-1], bias, most, beyond=bool(np.abs(bias).max() > most))
    axes[-1].set_title(f"net bias (grey levels),\n{_number(explanation.bias_to_residual)} of residual")


def _picture(axes: Any, image: "np.ndarray", explanation: "Explanation", reach: int) -> None:
    """Show an image with a square of the shown filter's size around each pixel."""
    import numpy as np
    from matplotlib.patches import Rectangle

    shown = np.clip(image, 0, 1)
    axes.imshow(shown if shown.shape[2] == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for index, found in enumerate(explanation.filters):
        y, x = found.pixel.y - explanation.window.top, found.pixel.x - explanation.window.left
        side = 2 * reach + 1
        for colour, thick in (("white", 1.8), (styles.style(index).colour, 0.9)):
            axes.add_patch(
                Rectangle((x - reach - 0.5, y - reach - 0.5), side, side, fill=False, color=colour, linewidth=thick)
            )
    axes.set(xticks=[], yticks=[])


def _signed(figure: Any, axes: Any, values: "np.ndarray", most: float, *, beyond: bool = False) -> None:
    """Show signed numbers from -most to most, 0 white, with a colour bar of three ticks below.

    The bar has pointed ends where some lie `beyond`.
    """
    shown = axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    bar = figure.colorbar(shown, ax=axes, location="bottom", pad=0.03, extend="both" if beyond else "neither")
    bar.set_ticks([-most, 0, most], labels=[f"−{_number(most)}", "0", _number(most)])
    bar.ax.tick_params(labelsize=6, length=1.5, width=0.4, pad=1)
    bar.outline.set_linewidth(0.4)
    left, _, right = bar.ax.get_xticklabels()
    left.set_horizontalalignment("left")
    right.set_horizontalalignment("right")


def _largest(image: "np.ndarray") -> "np.ndarray":
    """Return of each pixel the channel of the largest magnitude."""
    import numpy as np

    return np.take_along_axis(image, np.abs(image).argmax(axis=2)[..., None], axis=2)[..., 0]


def _number(number: float) -> str:
    """Write a number of 0 or more with two digits that count."""
    if number == 0:
        return "0"
    if number < 0.001:
        return f"{number:.0e}".replace("e-0", "e−")
    return f"{number:.0f}" if number >= 10 else f"{number:#.2g}"
