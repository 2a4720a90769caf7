"""What a worker must have to get cells: the same code, and the same versions of the packages that compute."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from bench.common import provenance
from bench.common.paths import ROOT
from bench.plan.cell import Cell

TOPIC = "denoising-bench"
"""Under which workers tell the scheduler whether they have it."""


def required(cells: Iterable[Cell]) -> dict[str, Any]:
    """Return what workers must have to run cells: hashes of the code's files, versions of Python and of packages."""
    packages = {*provenance.PACKAGES, *(package for cell in cells for package in cell.packages)}
    versions = {package: provenance.version(package).partition("+")[0] for package in sorted(packages)}
    python = provenance.versions()["python"].rpartition(".")[0]
    return {"files": _files(), "versions": versions, "python": python}


def digest(requirement: Mapping[str, Any]) -> str:
    """Return a name for what is required, of which a worker that has it has one: it takes one cell at a time."""
    return f"bench-{hashlib.sha256(repr(requirement).encode()).hexdigest()[:16]}"


@cache
def _files() -> dict[str, str]:
    """Return the hash of each file of code; read once, as the code is."""
    paths = sorted(path for package in ("bench", "methods", "datasets") for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths}


def guard(requirement: Mapping[str, Any]) -> Any:
    """Return a plugin of workers, by which each that has what is required offers to take cells, and others say why not.

    The class goes to the workers as it is written here, and imports nothing of this project: a worker may have none.
    """
    from distributed import WorkerPlugin

    name, topic = digest(requirement), TOPIC

    class Guard(WorkerPlugin):
        async def setup(self, worker: Any) -> None:
            import multiprocessing
            import socket

            process = multiprocessing.current_process()
            process._config["daemon"] = False  # type: ignore[attr-defined] # else it may start no process for a method
            differs = self.differs(worker)
            if not differs:
                of_cpu = {} if "GPU" in worker.state.total_resources else {f"{name}-cpu": 1}
                await worker.set_resources(**{name: 1}, **of_cpu)
            said = {"name": name, "worker": worker.address, "host": socket.gethostname(), "differs": differs}
            worker.log_event(topic, said)

        def differs(self, worker: Any) -> str:
            """Return what of the worker is other than required; empty where nothing is."""
            import hashlib
            import sys
            from importlib import metadata, util
            from pathlib import Path

            python = f"{sys.version_info[0]}.{sys.version_info[1]}"
            if python != requirement["python"]:
                return f"it has Python {python}, here {requirement['python']}"
            found = util.find_spec("bench")
            if found is None or found.origin is None:
                return "it cannot import bench: start it in the root of a checkout of this project"
            root = Path(found.origin).parents[1]
            if not hasattr(worker, "bench_files"):  # it may have imported what was changed since
                worker.bench_files = {
                    path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
                    for package in ("bench", "methods", "datasets")
                    for path in sorted((root / package).rglob("*.py"))
                }
            names = {*worker.bench_files, *requirement["files"]}
            other = sorted(file for file in names if worker.bench_files.get(file) != requirement["files"].get(file))
            if other:
                more = f" and {len(other) - 1} more files" if len(other) > 1 else ""
                return f"its code is other than here in {other[0]}{more}: check out the same commit, and start it again"
            versions = {}
            for package in requirement["versions"]:
                try:
                    versions[package] = metadata.version(package).partition("+")[0]
                except metadata.PackageNotFoundError:
                    versions[package] = "not installed"
            wrong = [f"{p} {v} (here {requirement['versions'][p]})" for p, v in versions.items()
                     if v != requirement["versions"][p]]  # fmt: skip
            return f"it has {', '.join(wrong)}: install what requirements.txt pins" if wrong else ""

    return Guard()
