"""Train a method by its recipe (make train)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say
from bench.common.errors import BenchError


def command(
    method: Annotated[
        str,
        typer.Option(help="A recipe of methods/recipes/, a file as make search writes, or a method that one trains."),
    ] = "dncnn",
    data: Annotated[str, typer.Option(help="Training images instead of the recipe's: datasets, or paths.")] = "",
    noise: Annotated[str, typer.Option(help="Noise instead of the recipe's; a range is drawn for each patch.")] = "",
    budget: Annotated[str, typer.Option(help="Training time, as 9m: the steps are made to fit.")] = "",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, patches and noise; the recipe's otherwise.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="What else is different, NAME=VALUE in TOML: steps=2000, 'features=[16,24]'."),
    ] = None,
    start: Annotated[str, typer.Option(help="Weights to go on from: rdn-small@own, or a .safetensors file.")] = "",
    record: Annotated[str, typer.Option(help="Train again as a training record says (JSON); with NAME or TO.")] = "",
    name: Annotated[str, typer.Option(help="What tells the weights apart: dncnn@own-NAME.")] = "",
    device: options.Device = "auto",
    jobs: options.Threads = 0,
    to: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for weights and record; methods/weights otherwise.")
    ] = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Train a method by its recipe, to be used as METHOD=name@own (make train)."""
    from bench.cli.printing import print_outcomes
    from bench.common.parsing import budget_seconds
    from bench.train.overrides import recipe_for
    from bench.train.record import read_record
    from bench.train.trainer import progress_line, train_and_store
    from bench.train.weights_file import FOLDER

    recorded, seconds = None, budget_seconds(budget)
    if record or method.endswith(".json"):
        others = {"DATA": data, "NOISE": noise, "BUDGET": budget, "CHANGE": change, "START": start, "SEED": seed}
        given = [word for word, value in others.items() if value not in (None, "", [])]
        if given:
            raise BenchError(f"RECORD says all of a training; leave out {', '.join(given)}, or train without RECORD")
        recorded = read_record(Path(record or method), name, to)
        recipe, jobs = recorded.recipe, jobs or recorded.threads
        if jobs > options.most_threads():
            raise BenchError(f"RECORD={record or method}: has {jobs} threads, too many for this machine; give JOBS")
    else:
        recipe = recipe_for(method, data, noise, " ".join(change or ()), name, start, seed)
    print_outcomes(
        train_and_store(
            recipe, out, to=to or FOLDER, device=device, threads=jobs, budget=seconds,
            report=lambda progress: say(progress_line(progress)), recorded=recorded,
        )
    )  # fmt: skip
