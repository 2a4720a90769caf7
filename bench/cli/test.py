"""Prove the code and the published numbers (make test)."""

import shlex
import subprocess
import sys
from typing import Annotated

import typer

from bench.common.errors import BenchError
from bench.common.paths import ROOT

PYTEST = ("-m", "pytest", "--numprocesses=auto", "--dist=loadgroup", "--no-loadscope-reorder")


def command(
    tests: Annotated[str, typer.Option(help="What pytest is given: tests/bench for a part, as a shell parts it.")] = "",
) -> None:
    """Run the tests, those that measure published numbers among them (make test)."""
    try:
        words = shlex.split(tests)
    except ValueError as error:
        raise BenchError(f"TESTS={tests}: {error}") from None
    raise typer.Exit(subprocess.run([sys.executable, *PYTEST, *words], cwd=ROOT, check=False).returncode)
