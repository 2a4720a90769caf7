"""What SCHEDULER may be, and what is said where it is none; jobs of a batch system, whose commands are pretended."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.run.cluster.scheduler import check, connected, read_queue
from bench.run.engine import run_all
from bench.run.settings import Settings

SBATCH = """#!/bin/sh
number=$((4200 + $(ls {folder}/*.sh 2>/dev/null | wc -l)))
cp "$1" {folder}/$number.sh
setsid sh {folder}/$number.sh >{folder}/$number.out 2>&1 </dev/null &
echo $! >{folder}/$number.pid
echo "Submitted batch job $number"
"""
SCANCEL = """#!/bin/sh
for number; do echo $number >>{folder}/cancelled; kill -s KILL -- "-$(cat {folder}/$number.pid)"; done
"""
QUEUE = """
jobqueue:
  slurm:
    cores: 2
    memory: 4GB
    queue: gpu
    walltime: "04:00:00"
    job_extra_directives: ["--gres=gpu:1"]
    worker-extra-args: ["--resources GPU=1"]
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Pretend Slurm: what is submitted runs here, and is ended by `scancel`; return its folder."""
    folder, programs = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text.format(folder=folder))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    yield folder
    for pid in folder.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(int(pid.read_text()), signal.SIGKILL)


def alive(folder):
    return [pid for pid in folder.glob("*.pid") if Path(f"/proc/{pid.read_text().strip()}").exists()]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "ENGINE=dask needs SCHEDULER=: expected tcp://HOST:PORT"),
        ("node7", "SCHEDULER=node7: expected tcp://HOST:PORT"),
        ("tcp://node7", "SCHEDULER=tcp://node7: expected tcp://HOST:PORT"),
        ("http://node7:80", "SCHEDULER=http://node7:80: expected tcp://HOST:PORT"),
        ("missing.json", "no such file"),
        ("missing.yml", "no such file"),
    ],
)
def test_what_is_no_scheduler_is_said_before_anything_starts(word, said):
    with pytest.raises(BenchError, match=re.escape(said)):
        check(word)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no scheduler file"),
        ("\xff", "no scheduler file"),
        ("[1]", "no address"),
        ("{}", "no address"),
        ('{"address": 7}', "no address"),
    ],
)
def test_a_file_without_an_address(tmp_path, text, said):
    path = tmp_path / "scheduler.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BenchError, match=f"^SCHEDULER={re.escape(str(path))}: .*{said}"), connected(str(path), 0):
        pass


@pytest.mark.parametrize("form", ["address", "file"])
def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch, form):
    monkeypatch.setattr("bench.run.cluster.scheduler.PATIENCE", 0.5)
    word = "tcp://127.0.0.1:1"
    if form == "file":
        (tmp_path / "s.json").write_text(f'{{"address": "{word}"}}')
        word = str(tmp_path / "s.json")
    start = time.monotonic()
    with pytest.raises(BenchError, match=r"no scheduler answers there .*ENGINE=loky") as error, connected(word, 0):
        pass
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("says", [b"", b"no", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_is_no_scheduler(monkeypatch, says):
    """Dask's client waits for ever for one that is silent, and would read 3 EiB of one that says HTTP/1.1."""
    monkeypatch.setattr("bench.run.cluster.scheduler.PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            connection.sendall(says)
            with suppress(ConnectionResetError):
                connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        word = "tcp://127.0.0.1:{1}".format(*server.getsockname())
        start = time.monotonic()
        with pytest.raises(BenchError, match="what answers there is no scheduler of Dask"), connected(word, 0):
            pass
        thread.join(10)
    assert time.monotonic() - start < 5


def test_an_address_of_no_machine_is_said():
    for word in ("tcp://no-such-host.invalid:8786", "tcp://127.0.0.1:99999"):
        with pytest.raises(BenchError, match=f"^SCHEDULER={word}: no scheduler answers there"), connected(word, 0):
            pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is no YAML"),
        ("", "expected dask-jobqueue's configuration"),
        ("slurm: {cores: 1}", "expected dask-jobqueue's configuration"),
        ("jobqueue: {slurm: 3}", "expected dask-jobqueue's configuration"),
        ("jobqueue: {slurm: {cores: 1}, pbs: {cores: 1}}", "expected dask-jobqueue's configuration"),
        ("jobqueue: {slrum: {cores: 1}}", "did you mean slurm"),
        ("jobqueue: {slurm: {cors: 1, memory: 1GB}}", "unknown field of slurm in .* 'cors': did you mean cores"),
        ("jobqueue: {lsf: {cores: 1}}", "says no memory of a lsf job"),
        ("jobqueue: {pbs: {}}", "says no cores and no memory of a pbs job"),
        ("jobqueue: {lsf: {cores: two, memory: 1GB}}", "cores: two of a lsf job; expected a whole number"),
        ("jobqueue: {slurm: {cores: 1, memory: 1GB, processes: 0}}", "processes: 0 of a slurm job; expected a whole"),
    ],
)
def test_a_configuration_that_is_none(tmp_path, text, said):
    path = tmp_path / "queue.yml"
    path.write_text(text)
    with pytest.raises(BenchError, match=said) as error:
        read_queue(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("kind", "header"), [("slurm", "#SBATCH -t 01:00:00"), ("pbs", "#PBS -l walltime=01:00:00"),
                                              ("lsf", "#BSUB -W 01:00:00")])  # fmt: skip
def test_the_script_of_a_job(tmp_path, kind, header):
    import dask
    import dask_jobqueue

    from bench.run.cluster.scheduler import QUEUES

    path = tmp_path / "queue.yml"
    path.write_text(f"jobqueue: {{{kind}: {{cores: 4, memory: 8GB, walltime: '01:00:00'}}}}")
    read, section = read_queue(str(path))
    with dask.config.set({f"jobqueue.{kind}": section}):
        job = getattr(dask_jobqueue, QUEUES[read]).job_cls(scheduler="tcp://1.2.3.4:5", name="one")
    assert header in job.job_script()
    assert "--nthreads 4" in job.job_script()  # one process a job, with all its cores


def test_a_batch_system_needs_the_number_of_jobs(tmp_path):
    (tmp_path / "q.yml").write_text(QUEUE)
    with (
        pytest.raises(BenchError, match="needs JOBS=: how many workers slurm starts"),
        connected(str(tmp_path / "q.yml"), 0),
    ):
        pass


@pytest.mark.parametrize(("package", "name"), [("distributed", "tcp://127.0.0.1:1"), ("dask_jobqueue", "q.yml")])
def test_without_dask_a_line_says_what_is_missing(monkeypatch, tmp_path, package, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.yml").write_text(QUEUE)
    monkeypatch.setitem(sys.modules, package, None)
    with (
        pytest.raises(BenchError, match=f"needs the package {package.replace('_', '-')}, which is not"),
        connected(name, 1),
    ):
        pass


def test_a_machine_without_the_batch_system(tmp_path, monkeypatch):
    (tmp_path / "queue.yml").write_text(QUEUE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="this machine has no sbatch"), connected(str(tmp_path / "queue.yml"), 1):
        pass


def test_a_job_that_the_batch_system_refuses(slurm, tmp_path, photographs, one_cell, capfd):
    """Dask logs it, and would wait for ever."""
    (tmp_path / "queue.yml").write_text(QUEUE)
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1\n")
    settings = Settings(engine="dask", scheduler=str(tmp_path / "queue.yml"), jobs=1)
    said = r"took no job: sbatch: error: invalid partition specified: gpu$"
    with pytest.raises(BenchError, match=said):
        list(run_all([one_cell("gaussian", photographs)], settings))
    assert "Traceback" not in capfd.readouterr().err


def test_jobs_of_slurm_run_cells_and_are_cancelled_at_ctrl_c(slurm, tmp_path):
    queue, images, out = (tmp_path / name for name in ("slurm.yml", "images", "out"))
    queue.write_text(QUEUE)
    images.mkdir()
    Image.fromarray(data.camera()).save(images / "camera.png")  # on which BM3D takes long enough
    words = ("METHOD=gaussian,bm3d", f"DATA={images}", "NOISE=25", "ENGINE=dask", "JOBS=1", f"OUT={out}")
    program = subprocess.Popen(
        [sys.executable, "-m", "bench", "bench", *words, f"SCHEDULER={queue}"], cwd=ROOT, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(out.glob("runs/*/*.parquet")):
        if time.monotonic() > until or program.poll() is not None:
            program.kill()
            pytest.fail(program.communicate()[1] + "".join(path.read_text() for path in slurm.glob("*.out")))
        time.sleep(0.1)
    time.sleep(1)  # it is stored, and then counted
    (script,) = (path.read_text() for path in slurm.glob("*.sh"))
    for line in ("#SBATCH -p gpu", "#SBATCH --gres=gpu:1", "#SBATCH -t 04:00:00", "#SBATCH --cpus-per-task=2"):
        assert line in script.splitlines()
    assert f"cd {ROOT}" in script.splitlines()
    assert "--nthreads 2" in script
    assert "--resources GPU=1" in script
    start = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=20)
    assert time.monotonic() - start < 4  # it is gone within 2 s where no other tests run
    assert program.returncode == 130, said
    assert len(said.strip().splitlines()) == 1, said
    assert said.strip() == "interrupted: 1 of 2 cells are kept; the same command goes on from there"
    assert "Traceback" not in said
    while alive(slurm):
        assert time.monotonic() - start < 20
        time.sleep(0.1)
    assert (slurm / "cancelled").read_text().split() == ["4200"]
