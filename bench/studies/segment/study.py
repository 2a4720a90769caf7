"""`make segment`: what denoising does to a segmentation network, in a table, a CSV file and a figure.

The pictures come from the records of `make bench`: 8 bit, as they are stored.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common import devices, provenance
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.tables import write_csv, write_table
from bench.plan.cell import Failure
from bench.plan.request import Request, planned
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.study_files import write_about
from bench.studies.groups import by_dataset, fewer, grouped, unusable, warned
from bench.studies.naming import command, stem
from bench.studies.segment.evaluation import compare, scheme, summary
from bench.studies.segment.segmenters import Segmenter, fitting, load
from bench.studies.segment.table import Methods, Row, median_image, over_seeds, paired, printable, printable_pairs

if TYPE_CHECKING:
    from torch import nn


def build(
    request: Request,
    out: Path,
    *,
    segmenter: str = "",
    images: int = 0,
    image: str = "",
    table: Path | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Iterator[str | Failure]:
    """Segment noisy, denoised and clean images, and write tables (CSV) and figures (PNG) into ``out/segment/``.

    Cells that are not finished run first, and their records are stored.

    Parameters
    ----------
    request : Request
        Methods, datasets with label maps and classes, and noise.
    segmenter : str
        As on SEGMENTER: a file of weights; empty: the one of this project that fits the dataset.
    images : int
        So many images, spread over the set; 0: all. Their records lie in ``out/segment/runs/``.
    image : str
        Name of the image of the figure; empty: `median_image`.
    settings : Settings
        Where and how cells run that are not finished, and the segmentation network.
    """
    plan = planned(request)
    yield from plan.remarks
    yield from plan.failures
    cells = [fewer(cell, images) for cell in plan.cells]
    nets: dict[str, Segmenter] = {}
    causes: dict[str, str] = {}
    for name, of_it in by_dataset(cells).items():
        try:
            nets[of_it[0].data] = fitting(of_it[0].dataset, segmenter)
        except BenchError as error:
            causes[name] = one_line(error)
    yield from unusable(causes, request.data)
    cells = [cell for cell in cells if cell.data in nets]
    store = Store(out / "segment" / "runs" if images else out / "runs")
    done = run_campaign(cells, store, settings, Live(console(), failures=False))
    yield from done.failures
    everything: list[Row] = []
    for group in grouped(done.finished, seeds_apart=True):
        methods = {label: cells[0] for label, cells in group.methods.items()}
        net = nets[group.first.data]
        path = stem(out / "segment", tuple(group.about.values()), group.cells, segmenter=sha256(net.path), image=image)
        try:
            text, rows = _compared(methods, store, net, image, Path(f"{path}.png"), settings)
        except (BenchError, ValueError) as error:
            yield Failure(group.about, one_line(error))
            continue
        rows = [{**group.about, "segmenter": net.path.stem, **row} for row in rows]
        write_csv(Path(f"{path}.csv"), rows, digits=6)
        typed = command("segment", group.cells, segmenter=segmenter and net.path.name, images=images, image=image)
        write_about(path, text.strip().partition("\n")[0], typed)
        everything += rows
        yield text + warned(group, store)
        yield f"{path}.csv (and .png)"
    if table is not None and everything:
        write_table(table, everything, digits=6)


def _compared(
    methods: Methods, store: Store, net: Segmenter, image: str, path: Path, settings: Settings
) -> tuple[str, list[Row]]:
    """Return the table of cells that differ in the method alone, as text and as rows, and draw their figure."""
    import torch

    from bench.studies.segment.figure import save

    cell = next(iter(methods.values()))
    device = devices.chosen(settings.device)
    torch.set_num_threads(settings.threads or provenance.cores())
    network: nn.Module = load(net.path, device)
    if image and image not in cell.dataset.image_names():
        raise BenchError(f"IMAGE={image}: dataset {cell.dataset.name} has no such image, or IMAGES left it out")
    with _progress(len(cell.dataset.images) * (len(methods) + 2)) as seen:
        scores = compare(network, methods, store, device=device, seen=seen)
    classes = scheme(cell.dataset)
    rows = [summary(one, classes) for one in scores]
    seeds, pairs = over_seeds(rows, methods), paired(rows, methods)
    save(network, methods, store, scores, image or median_image(scores), path, device)
    count = len(cell.dataset.images)
    text = (
        f"\n{cell.dataset.title}, {cell.degradation}, protocol {cell.protocol.name}, seed {cell.seed}, {count} images; "
        f"segmented by {net.title}\n{printable(rows, seeds)}{printable_pairs(pairs)}"
    )
    names = {label: one.method.name for label, one in methods.items()}
    return text, [{"method": names.get(row["input"], ""), "images": count, **row} for row in (*rows, *seeds, *pairs)]


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[str, str], None]]":
    """Show a line of progress, of so many images in all, while the block runs."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console()
    columns = (TextColumn("segmenting {task.description}"), BarColumn(bar_width=16), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(compact=True), console=out, disable=not out.is_terminal, transient=True
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda version, image: progress.update(task, advance=1, description=version)
