"""How much a noise draw moves a PSNR: the measurement behind the tolerance of a verdict."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError
from bench.plan.protocol import PROTOCOLS
from bench.plan.request import Request, plan
from bench.report.terminal import Live, console
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store

SIDE = 256
"""Images of one shape, 256x256, are compared: they share a noise field under protocol `seed0`."""


def measure(method: str, data: str, noise: str, draws: int, settings: Settings, out: Path) -> list[dict[str, Any]]:
    """Measure the spread of the output PSNR over noise draws, image by image and between images.

    Every draw resets the generator for each image, so that all images of a draw share one field:
    from this both the spread of one image and the correlation of two follow.

    Parameters
    ----------
    draws : int
        How many noise fields.
    out : Path
        The folder of results; records lie in ``draws/runs/`` of it, since no one else asks for such cells.

    Returns
    -------
    list of dict
        One row a method and sigma: `images`, `draws`; `ratio`, the standard deviation of one image's
        output PSNR over that of its input, (10 / ln 10) sqrt(2 / samples); `correlation`, the mean over
        pairs of images.

    Raises
    ------
    BenchError
        If something cannot be run, or there is no image of 256x256.
    """
    import pandas as pd

    cells, failures = plan(Request(method, data, noise))
    drawn = [replace(cell, protocol=PROTOCOLS["seed0"], seed=seed) for cell in cells for seed in range(draws)]
    done = run_campaign(drawn, Store(out / "draws" / "runs"), settings, Live(console(), failures=False), failures)
    if done.failures:
        raise BenchError(f"{done.failures[0].title}: {done.failures[0].cause}")
    scores: dict[tuple[str, float], dict[str, list[float]]] = {}
    channels = {}
    for cell, record in zip(done.finished, done.records(), strict=True):
        group = scores.setdefault((cell.label, cell.degradation.sigma or 0.0), {})
        channels[cell.label] = 3 if cell.dataset.colour == "rgb" else 1
        for row in record.images:
            if row["height"] == row["width"] == SIDE:
                group.setdefault(f"{cell.dataset.name} {cell.data}/{row['image']}", []).append(row["psnr"])
    rows = []
    for (label, sigma), group in scores.items():
        if not group:
            raise BenchError(f"DATA={data}: has no image of {SIDE}x{SIDE} pixels, which noise draws are compared on")
        table = pd.DataFrame(group)
        expected = 10 / math.log(10) * math.sqrt(2 / (SIDE * SIDE * channels[label]))
        rows.append(
            {
                "method": label,
                "sigma": sigma,
                "images": len(group),
                "draws": draws,
                "ratio": round(float((table.var() / expected**2).mean()) ** 0.5, 3),
                "correlation": round(_mean_correlation(table.to_numpy().T.tolist()), 3),
            }
        )
    return rows


def _mean_correlation(series: Sequence[Sequence[float]]) -> float:
    import numpy as np

    matrix = np.atleast_2d(np.corrcoef(series))
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())
