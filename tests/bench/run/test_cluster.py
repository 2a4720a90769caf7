"""Cells on a real cluster: a scheduler and workers on loopback, started once; workers are killed and refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pytest

from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.paths import ROOT
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.engine import run_all
from bench.run.one_cell import run_cell
from bench.run.progress import Progress
from bench.run.settings import Settings
from bench.store.records import Store

NURSERY = """
import json, os, signal, sys
import distributed.cli.dask_scheduler, distributed.cli.dask_worker
import bench.run.one_cell, bench.score.scorer, pandas, pywt, scipy.ndimage, skimage.metrics, skimage.restoration, torch
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    command, words, environment, log = json.loads(line)
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for place, file in enumerate((os.devnull, log, log)):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), place)
        os.environ.update(environment)
        torch.set_num_threads(1)
        getattr(distributed.cli, f"dask_{command}").main(words)
        os._exit(0)
    print(pid, flush=True)
"""
"""Imports once what schedulers and workers need, and gives rise to them as processes of their own."""


@dataclass
class Cluster:
    """A scheduler and its workers, which are processes of their own."""

    folder: Path
    address: str = ""
    scheduler: int = 0
    workers: list[int] = field(default_factory=list)

    @cached_property
    def nursery(self):
        return subprocess.Popen(
            [sys.executable, "-c", NURSERY], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def environment(self):
        places = {f"BENCH_{name.upper()}": str(self.folder / name) for name in ("cache", "mirror")}
        return places | {"OMP_NUM_THREADS": "1"}

    def start(self, command, *words):
        line = json.dumps([command, words, self.environment, str(self.folder / f"{command}.log")])
        print(line, file=self.nursery.stdin, flush=True)
        return int(self.nursery.stdout.readline())

    def begin(self):
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        where = ("--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={file}")
        self.scheduler = self.start("scheduler", *where)
        eventually(lambda: file.exists() and file.read_text())
        self.address = json.loads(file.read_text())["address"]

    def words(self, *words):
        place = self.folder / f"local-{time.monotonic_ns()}"
        plain = ("--no-nanny", "--no-dashboard", "--nthreads=1", f"--local-directory={place}")
        return (self.address, *plain, *words)

    def add(self, *words):
        self.workers.append(self.start("worker", *self.words(*words)))

    def of(self, cwd):
        """Start a worker in another checkout, which must not have imported this one."""
        command = [sys.executable, "-m", "distributed.cli.dask_worker", *self.words()]
        return subprocess.Popen(
            command, cwd=cwd, env=os.environ | self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def end(self):
        for pid in (*self.workers, self.scheduler):
            killed(pid)
        self.nursery.kill()
        self.nursery.wait()


def killed(pid):
    """Kill a process that the nursery has started, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three workers, one of them with a GPU, as it says."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.begin()
    for words in ((), (), ("--resources=GPU=1", "--nthreads=2")):
        made.add(*words)
    yield made
    made.end()


class Told(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


def settings(cluster, device="cpu"):
    return Settings(device, engine="dask", scheduler=cluster.address)


def rows(record):
    return [repr({name: value for name, value in row.items() if name != "seconds"}) for row in record.images]


SLOW = """
import os, pathlib, time
def denoise(noisy, sigma):
    with open({begun!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    while pathlib.Path({wait!r}).exists():
        time.sleep(0.05)
    return noisy * 0.9
"""


@pytest.fixture
def held(tmp_path, photographs):
    """Return a cell that goes on only when a file is gone, that file, and one with the processes that began it."""
    begun, wait, code = tmp_path / "begun", tmp_path / "wait", tmp_path / "slow.py"
    wait.touch()
    code.write_text(SLOW.format(begun=str(begun), wait=str(wait)))
    ((cell,), failures) = plan(Request(str(code), str(photographs), "25"))
    assert not failures
    return cell, wait, begun


def eventually(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.05)


def test_every_cell_runs_once_and_gives_what_it_gives_here(cluster, photographs, tmp_path):
    cells, _ = plan(Request("gaussian,median,wavelet", str(photographs), "10,15,25,50"))
    store = Store(tmp_path / "runs")
    done = run_campaign(cells, store, settings(cluster), told := Told())
    assert not done.failures
    assert not any("gets no cells" in line for line in told.lines)
    assert len(store.paths()) == len(cells) == 12
    for cell in cells[::5]:
        assert rows(store.get(cell)) == rows(run_cell(cell, Settings("cpu", jobs=1)))
    stamps = Counter(record.provenance["started"] for record in done.records())
    assert max(stamps.values()) <= 3  # never more at a time than there are workers
    before = {path: path.stat().st_mtime_ns for path in store.paths()}
    assert not run_campaign(cells, store, settings(cluster)).failures
    assert {path: path.stat().st_mtime_ns for path in store.paths()} == before


def test_one_long_cell_is_split_over_the_workers(cluster, photographs):
    (cell,), _ = plan(Request("median", str(photographs), "25"))
    ((_, record),) = run_all([cell], settings(cluster), expected={cell.key: 100.0})
    assert rows(record) == rows(run_cell(cell, Settings("cpu", jobs=1)))
    assert record.provenance["jobs"] == 2
    assert record.provenance["key"] == cell.key


def test_a_cell_that_fails_names_its_cause_and_the_others_go_on(cluster, photographs, tmp_path):
    code = tmp_path / "wrong.py"
    code.write_text("def denoise(noisy, sigma):\n    raise RuntimeError('no licence')\n")
    cells, _ = plan(Request(f"{code},gaussian", str(photographs), "25"))
    outcomes = dict(
        zip("ab", sorted(run_all(cells, settings(cluster)), key=lambda one: cells.index(one[0])), strict=True)
    )
    assert "no licence" in outcomes["a"][1].cause
    assert not isinstance(outcomes["b"][1], Failure)


def test_what_is_no_record_of_a_cell_is_its_failure(photographs):
    from bench.run.cluster.engine import Job, _Gathered

    (cell, other), _ = plan(Request("gaussian", str(photographs), "25,50"))
    record, stranger = (run_cell(one, Settings("cpu", jobs=1)) for one in (cell, other))
    job = Job(cell, run_cell, on_gpu=False)
    for wrong in ({"rows": []}, None, stranger, replace(record, images=record.images[:1])):
        ((_, failure),) = _Gathered([cell], [job]).add(job, wrong)
        assert failure.cause == "its worker returned what is no record of its images"
    ((_, kept),) = _Gathered([cell], [job]).add(job, record)
    assert kept is record


def test_a_worker_without_the_data_fetches_and_verifies_it(cluster, tmp_path, photographs, monkeypatch):
    from datasets import File, Image

    (cell,), _ = plan(Request("gaussian", str(photographs), "25"))
    mirror = cluster.folder / "mirror" / "data" / "far"
    mirror.mkdir(parents=True)
    images = []
    for path in sorted(photographs.glob("*.png")):
        shutil.copy(path, mirror)
        images.append(
            Image(path.stem, replace(cell.dataset.images[0].clean, file=File(f"far/{path.name}", sha256(path))))
        )
    far = replace(cell, dataset=replace(cell.dataset, images=images))
    ((_, record),) = run_all([far], settings(cluster))
    assert rows(record) == rows(run_cell(cell, Settings("cpu", jobs=1)))
    (mirror / "camera.png").write_bytes(b"damaged")
    stronger = replace(plan(Request("gaussian", str(photographs), "35"))[0][0], dataset=far.dataset)
    ((_, failure),) = run_all([stronger], settings(cluster))  # no worker keeps its noisy images
    assert "camera.png has sha256" in failure.cause


def test_a_killed_worker_loses_the_cell_in_hand_only_and_another_one_runs_it(cluster, held, photographs, tmp_path):
    cell, wait, begun = held
    cells = [cell, *plan(Request("gaussian", str(photographs), "5,10,20"))[0]]
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.extend(run_all(cells, settings(cluster))))
    thread.start()
    eventually(lambda: begun.exists() and len(outcomes) == 3)  # the others are through, it is in hand
    (busy,) = (worker for worker in cluster.workers if runs_below(worker, int(begun.read_text().split()[0])))
    killed(busy)
    wait.unlink()
    thread.join(90)
    assert Counter(one.key for one, _ in outcomes) == Counter(one.key for one in cells)
    assert not [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
    cluster.workers.remove(busy)
    cluster.add()


def runs_below(parent, pid):
    """Whether a process is another one, or was started by it."""
    while pid > 1:
        if pid == parent:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_a_worker_with_other_code_is_refused_by_name_and_gets_nothing(cluster, photographs, tmp_path):
    other = tmp_path / "checkout"
    for package in ("bench", "methods", "datasets"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (other / "bench" / "score" / "metrics.py").write_text("peak = 1\n")
    worker = cluster.of(other)
    cells, _ = plan(Request("gaussian", str(photographs), "10,20,30"))
    told = Told()
    try:
        eventually(lambda: alone_refused(cluster, cells, told))
    finally:
        worker.kill()
        worker.wait()
    (line,) = {line for line in told.lines if "gets no cells" in line}
    assert "its code is other than here in bench/score/metrics.py" in line


def alone_refused(cluster, cells, told):
    assert all(not isinstance(outcome, Failure) for _, outcome in run_all(cells, settings(cluster), note=told.note))
    return any("gets no cells" in line for line in told.lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"versions": {"numpy": "1.0"}}, r"it has numpy [\d.]+ \(here 1.0\)"),
        ({"versions": {"no-such-thing": "2"}}, r"it has no-such-thing not installed \(here 2\)"),
        ({"python": "2.7"}, r"it has Python 3\.\d+, here 2.7"),
    ],
)
def test_workers_with_other_packages_are_refused(cluster, photographs, monkeypatch, change, said):
    from bench.run.cluster import engine

    needed = engine.required([])
    monkeypatch.setattr(engine, "required", lambda cells: needed | change)
    cells, _ = plan(Request("gaussian", str(photographs), "25"))
    told = Told()
    with pytest.raises(BenchError, match="no worker that takes cells; 3 were refused"):
        list(run_all(cells, settings(cluster), note=told.note))
    assert len([line for line in told.lines if re.search(said, line)]) == 3


def test_what_needs_a_gpu_goes_to_the_worker_that_declares_one(cluster, photographs):
    cells, _ = plan(Request("gaussian,median", str(photographs), "15,25,35"))
    networks = [replace(cell, method=replace(cell.method, processes=False)) for cell in cells[:3]]
    outcomes = list(run_all([*networks, *cells[3:]], settings(cluster, "auto")))
    # The one with a GPU has two threads, and the others have one.
    threads = {cell.key: outcome.provenance["threads"] * outcome.provenance["jobs"] for cell, outcome in outcomes}
    assert [threads[cell.key] for cell in cells] == [2, 2, 2, 1, 1, 1]


def test_a_scheduler_that_is_killed_is_said_and_the_same_campaign_goes_on(
    cluster, held, photographs, tmp_path, monkeypatch
):
    monkeypatch.setattr("bench.run.cluster.scheduler.PATIENCE", 2.0)
    cell, wait, begun = held
    cells = [*plan(Request("gaussian", str(photographs), "5,10"))[0], cell]
    store, caught = Store(tmp_path / "runs"), []

    def campaign():
        with suppress_into(caught):
            run_campaign(cells, store, settings(cluster))

    thread = threading.Thread(target=campaign)
    thread.start()
    eventually(lambda: begun.exists() and len(store.paths()) == 2)
    killed(cluster.scheduler)
    thread.join(60)
    assert [str(error) for error in caught] == [
        f"SCHEDULER={cluster.address}: the scheduler is gone; what is finished is kept, and the same command goes on "
        "from there when it is back"
    ]
    wait.unlink()
    while cluster.workers:
        killed(cluster.workers.pop())
    cluster.begin()
    cluster.add()
    before = {path: path.stat().st_mtime_ns for path in store.paths()}
    assert not run_campaign(cells, store, settings(cluster)).failures
    assert len(before) == 2
    assert len(store.paths()) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before


class suppress_into(suppress):  # noqa: N801 - it reads as one
    """Keep what is suppressed."""

    def __init__(self, caught):
        super().__init__(BenchError)
        self.caught = caught

    def __exit__(self, kind, error, trace):
        if error is not None:
            self.caught.append(error)
        return super().__exit__(kind, error, trace)
