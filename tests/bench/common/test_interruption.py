"""Ctrl-C and SIGTERM, sent to programs of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.common.interruption import interruptible

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import subprocess, sys, time
from bench.common.interruption import interruptible, leave
def program():
    {body}
with interruptible() as interruption:
    try:
        program()
    except KeyboardInterrupt:
        print(interruption.line)
leave(interruption.status)
"""
IN_C = "import hashlib; print('ready', flush=True); hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)"
WITH_CHILDREN = (
    "p = subprocess.Popen(['sh', '-c', 'setsid sleep 1000 & echo $!; wait'], stdout=subprocess.PIPE, text=True, "
    "start_new_session=True); print('ready', p.pid, p.stdout.readline(), flush=True); p.wait()"
)


def heeds_signals(hangup: signal.Handlers = signal.SIG_DFL) -> None:
    """Undo what the tests were started with: nohup ignores SIGHUP, a shell's background SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, hangup)


def program(body: str, hangup: signal.Handlers = signal.SIG_DFL) -> tuple[subprocess.Popen, list[int]]:
    """Start a program, and return it with the processes that it says it has started."""
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: heeds_signals(hangup),
    )  # fmt: skip
    _, *pids = started.stdout.readline().split()
    return started, [int(pid) for pid in pids]


def running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def ends(process: subprocess.Popen, pids: list[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None and not any(map(running, pids)):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("body", [IN_C, WITH_CHILDREN], ids=["while C computes", "with processes of its own"])
def test_a_program_ends_within_two_seconds_with_all_that_it_started(body, number, status):
    process, pids = program(body)
    os.kill(process.pid, number)
    assert ends(process, pids, 2)
    assert process.returncode == status
    line = "interrupted: what is finished is kept, and the same command goes on from there"
    assert process.stdout.read().splitlines()[-1:] == [line]


def test_a_command_says_nothing_of_the_one_before_it():
    with interruptible() as interruption:
        interruption.keep(1, 2)
        interruption.number = signal.SIGINT
    assert (interruption.status, "1 of 2" in interruption.line) == (130, True)
    with interruptible() as interruption:
        pass
    assert (interruption.number, "1 of 2" in interruption.line) == (0, False)


def test_a_signal_that_a_person_has_ignored_stays_ignored():
    process, _ = program("print('ready', flush=True); time.sleep(0.3)", signal.SIG_IGN)
    os.kill(process.pid, signal.SIGHUP)
    assert process.wait(5) == 130  # of `leave` at the end of the program, which nothing has interrupted
    assert process.stdout.read() == ""


def test_an_interrupted_benchmark_says_what_is_kept(photographs, method_file, tmp_path):
    """Ctrl-C in a terminal goes to a worker too; below it is the process of a method that hangs."""
    (photographs / "coins.png").unlink()
    started = tmp_path / "pid"
    body = f"open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    hangs = method_file(f"import os, time\ndef denoise(noisy, sigma):\n    {body}\n")
    options = {
        "method": f"median,{hangs}",
        "data": photographs,
        "noise": "25",
        "device": "cpu",
        "out": tmp_path,
        "engine": "loky",
        "jobs": 1,
    }
    command = [sys.executable, "-m", "bench", "run", *(f"--{name}={value}" for name, value in options.items())]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=heeds_signals,
    )  # fmt: skip
    first = process.stdout.readline()  # it comes after the record is stored
    end = time.monotonic() + 100
    while time.monotonic() < end and not (started.exists() and started.read_text()):
        time.sleep(0.05)
    assert [*tmp_path.glob("runs/*/*.parquet")]
    os.killpg(process.pid, signal.SIGINT)
    assert ends(process, [int(started.read_text())], 3)  # two, and one for a machine that is busy
    assert process.returncode == 130
    last = process.stdout.read().splitlines()
    assert first.startswith("done  Median on folder photographs")
    assert last == ["interrupted: 1 of 2 cells are kept; the same command goes on from there"]


def test_a_signal_before_anything_has_begun_ends_the_program_without_a_traceback():
    body = "import bench.__main__; bench.__main__.end_at_once(); print('ready', flush=True); time.sleep(100)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import time; {body}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, preexec_fn=heeds_signals,
    )  # fmt: skip
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == -signal.SIGINT
    assert process.stdout.read() == ""


ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a system without /proc")

WORKER = """import os; from bench.run.processes import workers
    executor = workers(1)
    executor.submit(exec, "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)").result()
    pid = executor.submit(os.getpid).result()
    print('ready', pid, open(f'/proc/{pid}/task/{pid}/children').read(), flush=True)
    executor.submit(time.sleep, 1000).result()"""

OF_A_PERSON = """import numpy as np; from bench.adapters.command import method_from_command
    load = method_from_command('SCRIPT {noisy} {out}').load
    print('ready', flush=True)
    load._one(np.zeros((4, 4, 1), np.float32), None)"""


@ON_LINUX
def test_workers_end_when_the_process_that_started_them_is_killed():
    process, pids = program(WORKER)
    assert len(pids) == 2
    process.kill()
    assert ends(process, pids, 3)  # half a second, and more for a machine that is busy


def below(pid: int) -> list[int]:
    """Return the processes that one has started, and those that they have."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(one for child in children for one in below(child))]


@ON_LINUX
@pytest.mark.parametrize("tree", [False, True], ids=["alone", "with all below it"])
def test_a_program_ends_when_the_process_that_started_it_is_killed_and_leaves_no_file(tmp_path, tree):
    """Also what has left its group; a process that works beside its folder is another's."""
    script, said = tmp_path / "denoise.sh", tmp_path / "said"
    script.write_text(f"#!/bin/sh\nsetsid sleep 1000 &\necho $! $$ $TMPDIR > {said}\nsleep 1000\n")
    script.chmod(0o755)
    process, _ = program(OF_A_PERSON.replace("SCRIPT", str(script)))
    while not (said.exists() and said.read_text().endswith("\n")):
        time.sleep(0.02)
    *pids, scratch = said.read_text().split()
    folder = Path(scratch).parent
    assert (Path(scratch) / "noisy.npy").is_file()
    beside = subprocess.Popen(["sleep", "1000"], env={"TMPDIR": f"{folder}-of-another"})
    for pid in (*(below(process.pid) if tree else ()), process.pid):
        os.kill(pid, signal.SIGKILL)
    assert ends(process, [int(pid) for pid in pids], 3)
    end = time.monotonic() + 2
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not folder.exists()
    assert beside.poll() is None
    beside.kill()
    beside.wait()


EARLY = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # not heard by what starts in the background
from bench.cli import app
from bench.common import interruption

def now(*of):
    if not interruption.CURRENT.number:
        os.kill(os.getpid(), signal.SIGINT)

if sys.argv[1] == "as it begins to hear of signals":
    heard = signal.signal

    def hears(number, handler):
        before = heard(number, handler)
        if number == signal.SIGINT and handler is interruption._interrupt:
            now()
        return before

    interruption.signal.signal = hears
elif sys.argv[1] == "before the command":
    interruption.Interruption.keep_nothing = now
else:
    restores = signal.set_wakeup_fd

    def restored(*of, **how):
        if of == (-1,):
            now()
        return restores(*of, **how)

    interruption.signal.set_wakeup_fd = restored
sys.exit(app.main(["list", "protocols"]))
"""


@pytest.mark.parametrize("moment", ["as it begins to hear of signals", "before the command", "after the command"])
def test_a_signal_at_any_line_leaves_no_traceback(moment):
    words = [sys.executable, "-c", EARLY, moment]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stderr.splitlines()[-1].partition(":")[0]) == (130, "interrupted")
