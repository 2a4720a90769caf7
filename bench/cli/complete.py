"""Completion in the shell: words for what is typed so far, and the script that asks for them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.common.paths import ROOT

ASKED = "BENCH_COMPLETE"
"""The variable of the environment that holds the line up to the cursor."""


def words(line: str, commands: Sequence[str], takes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what may stand for the last word of a line.

    Parameters
    ----------
    line : str
        The command line up to the cursor, the name of the program first: ``"bench run METHOD=dn"``.
    commands : sequence of str
        What the program does.
    takes : mapping
        For each command its variables, each with the parameter of the program.
    """
    _, *typed, last = line.split(" ") if " " in line else ("", "")
    typed = [word for word in typed if word]
    if not typed:
        return [command for command in (*commands, "help") if command.startswith(last)]
    if typed[0] == "help":
        return [command for command in commands if command.startswith(last)]
    variables = takes.get(typed[0], {})
    options = {parameter.opts[0]: name for name, parameter in variables.items() if parameter.opts[0][:2] == "--"}
    head, given, value = last.partition("=")
    if given:
        return [f"{head}={one}" for one in _values(options.get(head, head), value)]
    if typed[-1] in options and not getattr(variables[options[typed[-1]]], "is_flag", False):
        return _values(options[typed[-1]], last)
    if last.startswith("-"):
        return [option for option in options if option.startswith(last)]
    return [f"{name}=" for name in variables if name.startswith(last.upper())]


def _values(variable: str, typed: str) -> list[str]:
    """Return what may stand for the last part of a comma list on a variable."""
    before, comma, last = typed.rpartition(",")
    there = before.split(",")
    return [before + comma + one for one in _known(variable) if one.startswith(last) and one not in there]


def _known(variable: str) -> Iterable[str]:
    import datasets
    import methods
    from bench.cli.registry_tables import FILTERS, PARTS
    from bench.common.tables import ENDINGS
    from bench.degradation import GROUPS, KINDS, PAIRS
    from bench.plan.protocol import PROTOCOLS
    from bench.run.settings import ENGINES, RUNTIMES

    if variable in ("METHOD", "AS", "START"):
        return [*methods.available(), *(FILTERS if variable == "METHOD" else ())]
    known: dict[str, Iterable[str]] = {
        "DATA": datasets.available(),
        "NOISE": [*(f"{kind}:" for kind in KINDS), PAIRS, *GROUPS],
        "PROTOCOL": PROTOCOLS,
        "ENGINE": ENGINES,
        "BACKEND": RUNTIMES,
        "DEVICE": ("auto", "cpu", "cuda"),
        "PRECISION": ("fp32", "tf32", "bf16", "fp16"),
        "METRIC": ("psnr", "ssim", "mse"),
        "WHAT": PARTS,
        "TABLE": [f"table{ending}" for ending in ENDINGS],
        "ENSEMBLE": ("1", "8"),
    }
    return known.get(variable, ())


def script(shell: str, python: str) -> str:
    """Return what a shell runs to complete `bench`, which it makes a command.

    Parameters
    ----------
    shell : str
        ``"bash"``, ``"zsh"`` or ``"fish"``.
    python : str
        The interpreter that has the packages.

    Raises
    ------
    BenchError
        If the shell is another one.
    """
    if shell not in _SCRIPTS:
        raise unknown("shell", shell, _SCRIPTS)
    if "'" in f"{ROOT}{python}":
        raise BenchError(f"{ROOT}, {python}: expected paths without ' in them")
    return _SCRIPTS[shell].replace("@ROOT@", str(ROOT)).replace("@PYTHON@", python).replace("@ASKED@", ASKED)


_BASH = """\
bench() { PYTHONSAFEPATH=1 PYTHONPATH='@ROOT@' '@PYTHON@' -m bench "$@"; }
_bench_words() {
  local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\\n' word
  word="${line##* }"
  COMPREPLY=($(@ASKED@="$line" bench 2> /dev/null))
  # Readline takes = and : for the ends of words, and replaces what stands behind the last one.
  [[ $word == *[=:]* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[=:]}"}"}")
  [[ ${COMPREPLY-} == *[=:] ]] && compopt -o nospace
  return 0
}
complete -o default -F _bench_words bench
"""
_ZSH = """\
bench() { PYTHONSAFEPATH=1 PYTHONPATH='@ROOT@' '@PYTHON@' -m bench "$@" }
_bench_words() {
  local -a found
  found=("${(@f)$(@ASKED@="${BUFFER[1,CURSOR]}" bench 2> /dev/null)}")
  if [[ -n $found ]]; then compadd -Q -S '' -- $found; else _files; fi
}
compdef _bench_words bench
"""
_FISH = """\
function bench; PYTHONSAFEPATH=1 PYTHONPATH='@ROOT@' '@PYTHON@' -m bench $argv; end
function _bench_words; set -lx @ASKED@ (commandline -cp); bench 2> /dev/null; end
complete -c bench -a '(_bench_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
