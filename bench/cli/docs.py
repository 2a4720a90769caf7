"""The documentation as a site that opens from disk (make docs)."""

import os
import subprocess
import sys
from importlib.util import find_spec

import typer

from bench.cli.printing import say
from bench.common.errors import BenchError
from bench.common.paths import ROOT


def command() -> None:
    """Build the documentation, a page for every command among it; a broken link fails (make docs)."""
    if find_spec("mkdocs") is None or find_spec("mkdocstrings") is None:
        raise BenchError(
            "mkdocs is not installed: python -m pip install -r requirements-docs.txt -c constraints.txt, or make docs"
        )
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    # The theme would print, at each build, that other software follows it.
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    if status := subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode:
        raise typer.Exit(status)
    say("documentation: results/docs/index.html")
