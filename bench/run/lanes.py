"""Worker processes of one machine: one for each GPU, and others, on the cores that are left, for what needs none."""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from bench.common import provenance
from bench.common.interruption import work_for
from bench.plan.cell import Cell
from bench.run.processes import quiet_tracker, workers
from bench.run.settings import Settings


@dataclass
class Lane:
    """Some worker processes, and the cells that wait for them.

    Attributes
    ----------
    waiting : deque of Cell
        In the order in which they begin; lanes of one kind share one.
    count : int
        Of processes.
    settings : Settings
        Of each of them.
    gpu : str
        The only GPU that the process sees, as ``CUDA_VISIBLE_DEVICES`` names it, so that it is ``cuda:0`` there and in
        records; empty: there is nothing to choose.
    """

    waiting: deque[Cell]
    count: int
    settings: Settings
    gpu: str = ""
    _own: Executor | None = field(default=None, repr=False)

    def executor(self, *, alone: bool = False) -> Executor:
        """Return the processes, new ones where one of them died; or a new one for a single cell."""
        if not self.gpu:
            return workers(1, fresh=True) if alone else workers(self.count)
        if self._own is None or getattr(self._own, "_flags").broken:  # noqa: B009 - loky tells it nowhere else
            from loky import ProcessPoolExecutor

            quiet_tracker()

            how = {"env": {"CUDA_VISIBLE_DEVICES": self.gpu}, "timeout": None}
            begins = {"initializer": work_for, "initargs": (os.getpid(),)}
            self._own = ProcessPoolExecutor(max_workers=1, **how, **begins)
        return self._own

    def close(self) -> None:
        """End processes that no later cell would find again."""
        if self._own is not None:
            self._own.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg]


def lanes(cells: Sequence[Cell], settings: Settings) -> list[Lane]:
    """Return the worker processes that run cells on this machine.

    Without a GPU to use: `settings.jobs` of them, each with its share of the cores. Otherwise one for each GPU, and
    `settings.jobs`, or one for each core that is left, for the cells that need none.
    """
    cores = provenance.cores()
    gpus = visible_gpus() if settings.device in ("auto", "cuda") else ()
    on_gpu = [bool(gpus) and not cell.method.processes and not cell.outputs for cell in cells]
    for_gpu, others = (deque(cell for cell, has in zip(cells, on_gpu, strict=True) if has == wanted)
                       for wanted in (True, False))  # fmt: skip
    used = gpus[: len(for_gpu)]
    left = max(1, cores - len(used))
    jobs = settings.jobs or left
    threads = settings.threads or max(1, (cores // 2 if others else cores) // max(1, len(used)))
    found = [Lane(for_gpu, 1, replace(settings, jobs=1, threads=threads), gpu) for gpu in used]
    if others:
        found.append(Lane(others, jobs, replace(settings, jobs=1, threads=settings.threads or max(1, left // jobs))))
    return found


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(named[:count] if len(named) >= count else map(str, range(count)))
