"""How much a noise draw moves PSNR and SSIM: the measurement behind the tolerance of a verdict."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan import fingerprint
from bench.plan.cell import Cell
from bench.plan.protocol import protocol
from bench.plan.request import Request, plan
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Record, Store
from datasets.choosing import middle

if TYPE_CHECKING:
    import numpy as np

METRICS = ("psnr", "ssim")
"""Whose spread is measured; a mean squared error follows from its PSNR."""


def measure(request: Request, draws: int, settings: Settings, out: Path, *, side: int = 0) -> list[dict[str, Any]]:
    """Measure the spread of PSNR and SSIM over noise draws, image by image and between images.

    Every draw resets the generator for each image, so that all images of a draw share one field:
    from this both the spread of one image and the correlation of two follow.

    Parameters
    ----------
    request : Request
        Methods, datasets, sigmas and protocols.
    draws : int
        How many noise fields.
    out : Path
        The folder of results; records lie in ``draws/runs/`` of it, since no one else asks for such cells.
    side : int
        The middle of each image is taken, of so many pixels; 0: all of it.

    Returns
    -------
    list of dict
        One row a method, dataset, protocol and sigma: `side`; `channels`, 1 or 3; `images`, `draws`; `psnr_ratio`, the
        standard deviation of one image's output PSNR over that of its input, (10 / ln 10) sqrt(2 / samples);
        `ssim_deviation`, that of one image's SSIM times sqrt(samples); and of both the correlation, the mean over
        pairs of images of one shape.

    Raises
    ------
    BenchError
        If something cannot be run, no two images have one shape, or the draws of an image are all the same.
    """
    cells, failures = plan(request)
    cells = [_reset(_of_middle(cell, side)) for cell in cells]
    drawn = [replace(cell, seed=seed) for cell in cells for seed in range(draws)]
    done = run_campaign(drawn, Store(out / "draws" / "runs"), settings, Live(console(), failures=False), failures)
    if done.failures:
        raise BenchError(f"{done.failures[0].title}: {done.failures[0].cause}")
    records = done.records()
    rows = zip(cells, count(0, draws), strict=False)
    return [_row(cell, records[start : start + draws], side) for cell, start in rows]


def _of_middle(cell: Cell, side: int) -> Cell:
    """Return a cell of the middle of its images."""
    if not side:
        return cell
    dataset = middle(cell.dataset, side)
    return replace(cell, dataset=dataset, data=fingerprint.of_data(dataset))


def _reset(cell: Cell) -> Cell:
    """Return a cell whose noise begins anew for each image."""
    return replace(cell, protocol=protocol(f"{cell.protocol.name}+noise_draw=reset"))


def _row(cell: Cell, records: Sequence[Record], side: int) -> dict[str, Any]:
    """Return the row of one cell, from its records of all draws."""
    import numpy as np

    images = records[0].images
    channels = 3 if cell.dataset.colour == "rgb" else 1
    samples = np.array([row["height"] * row["width"] * channels for row in images])
    psnr, ssim = (np.array([[row[metric] for row in record.images] for record in records]) for metric in METRICS)
    shapes = [(row["height"], row["width"]) for row in images]
    pairs = [(i, j) for i, j in combinations(range(len(shapes)), 2) if shapes[i] == shapes[j]]
    if not pairs:
        raise BenchError(
            f"DATA={cell.dataset.name}: no two images have one shape, and so none would share a noise field"
        )
    if not (np.isfinite(psnr).all() and psnr.std(0).all()):
        raise BenchError(
            f"NOISE={cell.degradation}: the draws of {cell.dataset.name} do not differ, or have no PSNR; expected "
            "sigmas, and images that have a clean one"
        )
    of_input = 10 / math.log(10) * np.sqrt(2 / samples)
    return {
        "method": cell.label,
        "dataset": cell.dataset.noise_name,
        "side": side or "",
        "protocol": cell.protocol.name,
        "sigma": cell.degradation.sigma,
        "channels": channels,
        "images": len(images),
        "draws": len(records),
        "psnr_ratio": round(float((psnr.var(0, ddof=1) / of_input**2).mean()) ** 0.5, 3),
        "psnr_correlation": round(_mean_correlation(psnr, pairs), 3),
        "ssim_deviation": round(float((ssim.var(0, ddof=1) * samples).mean()) ** 0.5, 3),
        "ssim_correlation": round(_mean_correlation(ssim, pairs), 3),
    }


def _mean_correlation(scores: "np.ndarray", pairs: Sequence[tuple[int, int]]) -> float:
    """Return the mean correlation of the columns (draws, images) of pairs."""
    import numpy as np

    matrix = np.corrcoef(scores.T)
    return float(np.mean([matrix[pair] for pair in pairs]))
