"""Importing this says in one line what the program needs and is not there; `make clean` alone needs no package."""

import sys

try:
    import typer.exceptions  # noqa: F401 - typer before 0.27.2 has none
except ImportError as error:
    sys.stderr.write(f"error: {error}: expected the packages of requirements.txt; pip install -r requirements.txt\n")
    raise SystemExit(2) from None
