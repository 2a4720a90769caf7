"""What was known when a cell ran: versions, machine, commit."""

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from bench.common.paths import ROOT

_PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "bm3d", "onnxruntime", "pillow", "h5py")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that touch a number."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


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
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
    return f"{cpu}, {cores()} cores, {platform.system()}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Return the bytes of memory that programs can still take, or 8 GiB where it cannot be told."""
    info = Path("/proc/meminfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 8 * 2**30


def reset_peak_memory() -> None:
    """Start measuring the peak of resident memory anew, where the system allows it (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # the peak then counts from the start of the process


def peak_memory() -> int:
    """Return the peak of this process's resident memory in bytes, or 0 where it cannot be told."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
