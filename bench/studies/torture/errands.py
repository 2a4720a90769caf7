"""Parts of commands that are called by themselves, in a process that may be killed."""

import sys
from collections.abc import Mapping
from pathlib import Path


def remember(images: str, methods: str, noise: str) -> int:
    """Measure cells into the tables that `make verify` keeps, ``memory-cells.csv`` and ``memory-images.csv``."""
    from bench.plan.request import Request, plan
    from bench.run.campaign import run_campaign
    from bench.run.settings import Settings
    from bench.store.memory import Memory

    cells, failures = plan(Request(methods, images, noise))
    memory = Memory(Path("memory.csv"), Path("runs"))
    return len(run_campaign(cells, memory, Settings(jobs=1), failures=failures).failures)


def verify(images: str, methods: str, noise: str) -> int:
    """Run `make verify` over a ledger of one number for each of some quick cells."""
    from unittest.mock import patch

    from bench.judge.ledger import Published
    from bench.plan.request import Request, plan
    from bench.run.settings import Settings
    from bench.studies.verify import study
    from bench.studies.verify.numbers import Number

    numbers = []
    for cell in plan(Request(methods, images, noise))[0]:
        about = (cell.method.name, "", "set12", "gray", str(cell.degradation), "standard", "psnr", "26.00")
        numbers.append(Number(Published(*about, image="", paper="P", year="", table="", address="", note=""), (cell,)))
    with patch.object(study, "measurable", lambda: numbers):
        lines = [str(line) for line in study.build((), (), Path(), table=Path("memory.csv"), settings=Settings(jobs=1))]
    print("\n".join(lines))  # noqa: T201 - as commands do
    return 0


def download(address: str, checksums: Mapping[str, str]) -> int:
    """Fetch files of a server of this machine into the cache, as the files of a dataset."""
    from bench.common.errors import BenchError
    from bench.common.files import fetch
    from datasets import File

    try:
        fetch("data", "dataset torture", [File(name, sha, f"{address}/{name}") for name, sha in checksums.items()])
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - as commands do
        return 2
    return 0


def crowd(folder: str, worker: int, seconds: float) -> int:
    """Write records of synthetic cells into one folder, and read those of all, until the time is over."""
    import time

    import pyarrow.parquet  # noqa: F401 - before the time runs

    from bench.common.atomic import write_whole
    from bench.store.parquet import decoded, encoded

    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        rows = [{"image": "a", "psnr": float(number), "denoised": bytes([worker] * 5000)}]
        name = f"{worker}-{number}" if number % 2 else "shared"
        path = Path(folder) / "runs" / "crowd" / f"{name}.parquet"
        write_whole(path, encoded(rows, {"worker": worker, "number": number}))
        decoded(path, whole=True)
        number += 1
    Path(folder, f"{worker}.count").write_text(str(number), encoding="utf-8")
    return 0
