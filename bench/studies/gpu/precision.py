"""What a lower precision or a compiled network costs in dB, and gains in time."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.common.errors import BenchError
from bench.plan.inference import PRECISIONS
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.progress import Progress
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.deadline import SpentError

WAYS = (*((precision, False) for precision in PRECISIONS), ("fp32", True), ("bf16", True))
"""Precisions, and whether the network is compiled; the first one is what the others are held against."""


def precisions(
    request: Request, device: str, out: Path, progress: Progress, settings: Settings
) -> Iterator[dict[str, str | float]]:
    """Run the cells of a request in every precision, and yield a row for each cell and way.

    Parameters
    ----------
    request : Request
        Of networks.
    device : str
        ``"cpu"``, which has no TF32, or ``"cuda:N"``.
    out : Path
        Gets the records, each way in a folder of its own.
    progress : Progress
        Told how it goes on; where it raises `SpentError`, what is finished counts.
    settings : Settings
        How the cells run besides.

    Yields
    ------
    dict
        `method`, `dataset`, `degradation`, `precision`, `compiled`, `psnr` in dB, `difference` to exact float32 in dB,
        `milliseconds` an image of the network alone, warmed, and `total` of the whole cell.

    Raises
    ------
    BenchError
        If nothing of the request can be planned.
    """
    exact: dict[tuple[str, ...], tuple[str, float]] = {}
    for precision, compiled in WAYS:
        if precision == "tf32" and device == "cpu":
            continue
        cells, failures = plan(replace(request, precision=precision))
        networks = [cell for cell in cells if not cell.method.processes]
        if not networks:
            raise BenchError(failures[0].cause if failures else f"METHOD={request.method}: expected networks")
        store = Store(out / f"{precision}{'-compiled' if compiled else ''}" / "runs")
        with suppress(SpentError):
            run_campaign(networks, store, replace(settings, device=device, runtime="torch", compile=compiled), progress)
        for cell in filter(store.has, networks):
            record = store.get(cell)
            psnr, seconds = record.mean("psnr"), record.provenance["seconds"]
            name = cell.net.id, cell.dataset.name, str(cell.degradation)
            label, reference = exact.setdefault(name, (cell.label, psnr))
            yield {
                "method": label,
                "dataset": cell.dataset.name,
                "degradation": str(cell.degradation),
                "precision": precision,
                "compiled": "yes" if compiled else "no",
                "psnr": psnr,
                "difference": psnr - reference,
                "milliseconds": 1000 * record.mean("seconds"),
                "total": 1000 * seconds["total"] / len(record.images),
            }
