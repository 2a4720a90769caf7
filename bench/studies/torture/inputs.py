"""Bad files and bad words, as many as there is time for: nothing of them runs, and each is a result or one line."""

import itertools
import shutil
from collections.abc import Iterator

from bench.studies.torture import cells
from bench.studies.torture.bad_files import bad_files
from bench.studies.torture.bad_inputs import commands_with, commands_with_bad_words
from bench.studies.torture.running import Runner
from bench.studies.torture.tally import Effort, Tally

PART = "input"

MOST = 100_000
"""Attempts; the time is over before."""

LEFT_OUT = ("check", "clean", "demo", "docs", "gpu", "test", "verify", "verify-measured", "speed", "site", "torture")
"""Commands that take no word that is theirs alone, or compute for minutes whatever they are given."""


def inputs(effort: Effort) -> Iterator[Tally]:
    """Give bad files and words to the commands that read them."""
    images = cells.photographs(effort.folder)
    with Runner(effort.of("given"), {"BENCH_MIRROR": ""}) as runner:
        yield from files(runner, str(images), effort)
        yield words(runner, str(images), effort)


def files(runner: Runner, images: str, effort: Effort) -> Iterator[Tally]:
    """Give one bad file after another to the commands that read it; a row for each variable."""
    rows: dict[str, Tally] = {}
    every = Tally(PART, "bad files")
    made = bad_files(effort.of("bad"), effort.draw.randrange(2**32))
    for _ in effort.rounds(every, MOST, 0.6):
        bad = next(made)
        tally = rows.setdefault(bad.variable, Tally(PART, f"{bad.variable} with bad files"))
        for command in itertools.islice(commands_with(bad, images, "out"), 1):
            attempt = runner.run([*command, *(["JOBS=1"] if command[0] == "bench" else [])])
            tally.tried += 1
            tally.seconds += attempt.seconds
            tally.judge(attempt)
        shutil.rmtree(bad.path) if bad.path.is_dir() else bad.path.unlink()
    yield from rows.values()


def words(runner: Runner, images: str, effort: Effort) -> Tally:
    """Give one variable of a command a value that it cannot mean."""
    from bench.studies.torture.variables import of_commands

    tally = Tally(PART, "variables with bad words")
    takes = {command: names for command, names in of_commands().items() if command not in LEFT_OUT}
    commands = commands_with_bad_words(takes, images, "out", effort.draw.randrange(2**32))
    for _ in effort.rounds(tally, MOST, 0.4):
        command = next(commands)
        if "\0" not in "".join(command):
            tally.judge(runner.run(command))
    return tally
