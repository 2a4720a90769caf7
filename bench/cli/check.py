"""Format, lint, types, who may import whom, and the ledger (make check)."""

import subprocess
import sys

import typer

from bench.cli.printing import say
from bench.common.paths import ROOT

OURS = ("bench", "methods", "datasets", "docs", "tests")
"""Folders that are checked: a person's own methods may lie beside them."""

CHECKS = (
    ("ruff", "format", "--check", *OURS),
    ("ruff", "check", *OURS),
    ("mypy",),
    ("pytest", "-q", "tests/test_imports.py"),
)


def command() -> None:
    """Check ledger, format, lint, types and imports; the first that fails ends it (make check)."""
    from bench.judge.ledger_check import problems

    say("results/published.csv, results/sources.csv")
    if faults := problems():
        say("\n".join(faults), err=True)
        raise typer.Exit(1)
    for words in CHECKS:
        say(" ".join(words))
        status = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode
        if status:
            raise typer.Exit(status)
