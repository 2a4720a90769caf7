import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.store.records import Record, Store, score_columns

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


def test_a_killed_run_goes_on_where_it_was(tmp_path, photographs, method_file):
    slow = method_file("import time\ndef denoise(noisy, sigma):\n    time.sleep(0.4)\n    return noisy\n")
    command = [
        sys.executable, "-m", "bench", "run", "--method", str(slow), "--data", str(photographs),
        "--noise", "10,20,30,40", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    store = Store(tmp_path / "out" / "runs")
    while len(store.paths()) < 2:
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in store.paths()}
    assert 2 <= len(before) < 4
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{len(before)} of 4 cells are finished already" in done.stdout
    assert len(store.paths()) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert json.dumps([p.name for p in store.paths()]).count("gaussian-20") == 1


def test_no_room_or_no_right_to_write_is_one_line(tmp_path, one_cell, photographs):
    (tmp_path / "file").write_text("in the way")
    store, cell = Store(tmp_path / "file"), one_cell("nlm", photographs)
    with pytest.raises(BenchError, match=r"cannot write .* give OUT="):
        store.put(cell, record(cell))
