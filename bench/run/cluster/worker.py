"""What a worker of a cluster does with a cell, or with a part of one."""

from dataclasses import replace
from typing import Any


def run_here(payload: bytes) -> Any:
    """Run a pickled `(function, cell, settings)` with the cores of this worker, and return what the function returns.

    The files of the cell are looked for, downloaded and verified here, as by any run.
    """
    import cloudpickle
    from distributed import get_worker

    function, cell, settings = cloudpickle.loads(payload)
    cores = get_worker().state.nthreads
    return function(cell, replace(settings, jobs=cores, threads=settings.threads or cores, engine="serial"))
