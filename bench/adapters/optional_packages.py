"""What the adapters of optional packages share."""

import importlib.util

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
