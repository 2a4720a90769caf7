"""Format, lint, types, and who may import whom (make check)."""

import subprocess
import sys

import typer

from bench.common.paths import ROOT

OURS = ("bench", "methods", "datasets", "tests")
"""Folders that are checked: a person's own methods may lie beside them."""

CHECKS = (
    ("ruff", "format", "--check", *OURS),
    ("ruff", "check", *OURS),
    ("mypy",),
    ("pytest", "-q", "tests/test_imports.py"),
)


def command() -> None:
    """Check format, lint, types and imports; the first that fails ends it (make check)."""
    for words in CHECKS:
        typer.echo(" ".join(words))
        status = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode
        if status:
            raise typer.Exit(status)
