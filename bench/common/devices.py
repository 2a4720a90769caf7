"""The device that cells run on: which one, its name, its clock and its memory."""

import re
from pathlib import Path

from bench.common import provenance
from bench.common.errors import BenchError


def check(asked: str) -> None:
    """Raise `BenchError` where DEVICE names no device of any machine."""
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", asked):
        raise BenchError(f"DEVICE={asked}: expected auto, cpu, cuda or cuda:N")


def chosen(asked: str) -> str:
    """Return what DEVICE means on this machine, ``"cpu"`` or ``"cuda:N"``, or raise `BenchError`."""
    import torch

    check(asked)
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return "cpu"
    name = "cuda:0" if asked in ("auto", "cuda") else asked
    index = name.removeprefix("cuda:")
    if int(index) >= torch.cuda.device_count():
        raise BenchError(f"DEVICE={asked}: this machine has {torch.cuda.device_count()} CUDA devices; use DEVICE=cpu")
    return name


def title(device: str) -> str:
    """Return the device with the name of the product, for a record."""
    import torch

    return "cpu" if device == "cpu" else f"{device} ({torch.cuda.get_device_name(device)})"


def drivers(device: str) -> dict[str, str]:
    """Return the versions of CUDA, cuDNN and the driver that a GPU ran with; empty on the CPU."""
    if device == "cpu":
        return {}
    import torch

    version_file = Path("/proc/driver/nvidia/version")
    driver = re.search(r"\d+\.\d+(\.\d+)?", version_file.read_text()) if version_file.exists() else None
    return {
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        "driver": driver[0] if driver else "unknown",
    }


def synchronise(device: str) -> None:
    """Wait until a GPU has done all that it was given."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def free_memory(device: str) -> int:
    """Return the bytes that a GPU still has: those of nobody, and those that PyTorch keeps here and does not use."""
    import torch

    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def reset_peak_memory(device: str) -> None:
    """Start measuring the peak of memory anew."""
    provenance.reset_peak_memory()
    if device != "cpu":
        import torch

        # Before that there is no device to reset, and PyTorch refuses.
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int:
    """Return the peak in bytes: of this process on the CPU, of PyTorch's tensors on a GPU."""
    if device == "cpu":
        return provenance.peak_memory()
    import torch

    return int(torch.cuda.max_memory_allocated(device))
