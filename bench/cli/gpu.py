"""What the first half hour with a GPU is for, in steps (make gpu)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli import options
from bench.common.errors import BenchError
from bench.common.paths import ROOT

NETWORKS = "dncnn-s,ffdnet,bf-dncnn@0-55"
"""Whose precision and forward pass are measured."""

FAST = (
    "patch=64 batch=64 steps=55000 optimiser=adamw rate=2e-3 warm_up=500 cosine=true decay=1e-4 clip=1.0 average=0.999 "
    "held_out=4"
)
"""What makes a recipe quick on a GPU: the paper's steps are held up by memory, not by arithmetic."""

TRAININGS = (
    ("dncnn-s", "25", "set12,bsd68"),
    ("dncnn-s", "50", "set12,bsd68"),
    ("dncnn-s", "15", "set12,bsd68"),
    ("bf-dncnn", "gaussian:0-100", "set12,bsd68"),
    ("dncnn-b", "gaussian:0-55", "set12,bsd68"),
    ("cdncnn-b", "gaussian:0-55", "cbsd68"),
)
"""Recipes in the order of their worth, each with its noise and what is measured with it; step 4 trains the first."""


@dataclass(frozen=True)
class Asked:
    """What was asked of `make gpu`; empty words take the step's own."""

    device: str
    method: str
    data: str
    noise: str
    change: str
    seconds: float  # that a step may take
    out: Path  # of records and checkpoints
    tables: Path
    weights: Path
    own_place: bool  # whether weights lie where METHOD=name@own finds them

    def table(self, name: str) -> Path:
        """Return the file of a table."""
        return self.tables / f"gpu-{name}.csv"


def command(
    step: Annotated[str, typer.Option(help="1 to 5, a comma list; all otherwise, one after another.")] = "1,2,3,4,5",
    method: Annotated[str, typer.Option(help="Methods of steps 2 and 3, or the recipe of steps 4 and 5.")] = "",
    data: Annotated[str, typer.Option(help="Images of steps 2 and 3; of steps 4 and 5 those of training.")] = "",
    noise: Annotated[str, typer.Option(help="Noise instead of the step's own.")] = "",
    budget: Annotated[
        str, typer.Option(help="Time of each step; what is not done then waits for the next run.")
    ] = "9m",
    change: Annotated[
        list[str] | None, typer.Option("--set", help="What else is different in training, as of train.")
    ] = None,
    device: options.Device = "cuda",
    to: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of tables and weights; else where they are committed."),
    ] = None,
    out: options.Out = options.RESULTS / "gpu",
) -> None:
    """Prove, time and use a GPU, in steps that leave small files to be committed (make gpu).

    1: versions, and the tests that need a GPU. 2: every network's PSNR there and on the CPU. 3: precisions and speed.
    4 and 5: training. Each goes on from what is finished.
    """
    from bench.common import devices
    from bench.common.atomic import check_writable
    from bench.common.parsing import budget_seconds, split, unknown
    from bench.train.weights_file import FOLDER

    steps = split(step, "STEP")
    for one in steps:
        if one not in STEPS:
            raise unknown("STEP", one, STEPS)
    asked = Asked(
        devices.chosen(device), method, data, noise, " ".join(change or ()), budget_seconds(budget), out,
        to or ROOT / "results" / "measured", to / "weights" if to else FOLDER, own_place=to is None,
    )  # fmt: skip
    check_writable(asked.tables)
    for one in steps:
        title, run = STEPS[one]
        typer.echo(f"step {one}: {title}")
        run(asked)


def _surroundings(asked: Asked) -> None:
    from bench.studies.gpu.surroundings import run_tests, surroundings

    passed, line = run_tests()
    rows = [*surroundings(asked.device), {"what": "pytest -m gpu", "value": line}]
    for row in rows:
        typer.echo(f"{row['what']}: {row['value']}")
    _write(asked, "surroundings", rows)
    if not passed:
        raise BenchError(f"the tests that need a GPU do not pass ({line}); see python -m pytest -m gpu tests")


def _agreement(asked: Asked) -> None:
    from bench.plan.request import Request, plan
    from bench.run.settings import Settings
    from bench.studies.deadline import Deadline
    from bench.studies.gpu.agreement import LARGEST, on_both

    cells, failures = plan(Request(asked.method or "all", asked.data or "set12", asked.noise or "25"))
    if not cells:
        raise BenchError(failures[0].cause if failures else "no method fits")
    rows = list(on_both(cells, asked.device, asked.out, Deadline(asked.seconds), Settings()))
    _write(asked, "agreement", rows)
    apart = [row for row in rows if float(row["difference"]) > LARGEST]
    typer.echo(f"{len(rows)} of {len(cells)} cells ran on both; {len(apart)} differ by more than {LARGEST:g} dB")
    if apart:
        raise BenchError(
            "; ".join(f"{row['method']}, {row['degradation']}: {float(row['difference']):.4f} dB" for row in apart)
            + f": expected {LARGEST:g} dB at most between {asked.device} and the CPU"
        )


def _speed(asked: Asked) -> None:
    from bench.plan.request import Request, plan
    from bench.run.settings import Settings
    from bench.studies.deadline import Deadline
    from bench.studies.gpu.forward import forward_passes
    from bench.studies.gpu.precision import precisions
    from bench.studies.speed.study import evaluation
    from bench.train import throughput

    request = Request(asked.method or NETWORKS, asked.data or "bsd68", asked.noise or "25")
    _write(asked, "precision", precisions(request, asked.device, asked.out, Deadline(asked.seconds / 3), Settings()))
    time = Deadline(asked.seconds / 2)
    _write(asked, "forward", forward_passes(plan(request)[0], asked.device, over=lambda: time.over))
    if not asked.method:
        rows = throughput.measure("dncnn-s,dncnn-small", seconds=min(30.0, asked.seconds / 12), device=asked.device)
        _write(asked, "train-speed", rows)
        _write(asked, "evaluation", evaluation(asked.data or "bsd68", 12, asked.device))


def _first_training(asked: Asked) -> None:
    _train(asked, TRAININGS[0])


def _next_training(asked: Asked) -> None:
    from bench.train.overrides import recipe_for

    for training in TRAININGS[1:]:
        recipe = recipe_for(training[0], "", training[1], FAST, "fast")
        if asked.method or not (asked.weights / f"{recipe.stem}.json").exists():
            _train(asked, training)
            return
    typer.echo("all recipes are trained")


def _train(asked: Asked, training: tuple[str, str, str]) -> None:
    from bench.cli.app import main
    from bench.train.overrides import recipe_for

    method, noise, sets = training
    method, noise = asked.method or method, asked.noise or noise
    change = f"{FAST} {asked.change}"
    recipe = recipe_for(method, asked.data, noise, change, "fast")
    words = [
        f"--method={method}", f"--noise={noise}", "--name=fast", f"--set={change}", f"--device={asked.device}",
        f"--budget={asked.seconds * 0.8:.0f}s", f"--to={asked.weights}", f"--out={asked.out}",
    ]  # fmt: skip
    _ended(main(["train", *words, *([f"--data={asked.data}"] if asked.data else [])]))
    file = asked.weights / f"{recipe.stem}.safetensors"
    named = [f"--method={recipe.method}@own-fast"]
    if not asked.own_place:
        named = [f"--method={recipe.method}", f"--weights={file}"]
    sigmas = noise if "-" not in noise else "15,25,50"
    words = [f"--data={asked.data or sets}", f"--noise={sigmas}", f"--device={asked.device}", f"--out={asked.out}"]
    table = asked.table(recipe.stem.replace("@own", ""))
    _ended(main(["run", *named, *words, f"--table={table}"]))


def _ended(status: int) -> None:
    if status:
        raise typer.Exit(status)


def _write(asked: Asked, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as its rows come, so that what is measured stays where the rest fails."""
    from bench.common.tables import write_csv

    known: list[Mapping[str, Any]] = []
    for row in rows:
        known.append(row)
        write_csv(asked.table(name), known, digits=6)
    typer.echo(f"{asked.table(name)}: {len(known)} rows")


STEPS: dict[str, tuple[str, Callable[[Asked], None]]] = {
    "1": ("versions, the GPU, and the tests that need one", _surroundings),
    "2": ("every network's PSNR on the GPU and on the CPU", _agreement),
    "3": ("precisions in dB and time, forward passes, the speed of training", _speed),
    "4": ("DnCNN for one sigma by a quick recipe, and what it gives", _first_training),
    "5": ("the next recipe whose weights are not there yet, and what it gives", _next_training),
}
