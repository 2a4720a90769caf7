"""What the first half hour with a GPU is for, in steps (make gpu)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from bench.cli import options
from bench.cli.printing import say
from bench.common.errors import BenchError
from bench.common.paths import ROOT

NETWORKS = "dncnn-s,ffdnet,bf-dncnn@0-55"
"""Whose precision and forward pass are measured."""

FAST = (
    "patch=64 batch=64 steps=55000 optimiser=adamw rate=2e-3 warm_up=500 cosine=true decay=1e-4 clip=1.0 average=0.999 "
    "held_out=4"
)
"""What makes a recipe quick on a GPU: the paper's steps are held up by memory, not by arithmetic."""

TRAININGS: tuple[tuple[str, ...], ...] = (
    ("dncnn-s", "25", "set12,bsd68"),
    ("bf-dncnn", "gaussian:0-100", "set12,bsd68"),
    ("dncnn-s", "50", "set12,bsd68"),
    ("dncnn-b", "gaussian:0-55", "set12,bsd68"),
    ("cdncnn-b", "gaussian:0-55", "cbsd68", "fast-colour"),
    ("dncnn-s", "15", "set12,bsd68"),
    ("rdn", "50", "cbsd68", "fast", "blocks=8 layers=6 growth=32 features=32 patch=48 batch=32 rate=1e-3"),
    ("dncnn-s", "25", "set12,bsd68", "fast-no-norm", "norm=false rate=1e-3"),
    ("dncnn-s", "25", "set12,bsd68", "fast-muon", "optimiser=muon"),
    ("msbf-resnet", "gaussian:1-40", "cbsd68", "fast"),
)
"""Recipes in the order of their worth: each with its noise, what is measured with it, the name of its weights and what
it changes besides `FAST`, where it does. Step 4 trains the first, step 5 the others."""

ENOUGH = 300.0
"""Seconds of training after which the next recipe gains more: in four minutes DnCNN comes within 0.06 dB."""


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
    failed = []
    for one in steps:
        title, run = STEPS[one]
        say(f"step {one}: {title}")
        try:
            run(asked)
        except (BenchError, typer.Exit) as error:
            if one == "1" or len(steps) == 1 or _interrupted(error):  # a GPU that fails its tests measures nothing
                raise
            failed.append(one)
            say(f"error: step {one}: {error if isinstance(error, BenchError) else 'as said above'}", err=True)
    if failed:
        raise BenchError(
            f"step {', '.join(failed)} of {', '.join(steps)} failed; STEP={','.join(failed)} goes on there"
        )


def _surroundings(asked: Asked) -> None:
    from bench.studies.gpu.surroundings import run_tests, surroundings

    passed, line = run_tests()
    rows = [*surroundings(asked.device), {"what": "pytest -m gpu", "value": line}]
    for row in rows:
        say(f"{row['what']}: {row['value']}")
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
    say(f"{len(rows)} of {len(cells)} cells ran on both; {len(apart)} differ by more than {LARGEST:g} dB")
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
    if not (asked.method or asked.change) and _is_trained(asked, *TRAININGS[0]):
        say(f"{TRAININGS[0][0]} at {TRAININGS[0][1]} is trained: its weights lie in {asked.weights}")
        return
    _train(asked, *TRAININGS[0], seconds=asked.seconds * 0.8)


def _next_trainings(asked: Asked) -> None:
    """Train one recipe after another while there is time; one that fails keeps no other from its turn."""
    end, begun, failed = monotonic() + asked.seconds, 0, []
    waiting = [training for training in TRAININGS[1:] if asked.method or not _is_trained(asked, *training)]
    if not waiting:
        say("all recipes are trained")
    for i, training in enumerate(waiting):
        seconds = 0.8 * (end - monotonic())
        if begun and (asked.method or seconds < ENOUGH):
            say(f"{len(waiting) - i} recipes wait for the next STEP=5, {training[0]} at {training[1]} first")
            break
        begun += 1
        try:
            _train(asked, *training, seconds=min(ENOUGH, seconds) if len(waiting) > 1 else seconds)
        except (BenchError, typer.Exit) as error:
            if _interrupted(error):
                raise
            failed.append(f"{training[0]} at {training[1]}")
            begun -= 1
    if failed:
        raise BenchError(f"not trained, as said above: {', '.join(failed)}")


def _is_trained(asked: Asked, method: str, noise: str, sets: str, name: str = "fast", change: str = "") -> bool:
    from bench.train.overrides import recipe_for

    recipe = recipe_for(method, "", noise, f"{FAST} {change}", name)
    return (asked.weights / f"{recipe.stem}.json").exists()


def _train(
    asked: Asked, method: str, noise: str, sets: str, name: str = "fast", change: str = "", *, seconds: float
) -> None:
    from bench.cli.app import main
    from bench.train.overrides import recipe_for

    method, noise = asked.method or method, asked.noise or noise
    change = " ".join(filter(None, (FAST, change, asked.change)))
    recipe = recipe_for(method, asked.data, noise, change, name)
    words = [
        f"--method={method}", f"--noise={noise}", f"--name={name}", f"--set={change}", f"--device={asked.device}",
        f"--budget={seconds:.0f}s", f"--to={asked.weights}", f"--out={asked.out}",
    ]  # fmt: skip
    _ended(main(["train", *words, *([f"--data={asked.data}"] if asked.data else [])]))
    file = asked.weights / f"{recipe.stem}.safetensors"
    named = [f"--method={recipe.method}@own-{name}"]
    if not asked.own_place:
        named = [f"--method={recipe.method}", f"--weights={file}"]
    sigmas = noise if "-" not in noise else "15,25,50"
    words = [f"--data={asked.data or sets}", f"--noise={sigmas}", f"--device={asked.device}", f"--out={asked.out}"]
    table = asked.table(recipe.stem.replace("@own", ""))
    _ended(main(["run", *named, *words, f"--table={table}"]))


def _interrupted(error: Exception) -> bool:
    return isinstance(error, typer.Exit) and error.exit_code > 128  # of shells: 128 and the signal


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
    say(f"{asked.table(name)}: {len(known)} rows")


STEPS: dict[str, tuple[str, Callable[[Asked], None]]] = {
    "1": ("versions, the GPU, and the tests that need one", _surroundings),
    "2": ("every network's PSNR on the GPU and on the CPU", _agreement),
    "3": ("precisions in dB and time, forward passes, the speed of training", _speed),
    "4": ("DnCNN for one sigma by a quick recipe, and what it gives", _first_training),
    "5": ("the next recipes whose weights are not there yet, and what they give", _next_trainings),
}
