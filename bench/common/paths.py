"""Where the project's own folders lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `bench/`, `methods/`, `datasets/` and `results/`."""
