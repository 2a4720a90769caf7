"""Time against images, cells and records, measured on tiny images: what the benchmark itself costs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.plan.cell import Cell
from bench.plan.request import Request, plan
from bench.run.cluster.worker import run_here
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store import verified
from bench.store.records import Record, Store, described
from bench.store.results import current, gather

Row = dict[str, str | float]

METHODS = "bilateral,gaussian,median,nlm,tv,wavelet"
"""Those of the records that are written."""

SEEDS = 5

GIVEN = "given to a worker of Dask, and taken back"
"""What a row is of that the simulation goes by."""

IMAGES, CELLS = (50, 100, 200, 400), (1_000, 10_000, 100_000)
"""The sizes."""


def measure(folder: Path, records: int) -> Iterator[Row]:
    """Measure each part of the cost at growing sizes, and yield a row each.

    Parameters
    ----------
    folder : Path
        Gets images and records; empty.
    records : int
        The most that are written, some 20 KB each.

    Yields
    ------
    dict
        `part`, `what`, `count` (of images, cells or records), `seconds` of the processor and `remark`.
    """
    yield from _images(folder)
    yield from _cells(folder)
    for count in sorted({max(30, records // 4), max(30, records // 2), records}):
        yield from _records(folder, count)
    yield _given(folder, records // 10)


def _images(folder: Path) -> Iterator[Row]:
    for count in IMAGES:
        ((cell,), _) = plan(Request("median", str(_pictures(folder, count)), "25"))
        run_cell(_first(cell), Settings("cpu", jobs=1))
        _, seconds = _timed(lambda c=cell: run_cell(c, Settings("cpu", jobs=1)))  # type: ignore[misc]
        yield _row("images", "run and scored: median, 32x32", count, seconds, "one process")


def _cells(folder: Path) -> Iterator[Row]:
    images = _pictures(folder, 12)
    for count in CELLS:
        levels = ",".join(f"{1 + i / 10:g}" for i in range(count // 100))
        request = Request("gaussian", str(images), levels, seed=",".join(map(str, range(100))))
        _, seconds = _timed(lambda r=request: plan(r))  # type: ignore[misc]
        yield _row("cells", "planned", count, seconds, "")


def _records(folder: Path, count: int) -> Iterator[Row]:
    """Write records, and ask for them as a command does that goes on, and as a report does: twice each."""
    from bench.report.build import build

    out = folder / f"out-{count}"
    cells = _asked(_pictures(folder, 12), count)
    count = len(cells)
    made = {cell.method.name: run_cell(cell, Settings("cpu", jobs=1)) for cell in cells[:: max(1, count // 60)]}
    store = Store(out / "runs")
    _, seconds = _timed(lambda: _put(store, cells, made))
    size = sum(path.stat().st_size for path in store.paths())
    yield _row("records", "stored", count, seconds, f"{size / count / 1000:.0f} KB each, one file each")
    time.sleep(verified.SETTLED + 0.5)  # younger ones are not taken from the copy
    for when in ("first", "again"):
        store = Store(out / "runs")
        _, seconds = _timed(lambda s=store: ([s.has(cell) for cell in cells], s.remember()))  # type: ignore[misc]
        yield _row("records", f"checked whether finished, {when}", count, seconds, "")
    for when in ("first", "again"):
        store = Store(out / "runs")
        found, seconds = _timed(lambda s=store: s.scores(pictures=True))  # type: ignore[misc]
        remark = "the first time with the check of the pictures" if when == "first" else ""
        yield _row("records", f"read for a report, {when}", count, seconds, remark)
    _, seconds = _timed(lambda: current(gather(found)))
    yield _row("records", "gathered over seeds", count, seconds, "")
    _, seconds = _timed(lambda: build(out, pictures_each=1))
    boards = len({str(cell.degradation) for cell in cells})
    yield _row("records", "report written, reading included", count, seconds, f"{boards} tables of 6 methods")


def _put(store: Store, cells: Sequence[Cell], made: Mapping[str, Record]) -> None:
    for cell in cells:
        store.put(cell, _like(made[cell.method.name], cell))


def _asked(images: Path, count: int) -> list[Cell]:
    levels = ",".join(f"{5 + i / 4:g}" for i in range(max(1, count // (SEEDS * len(METHODS.split(","))))))
    return plan(Request(METHODS, str(images), levels, seed=",".join(map(str, range(SEEDS)))))[0]


def _like(record: Record, cell: Cell) -> Record:
    """Return a record as if another cell of its method had left it."""
    return Record(record.images, record.provenance | described(cell))


def _given(folder: Path, count: int) -> Row:
    """Give cells that do nothing to a worker of Dask, and take a record of each back: scheduler, worker and client."""
    import cloudpickle
    from distributed import Client

    cell = _asked(_pictures(folder, 12), 30)[0]
    record, settings = run_cell(cell, Settings("cpu", jobs=1)), Settings("cpu")
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:

        def give() -> None:
            for number in range(count):
                payload = cloudpickle.dumps((lambda *_: record, cell, settings))
                client.submit(run_here, payload, key=f"cell-{number}", pure=False).result()

        _, seconds = _timed(give)
    return _row("cells", GIVEN, count, seconds, "scheduler, worker and client together")


def _pictures(folder: Path, count: int) -> Path:
    """Return a folder of images of 32x32 pixels: crops of a photograph."""
    from PIL import Image
    from skimage import data

    images = folder / f"images-{count}"
    if not images.exists():
        images.mkdir(parents=True)
        photograph = data.camera()  # type: ignore[no-untyped-call]
        for number in range(count):
            y, x = divmod(number * 37, 480)
            crop = photograph[(y * 37) % 480 :, x:][:32, :32]
            Image.fromarray(crop).save(images / f"{number:04}.png")
    return images


def _first(cell: Cell) -> Cell:
    return replace(cell, dataset=replace(cell.dataset, images=cell.dataset.images[:1]))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _row(part: str, what: str, count: int, seconds: float, remark: str) -> Row:
    return {"part": part, "what": what, "count": count, "seconds": float(f"{seconds:.4g}"), "remark": remark}
