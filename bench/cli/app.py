"""The program: its commands, and what becomes of an error."""

import errno
import gc
import io
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from os import environ
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from bench.cli.typed import Command, variable
from bench.common.docstrings import docstring
from bench.common.errors import BenchError, lacking, of_file, one_line, shortened, visible
from bench.common.interruption import CURRENT, interruptible
from bench.common.paths import ROOT
from bench.common.version import version

COMMANDS = (
    "run", "list", "conform", "report", "draws", "speed", "explain", "export", "train", "search", "audit", "where",
    "residuals", "segment", "selfscore", "noisy", "compare", "compare-runs", "merge", "top", "why", "verify",
    "citations", "site", "demo", "docs", "gpu", "torture", "verify-measured", "test", "check", "clean",
)  # fmt: skip
"""Each is the function `command` of the module of its name."""

KEEPING_NOTHING = ("list", "conform", "speed", "explain", "export", "docs", "test", "check", "verify-measured")
"""Those of which an interruption leaves nothing that the same command could go on from."""

BAD_INPUT, UNEXPECTED, INTERRUPTED = 2, 70, 130
"""Exit statuses: a person can mend it; a fault of this program (EX_SOFTWARE of sysexits.h); Ctrl-C."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk is, or what one may take of it: a person makes room."""

app = typer.Typer(
    help="Compare image denoisers with each other and with what their papers print.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"denoising-bench {version()}")
        raise typer.Exit


def _print_completion(shell: str) -> None:
    from bench.cli.complete import script

    if shell:
        typer.echo(script(shell, sys.executable), nl=False)
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version.")
    ] = False,
    show_completion: Annotated[
        str,
        typer.Option(
            callback=_print_completion,
            is_eager=True,
            help="Print what makes a shell complete `bench`: bash, zsh, fish. "
            'In ~/.bashrc: eval "$(python -m bench --show-completion bash)"',
        ),
    ] = "",
) -> None:
    """Compare image denoisers with each other and with what their papers print."""


for _name in COMMANDS:
    _module = import_module(f"bench.cli.{_name.replace('-', '_')}")
    _help = docstring(_module.command)
    app.command(_name, cls=Command, short_help=docstring(_module), help=_help)(_module.command)

gc.freeze()  # what is imported stays: the collector looks at none of it again, which was a seventh of a light command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status; every error is one line on standard error.

    BENCH_TRACEBACK=1 prints the traceback before it.

    Parameters
    ----------
    arguments : sequence of str, optional
        As typed after the program's name; not given: those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name or a sign that it cannot print ends nothing
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module="PIL")  # of damaged images, which are read, or said to be damaged
    status = INTERRUPTED
    with suppress(KeyboardInterrupt), interruptible():  # one may come before the command begins, or after it
        if arguments and arguments[0] in KEEPING_NOTHING:
            CURRENT.keep_nothing()
        try:
            _check_folder()
            status = typer.main.get_command(app).main(
                arguments or ["--help"], prog_name="python -m bench", standalone_mode=False
            )
        except Exception as error:  # noqa: BLE001 - a command ends in one line, whatever it is
            if environ.get("BENCH_TRACEBACK"):
                traceback.print_exception(error)
            line, status = _explained(error)
            if not CURRENT.number:  # what it ended may have been missed
                typer.echo(f"error: {shortened(visible(line))}", err=True)
    if CURRENT.number or status == INTERRUPTED:
        typer.echo(CURRENT.line, err=True)
        status = CURRENT.status
    return int(status or 0)


def _explained(error: Exception) -> tuple[str, int]:
    """Return the line that a person reads of an error, and the exit status."""
    if isinstance(error, TyperException):
        return _usage(error), BAD_INPUT
    frames = traceback.extract_tb(error.__traceback__)
    # What `methods` and `datasets` raise as ValueError is written for a person too: they know nothing of BenchError.
    if isinstance(error, BenchError) or (isinstance(error, ValueError) and _within(frames[-1], "methods", "datasets")):
        return one_line(error), BAD_INPUT
    if lacking(error):
        return f"this command {one_line(error)}", BAD_INPUT
    if of_file(error):
        return one_line(error), BAD_INPUT
    if isinstance(error, OSError) and error.errno in FULL:
        return f"standard output, or a temporary file: {error.strerror}", BAD_INPUT
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):  # as the loader of libraries says it
        return (
            f"memory ran out ({one_line(error)}); free some, or raise the limit of this process (ulimit -v)",
            BAD_INPUT,
        )
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] not in ("bench", "methods", "datasets"):
        return (
            f"{one_line(error)}; expected the packages of requirements.txt: pip install -r requirements.txt",
            BAD_INPUT,
        )
    ours = [frame for frame in frames if _within(frame, "bench", "methods", "datasets")]
    place = f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else "no line of this project"
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return f"unexpected {text} ({place}); BENCH_TRACEBACK=1 shows how it came there", UNEXPECTED


def _check_folder() -> None:
    """Raise `BenchError` where the folder in which this runs is gone: no path of its own means anything there."""
    try:
        Path.cwd()
    except OSError as error:
        raise BenchError(f"the folder in which this runs cannot be read ({error.strerror}); go to another") from None


def _within(frame: traceback.FrameSummary, *packages: str) -> bool:
    return any(Path(frame.filename).is_relative_to(ROOT / package) for package in packages)


def _usage(error: TyperException) -> str:
    """Return what is wrong with the options: a variable by its name, as other errors say it."""
    parameter = getattr(error, "param", None)
    if parameter is None:
        return " ".join(error.format_message().split())
    return f"{variable(parameter)}: {' '.join(error.message.split()) or 'is missing'}"
