"""Files of ours with flipped bits: what is damaged is named and left out, and is made again."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from bench.common.errors import BenchError
from bench.studies.torture import cells
from bench.studies.torture.running import Runner
from bench.studies.torture.tally import Effort, LoadCheckpoint, Tally

PART = "records"

T = TypeVar("T")


def records(effort: Effort) -> Iterator[Tally]:
    """Damage records, notes of failures, tables of the memory of verify, and checkpoints."""
    images = cells.photographs(effort.folder)
    with Runner(effort.of("damaged"), {"BENCH_MIRROR": ""}) as runner:
        words = cells.bench(images)
        first = Tally(PART, "cells that are damaged below")
        first.judge(runner.run(words), statuses=(0,))
        if first.found:
            yield first
            return
        out = runner.folder / "out"
        yield flipped_records(out, effort)
        yield healed(runner, words, effort)
        yield notes(out, effort)
        yield tables(runner, images, effort)
        if effort.load_checkpoint:
            yield checkpoints(runner, images, effort, effort.load_checkpoint)


def flipped(content: bytes, draw: random.Random) -> bytes:
    """Return bytes of which one to three bits are others."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 3))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def flipped_records(out: Path, effort: Effort) -> Tally:
    """Flip bits of records, and read them as a report does."""
    from bench.store.records import Store, read

    tally = Tally(PART, "record, 1 to 3 bits flipped")
    paths = sorted(out.glob("runs/*/*.parquet"))
    good = {path: (path.read_bytes(), read(path)) for path in paths}
    named = 0
    for _ in effort.rounds(tally, 4000, 0.3):
        path = effort.draw.choice(paths)
        content, record = good[path]
        path.write_bytes(flipped(content, effort.draw))
        store = Store(path.parent.parent)
        try:
            usable = store.usable(path, pictures=True)
            if usable is None:
                named += path in store.left_out
                if path not in store.left_out:
                    tally.note("lost", f"{path.name} is left out without a word")
            elif repr(read(path)) != repr(record) or usable.provenance != record.provenance:
                tally.note("false", f"{path.name} is read as another one")
        except BenchError:
            named += 1  # its pixels, which are read by themselves
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            tally.note("tracebacks", f"{path.name}: {type(error).__name__}: {error}")
        path.write_bytes(content)
    tally.remark = f"{named} named and left out; the others hold what they held"
    return tally


def healed(runner: Runner, words: list[str], effort: Effort) -> Tally:
    """Put something else in the place of a record: it is named, its cell runs again, and the others stay."""
    tally = Tally(PART, "record flipped, cut, empty, foreign or a folder, then a rerun")
    out = runner.folder / "out"
    whole, _ = cells.scores(out)
    for number in effort.rounds(tally, 60, 0.3):
        paths = sorted(out.glob("runs/*/*.parquet"))
        path, others = paths[number % len(paths)], {p: p.stat().st_mtime_ns for p in paths}
        good, rows = path.read_bytes(), _scores(path)
        _spoil(path, number, effort.draw)
        before = path.read_bytes() if path.is_file() else b""
        attempt = runner.run(words)
        if path.is_dir() and attempt.status == 2 and path.name in attempt.said:
            shutil.rmtree(path)  # it is said, and a person decides
            attempt = runner.run(words)
        tally.judge(attempt, statuses=(0,))
        same = path.is_file() and path.read_bytes() == before
        if not same and path.name not in attempt.printed + attempt.said and before:
            tally.note("other", f"{path.name} ran again, and nothing is said of it")
        if same:  # its pixels are damaged at most, which a report sees
            if _scores(path) != rows:
                tally.note("false", f"{path.name} is taken for whole")
            path.write_bytes(good)
        for kind, key in cells.changed(whole, cells.scores(out)[0]):
            tally.note(kind, key)
        for other, changed in others.items():
            if other != path and other.stat().st_mtime_ns != changed:
                tally.note("other", f"{other.name} ran again, too")
    return tally


def _scores(path: Path) -> str:
    """Return the scores of a record as a text; empty where they cannot be read."""
    from bench.store.parquet import decoded
    from bench.store.records import score_columns

    try:
        return repr(decoded(path, score_columns()))
    except BenchError:
        return ""


def _spoil(path: Path, number: int, draw: random.Random) -> None:
    content = path.read_bytes()
    kind = number % 6
    if kind == 3:
        path.unlink()
        path.mkdir()
    elif kind == 4:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"a": [1]}), path)
    else:
        cut = content[: draw.randrange(len(content))]
        path.write_bytes({0: flipped(content, draw), 1: cut, 2: b"", 5: draw.randbytes(len(content))}[kind])


def notes(out: Path, effort: Effort) -> Tally:
    """Damage the notes of failures: they block neither the others nor the records."""
    from bench.plan.cell import Failure
    from bench.store.records import Store

    tally = Tally(PART, "failed/*.json, bits flipped, cut or replaced")
    store = Store(out / "runs")
    store.put_requests([Failure({"METHOD": "a", "DATA": "b"}, "the cause")])
    (path,) = store.folder.glob("failed/*.json")
    content, count = path.read_bytes(), len(store.paths())
    for number in effort.rounds(tally, 1000, 0.1):
        cut = content[: effort.draw.randrange(len(content))]
        path.write_bytes((flipped(content, effort.draw), cut, b"[1]", b"\xff" * 99)[number % 4])
        again = Store(out / "runs")
        try:
            if not again.failures() and path not in again.left_out:
                tally.note("lost", "a note is left out without a word")
        except Exception as error:  # noqa: BLE001
            tally.note("tracebacks", f"{type(error).__name__}: {error}")
    if len(Store(out / "runs").scores()) != count:
        tally.note("lost", "records beside a damaged note")
    path.unlink()
    return tally


def tables(runner: Runner, images: Path, effort: Effort) -> Tally:
    """Flip bits in the tables that `make verify` goes on from: a score is as it was, or its cell is not known."""
    from bench.plan.request import Request, plan
    from bench.store.memory import Memory

    tally = Tally(PART, "memory of verify, a bit flipped")
    made = runner.call("bench.studies.torture.errands:remember", [str(images), "median,gaussian", "15,25"])
    tally.judge(made, statuses=(0,))
    paths = [runner.folder / f"memory-{name}.csv" for name in ("cells", "images")]
    asked, _ = plan(Request("median,gaussian", str(images), "15,25"))

    def known() -> dict[str, str]:
        memory = Memory(runner.folder / "memory.csv", runner.folder / "nothing")
        return {cell.key: repr(memory.get(cell).images) for cell in asked if memory.earlier(cell)}

    whole = known()
    _read_flipped(tally, effort, paths, 1500, known, lambda now: all(now[key] == whole[key] for key in now))
    return tally


def checkpoints(runner: Runner, images: Path, effort: Effort, load: LoadCheckpoint) -> Tally:
    """Flip bits of a checkpoint: it is refused, or what is read is what was written."""
    import torch

    tally = Tally(PART, "checkpoint, a bit flipped")
    words = ["train", "METHOD=dncnn-small", f"DATA={images}", "NOISE=25", "NAME=t", "TO=to", "OUT=out", "JOBS=1"]
    tally.judge(runner.run([*words, "CHANGE=steps=4 batch=2 patch=24 features=4 depth=3"]), statuses=(0,))
    (path,) = runner.folder.glob("out/training/*.ckpt")
    whole = torch.load(path, weights_only=True)

    def known() -> str:
        return _plain(load(path, whole["identity"], "cpu"))

    right = known()
    _read_flipped(tally, effort, [path], 1000, known, lambda now: now == right)
    return tally


def _plain(value: Any) -> str:
    """Return all that a checkpoint holds as a text."""
    if isinstance(value, dict):
        return str({name: _plain(one) for name, one in value.items()})
    return str(value.tolist()) if hasattr(value, "tolist") else str(value)


def _read_flipped(
    tally: Tally, effort: Effort, paths: list[Path], most: int, read: Callable[[], T], right: Callable[[T], bool]
) -> None:
    """Read files with a flipped bit; what is read is right, or it is refused in one line."""
    named = 0
    for number in effort.rounds(tally, most, 0.1):
        path = paths[number % len(paths)]
        content = path.read_bytes()
        path.write_bytes(flipped(content, effort.draw))
        try:
            if not right(read()):
                tally.note("false", f"{path.name} is read as another one")
        except BenchError as error:
            named += 1
            if "\n" in str(error) or path.name not in str(error):
                tally.note("other", f"does not name {path.name}: {error}")
        except Exception as error:  # noqa: BLE001
            tally.note("tracebacks", f"{path.name}: {type(error).__name__}: {error}")
        path.write_bytes(content)
    tally.remark = f"{named} refused by name"
