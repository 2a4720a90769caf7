import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.app import main
from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.run.one_cell import run_cell
from bench.store.records import Record, Store, described, score_columns
from bench.store.results import current, gather

ROOT = Path(__file__).resolve().parents[3]


def record(cell) -> Record:
    row = dict.fromkeys(score_columns(), 1.0) | {"image": "camera", "height": 4, "width": 5, "denoised": b"png"}
    return Record([row], {"identity": cell.identity, "seed": cell.seed})


def test_a_record_comes_back_as_it_was(tmp_path, one_cell, photographs):
    store, cell = Store(tmp_path / "runs"), one_cell("nlm", photographs)
    assert not store.has(cell)
    store.put(cell, record(cell))
    assert store.has(cell)
    assert store.get(cell) == record(cell)
    assert "denoised" not in store.get(cell, score_columns()).images[0]
    assert not store.has(one_cell("nlm", photographs, seed="1"))


def test_a_failure_is_noted_until_the_cell_succeeds(tmp_path, one_cell, photographs):
    store, cell = Store(tmp_path / "runs"), one_cell("nlm", photographs)
    store.put_failure(cell, Failure(cell.request, "no disk"))
    assert [failure.cause for failure in store.failures()] == ["no disk"]
    assert not store.has(cell)
    store.put(cell, record(cell))
    assert store.failures() == []


def test_words_that_are_no_cell_are_noted_until_the_next_request(tmp_path):
    store = Store(tmp_path / "runs")
    store.put_requests([Failure({"method": "dncnnn"}, "unknown method")])
    assert [failure.cause for failure in store.failures()] == ["unknown method"]
    store.put_requests([])
    assert store.failures() == []


def test_a_killed_run_goes_on_where_it_was(tmp_path, photographs, method_file, capsys):
    wait = tmp_path / "wait"
    wait.touch()
    # No word of the code is the file's name, of which the first cell then would depend.
    held = "    while sigma > 15 / 255 and (HERE / 'w'.join(('', 'ait'))).exists():\n        time.sleep(0.05)\n"
    code = f"import pathlib, time\nHERE = pathlib.Path(__file__).parent\ndef denoise(noisy, sigma):\n{held}"
    slow = method_file(f"{code}    return noisy\n")
    command = [
        sys.executable, "-m", "bench", "run", "--method", str(slow), "--data", str(photographs),
        "--noise", "10,20,30", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    store = Store(tmp_path / "out" / "runs")
    while not store.paths():
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait.unlink()
    before = {path: path.stat().st_mtime_ns for path in store.paths()}
    assert len(before) == 1
    assert main(command[3:]) == 0
    assert "1 of 3 cells are finished already" in capsys.readouterr().out
    assert len(store.paths()) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert json.dumps([p.name for p in store.paths()]).count("gaussian-20") == 1


def test_no_room_or_no_right_to_write_is_one_line(tmp_path, one_cell, photographs):
    (tmp_path / "file").write_text("in the way")
    store, cell = Store(tmp_path / "file"), one_cell("nlm", photographs)
    with pytest.raises(BenchError, match=r"cannot write .* give OUT="):
        store.put(cell, record(cell))


@pytest.mark.parametrize("started", ["2020-01-01T00:00:00.000+00:00", "2090-01-01T00:00:00.000+00:00"])
def test_the_last_result_counts_whatever_the_clock_says(one_cell, photographs, tmp_path, started):
    """The clock may be set back, or forth, between two runs of which the second has newer code."""
    first = one_cell("median", photographs)
    newer = replace(first, harness={**first.harness, "scorer": "another"})
    record = run_cell(first)
    Store(tmp_path / "runs").put(first, replace(record, provenance=described(first) | _run(record, "2026-01-01")))
    Store(tmp_path / "runs").put(newer, replace(record, provenance=described(newer) | _run(record, started)))
    store = Store(tmp_path / "runs")
    assert len(store.scores()) == 2
    (result,) = current(gather(store.scores()))
    assert result.about["key"] == newer.key
    store.put(first, replace(record, provenance=described(first) | _run(record, "2026-01-01")))  # FRESH=1, older code
    (result,) = current(gather(Store(tmp_path / "runs").scores()))
    assert result.about["key"] == first.key


def _run(record, started):
    """Return what of a provenance is known when a cell has run."""
    names = ("seconds", "device", "runtime", "jobs", "threads")
    return {name: record.provenance[name] for name in names} | {"started": started}
