"""Many records in a folder, and many processes that write there at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.studies.torture import cells
from bench.studies.torture.running import Runner
from bench.studies.torture.tally import Effort, Tally

PART = "load"

MOST, A_SECOND, FEWEST = 100_000, 100, 200
"""Records: so many, or so many for each second that there is, or at least so many."""

WRITERS = 8


def load(effort: Effort) -> Iterator[Tally]:
    """Resume and report in a folder of many records, and let eight processes write and read in one for a while."""
    images = cells.photographs(effort.folder)
    folder = effort.of("many")
    yield many(folder, images, effort)
    yield crowd(effort.of("crowd"), effort)


def many(folder: Path, images: Path, effort: Effort) -> Tally:
    """Go on from a folder that holds the records of every seed asked for, and make its report."""
    count = effort.most or max(FEWEST, min(MOST, int(effort.seconds * A_SECOND)))
    tally = Tally(PART, "bench and report in a folder of many records")
    times = []
    with Runner(folder, {"BENCH_MIRROR": ""}, longest=3600) as runner:
        for _ in effort.rounds(tally, 1, 1):
            filled(folder / "out" / "runs", images, count)
            words = cells.bench(images, f"SEED={_ranges(count // 2)}", methods=("median",), noises=("15", "25"))
            for name, command in (("bench", words), ("report", ["report", "OUT=out"])):
                attempt = runner.run(command)
                tally.judge(attempt, statuses=(0,), slow=3600)
                if "done  " in attempt.printed:
                    tally.note("lost", "a cell that was finished ran again")
                times.append(f"{name} {attempt.seconds:.1f} s")
    tally.remark = f"{count} records: {', '.join(times)}"
    return tally


def _ranges(count: int, longest: int = 1000) -> str:
    """Return the seeds 0, 1, 2, ... as they are typed: a range has a limit."""
    return ",".join(f"{first}-{min(first + longest, count) - 1}" for first in range(0, count, longest))


def filled(runs: Path, images: Path, count: int) -> None:
    """Write the records of a cell under other seeds: what is in them is that of one that ran."""
    from dataclasses import replace

    from bench.plan.request import Request, plan
    from bench.run.one_cell import run_cell
    from bench.run.settings import Settings
    from bench.store.parquet import encoded
    from bench.store.records import Store

    store = Store(runs)
    for cell in plan(Request("median", str(images), "15,25"))[0]:
        record = run_cell(cell, Settings(jobs=1))
        rows = [{name: value for name, value in row.items() if name != "exact"} for row in record.images]
        for seed in range(count // 2):
            one = replace(cell, seed=seed)
            about = record.provenance | {"seed": seed, "key": one.key, "identity": one.identity}
            path = store.path(one)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(rows, about))


def crowd(folder: Path, effort: Effort) -> Tally:
    """Let processes write files of their own and one that all of them write, and read them again."""
    from bench.store.parquet import decoded

    tally = Tally(PART, f"{WRITERS} processes write and read records in one folder")
    for _ in effort.rounds(tally, 1, 1):
        seconds = 1.0 if effort.most else effort.seconds / 2
        program = "import sys; from bench.studies.torture.errands import crowd; crowd(sys.argv[1], int(sys.argv[2]), "
        command = [sys.executable, "-c", f"{program}{seconds})", str(folder)]
        writers = [subprocess.Popen([*command, str(worker)], cwd=ROOT) for worker in range(WRITERS)]
        for writer in writers:
            if writer.wait():
                tally.note("other", f"a writer ended with status {writer.returncode}")
    counts = [int(path.read_text(encoding="utf-8")) for path in folder.glob("*.count")]
    expected = sum(count // 2 for count in counts) + 1  # every second one is of its own, the others are one file
    paths = list(folder.glob("runs/crowd/*.parquet"))
    for path in paths:
        try:
            decoded(path, whole=True)
        except BenchError as error:
            tally.note("lost", f"{path.name}: {error}")
    for _ in range(expected - len(paths)):
        tally.note("lost", "a file that was written is not there")
    for path in cells.strays(folder):
        tally.note("other", f"left behind: {path.name}")
    tally.tried = sum(counts)
    tally.remark = f"{tally.tried} records in {seconds:.0f} s"
    return tally
