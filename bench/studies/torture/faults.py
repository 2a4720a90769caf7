"""Disks that are full, folders that are files, workers that die: one line, good data is kept, and a rerun heals."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench.studies.torture import cells
from bench.studies.torture.bad_files import damaged
from bench.studies.torture.bad_inputs import Attempt
from bench.studies.torture.running import Runner
from bench.studies.torture.serving import served
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
        yield clock(runner, words, whole, effort)
        with served(effort.of("served"), effort.draw) as (address, checksums):
            yield damaged_files(runner, address, checksums, effort)
        yield dead_workers(runner, cells.bench(images, "ENGINE=loky", "JOBS=2"), whole, effort)


def _whole(runner: Runner, words: Sequence[str]) -> cells.Scores:
    runner.run(words)
    whole, _ = cells.scores(runner.folder / "out")
    shutil.rmtree(runner.folder / "out")
    return whole


def large_files(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """Let no file become larger than so many bytes, which may be too few for one record and enough for another."""
    tally = Tally(PART, "writes fail beyond some size of a file, then a rerun")
    for _ in effort.rounds(tally, 40, 0.2):
        _fails_and_heals(
            lambda: runner.run(words, most=effort.draw.randrange(1000, 20_000)), runner, words, whole, tally
        )
    return tally


def full_disk(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally | None:
    """Write to a file system of some kilobytes, which is full sooner or later; None where none can be mounted."""
    tally = Tally(PART, "disk full after some kilobytes, then a rerun with room")
    for _ in effort.rounds(tally, 40, 0.2):
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


def clock(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """Set the clock back between two results of a cell: a table shows the one that came last."""
    from bench.store.parquet import decoded, encoded
    from bench.store.records import Store
    from bench.store.results import current, gather

    tally = Tally(PART, "clock set back between two results of a cell")
    out = runner.folder / "out"
    for _ in effort.rounds(tally, 10, 0.1):
        tally.judge(runner.run(words), statuses=(0,))
        path = effort.draw.choice(sorted(out.glob("runs/*/*.parquet")))
        rows, about = decoded(path, whole=True)
        key, days = about["key"], effort.draw.choice((1, 400, 40_000))
        about |= {"started": f"{2026 + days // 365}-12-31T23:59:59+00:00", "key": "0" * len(key)}
        about["identity"] = about["identity"] | {"harness": {"scorer": "of other code"}}
        older = path.with_name(path.name.replace(key, "0" * len(key)))
        older.write_bytes(encoded([row | {"psnr": row["psnr"] + 1} for row in rows], about))
        os.utime(older, (time.time() + 86_400 * days,) * 2)
        path.unlink()
        tally.judge(runner.run(words), statuses=(0,))
        shown = [record for result in current(gather(Store(out / "runs").scores())) for record in result.records]
        for kind, lost in cells.changed(
            whole, {r.provenance["key"]: whole.get(r.provenance["key"], []) for r in shown}
        ):
            tally.note(kind, f"{lost}, days ahead: {days}")
        shutil.rmtree(out)
    return tally


def damaged_files(runner: Runner, address: str, checksums: Mapping[str, str], effort: Effort) -> Tally:
    """Damage a file that was downloaded, or its copy in a mirror: it is named, the others stay, and it comes again."""
    tally = Tally(PART, "file of the cache or a mirror cut or flipped, then a rerun")
    errand = partial(runner.call, "bench.studies.torture.errands:download", [address, dict(checksums)])
    places = [runner.folder / name / "data" for name in ("cache", "mirror")]
    own = runner.environment | {"BENCH_MIRROR": str(places[1].parent)}
    runner.environment, before = own, runner.environment
    for number in effort.rounds(tally, 60, 0.1):
        here = places[number % 2]
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        tally.judge(errand(), statuses=(0,))
        if here == places[1]:
            shutil.move(places[0], here)
        good = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(here.iterdir())}
        victim = effort.draw.choice(sorted(good))
        victim.write_bytes(damaged(good[victim][0], effort.draw))
        same = victim.read_bytes() == good[victim][0]
        attempt = errand()
        tally.judge(attempt, statuses=(0,) if same or here == places[0] else (2,))
        lines = attempt.said.strip().splitlines()
        if not same and (len(lines) != 1 or victim.name not in lines[0]):
            tally.note("other", f"{victim.name} is damaged, and it says: {attempt.said[-300:]}")
        if attempt.status == 2:
            victim.unlink()  # a person's folder, as it says
            tally.judge(errand(), statuses=(0,))
        for path, (content, changed) in good.items():
            there = path if path.exists() else places[0] / path.name
            if there.read_bytes() != content:
                tally.note("false", f"{path.name} is not what it was")
            if path != victim and path.stat().st_mtime_ns != changed:
                tally.note("other", f"{path.name}, which was good, was written again")
    runner.environment = before
    return tally


def dead_workers(runner: Runner, words: Sequence[str], whole: cells.Scores, effort: Effort) -> Tally:
    """End a worker process, as the system does where memory is short: its cells run again."""
    tally = Tally(PART, "a worker of ENGINE=loky is killed in a run")
    for _ in effort.rounds(tally, 4, 0.25):
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
