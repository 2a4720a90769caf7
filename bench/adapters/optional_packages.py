"""What the adapters of optional packages share."""

import importlib.util
from pathlib import Path
from typing import Any

from bench.common import provenance
from bench.common.errors import BenchError


def version(where: str, package: str) -> str:
    """Return the version of an installed package.

    Raises
    ------
    BenchError
        If it is not installed, with how to install it.
    """
    if importlib.util.find_spec(package) is None:
        raise BenchError(
            f"{where}: the package {package} is not installed; "
            f"pip install {package}, or pip install -r requirements-extras.txt"
        )
    return provenance.version(package)


def checkpoint(path: Path) -> dict[str, Any]:
    """Read a PyTorch checkpoint or safetensors file as it is, with no code of its own being run.

    Raises
    ------
    ValueError
        If it cannot be read, holds anything but tensors and plain containers, or is no dictionary.
    """
    from methods.formats import contents

    content = contents(path)
    if not isinstance(content, dict):
        raise ValueError(f"weights {path}: hold a {type(content).__name__}; expected a dictionary of tensors")
    return content
