"""Options that several commands share: their type and their help, once."""

from pathlib import Path
from typing import Annotated

import typer

from bench.run.settings import ENGINES, RUNTIMES, TIMEOUT, Settings

METHODS = "bm3d,nlm,wavelet"
"""What METHOD is where it is not said; as in `bench.plan.request.Request`, which is too heavy for `--help`."""

MOST_A_CORE = 32
"""Workers or threads that JOBS may ask for."""

RESULTS = Path("results")
"""What OUT is where it is not said."""


def _table(path: Path | None) -> Path | None:
    """Refuse before anything runs a table of a format that there is not."""
    from bench.common.tables import ending

    if path is not None:
        ending(path)
    return path


def few_enough(context: typer.Context, count: int) -> int:
    """Refuse so many threads or processes that the system ends the program; a cluster has cores of its own."""
    if context.params.get("engine") != "dask" and count > most_threads():
        raise typer.BadParameter(f"{count} is too many; expected 0 to {most_threads()}, {MOST_A_CORE} a core")
    return count


def most_threads() -> int:
    """Return the threads or processes that this machine takes."""
    from bench.common.provenance import cores

    return MOST_A_CORE * cores()


Method = Annotated[
    str,
    typer.Option(
        help="Methods: a comma list, `all`, a .py, .onnx or .tflite file, cmd:PROGRAM, or outputs:FOLDER; see `list`."
    ),
]
Data = Annotated[
    str, typer.Option(help="Datasets: a comma list, `all`, parts (set12:01,02), paths and patterns, pairs:CLEAN,NOISY.")
]
Noise = Annotated[
    str,
    typer.Option(
        help="Degradations: a comma list of sigmas (0-255 scale), KIND:PARAMETERS, pairs; see `list noise`. "
        "The dataset's own otherwise."
    ),
]
Seed = Annotated[str, typer.Option(help="Seeds of the noise: a comma list, ranges as 0-9, or `all` (0-4).")]
Protocol = Annotated[
    str, typer.Option(help="A comma list or `all`, see `list protocols`; the dataset's own otherwise.")
]
Weights = Annotated[str, typer.Option(help="Your own file of weights for the method.")]
As = Annotated[
    str,
    typer.Option(
        "--as", help="By whose published numbers your own method is judged: a method of `list`, or of the ledger."
    ),
]
Claim = Annotated[
    str,
    typer.Option(
        help="What you claim of the result: 30.58, ssim:0.861, a CSV file in the ledger's columns, or none; judged as "
        "a published number is."
    ),
]
Ensemble = Annotated[str, typer.Option(help="1, or 8: mean over flips and rotations.")]
Precision = Annotated[str, typer.Option(help="fp32, tf32, bf16, fp16: a comma list.")]
Tile = Annotated[int, typer.Option(min=0, help="Side of the tiles of large images; 0: the harness decides.")]
Sigma = Annotated[
    str,
    typer.Option(
        help="What methods are told instead of the sigma of the noise: a number, or an estimate of each image, wavelet "
        "or patches, also times a number (patches:4)."
    ),
]
Range = Annotated[str, typer.Option(help="White in your images deeper than 8 bits: 1, 255, 4095 ...; else recognised.")]
Output = Annotated[
    str,
    typer.Option(help="What your own method returns: image, residual, -residual, 255, -1..1; recognised otherwise."),
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile networks (torch.compile).")]
Memory = Annotated[float, typer.Option(min=0, help="GiB that a cell may take; 0: the harness decides.")]
Timeout = Annotated[
    float, typer.Option(min=0, help="Seconds that your own method may take to load, and a call of it; 0: no limit.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run again what is finished.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")]
Backend = Annotated[str, typer.Option(help="What runs networks: auto, torch, onnxruntime.")]
Engine = Annotated[
    str,
    typer.Option(
        is_eager=True,  # JOBS, read after it, is another number for a cluster
        help="Who runs cells: serial, loky (processes here), dask (many machines).",
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        help="Of ENGINE=dask: tcp://HOST:PORT, Dask's scheduler file, or dask-jobqueue's configuration for Slurm, PBS "
        "or LSF (.yml), with JOBS workers."
    ),
]
Jobs = Annotated[int, typer.Option(min=0, callback=few_enough, help="Worker processes; 0: one a core.")]
Threads = Annotated[int, typer.Option("--jobs", min=0, callback=few_enough, help="Threads on the CPU; 0: one a core.")]
Images = Annotated[int, typer.Option(min=0, help="How many images, spread over the set; 0: all.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would run, what is finished, what to download and how long it takes."),
]
Table = Annotated[
    Path | None,
    typer.Option(dir_okay=False, callback=_table, help="Write the table here too: .csv, .md, .tex or .json."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and all else on standard error.")]
Save = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="Folder that gets the noisy and the denoised images, lossless."),
]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder that gets runs/, report/ and what studies write.")]


def settings(
    device: str,
    backend: str,
    jobs: int,
    *,
    compile: bool = False,
    memory: float = 0.0,
    timeout: float = TIMEOUT,
    engine: str = "serial",
    scheduler: str = "",
) -> Settings:
    """Return where and how cells run, as typed.

    Raises
    ------
    BenchError
        If there is no such engine, runtime or scheduler.
    """
    from bench.common.devices import check
    from bench.common.errors import BenchError
    from bench.common.parsing import unknown
    from bench.common.provenance import memory_limit

    check(device)
    for kind, word, known in (("engine", engine, ENGINES), ("backend", backend, RUNTIMES)):
        if word not in known:
            raise unknown(kind, word, known)
    if engine == "dask":
        from bench.run.cluster.scheduler import check as check_scheduler

        check_scheduler(scheduler)
    elif scheduler:
        raise BenchError(f"SCHEDULER={scheduler} is for ENGINE=dask, got ENGINE={engine}")
    # Where its process reaches its limit onnxruntime may wait without end; PyTorch says so, and gets half as much.
    if backend == "auto" and memory_limit():
        backend = "torch"
    return Settings(
        device, backend, jobs, compile=compile, memory=memory, timeout=timeout, engine=engine, scheduler=scheduler
    )
