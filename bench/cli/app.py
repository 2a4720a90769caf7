"""The command line. `make` passes its variables on to the options of the same names."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.common.parsing import split, unknown
from bench.common.tables import write_csv
from bench.plan.cell import Failure
from bench.plan.request import Request, plan

app = typer.Typer(
    help="Compare image denoisers with each other and with what their papers print.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ADVICE = "make room there or give TABLE=another.csv"
Out = Annotated[Path, typer.Option(help="Folder that holds runs/ and report/.")]


def main() -> None:
    """Run the program; an error a person can mend is one line and exit status 2."""
    try:
        app()
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


@app.command(short_help="Measure methods on datasets (make bench).")
def run(
    method: Annotated[
        str, typer.Option(help="Methods: a comma list, `all`, a .py, .onnx or .tflite file, or cmd:PROGRAM.")
    ] = Request.method,
    data: Annotated[str, typer.Option(help="Datasets: a comma list, `all`, or a path to images.")] = Request.data,
    noise: Annotated[
        str,
        typer.Option(
            help="Degradations: a comma list of sigmas (0-255 scale), KIND:PARAMETERS, pairs; see `list noise`."
        ),
    ] = Request.noise,
    seed: Annotated[str, typer.Option(help="Seeds of the noise: a comma list, or `all` (0-4).")] = Request.seed,
    protocol: Annotated[
        str, typer.Option(help="standard, seed0, clipped, float, sr: a comma list or `all`.")
    ] = Request.protocol,
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    ensemble: Annotated[str, typer.Option(help="1, or 8: mean over flips and rotations.")] = Request.ensemble,
    precision: Annotated[str, typer.Option(help="fp32, tf32, bf16, fp16: a comma list.")] = Request.precision,
    tile: Annotated[int, typer.Option(min=0, help="Side of the tiles of large images; 0: the harness decides.")] = 0,
    sigma: Annotated[str, typer.Option(help="What methods are told instead of the sigma of the noise.")] = "",
    compile: Annotated[bool, typer.Option("--compile", help="Compile networks (torch.compile).")] = False,
    memory: Annotated[float, typer.Option(min=0, help="GiB that a cell may take; 0: the harness decides.")] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    backend: Annotated[str, typer.Option(help="What runs networks: auto, torch, onnxruntime.")] = "auto",
    engine: Annotated[str, typer.Option(help="Who runs cells: serial, loky.")] = "serial",
    jobs: Annotated[int, typer.Option(min=0, help="Worker processes; 0: one a core.")] = 0,
    table: Annotated[Path | None, typer.Option(help="Write the table as a CSV file too.")] = None,
    out: Out = Path("results"),
) -> None:
    """Measure methods on datasets and print them beside the published numbers (make bench)."""
    from bench.report import terminal
    from bench.report.leaderboard import leaderboards, to_csv
    from bench.run.campaign import run_campaign
    from bench.run.settings import ENGINES, RUNTIMES, Settings
    from bench.store.records import Store
    from bench.store.results import gather

    for kind, word, known in (("engine", engine, ENGINES), ("backend", backend, RUNTIMES)):
        if word not in known:
            raise unknown(kind, word, known)
    cells, failures = plan(Request(method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma))
    screen = terminal.console()
    settings = Settings(device, backend, jobs, compile=compile, memory=memory, engine=engine)
    done = run_campaign(cells, Store(out / "runs"), settings, terminal.Live(screen), failures)
    if done.finished:
        results = gather(done.records())
        terminal.print_results(screen, results)
        if table is not None:
            write_whole(table, to_csv(leaderboards(results)), advice=ADVICE)
    if done.failures:
        raise typer.Exit(1 if done.finished else 2)


@app.command(name="list", short_help="Say what there is to choose from (make list).")
def list_(
    what: Annotated[
        str, typer.Argument(help="methods, datasets, noise, protocols, all, or a method or dataset.")
    ] = "all",
) -> None:
    """Say which methods, datasets, degradations and protocols there are (make list)."""
    from bench.cli.listing import show

    show(what)


@app.command(short_help="Check what any method must do (make conform).")
def conform(
    method: Annotated[str, typer.Option(help="One method of any origin.")],
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    megapixels: Annotated[float, typer.Option(min=0.001, help="Size of the large image.")] = 1.0,
) -> None:
    """Check a method for range, shape, sizes, determinism, colour, receptive field (make conform)."""
    from bench.report import terminal
    from bench.studies.conform.study import conform as checks

    screen = terminal.console()
    failed = 0
    for colour, check in checks(method, weights, megapixels):
        failed += check.passed is False
        terminal.check(screen, colour, check.name, check.remark, passed=check.passed)
    screen.print(f"{method}: {failed} checks failed" if failed else f"{method} conforms")
    if failed:
        raise typer.Exit(1)


@app.command(short_help="Tables, charts and pictures of all runs (make report).")
def report(
    pictures: Annotated[int, typer.Option(min=0, help="Images shown for each dataset and noise; 0: all.")] = 12,
    format: Annotated[str, typer.Option(help="Files of the charts besides SVG and PDF: png.")] = "",
    out: Out = Path("results"),
) -> None:
    """Turn all finished cells into tables, charts and pictures (make report)."""
    from bench.report.build import build

    page = build(out, pictures, split(format))
    typer.echo(f"report: {page}")


@app.command(short_help="Measure what a noise draw does to a PSNR.")
def draws(
    method: Annotated[str, typer.Option(help="Methods.")] = "dncnn",
    data: Annotated[str, typer.Option(help="Datasets; their 256x256 images count.")] = "builtin",
    noise: Annotated[str, typer.Option(help="Sigmas.")] = "15,25,50",
    count: Annotated[int, typer.Option(min=2, help="Noise draws.")] = 20,
    table: Annotated[Path | None, typer.Option(help="Write the table as a CSV file.")] = None,
) -> None:
    """Measure how much a noise draw moves a PSNR, which the tolerance of verdicts rests on."""
    import pandas as pd

    from bench.run.settings import Settings
    from bench.studies.noise_draws import measure

    rows = list(measure(method, data, noise, count, Settings()))
    typer.echo(pd.DataFrame(rows).to_string(index=False))
    if table is not None:
        write_csv(table, rows, advice=ADVICE)


@app.command(short_help="Measure speed as ratios (make speed).")
def speed(
    what: Annotated[str, typer.Option(help="train: the speed of training by METHOD's recipe; all otherwise.")] = "",
    method: Annotated[str, typer.Option(help="Networks: time their forward pass against plain PyTorch only.")] = "",
    data: Annotated[str, typer.Option(help="Dataset for the networks: bsd68; for training, the recipe's.")] = "",
    images: Annotated[int, typer.Option(min=1, help="How many of its images.")] = 12,
    table: Annotated[Path | None, typer.Option(help="Write the table as a CSV file too.")] = None,
) -> None:
    """Measure speed as ratios against references in the same run (make speed)."""
    from bench.studies.speed.study import forward, measure
    from bench.train.throughput import measure as training

    if what not in ("", "train"):
        raise unknown("WHAT", what, ("train",))
    rows = []
    on = data or "bsd68"
    for row in training(method, data) if what else forward(method, on) if method else measure(on, images):
        rows.append(row)
        typer.echo(
            f"{row['what']}: {row['measured']:.3g} / {row['reference']:.3g} = {row['ratio']:.3g}  {row['remark']}"
        )
    if table is not None:
        write_csv(table, rows, advice=ADVICE)


@app.command(short_help="Filters that networks are equivalent to, and their net bias (make explain).")
def explain(
    method: Annotated[str, typer.Option(help="Learned methods.")] = "dncnn",
    data: Annotated[str, typer.Option(help="Datasets, or a path to images.")] = Request.data,
    noise: Annotated[str, typer.Option(help="Sigmas; a row of the figure each.")] = "25",
    image: Annotated[str, typer.Option(help="Name of an image of the dataset; its first one otherwise.")] = "",
    pixel: Annotated[str, typer.Option(help="y,x;y,x; a flat, an edge and a textured pixel otherwise.")] = "",
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    out: Out = Path("results"),
) -> None:
    """Show which linear filter a network is equivalent to at a pixel, and its net bias (make explain)."""
    from bench.studies.explain.study import build

    _say(build(Request(method, data, noise, weights=weights), image, pixel, out))


@app.command(short_help="Write networks as ONNX or TensorFlow Lite files (make export).")
def export(
    method: Annotated[str, typer.Option(help="Learned methods.")] = "dncnn",
    data: Annotated[str, typer.Option(help="A dataset: its colour, and an image to try the file with.")] = Request.data,
    noise: Annotated[str, typer.Option(help="Sigmas, which choose the net.")] = "25",
    format: Annotated[str, typer.Option(help="onnx or tflite.")] = "onnx",
    to: Annotated[str, typer.Option(help="The file, or a folder; OUT/export otherwise.")] = "",
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    precision: Annotated[str, typer.Option(help="fp32, or fp16 (onnx).")] = Request.precision,
    out: Out = Path("results"),
) -> None:
    """Write a method's network to a file that runs without this benchmark, and compare the two (make export)."""
    from bench.studies.export.study import build

    _say(build(Request(method, data, noise, weights=weights, precision=precision), format, to, out))


@app.command(short_help="Train a method by its recipe (make train).")
def train(
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
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="What else is different, NAME=VALUE in TOML: steps=2000, 'features=[16,24]'."),
    ] = None,
    start: Annotated[str, typer.Option(help="Weights to go on from: rdn-small@own, or a .safetensors file.")] = "",
    record: Annotated[str, typer.Option(help="Train again as a training record says (JSON); with NAME or TO.")] = "",
    name: Annotated[str, typer.Option(help="What tells the weights apart: dncnn@own-NAME.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Threads on the CPU; 0: one a core.")] = 0,
    to: Annotated[str, typer.Option(help="Folder for weights and record; methods/weights otherwise.")] = "",
    out: Out = Path("results"),
) -> None:
    """Train a method by its recipe, to be used as METHOD=name@own (make train)."""
    from bench.train.budget import budget_seconds
    from bench.train.overrides import recipe_for
    from bench.train.record import read_record
    from bench.train.trainer import progress_line, train_and_store
    from bench.train.weights_file import FOLDER

    recorded, seconds = None, budget_seconds(budget)
    if record or method.endswith(".json"):
        others = {"DATA": data, "NOISE": noise, "BUDGET": budget, "CHANGE": changes, "START": start, "SEED": seed}
        given = [word for word, value in others.items() if value not in (None, "", [])]
        if given:
            raise BenchError(f"RECORD says all of a training; leave out {', '.join(given)}, or train without RECORD")
        recorded = read_record(Path(record or method), name, to)
        recipe, jobs = recorded.recipe, jobs or recorded.threads
    else:
        recipe = recipe_for(method, data, noise, " ".join(changes or ()), name, start, seed)
    _say(
        train_and_store(
            recipe, out, to=Path(to) if to else FOLDER, device=device, threads=jobs, budget=seconds,
            report=lambda progress: typer.echo(progress_line(progress)), recorded=recorded,
        )
    )  # fmt: skip


@app.command(short_help="Search for a network's block, number and channels (make search).")
def search(
    method: Annotated[str, typer.Option(help="The recipe that candidates are trained by.")] = "search-siamese",
    data: Annotated[str, typer.Option(help="Training images instead of the recipe's: datasets, or paths.")] = "",
    noise: Annotated[str, typer.Option(help="Noise instead of the recipe's; a range is drawn for each patch.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the choices; the recipe's otherwise.")] = None,
    budget: Annotated[str, typer.Option(help="Time of this sitting, as 9m; the same command goes on.")] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="What else is different, NAME=VALUE in TOML: population=4, 'blocks=[1,2]'."),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the record, and of the weights: searched@own-NAME.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Threads on the CPU; 0: one a core.")] = 0,
    out: Out = Path("results"),
) -> None:
    """Search by evolution, and write the recipe of the best network for make train (make search)."""
    from bench.train.budget import budget_seconds
    from bench.train.search.searcher import requested_search, search_and_store

    seconds = budget_seconds(budget)
    base, plan = requested_search(method, data, noise, " ".join(changes or ()), name, seed)
    _say(
        search_and_store(
            base, plan, out, name=name, device=device, threads=jobs, budget=seconds, report_line=typer.echo
        )
    )


@app.command(short_help="Test images in training sets, and other unfair company (make audit).")
def audit(
    data: Annotated[
        str, typer.Option(help="Datasets and folders; `train:` before a folder that was trained on. All that is here.")
    ] = "",
    table: Annotated[Path | None, typer.Option(help="Where the findings go; OUT/audit.csv otherwise.")] = None,
    out: Out = Path("results"),
) -> None:
    """Find test images, or parts and copies of them, in training sets and in other test sets (make audit)."""
    from bench.studies.audit.study import build

    _say(build(data, out / "audit", table))


@app.command(short_help="Where errors sit: at boundaries, inside regions, by class (make where).")
def where(
    method: Annotated[str, typer.Option(help="Methods.")] = Request.method,
    data: Annotated[str, typer.Option(help="Datasets with label maps.")] = "bsd68",
    noise: Annotated[str, typer.Option(help="Degradations.")] = "25",
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    out: Out = Path("results"),
) -> None:
    """Show the errors of methods by distance from the boundaries that people drew, and by class (make where)."""
    from bench.studies.where.study import build

    _say(build(Request(method, data, noise, weights=weights), out))


@app.command(short_help="What a segmentation network makes of denoised images (make segment).")
def segment(
    method: Annotated[str, typer.Option(help="Methods, for colour images.")] = Request.method,
    data: Annotated[str, typer.Option(help="Datasets with label maps and classes.")] = "camvid",
    noise: Annotated[str, typer.Option(help="Degradations.")] = "30",
    seed: Annotated[str, typer.Option(help="Seeds of the noise: a comma list, or `all` (0-4).")] = Request.seed,
    weights: Annotated[str, typer.Option(help="Your own file of weights for the method.")] = "",
    tile: Annotated[int, typer.Option(min=0, help="Side of the tiles of large images; 0: the harness decides.")] = 0,
    sigma: Annotated[str, typer.Option(help="What methods are told instead of the sigma of the noise.")] = "",
    segmenter: Annotated[str, typer.Option(help="A file of make train; otherwise ours that fits the dataset.")] = "",
    images: Annotated[int, typer.Option(min=0, help="How many images, spread over the set; 0: all.")] = 0,
    image: Annotated[str, typer.Option(help="Name of the image of the figure; a typical one otherwise.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Worker processes; 0: one a core.")] = 0,
    table: Annotated[Path | None, typer.Option(help="Write the whole table as a CSV file here too.")] = None,
    out: Out = Path("results"),
) -> None:
    """Segment images noisy, denoised and clean: PSNR beside mean intersection over union (make segment)."""
    from bench.run.settings import Settings
    from bench.studies.segment.study import build

    request = Request(method, data, noise, seed=seed, weights=weights, tile=tile, sigma=sigma)
    how = Settings(device, jobs=jobs)
    _say(build(request, out, segmenter=segmenter, images=images, image=image, table=table, settings=how))


@app.command(short_help="Rank methods without a reference, and how well that works (make selfscore).")
def selfscore(
    method: Annotated[str, typer.Option(help="Methods.")] = "median,gaussian,dncnn-b,ffdnet",
    data: Annotated[str, typer.Option(help="Datasets.")] = Request.data,
    noise: Annotated[str, typer.Option(help="Degradations.")] = Request.noise,
    sigma: Annotated[str, typer.Option(help="Besides the truth, what the methods that are told sigma are told.")] = "",
    images: Annotated[int, typer.Option(min=0, help="How many images, from the first; 0: all.")] = 0,
    side: Annotated[
        int, typer.Option(min=0, help="Take the middle of each image, of so many pixels; 0: all of it.")
    ] = 0,
    table: Annotated[Path | None, typer.Option(help="Write the table as a CSV file too.")] = None,
) -> None:
    """Rank methods by the self-supervised score, beside PSNR where there is a reference (make selfscore)."""
    import pandas as pd

    from bench.studies.selfscore.study import study

    rows = list(study(method, data, noise, sigma=sigma, images=images, side=side))
    for _, group in pd.DataFrame(rows).groupby(["dataset", "degradation"], sort=False):
        typer.echo(group.dropna(axis="columns", how="all").to_string(index=False, na_rep=""))
    if table is not None:
        write_csv(table, rows, advice=ADVICE)


def _say(results: Iterable[str | Failure]) -> None:
    """Print what was made, and what failed; the exit status is 2 where nothing was made, 1 where something failed."""
    from bench.report import terminal

    made, failures = 0, 0
    for result in results:
        if isinstance(result, Failure):
            terminal.failed(result)
            failures += 1
        else:
            typer.echo(result)
            made += 1
    if failures:
        raise typer.Exit(1 if made else 2)
