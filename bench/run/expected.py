"""The time that cells are likely to take, by earlier records, and the order in which many workers take them."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.common import files, provenance
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.settings import Settings
from bench.store.records import Record


def expected_seconds(
    cells: Sequence[Cell], records: Sequence[Record], settings: Settings, *, anywhere: bool = False
) -> dict[str, float]:
    """Return the likely seconds of each cell, by its key; NaN where no record of its net is of this machine.

    With `anywhere` records of other machines and devices count too, which is enough to put cells in order.
    """
    rates, pixels = _seconds_a_pixel(records, "" if anywhere else settings.device), _pixels_of_sets(records)
    for cell in cells:
        if cell.data not in pixels and _way(cell.identity) in rates:
            pixels[cell.data] = math.nan if files.missing("data", cell.dataset.files) else _pixels(cell)
    return {cell.key: rates.get(_way(cell.identity), math.nan) * pixels.get(cell.data, math.nan) for cell in cells}


def _way(identity: Mapping[str, Any]) -> tuple[str, str]:
    """Return what of a cell decides how long a pixel takes."""
    return str(identity["net"]), str(sorted(identity.get("inference", {}).items()))


def _seconds_a_pixel(records: Sequence[Record], asked: str) -> dict[tuple[str, str], float]:
    """Return the median over the records of this machine, and of the device where one is named; empty: over all."""
    here = provenance.machine()
    rates: dict[tuple[str, str], list[float]] = {}
    for record in records:
        about = record.provenance
        device = about["device"].partition(":")[0]
        if not asked or (about["machine"] == here and asked.partition(":")[0] in ("auto", device)):
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


def longest_first(cells: Sequence[Cell], expected: Mapping[str, float]) -> list[Cell]:
    """Return cells so that the last ones to begin are short: no worker is then left with a long one at the end.

    A cell of which no record says how long it takes may take longest; of those the one with the most images is first.
    """

    def length(cell: Cell) -> tuple[float, int]:
        seconds = expected.get(cell.key, math.nan)
        return (math.inf if math.isnan(seconds) else seconds), len(cell.dataset.images)

    return sorted(cells, key=length, reverse=True)


def shares(cells: Sequence[Cell], expected: Mapping[str, float], workers: int) -> dict[str, int]:
    """Return into how many parts each cell is split, by its key, so that no worker waits long for the last one.

    Only methods that take one image at a time, and are none of a person's own code, whose files are watched as one run,
    are split: a network's images share batches, and its loading. Parts are no longer than a worker's share of
    the campaign. Where nothing is known of some cell's time, images stand for seconds.
    """
    known = all(not math.isnan(expected.get(cell.key, math.nan)) for cell in cells)
    work = {cell.key: expected[cell.key] if known else float(len(cell.dataset.images)) for cell in cells}
    share = sum(work.values()) / max(1, workers)
    return {
        cell.key: min(len(cell.dataset.images), workers, math.ceil(work[cell.key] / share))
        if cell.method.processes and cell.folders is None and not cell.outputs and share > 0
        else 1
        for cell in cells
    }
