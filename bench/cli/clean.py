"""Remove runs, report, figures, exports and caches (make clean); needs no installed package."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.common.paths import ROOT

MADE = (
    "runs",
    "report",
    "explain",
    "export",
    "compare",
    "where",
    "residuals",
    "segment",
    "selfscore",
    "audit",
    "draws",
    "search",
    "docs",
)
"""Folders of `results` that commands write; not `training`, whose checkpoints a training goes on from."""

CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache")


def command() -> None:
    """Remove runs, report, figures, exports and caches; not .venv, not downloads (make clean)."""
    for folder in (*(ROOT / "results" / name for name in MADE), *(ROOT / name for name in CACHES), *_bytecode(ROOT)):
        shutil.rmtree(folder, ignore_errors=True)


def _bytecode(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == "__pycache__":
            yield path
        elif path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _bytecode(path)


if __name__ == "__main__":
    command()
