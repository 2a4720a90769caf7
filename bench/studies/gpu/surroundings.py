"""What a machine with a GPU is: versions, the GPU, its switches, and whether the tests that need one pass."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator

from bench.common import devices, provenance
from bench.common.paths import ROOT

PACKAGES = ("bm3d", "bm4d", "loky", "pooch", "platformdirs", "pydicom", "pywt", "onnxruntime")
"""Packages that such a machine may lack, as they are imported: what needs one says so, and the rest runs."""

TESTS = 300.0
"""Seconds that the tests may take."""


def surroundings(device: str) -> Iterator[dict[str, str]]:
    """Yield rows of `what` and `value` for a device, ``"cpu"`` or ``"cuda:N"``."""
    import torch

    yield from _rows({"machine": provenance.machine(), "device": devices.title(device)} | provenance.versions())
    yield from _rows(devices.drivers(device))
    if device != "cpu":
        total, (major, minor) = torch.cuda.mem_get_info(device)[1], torch.cuda.get_device_capability(device)
        yield from _rows({"memory of the GPU (GiB)": f"{total / 2**30:.1f}", "compute capability": f"{major}.{minor}"})
    switches = {"cuDNN": torch.backends.cudnn.allow_tf32, "matrix products": torch.backends.cuda.matmul.allow_tf32}
    yield from _rows({f"TF32 by default, {name}": "on" if on else "off" for name, on in switches.items()})
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    yield from _rows({"packages that are not installed": ", ".join(lacking) or "none"})


def _rows(found: dict[str, str]) -> Iterator[dict[str, str]]:
    yield from ({"what": name, "value": value} for name, value in found.items())


def run_tests() -> tuple[bool, str]:
    """Run the tests that need a GPU; return whether none failed, and the last line that pytest prints."""
    # Other files may need packages that a machine with a GPU lacks.
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", *files]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TESTS, check=False)
    except subprocess.TimeoutExpired:
        return False, f"the tests took more than {TESTS:.0f} s"
    counts = [line for line in ended.stdout.splitlines() if re.search(r"\d+ (passed|failed|skipped|deselected)", line)]
    nothing = 5  # what pytest says where there is no such test
    return ended.returncode in (0, nothing), (counts or ended.stderr.splitlines() or ["pytest printed nothing"])[-1]
