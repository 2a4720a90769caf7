"""What was known when a cell ran: versions, machine, commit."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from bench.common.paths import ROOT

PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "bm3d", "onnxruntime", "pillow", "h5py")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that touch a number."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


@cache
def version(package: str) -> str:
    """Return the version of an installed package, or say that it is not installed."""
    from importlib import metadata  # takes 10 ms, which not every command needs

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def commit() -> str:
    """Return the git commit of the code, with `+` where files differ from it; empty outside git."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        state = subprocess.run(
            ["git", "status", "--porcelain", "--", "bench", "methods", "datasets"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


@cache
def machine() -> str:
    """Return processor and system, as `AMD EPYC, 2 cores, Linux`."""
    cpu = _kernel_says("cpuinfo", "model name") or platform.processor() or platform.machine()
    return f"{cpu}, {cores()} cores, {platform.system()}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Return the bytes of memory that programs can still take, or 8 GiB where it cannot be told."""
    available = _kernel_says("meminfo", "MemAvailable")
    machine = int(available.split()[0]) * 1024 if available else 8 * 2**30
    said = [path.read_text().strip() for path in CONTAINER if path.exists()]
    return min([machine, *(int(limit) for limit in said if limit.isdecimal())])


CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how many bytes a container may take, which /proc/meminfo does not know of."""


def memory_limit() -> float:
    """Return the GiB that this process may take (`ulimit -v`, `ulimit -d`), as batch systems set it; 0: no limit."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, getrlimit
    except ImportError:
        return 0.0
    limits = [getrlimit(kind)[0] for kind in (RLIMIT_AS, RLIMIT_DATA)]
    return min((limit for limit in limits if limit != RLIM_INFINITY), default=0) / 2**30


def reset_peak_memory() -> None:
    """Start measuring the peak of resident memory anew, where the system allows it (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # the peak then counts from the start of the process


def peak_memory() -> int:
    """Return the peak of this process's resident memory in bytes, or 0 where it cannot be told."""
    peak_kilobytes = _kernel_says("self/status", "VmHWM")
    if peak_kilobytes:
        return int(peak_kilobytes.split()[0]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def data_memory() -> int:
    """Return the bytes that this process has laid out for data, or 0 where it cannot be told."""
    laid_out = _kernel_says("self/status", "VmData")
    return int(laid_out.split()[0]) * 1024 if laid_out else 0


def _kernel_says(file: str, name: str) -> str:
    """Return the first value of a name in a file of /proc; empty where there is none."""
    path = Path("/proc") / file
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
