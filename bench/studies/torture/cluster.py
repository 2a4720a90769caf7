"""A Dask cluster on this machine: a scheduler and its workers, for commands that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.common.errors import BenchError
from bench.common.paths import ROOT

WORKERS = 2

PATIENCE = 60.0
"""Seconds that the scheduler may take to begin."""


@contextmanager
def cluster(folder: Path) -> Iterator[list[str]]:
    """Start it, and give the words that send the cells of a command there; its processes end with the block.

    Raises
    ------
    BenchError
        If no scheduler begins.
    """
    file = folder / "scheduler.json"
    here = ("--host=127.0.0.1", "--no-dashboard", f"--scheduler-file={file}")
    processes = [_started("scheduler", *here, "--port=0")]
    try:
        until = time.monotonic() + PATIENCE
        while not (file.exists() and file.stat().st_size):
            if time.monotonic() > until:
                raise BenchError(f"no scheduler of Dask began within {PATIENCE:g} s")
            time.sleep(0.05)
        processes.append(
            _started("worker", *here, f"--nworkers={WORKERS}", "--nthreads=1", f"--local-directory={folder}")
        )
        yield ["ENGINE=dask", f"SCHEDULER={file}"]
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _started(what: str, *words: str) -> "subprocess.Popen[bytes]":
    """Start a part of it in a group of its own."""
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | single,
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        start_new_session=True,
    )
