"""`make residuals`: whether what methods take away is the noise that was added, in a table (CSV) and a figure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.common.tables import write_csv, write_table
from bench.plan.cell import Failure
from bench.plan.request import Request, planned
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.study_files import write_about
from bench.studies.groups import by_dataset, check_whole, fewer, grouped, unusable, warned
from bench.studies.naming import command, stem
from bench.studies.residuals.patches import batch
from bench.studies.residuals.table import printable, rows

PATCHES = 128
"""Of a batch, as in DnCNN's paper."""


def build(
    request: Request,
    out: Path,
    *,
    images: int = 0,
    patches: int = PATCHES,
    table: Path | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Iterator[str | Failure]:
    """Measure noise, residuals and errors of a batch of patches, and write tables and figures into ``out/residuals/``.

    Cells that are not finished run first, and their records are stored.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise.
    images : int
        So many images, spread over the set; 0: all. Their records lie in ``out/residuals/runs/``.
    patches : int
        So many patches a seed, at most.
    table : Path, optional
        The rows of all datasets, noises and protocols go into this file too.
    """
    from bench.studies.residuals.figure import save

    plan = planned(request)
    yield from plan.remarks
    yield from plan.failures
    check_whole(plan.cells, "residuals")
    sets = {name: of_it[0].dataset for name, of_it in by_dataset(plan.cells).items()}
    lacking = {
        name: f"dataset {one.name} has no clean images, which noise is measured against"
        for name, one in sets.items()
        if not one.has_clean
    }
    yield from unusable(lacking, request.data)
    cells = [fewer(cell, images) for cell in plan.cells if cell.dataset.has_clean]
    store = Store(out / "residuals" / "runs" if images else out / "runs")
    done = run_campaign(cells, store, settings, Live(console(), failures=False))
    yield from done.failures
    everything: list[dict[str, Any]] = []
    for group in grouped(done.finished):
        path = stem(out / "residuals", tuple(group.about.values()), group.cells, patches=patches)
        try:
            cut = batch(group.methods, store, patches)
            found = rows(tuple(group.methods), cut)
            save(group.first, tuple(group.methods), cut, found[0]["deviation"], path)
        except (BenchError, ValueError) as error:
            yield Failure(group.about, one_line(error))
            continue
        found = [{**group.about, **row} for row in found]
        write_csv(Path(f"{path}.csv"), found, digits=6)
        sizes = sorted({"x".join(map(str, one.noisy.shape[:2])) for one in cut})
        title = ", ".join(
            (group.first.dataset.title, group.about["degradation"], f"protocol {group.about['protocol']}",
             f"{len(cut)} patches of {' and '.join(sizes)}")
        )  # fmt: skip
        more = {"images": images, "patches": "" if patches == PATCHES else patches}
        write_about(path, title, command("residuals", group.cells, **more))
        everything += found
        yield f"\n{title}\n{printable(found)}{warned(group, store)}"
        yield f"{path}.csv (and .png, .pdf)"
    if table is not None and everything:
        write_table(table, everything, digits=6)
