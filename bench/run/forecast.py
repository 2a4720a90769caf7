"""What a campaign would do, said before it starts: cells to run, files to download, the time by earlier records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.common import files
from bench.common.files import Source
from bench.plan.cell import Cell
from bench.run.campaign import finished
from bench.run.expected import expected_seconds
from bench.run.saving import Saver, needs_floats
from bench.run.settings import Settings
from bench.store.records import Store


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


def bytes_to_download(some: Sequence[Forecast]) -> tuple[int, int]:
    """Return the bytes to download for all of them, each file once, and the number of files of unknown size."""
    sources = {source.path: getattr(source, "bytes", 0) for forecast in some for source in forecast.missing}
    return sum(sources.values()), sum(size == 0 for size in sources.values())
