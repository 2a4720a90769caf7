"""A small benchmark of packages and committed weights alone, and its report (make demo)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.common.paths import ROOT

RUNS = (
    ("bm3d,nlm,dncnn-b@own-small", "builtin", "25,50"),
    ("bm3d,nlm,dncnn-b@own-colour-small", "builtin-rgb", "25"),
)
"""Methods, images and noise: three methods on gray and on colour photographs."""


def command(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the runs and the report.")] = ROOT
    / "results"
    / "demo",
) -> None:
    """Measure three methods on two sets, without a download, and make the report (make demo)."""
    from bench.cli.app import main

    for method, data, noise in RUNS:
        words = [f"--method={method}", f"--data={data}", f"--noise={noise}", f"--out={out}"]
        if status := main(["run", *words]):
            raise typer.Exit(status)
    raise typer.Exit(main(["report", f"--out={out}"]))
