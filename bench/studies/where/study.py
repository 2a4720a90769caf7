"""`make where`: where in an image a method's errors lie, by its distance from the boundaries of objects and by class.

Datasets with label maps only.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
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
from bench.studies.groups import by_dataset, check_whole, grouped, unusable, warned
from bench.studies.naming import command, stem
from bench.studies.where.errors import by_part, error_maps
from bench.studies.where.table import median_image, printable, summary
from datasets import Dataset


def build(
    request: Request,
    out: Path,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    table: Path | None = None,
) -> Iterator[str | Failure]:
    """Say where errors lie, and write tables (CSV) and a figure (PNG, PDF) into ``out/where/``.

    Cells that are not finished run first, and their records are stored.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise. The first method is the one that the others are held against.
    table : Path, optional
        The means of all datasets, noises and protocols go into this file too.
    """
    from bench.studies.where.figure import save

    plan = planned(request)
    yield from plan.remarks
    yield from plan.failures
    check_whole(plan.cells, "where")
    sets = {name: of_it[0].dataset for name, of_it in by_dataset(plan.cells).items()}
    yield from unusable({name: lacking for name, one in sets.items() if (lacking := _lacking(one))}, request.data)
    cells = [cell for cell in plan.cells if not _lacking(cell.dataset)]
    store = Store(out / "runs")
    done = run_campaign(cells, store, settings, Live(console(), failures=False))
    yield from done.failures
    everything: list[dict[str, Any]] = []
    for group in grouped(done.finished):
        name, noise, protocol = group.about.values()
        try:
            parts = by_part(group.methods, store)
            means = summary(parts)
            path = stem(out / "where", (name, noise, protocol), group.cells)
            write_csv(Path(f"{path}-images.csv"), parts.to_dict("records"), digits=6)
            write_csv(Path(f"{path}.csv"), means.to_dict("records"), digits=6)
            (maps,) = error_maps(group.methods, store, [median_image(parts)])
            save(group.first, means, maps, Path(f"{path}.png"))
            title = f"{group.first.dataset.title}, {noise}, protocol {protocol}"
            write_about(path, title, command("where", group.cells))
        except (BenchError, ValueError) as error:
            yield Failure(group.about, one_line(error))
            continue
        everything += [{**group.about, **{str(k): v for k, v in row.items()}} for row in means.to_dict("records")]
        yield f"\n{title}\n{printable(means)}{warned(group, store)}"
        yield f"{name}, {noise}: {path}.csv (and -images.csv, .png, .pdf)"
    if table is not None and everything:
        write_table(table, everything, digits=6)


def _lacking(dataset: Dataset) -> str:
    """Say what a dataset lacks; empty where it lacks nothing."""
    if not dataset.has_clean:
        return f"dataset {dataset.name} has no clean images, which errors are measured against"
    if dataset.images[0].labels is None:
        known = [name for name, entry in datasets.available().items() if entry.images[0].labels is not None]
        return f"dataset {dataset.name} has no label maps, which make where needs; these have: {', '.join(known)}"
    return ""
