"""`make explain`: what a network does at a pixel, as a figure and a table a method."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from bench.common.errors import BenchError, one_line
from bench.common.tables import write_csv
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.store.records import slug
from bench.studies.explain.explanation import explain, rows
from bench.studies.explain.pixels import read_pixels


def build(request: Request, image: str, pixel: str, out: Path) -> Iterator[str | Failure]:
    """Explain networks, and write a figure (PNG, PDF) and a table (CSV) a method into ``out/explain/``.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise; a figure has one row a noise level.
    image : str
        Name of an image of the dataset; empty for its first.
    pixel : str
        ``"y,x;y,x"``; empty for a flat, an edge and a textured pixel that are found in the clean image.
    out : Path
        The folder of results.

    Yields
    ------
    str or Failure
        A line for every file that was written, and what could not be explained.
    """
    from bench.studies.explain.figure import save

    wanted = read_pixels(pixel)
    cells, failures = plan(request)
    yield from failures
    cells.sort(key=lambda cell: (cell.dataset.name, cell.label))  # stable: noise stays in the order asked for
    for (name, label), group in groupby(cells, key=lambda cell: (cell.dataset.name, cell.label)):
        done = []
        for cell in group:
            try:
                done.append(explain(cell, image, wanted))
            except (BenchError, ValueError) as error:
                yield Failure(cell.request, one_line(error))
        if not done:
            continue
        folder = out / "explain" / slug(f"{name}-{done[0].image}")
        path = folder / f"{slug(label)}.png"
        save(done, path)
        write_csv(path.with_suffix(".csv"), (row for explanation in done for row in rows(explanation)), digits=6)
        if any(f.locally_linear is False for explanation in done for f in explanation.filters):
            yield f"{label} is not piecewise linear: its filters are derivatives, and f(y) - J y is no constant"
        yield f"{label} on {name}, image {done[0].image}, {done[0].window}: {path} (and .pdf, .csv)"
