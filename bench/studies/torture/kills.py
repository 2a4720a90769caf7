"""Commands that are killed at any moment, and begun again: nothing is lost, and all is as if they had not been."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.common.paths import ROOT
from bench.studies.torture import cells
from bench.studies.torture.bad_inputs import Attempt
from bench.studies.torture.cluster import cluster
from bench.studies.torture.running import COMMAND, Runner, gone
from bench.studies.torture.serving import served
from bench.studies.torture.tally import Effort, Tally

PART = "kills"

State = dict[str, str]
"""What a command leaves, by name."""


@dataclass(frozen=True)
class Killed:
    """A command that is killed.

    Attributes
    ----------
    what : str
        For the table.
    call : str
        The function, as of `Runner.call`.
    arguments : sequence
        What it is given.
    left : callable
        Gives what it has left in a folder.
    made : sequence of str
        Files and folders that it makes, which are deleted before each attempt.
    most : int
        Attempts.
    share : float
        Of the time of the part.
    """

    what: str
    call: str
    arguments: Sequence[object]
    left: Callable[[Path], State]
    made: Sequence[str]
    most: int
    share: float


def kills(effort: Effort) -> Iterator[Tally]:
    """Kill bench, report, train, verify and downloads, and interrupt bench."""
    images = cells.photographs(effort.folder)
    with served(effort.of("served"), effort.draw) as (address, checksums), _runner(effort) as runner:
        for kind in _kinds(runner, images, address, checksums):
            yield from _killed(kind, runner, effort)
        yield from _interrupted(runner, images, effort)
        yield from _started_anew(runner.folder, images, effort)


@contextmanager
def _runner(effort: Effort) -> Iterator[Runner]:
    folder = effort.of("killed")
    with Runner(folder, {"BENCH_CACHE": str(folder / "cache"), "BENCH_MIRROR": ""}) as runner:
        yield runner


def _kinds(runner: Runner, images: Path, address: str, checksums: State) -> Iterator[Killed]:
    bench = cells.bench(images)
    yield Killed("bench, serial", COMMAND, [bench], _records, ("out",), 60, 0.12)
    yield Killed("bench, loky", COMMAND, [cells.bench(images, "ENGINE=loky", "JOBS=2")], _records, ("out",), 20, 0.12)
    with cluster(runner.folder.parent) as words:
        yield Killed("bench, dask", COMMAND, [cells.bench(images, *words)], _records, ("out",), 20, 0.08)
    change = "CHANGE=steps=40 batch=2 patch=24 features=4 depth=3"
    train = [
        "train",
        "METHOD=dncnn-small",
        f"DATA={images}",
        "NOISE=25",
        change,
        "NAME=t",
        "TO=to",
        "OUT=out",
        "JOBS=1",
    ]
    yield Killed("train", COMMAND, [train], _weights, ("to", "out"), 40, 0.08)
    memory = [str(images), ",".join(cells.METHODS), ",".join(cells.NOISES)]
    errands = "bench.studies.torture.errands"
    made = ("memory-cells.csv", "memory-images.csv", "runs")
    yield Killed("memory of verify", f"{errands}:remember", memory, _memory, made, 30, 0.06)
    yield Killed("verify", f"{errands}:verify", memory, _verdicts, (*made, "memory.csv"), 20, 0.08)
    yield Killed("download", f"{errands}:download", [address, checksums], _files("cache"), ("cache",), 40, 0.04)
    shutil.rmtree(runner.folder / "out", ignore_errors=True)
    # Its charts take most of its time, and there are some for each noise.
    runner.run(cells.bench(images, methods=cells.METHODS[:2], noises=cells.NOISES[:1]))
    yield Killed("report", COMMAND, [["report", "OUT=out"]], _files("out/report"), ("out/report",), 20, 0.21)


def _killed(kind: Killed, runner: Runner, effort: Effort) -> Iterator[Tally]:
    """Kill a command at moments between begin and end, and hold what its rerun leaves against what it should."""
    tally = Tally(PART, f"{kind.what}: SIGKILL, then a rerun")
    run = partial(runner.call, kind.call, kind.arguments, words=[kind.what])
    _clear(runner.folder, kind)
    began = time.perf_counter()
    undisturbed = run()
    tally.judge(undisturbed, statuses=(0,), slow=300)
    whole = kind.left(runner.folder)
    for _ in effort.rounds(tally, kind.most, kind.share):
        _clear(runner.folder, kind)
        run(effort.draw.uniform(0, undisturbed.seconds))
        if not gone(runner.pid, 10):  # a worker that only begins hears of it when its imports are through
            tally.note("other", "processes were left after it was killed")
        _half(runner.folder, tally)
        kept = _times(runner.folder)
        again = run()
        tally.judge(again, statuses=(0,), slow=300)
        for path, changed in _times(runner.folder).items():
            if kept.get(path, changed) != changed:
                tally.note("other", f"{path.name} was finished, and ran again")
        _compare(whole, kind.left(runner.folder), tally)
        for path in cells.strays(runner.folder):
            tally.note("other", f"left behind: {path.name}")
            shutil.rmtree(path, ignore_errors=True)
    tally.seconds = time.perf_counter() - began
    yield tally


ENGINES = (("serial", 30, 0.1), ("loky", 6, 0.05))
"""Those that are interrupted, how often, and their share of the time."""


def _interrupted(runner: Runner, images: Path, effort: Effort) -> Iterator[Tally]:
    """Interrupt bench: it is gone in two seconds with its workers, says one line, and what was finished is kept."""
    for engine, most, share in ENGINES:
        for number in (signal.SIGINT, signal.SIGTERM):
            tally = Tally(PART, f"bench, {engine}: {number.name}, then a rerun")
            words = cells.bench(images, f"ENGINE={engine}", f"JOBS={1 + (engine == 'loky')}")
            _clear(runner.folder, None)
            undisturbed = runner.run(words)
            whole = _records(runner.folder)
            slowest = 0.0
            for _ in effort.rounds(tally, most, share / 2):
                _clear(runner.folder, None)
                attempt = runner.run(words, effort.draw.uniform(0.05, undisturbed.seconds), number)
                slowest = max(slowest, _ended(attempt, number, tally))
                if not gone(runner.pid, max(0.1, AT_ONCE - attempt.seconds)):
                    tally.note("other", "processes were left")
                tally.judge(runner.run(words), statuses=(0,), slow=300)
                _compare(whole, _records(runner.folder), tally)
            tally.remark = f"gone after {slowest:.2f} s at most"
            yield tally


AT_ONCE = 2.0
"""Seconds after which a command that is interrupted is gone with its workers."""


def _ended(attempt: Attempt, number: int, tally: Tally) -> float:
    """Judge how a command ended that was interrupted, unless it was through before; return the seconds it took."""
    if attempt.status == 0 or (attempt.status == -number and not attempt.said):
        return 0.0  # it was through, or had not begun
    lines = attempt.said.strip().splitlines()
    if attempt.status != 128 + number:
        tally.note("other", f"exit status {attempt.status}: {attempt.said[-300:]}")
    elif not lines or not lines[-1].startswith("interrupted: ") or len(lines) > 1:
        tally.note("other", f"says: {attempt.said[-300:]}")
    if "Traceback" in attempt.said:
        tally.note("tracebacks", attempt.said[-300:])
    if attempt.seconds > AT_ONCE:
        tally.note("other", f"ended after {attempt.seconds:.1f} s")
    return attempt.seconds


def _started_anew(folder: Path, images: Path, effort: Effort) -> Iterator[Tally]:
    """Kill programs that a shell starts, which import all that they need, as a person does."""
    tally = Tally(PART, "python -m bench from a shell: SIGKILL, then a rerun")
    words = cells.bench(images, f"OUT={folder / 'out'}", methods=cells.METHODS[:2])
    command = [sys.executable, "-m", "bench", *words]
    run = partial(subprocess.Popen, command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _clear(folder, None)
    start = time.perf_counter()
    run().wait()
    length, whole = time.perf_counter() - start, _records(folder)
    for _ in effort.rounds(tally, 10, 0.06):
        _clear(folder, None)
        process = run()
        try:
            process.wait(effort.draw.uniform(length / 3, length))  # before that it only imports
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if status := run().wait():
            tally.note("other", f"exit status {status}")
        _compare(whole, _records(folder), tally)
        for path in cells.strays(folder):
            tally.note("other", f"left behind: {path.name}")
    yield tally


def _clear(folder: Path, kind: Killed | None) -> None:
    for name in kind.made if kind else ("out",):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in cells.strays(folder):
        shutil.rmtree(path, ignore_errors=True)


def _compare(whole: State, after: State, tally: Tally) -> None:
    for name, content in whole.items():
        if name not in after:
            tally.note("lost", name)
        elif after[name] != content:
            tally.note("false", f"{name} is not what it is without the kill")
    for name in after.keys() - whole.keys():
        tally.note("false", f"{name}, which nothing made without the kill")


def _half(folder: Path, tally: Tally) -> None:
    """Count what a kill left of a record."""
    for line in cells.scores(folder / "out")[1]:
        tally.note("lost", line)


def _times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("out/runs/*/*.parquet")}


def _records(folder: Path) -> State:
    found, bad = cells.scores(folder / "out")
    return {key: repr(rows) for key, rows in found.items()} | dict.fromkeys(bad, "")


def _weights(folder: Path) -> State:
    """Return the weights that a training left, and of its record what no clock says."""
    state = _files("to/dncnn@own-t-25.safetensors")(folder)
    for path in folder.glob("to/*.json"):
        state[path.name] = json.dumps([row["psnr"] for row in json.loads(path.read_text(encoding="utf-8"))["history"]])
    return state


def _memory(folder: Path) -> State:
    """Return what is in the tables of the memory, without times."""
    state = {}
    for name in ("cells", "images"):
        with (folder / f"memory-{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                kept = {k: v for k, v in row.items() if k not in ("started", "seconds", "checksum")}
                state[f"{name} {row['key']} {row.get('image', '')}"] = repr(kept)
    return state


def _verdicts(folder: Path) -> State:
    """Return what verify left: its memory, and the verdicts on it."""
    return _memory(folder) | _files("memory.csv")(folder)


def _files(name: str) -> Callable[[Path], State]:
    def left(folder: Path) -> State:
        top = folder / name
        paths = top.rglob("*") if top.is_dir() else [top]
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
            if path.is_file() and ".part" not in str(path)
        }

    return left
