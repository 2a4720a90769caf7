"""The squares of weights that people see of filters, and what the page of the report shows of an explanation."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.score.metrics import decibels

if TYPE_CHECKING:
    import numpy as np

    from bench.studies.explain.explanation import Explanation
    from bench.studies.explain.filters import Filter

MOST_REACH = 20
"""Pixels that are shown on each side of a filter's pixel, at most."""


def reach_of(filters: "Sequence[Filter]") -> int:
    """Return how many pixels around its pixel hold 99 % of the squared weights of every filter."""
    for reach in range(4, MOST_REACH):
        if all((around(found, reach) ** 2).sum() >= 0.99 * (around(found, None) ** 2).sum() for found in filters):
            return reach
    return MOST_REACH


def around(found: "Filter", reach: int | None) -> "np.ndarray":
    """Return a filter's weights, summed over the input channels, as a square around its pixel.

    What the image's border cuts off is 0. With no `reach`, all weights as they are.
    """
    import numpy as np

    weights = found.weights.sum(axis=0)
    if reach is None:
        return weights
    square = np.zeros((2 * reach + 1, 2 * reach + 1), weights.dtype)
    top, left = found.pixel.y - reach - found.top, found.pixel.x - reach - found.left
    up, aside = max(0, -top), max(0, -left)
    part = weights[max(0, top) : top + len(square), max(0, left) : left + len(square)]
    square[up : up + part.shape[0], aside : aside + part.shape[1]] = part
    return square


def psnr(explanation: "Explanation") -> float:
    """Return the PSNR of what the network made of the window, in dB, as rounded grey levels."""
    import numpy as np

    output = np.rint(np.clip(explanation.denoised.astype(np.float64), 0, 1) * 255)
    error = np.mean((output - explanation.clean * 255) ** 2)
    return decibels(float(error))


def filters_shown(explanations: "Sequence[Explanation]", ask: str) -> dict[str, Any]:
    """Return what the page shows of explanations of one network at the same pixels, as plain data.

    Parameters
    ----------
    explanations : sequence of Explanation
        One a noise level.
    ask : str
        What is typed to explain other pixels of the image, but for ``PIXEL=``.

    Returns
    -------
    dict
        `image`; `window` (its row, column, height and width in the image); `ask`; `rows`, one a noise: `noise`,
        `psnr` (dB, None where it is not finite), `noisy` and `denoised` (PNG, base64) and `filters`: `kind`, `y`, `x`,
        `sum`, `radius` and `weights`, row by row of a square around the pixel, four digits.
    """
    first = explanations[0]
    reach = reach_of([found for one in explanations for found in one.filters])
    window = first.window
    return {
        "image": first.image,
        "window": [window.top, window.left, window.height, window.width],
        "ask": ask,
        "rows": [
            {
                "noise": str(one.cell.degradation),
                "psnr": round(psnr(one), 2) if psnr(one) < float("inf") else None,
                "noisy": _png(one.noisy),
                "denoised": _png(one.denoised),
                "filters": [_shown(found, reach) for found in one.filters],
            }
            for one in explanations
        ],
    }


def _shown(found: "Filter", reach: int) -> dict[str, Any]:
    return {
        "kind": found.pixel.kind,
        "y": found.pixel.y,
        "x": found.pixel.x,
        "sum": round(found.total, 4),
        "radius": round(found.radius, 2),
        "weights": [float(f"{weight:.4g}") for weight in around(found, reach).ravel().tolist()],
    }


def _png(image: "np.ndarray") -> str:
    """Return an image (H, W, C), 1.0 = white, as PNG in base64."""
    import numpy as np
    from PIL import Image

    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
