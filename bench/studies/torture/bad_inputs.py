"""Commands with bad files and bad words: which are tried, and what must not come of them."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.studies.torture.bad_files import RAN, BadFile

BAD_WORDS = (
    ",", " ", "~nobody", "\x01", "nan", "inf", "-inf", "-1", "0", "1e400", "-5e-324", "1e8", "99999999999999999999",
    "1;2", "'", '"', "[", "{}", "%s", "$(touch ran)", "`touch ran`", "; touch ran", "../..", "/dev/null", "/dev/zero",
    "/dev/full", "/etc/passwd", "\u202e", "é", "\udcff", "a" * 100_000, "1," * 50_000, "[[[[" * 10_000, "os:system",
    "=", ":", "a:b=c", "gaussian:25:25", "25+", "25-", "0-1e9", "set12:", "set12:99", "bm3d:x=y", "cmd:", "outputs:",
    "1_0", "1e999", "\u0663", "/proc", "/proc/kmsg",
    "/sys", "pairs:", "images:", "spandrel:", "deepinv:model=os.system", "deepinv:model=DnCNN,x=__import__('os')", "?",
)  # fmt: skip
"""Values that no variable means, or few."""


@dataclass(frozen=True)
class Attempt:
    """What became of a command."""

    words: Sequence[str]
    status: int  # its exit status; below zero: the signal that ended it
    printed: str  # on standard output
    said: str  # on standard error
    seconds: float
    ran: bool  # whether anything of the input was executed


def commands_with(bad: BadFile, images: str, out: str) -> Iterator[list[str]]:
    """Give the commands of make that read a bad file, as words behind ``python -m bench``.

    Parameters
    ----------
    images : str
        A small folder of good images.
    out : str
        The folder that gets what is written.
    """
    path, where = str(bad.path), f"OUT={out}"
    if bad.variable == "DATA":
        yield ["noisy", f"DATA={path}", "NOISE=25", f"TO={out}/noisy"]
        yield ["bench", "METHOD=median", f"DATA={path}", "NOISE=25", where]
    elif bad.variable == "WEIGHTS":
        yield ["bench", "METHOD=dncnn", f"WEIGHTS={path}", f"DATA={images}", "NOISE=25", where]
    elif bad.variable == "METHOD":
        yield ["bench", f"METHOD={path}", f"DATA={images}", "NOISE=25", "TIMEOUT=20", where]
    elif bad.variable == "RECORD":
        yield ["train", f"RECORD={path}", "NAME=again", f"DATA={images}", "BUDGET=1s", where, f"TO={out}/weights"]
    elif bad.variable == "RECIPE":
        yield ["train", f"METHOD={path}", f"DATA={images}", "BUDGET=1s", where, f"TO={out}/weights"]
    elif bad.variable == "CLAIM":
        yield ["bench", "METHOD=median", f"DATA={images}", "NOISE=25", f"CLAIM={path}", where]


def commands_with_bad_words(
    takes: Mapping[str, Sequence[str]], images: str, out: str, seed: int
) -> Iterator[list[str]]:
    """Give commands of which one variable has a bad value, without end.

    Parameters
    ----------
    takes : mapping
        The variables that each command takes.
    images, out : str
        As of `commands_with`.
    """
    draw = random.Random(seed)
    usual = {"METHOD": "median", "DATA": images, "NOISE": "25", "OUT": out, "TO": f"{out}/to", "BUDGET": "1s"}
    others = {"train": {"METHOD": "dncnn-small"}, "search": {"METHOD": ""}, "why": {"TARGET": "25"}}
    while True:
        command = draw.choice(sorted(takes))
        value = draw.choice(BAD_WORDS)
        name = draw.choice(takes[command])
        given = {**usual, **others.get(command, {}), name: value}
        yield [command, *(f"{key}={text}" for key, text in given.items() if key in takes[command] and text)]


def fault(attempt: Attempt, most_seconds: float = 60.0) -> str:
    """Say what is wrong with what became of a command; empty where it did what a command may do."""
    everything = attempt.printed + attempt.said
    said = attempt.said.strip().splitlines()
    if attempt.ran:
        return "it ran something of the input"
    if attempt.status < 0:
        return f"it was ended by signal {-attempt.status}"
    if attempt.status not in (0, 1, 2):
        return f"its exit status is {attempt.status}"
    if "Traceback" in everything or re.search(r"\bunexpected [A-Z]\w+(Error|Exception|Interrupt)\b", everything):
        return "it shows a traceback, or says that an error was unexpected"
    if attempt.status == 2 and not said:
        return "it fails without a word"
    if any(len(line) > MOST_LETTERS for line in said):
        return f"a line of it has more than {MOST_LETTERS} letters"
    if attempt.seconds > most_seconds:
        return f"it took {attempt.seconds:.0f} s"
    return ""


MOST_LETTERS = 2500
"""A line of an error is no longer."""


def tried(run: Callable[[Sequence[str]], tuple[int, str, str, float]], words: Sequence[str], folder: Path) -> Attempt:
    """Run a command in a folder, and return what became of it.

    Parameters
    ----------
    run : callable
        Gives the exit status, what was printed and said, and the seconds.
    """
    status, printed, said, seconds = run(words)
    return Attempt(words, status, printed, said, seconds, ran=(folder / RAN).exists())
