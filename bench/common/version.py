"""The version of this project, which stands in `pyproject.toml`."""

import tomllib
from functools import cache

from bench.common.paths import ROOT


@cache
def version() -> str:
    """Return the version."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
