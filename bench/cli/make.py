"""What `make` runs: it reads the variables that were typed, and calls the command with the options of their names.

The Makefile hands them over in the environment, each as it was typed: neither make nor a shell has looked into it.
"""

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from bench.cli import needed  # noqa: F401 - before typer is imported

# isort: split
import typer

from bench.cli import complete
from bench.cli.app import BAD_INPUT, COMMANDS, app, main
from bench.cli.help import explained
from bench.cli.printing import say
from bench.cli.typed import variable
from bench.common.errors import BenchError, shortened, visible
from bench.common.interruption import end_at_once, leave
from bench.common.parsing import unknown

EVERYWHERE = ("PYTHON", "VENV", "BENCH_MIRROR", "BENCH_CACHE", "BENCH_TRACEBACK")
"""Variables that no command minds: those of the Makefile, and those that the harness reads from its environment."""

RENAMED = {"bench": "run"}
"""Commands that have another name in make."""

YES, NO = ("1", "yes", "true", "on"), ("0", "no", "false", "off")
"""What may be typed for an option that is there or not."""


def arguments(command: str, typed: Mapping[str, str], goals: Sequence[str] = ()) -> list[str]:
    """Return what to call the program with.

    Parameters
    ----------
    command : str
        As make has it.
    typed : mapping
        The variables that were typed on make's command line, and their values. An empty one counts as not typed.
    goals : sequence of str
        All commands that were typed: a variable that another of them takes is not wrong.

    Raises
    ------
    BenchError
        If the command does not take a variable, or a value cannot be read.

    Examples
    --------
    >>> arguments("bench", {"METHOD": "bm3d,nlm", "COMPILE": "1", "NOISE": ""})
    ['run', '--method=bm3d,nlm', '--compile']
    >>> arguments("report", {"NOIZE": "50"})
    Traceback (most recent call last):
    bench.common.errors.BenchError: unknown variable NOIZE: did you mean NOISE? (make report takes PICTURES, ...)
    """
    takes = variables(command)
    of_goals = {name for goal in goals if _is_command(goal) for name in variables(goal)}
    wrong = [name for name in typed if name not in (*takes, *EVERYWHERE, *of_goals)]
    if wrong:
        known = ", ".join(takes) or "no variable"
        raise BenchError(f"{'; '.join(_why(command, name) for name in wrong)} (make {command} takes {known})")
    options: list[str] = []
    positional: list[str] = []
    for name, value in typed.items():
        parameter = takes.get(name)
        if parameter is None or not value.strip():
            continue
        if parameter.param_type_name == "argument":
            positional.append(value)
        elif not parameter.is_flag:
            options.append(f"{parameter.opts[0]}={value}")
        elif _switched_on(name, value):
            options.append(parameter.opts[0])
    return [RENAMED.get(command, command), *options, *(["--", *positional] if positional else [])]


@cache
def variables(command: str) -> dict[str, Any]:
    """Return the variables that a command takes, each with the parameter of the program."""
    group = typer.main.get_command(app)
    parameters = group.commands[RENAMED.get(command, command)].params  # type: ignore[attr-defined]
    return {variable(parameter): parameter for parameter in parameters}


def run(command: str) -> int:
    """Run a command of make with the variables that were typed, and return the exit status."""
    typed = {name: os.environ.get(name, "") for name in os.environ.get("BENCH_TYPED", "").split()}
    if command == "help":
        return _help([goal for goal in os.environ.get("BENCH_GOALS", "").split() if goal != "help"])
    return _run(command, typed, os.environ.get("BENCH_GOALS", "").split())


def run_words(words: Sequence[str]) -> int:
    """Run the program with the words behind ``python -m bench``, and return the exit status.

    They may be those that make takes, ``bench METHOD=dncnn DATA=bsd68``, or options, ``run --method dncnn``.
    """
    if complete.ASKED in os.environ:
        found = complete.words(os.environ[complete.ASKED], _typed_names(), {name: variables(name) for name in _names()})
        say("\n".join(found))
        return 0
    command, *typed = words or ["help"]
    if command == "help":
        return _help(typed)
    if not _is_command(command) or not all(_VARIABLE.match(word) for word in typed):
        return main([RENAMED.get(command, command), *typed])
    given = dict(word.split("=", 1) for word in typed)
    os.environ.update((name, value) for name, value in given.items() if name.startswith("BENCH_"))
    return _run(command, given, [command])


_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


def _run(command: str, typed: Mapping[str, str], goals: Sequence[str]) -> int:
    try:
        program_arguments = arguments(command, typed, goals)
    except BenchError as error:
        say(f"error: {shortened(visible(str(error)))}", err=True)
        return BAD_INPUT
    for name in variables(command):
        if os.environ.get(name) and name not in typed:
            say(f"note: {name} of the environment does not count; type make {command} {name}=...", err=True)
    return main(program_arguments)


def _help(commands: Sequence[str]) -> int:
    """Explain some commands, or the program."""
    if not commands:
        return main(["--help"])
    for place, command in enumerate(commands):
        if command == "setup":
            say(explained(command, "Install the pinned packages into VENV (.venv).", {}))
            continue
        if not _is_command(command):
            say(f"error: {unknown('command', command, _typed_names())}", err=True)
            return BAD_INPUT
        does = typer.main.get_command(app).commands[RENAMED.get(command, command)].help  # type: ignore[attr-defined]
        does = re.sub(r" \(make [\w-]+\)", "", " ".join((does or "").split()))
        say("\n" * bool(place) + explained(command, does, variables(command)))
    return 0


def _names() -> list[str]:
    return [*RENAMED, *COMMANDS]


def _typed_names() -> list[str]:
    """Return the commands by the names that make has for them."""
    return [name for name in _names() if name not in RENAMED.values()]


def _is_command(goal: str) -> bool:
    return RENAMED.get(goal, goal) in COMMANDS


def _switched_on(name: str, value: str) -> bool:
    word = value.strip().lower()
    if word not in (*YES, *NO):
        raise BenchError(f"{name}={value}: expected 1 or 0")
    return word in YES


def _why(command: str, name: str) -> str:
    """Say what is wrong with a variable that a command does not take."""
    known = {name for other in COMMANDS for name in variables(other)}
    if name in known:
        return f"make {command} does not take {name}"
    near = difflib.get_close_matches(name.upper(), [*known, *EVERYWHERE], n=1, cutoff=0.6)
    return f"unknown variable {name}" + (f": did you mean {near[0]}?" if near else "")


if __name__ == "__main__":
    end_at_once()
    leave(run(sys.argv[1]))
