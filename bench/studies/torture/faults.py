"""Disks that are full, folders that are files, workers that die: one line, good data is kept, and a rerun heals."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.studies.torture import cells
from bench.studies.torture.bad_inputs import Attempt
from bench.studies.torture.running import Runner
from bench.studies.torture.tally import Effort, Tally

PART = "faults"


def faults(effort: Effort) -> Iterator[Tally]:
    """Let writes fail, put folders in the place of files and files in that of folders, and end workers."""
    images = cells.photographs(effort.folder)
    folder = effort.of("at fault")
    with Runner(folder, {"BENCH_CACHE": str(folder / "cache"), "BENCH_MIRROR": ""}) as runner:
        words = cells.bench(images)
        whole = _whole(runner, words)
        yield large_files(runner, words, whole, effort)
        if (tally := full_disk(runner, words, whole, effort)) is not None:
            yield tally
        yield in_the_way(runner, words, whole, effort)
        yield dead_workers(runner, cells.bench(images, "ENGINE=loky", "JOBS=2"), whole, effort)


def _whole(runner: Runner, words: Sequence[str]) -> cells.Scores:
    runner.run(words)
    whole, _ = cells.scores(runner.folder / "out")
    shutil.rmtree(runner.folder / "out")
    return whole


def large_files(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """Let no file become larger than so many bytes, which may be too few for one record and enough for another."""
    tally = Tally(PART, "writes fail beyond some size of a file, then a rerun")
    for _ in effort.rounds(tally, 40, 0.25):
        _fails_and_heals(
            lambda: runner.run(words, most=effort.draw.randrange(1000, 20_000)), runner, words, whole, tally
        )
    return tally


def full_disk(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally | None:
    """Write to a file system of some kilobytes, which is full sooner or later; None where none can be mounted."""
    tally = Tally(PART, "disk full after some kilobytes, then a rerun with room")
    for _ in effort.rounds(tally, 40, 0.25):
        with _small_disk(runner.folder / "out", effort.draw.randrange(64, 300)) as disk:
            if not disk:
                return None
            attempt = runner.run(words)
            _said(attempt, tally)
            kept, bad = cells.scores(runner.folder / "out")
            for line in bad:
                tally.note("lost", f"half a record: {line}")
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True, capture_output=True)
            tally.judge(runner.run(words), statuses=(0,))
            _as_should_be(kept, whole, runner, tally)
    return tally


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Path | None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and not subprocess.run(command, check=False, capture_output=True).returncode
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir() if mounted else shutil.rmtree(folder)


def in_the_way(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """Put a file in the place of a folder, or a folder in that of a file; what is asked for is refused or said."""
    tally = Tally(PART, "OUT, SAVE or TABLE is a folder, a file or read-only")
    folder = runner.folder
    ways: list[tuple[Sequence[str], Callable[[], None], Path]] = [
        (words, lambda: _file(folder / "out"), folder / "out"),
        ([*words[:-1], "OUT=/proc/torture"], lambda: None, folder / "nothing"),
        (words, lambda: _file(folder / "out" / "runs"), folder / "out"),
        (words, lambda: _file(folder / "out" / "runs" / "failed"), folder / "out"),
        ([*words, "TABLE=t.csv"], lambda: (folder / "t.csv").mkdir(), folder / "t.csv"),
        ([*words, "TABLE=t.csv/t.csv"], lambda: _file(folder / "t.csv"), folder / "t.csv"),
        ([*words, "SAVE=s"], lambda: _file(folder / "s"), folder / "s"),
        (["report", "OUT=out"], lambda: _file(folder / "out" / "report"), folder / "out"),
        (["report", "OUT=nowhere"], lambda: None, folder / "nothing"),
    ]
    for number in effort.rounds(tally, len(ways), 0.15):
        command, prepare, place = ways[number]
        prepare()
        attempt = runner.run(command)
        _said(attempt, tally)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        tally.judge(runner.run(words), statuses=(0,))
        _as_should_be({}, whole, runner, tally)
        shutil.rmtree(folder / "out")
    return tally


def _file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def dead_workers(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """End a worker process, as the system does where memory is short: its cells run again."""
    tally = Tally(PART, "a worker of ENGINE=loky is killed in a run")
    for _ in effort.rounds(tally, 4, 0.35):
        victim = threading.Thread(target=_end_one_worker, args=(runner, effort.draw.uniform(0, 0.3)))
        victim.start()
        tally.judge(runner.run(words), statuses=(0, 1), slow=300)
        victim.join()
        tally.judge(runner.run(words), statuses=(0,), slow=300)
        _as_should_be({}, whole, runner, tally)
        shutil.rmtree(runner.folder / "out")
    return tally


def _end_one_worker(runner: Runner, later: float) -> None:
    """Wait until a command has a worker that computes, and end it some time later."""
    until = time.monotonic() + 100
    while time.monotonic() < until:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                session = int((path.parent / "stat").read_text().rpartition(")")[2].split()[3])
                if session == runner.pid and b"loky" in path.read_bytes() and b"tracker" not in path.read_bytes():
                    time.sleep(later)
                    os.kill(int(path.parent.name), signal.SIGKILL)
                    return
        time.sleep(0.05)


def _fails_and_heals(
    fail: Callable[[], Attempt], runner: Runner, words: Sequence[str], whole: cells.Scores, tally: Tally
) -> None:
    attempt = fail()
    _said(attempt, tally)
    kept, bad = cells.scores(runner.folder / "out")
    for line in bad:
        tally.note("lost", f"half a record: {line}")
    for path in cells.strays(runner.folder):
        tally.note("other", f"left behind: {path.name}")
    tally.judge(runner.run(words), statuses=(0,))
    _as_should_be(kept, whole, runner, tally)
    shutil.rmtree(runner.folder / "out")


def _said(attempt: Attempt, tally: Tally) -> None:
    """Judge what a command says that cannot do all it should: one line."""
    tally.judge(attempt)
    errors = [line for line in attempt.said.splitlines() if line.strip()]
    if attempt.status and not any(line.startswith("error: ") or "failed" in line for line in errors):
        tally.note("other", f"no line says why: {attempt.said[-300:]} {attempt.printed[-200:]}")


def _as_should_be(kept: cells.Scores, whole: cells.Scores, runner: Runner, tally: Tally) -> None:
    """Hold what a rerun left against what an undisturbed run leaves."""
    after, bad = cells.scores(runner.folder / "out")
    for line in bad:
        tally.note("lost", line)
    for kind, key in (*cells.changed(kept, {key: after.get(key, []) for key in kept}), *cells.changed(whole, after)):
        tally.note(kind, key)
