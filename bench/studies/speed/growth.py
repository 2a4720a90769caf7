"""What the harness itself costs in processor time: large plans, many small images, a finished grid again."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.common.paths import ROOT
from bench.plan.request import Request, plan
from bench.studies.speed.rows import TURNS, Row, row, timed

OWN = "def denoise(noisy, sigma):\n    return 0.9 * noisy + 0.05\n"
"""A method that costs nothing."""

GRID = ("--method", "median,gaussian,bilateral", "--data", "builtin", "--noise", "15,25,50", "--jobs", "1")

PLANNED = "processor time, against the limit"


def planning(sizes: Iterable[tuple[int, float]]) -> Iterator[Row]:
    """Plan so many cells, in at most so many seconds."""
    plan(Request("median", "builtin", "25"))  # imports belong to none
    for count, limit in sizes:
        levels = ",".join(f"{i / 10:g}" for i in range(1, count // 100 + 1))
        request = Request("median", "builtin", levels, seed="0-99")
        (cells, _), seconds = timed(lambda r=request: plan(r), clock=time.process_time)  # type: ignore[misc]
        yield row(f"{len(cells):,} cells planned", seconds, limit, PLANNED, aim=1.0)


def many_images(count: int, limit: float) -> Row:
    """Measure a person's function on so many images of 32x32, with its process, planning and the printed table."""
    with tempfile.TemporaryDirectory() as folder:
        images, method = Path(folder, "images"), Path(folder, "own.py")
        _write_tiny(images, count)
        method.write_text(OWN)
        words = ("run", "--method", str(method), "--data", str(images), "--noise", "25", "--out", folder)
        seconds = _of_command(*words)
    return row(
        f"{count:,} images of 32x32 by a function of one's own", seconds, limit,
        "processor time of the whole command, against the limit", aim=1.0,
    )  # fmt: skip


def finished_grid(grid: tuple[str, ...] = GRID) -> Row:
    """Measure a command whose cells are all finished."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("run", *grid, "--out", folder)
        _of_command(*words)
        seconds = sorted(_of_command(*words) for _ in range(TURNS))[TURNS // 2]
    return row("a finished grid again", seconds, 1.0, f"processor time, median of {TURNS}, against a second", aim=1.0)


def _of_command(*words: str) -> float:
    """Return the processor time of a command and of the processes that it started and waited for.

    Python keeps its compiled files, as it does by itself, and not what some test machines ask of it.
    """
    import resource  # Windows has none

    names = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bench", *words], cwd=ROOT, env=names, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write_tiny(folder: Path, count: int) -> None:
    """Write crops of a photograph of scikit-image."""
    import numpy as np
    from PIL import Image
    from skimage import data

    folder.mkdir()
    photograph = data.camera()  # type: ignore[no-untyped-call]
    places = np.random.default_rng(0).integers(0, 512 - 32, (count, 2))
    for i, (top, left) in enumerate(places):
        Image.fromarray(photograph[top : top + 32, left : left + 32]).save(folder / f"{i:05}.png")
