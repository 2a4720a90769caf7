"""Whether a GPU gives what the CPU gives: the same cells on both, each in a store of its own."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.plan.cell import Cell
from bench.run.campaign import run_campaign
from bench.run.progress import Progress
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.deadline import SpentError

LARGEST = 0.001
"""dB by which the PSNR of an image may differ."""


def on_both(
    cells: Sequence[Cell], device: str, out: Path, progress: Progress, settings: Settings
) -> Iterator[dict[str, str | float]]:
    """Run cells on a device and in PyTorch on the CPU, and yield a row for each that both finished.

    What is finished in `out` is not run again. Methods that take one image at a time run on the CPU everywhere, and are
    left out.

    Parameters
    ----------
    cells : sequence of Cell
        What runs.
    device : str
        ``"cuda:N"``.
    out : Path
        Gets the records, those of the device and those of the CPU in folders of their own, since a key knows no device.
    progress : Progress
        Told how it goes on; where it raises `SpentError`, what is finished is compared.
    settings : Settings
        How the cells run besides.

    Yields
    ------
    dict
        `method`, `dataset`, `degradation`, mean PSNR on both in dB, and the largest difference of an image in dB.
    """
    networks = [cell for cell in cells if not cell.method.processes]
    here, cpu = Store(out / "device" / "runs"), Store(out / "cpu" / "runs")
    for store, name in ((here, device), (cpu, "cpu")):
        with suppress(SpentError):
            run_campaign(networks, store, replace(settings, device=name, runtime="torch"), progress)
    for cell in networks:
        if here.has(cell) and cpu.has(cell):
            record, other = here.get(cell), cpu.get(cell)
            expected = {image["image"]: image["psnr"] for image in other.images}
            yield {
                "method": cell.label,
                "dataset": cell.dataset.name,
                "degradation": str(cell.degradation),
                "psnr_device": record.mean("psnr"),
                "psnr_cpu": other.mean("psnr"),
                "difference": max(abs(image["psnr"] - expected[image["image"]]) for image in record.images),
            }
