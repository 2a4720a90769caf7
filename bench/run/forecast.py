"""What a campaign would do, said before it starts: cells to run, files to download, the time by earlier records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.common import files, provenance
from bench.common.errors import BenchError
from bench.common.files import Source
from bench.plan.cell import Cell
from bench.run.campaign import finished
from bench.run.saving import Saver, needs_floats
from bench.run.settings import Settings
from bench.store.records import Record, Store


@dataclass(frozen=True)
class Forecast:
    """What would become of a cell."""

    cell: Cell
    finished: bool
    """Whether it has a record already."""
    missing: tuple[Source, ...] = ()
    """Files to download for it."""
    seconds: float = math.nan
    """Its likely time without the download, by the records of its net on this machine; NaN where there is none."""

    @property
    def row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        size, unknown = bytes_to_download([self])
        download = {"download_bytes": math.nan if unknown else size, "files_to_download": len(self.missing)}
        return dict(self.cell.request) | {"finished": self.finished, "seconds": self.seconds} | download


def forecasts(cells: Sequence[Cell], store: Store, settings: Settings, *, fresh: bool = False) -> list[Forecast]:
    """Say of each cell what a campaign would do; nothing is started, downloaded or written.

    Parameters
    ----------
    cells : sequence of Cell
        As `bench.plan.request.planned` gives them.
    store : Store
        Holds the earlier records.
    settings : Settings
        Where and how the cells would run.
    fresh : bool
        Whether finished cells would run again too.
    """
    if settings.save:
        Saver(settings.save, cells)  # which refuses what could not be saved
    seconds = expected_seconds(cells, store.scores(), settings)
    made = []
    for cell in cells:
        lacking = settings.save is not None and needs_floats(cell)
        if not fresh and not lacking and finished(cell, store, settings):
            made.append(Forecast(cell, finished=True))
            continue
        weights = cell.net.weights
        images = files.missing("data", cell.dataset.files)
        nets = files.missing("weights", (weights, *weights.beside) if weights else ())
        made.append(Forecast(cell, finished=False, missing=(*images, *nets), seconds=seconds[cell.key]))
    return made


def expected_seconds(cells: Sequence[Cell], records: Sequence[Record], settings: Settings) -> dict[str, float]:
    """Return the likely seconds of each cell, by its key; NaN where no record of its net is of this machine."""
    rates, pixels = _seconds_a_pixel(records, settings), _pixels_of_sets(records)
    for cell in cells:
        if cell.data not in pixels and _way(cell.identity) in rates:
            pixels[cell.data] = math.nan if files.missing("data", cell.dataset.files) else _pixels(cell)
    return {cell.key: rates.get(_way(cell.identity), math.nan) * pixels.get(cell.data, math.nan) for cell in cells}


def bytes_to_download(some: Sequence[Forecast]) -> tuple[int, int]:
    """Return the bytes to download for all of them, each file once, and the number of files of unknown size."""
    sources = {source.path: getattr(source, "bytes", 0) for forecast in some for source in forecast.missing}
    return sum(sources.values()), sum(size == 0 for size in sources.values())


def _way(identity: Mapping[str, Any]) -> tuple[str, str]:
    """Return what of a cell decides how long a pixel takes."""
    return str(identity["net"]), str(sorted(identity.get("inference", {}).items()))


def _seconds_a_pixel(records: Sequence[Record], settings: Settings) -> dict[tuple[str, str], float]:
    """Return the median over the records of this machine, and of the device where one is named."""
    here = provenance.machine()
    rates: dict[tuple[str, str], list[float]] = {}
    for record in records:
        about = record.provenance
        device = about["device"].partition(":")[0]
        if about["machine"] == here and settings.device.partition(":")[0] in ("auto", device):
            rates.setdefault(_way(about["identity"]), []).append(about["seconds"]["total"] / _area(record))
    return {way: median(values) for way, values in rates.items()}


def _pixels_of_sets(records: Sequence[Record]) -> dict[str, float]:
    return {record.provenance["identity"]["data"]: _area(record) for record in records}


def _area(record: Record) -> float:
    return float(sum(row["height"] * row["width"] for row in record.images))


def _pixels(cell: Cell) -> float:
    """Return the pixels of a set that lies here, by the size of its first image; NaN where that cannot be read."""
    from bench.run.images import pictures

    try:
        first = next(iter(pictures(cell.dataset, cell.dataset.image_names()[:1])))
    except (BenchError, ValueError, OSError):
        return math.nan  # what is wrong with it is said when it runs
    shown = first.clean if first.clean is not None else first.noisy
    return math.nan if shown is None else float(shown.shape[0] * shown.shape[1] * len(cell.dataset.images))
