"""`make where`: where in an image a method's errors lie, by its distance from the boundaries of objects and by class.

Datasets with label maps only.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
from bench.common.errors import BenchError, one_line
from bench.common.tables import write_csv
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, plan
from bench.report.terminal import Live, console
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store, slug
from bench.studies.where.errors import by_part, error_maps
from bench.studies.where.table import as_text, median_image, summary
from datasets import Dataset


def build(request: Request, out: Path, settings: Settings | None = None) -> Iterator[str | Failure]:
    """Say where errors lie, and write tables (CSV) and a figure (PNG, PDF) into ``out/where/``.

    Cells that are not finished run first, and their records are stored.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise. The first method is the one that the others are held against.
    out : Path
        The folder of results.
    settings : Settings, optional
        Where and how cells run that are not finished.

    Yields
    ------
    str or Failure
        Tables and the names of the files that were written, and what could not be done.
    """
    from bench.studies.where.figure import save

    cells, failures = plan(request)
    yield from failures
    for dataset in {cell.dataset.name: cell.dataset for cell in cells}.values():
        lacking = _lacking(dataset)
        if lacking:
            yield Failure({"dataset": dataset.name}, lacking)
    cells = [cell for cell in cells if not _lacking(cell.dataset)]
    store = Store(out / "runs")
    done = run_campaign(cells, store, settings or Settings(), Live(console(), failures=False))
    yield from done.failures
    for (name, noise, protocol), methods in _groups(done.finished).items():
        try:
            parts = by_part(methods, store)
            table = summary(parts)
            stem = out / "where" / slug(f"{name}-{noise}-{protocol}")
            write_csv(Path(f"{stem}-images.csv"), parts.to_dict("records"), digits=6)
            write_csv(Path(f"{stem}.csv"), table.to_dict("records"), digits=6)
            (maps,) = error_maps(methods, store, [median_image(parts)])
            cell = next(iter(methods.values()))[0]
            save(cell, table, maps, Path(f"{stem}.png"))
        except (BenchError, ValueError) as error:
            yield Failure({"dataset": name, "degradation": noise, "protocol": protocol}, one_line(error))
            continue
        yield f"\n{cell.dataset.title}, {noise}, protocol {protocol}\n{as_text(table)}"
        yield f"{name}, {noise}: {stem}.csv (and -images.csv, .png, .pdf)"


def _lacking(dataset: Dataset) -> str:
    """Say what a dataset lacks; empty where it lacks nothing."""
    if not dataset.has_clean:
        return f"dataset {dataset.name} has no clean images, which errors are measured against"
    if dataset.images[0].labels is None:
        known = [name for name, entry in datasets.available().items() if entry.images[0].labels is not None]
        return f"dataset {dataset.name} has no label maps, which make where needs; these have: {', '.join(known)}"
    return ""


def _groups(cells: Sequence[Cell]) -> dict[tuple[str, str, str], dict[str, list[Cell]]]:
    """Put those cells together whose errors can be compared, by dataset, noise and protocol."""
    groups: dict[tuple[str, str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        said = cell.request
        group = groups.setdefault((said["dataset"], said["degradation"], said["protocol"]), {})
        group.setdefault(cell.label, []).append(cell)
    return groups
