"""Methods of foreign origin in a process of their own: whatever they do is one line, and reaches nothing else."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.common import child_process
from bench.common.child_process import ChildProcess
from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.plan.request import Request
from bench.run.engine import run_all
from bench.run.isolated import apart, foreign
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.studies.explain import study as explain
from bench.studies.export import study as export
from bench.studies.selfscore import study as selfscore

CPU = Settings("cpu", jobs=1, timeout=60)


def denoise(body: str, before: str = "") -> str:
    return f"import os, sys, time\n{before}\ndef denoise(noisy, sigma):\n    {body}\n    return noisy\n"


def cause(cell, settings=CPU) -> str:
    ((_, outcome),) = run_all([cell], settings)
    assert isinstance(outcome, Failure)
    assert "\n" not in outcome.cause
    return outcome.cause


@pytest.mark.parametrize(
    ("body", "before", "expected"),
    [
        ("sys.exit('no licence')", "", "method mine, image camera: called sys.exit('no licence')"),
        ("os._exit(4)", "", "method mine, image camera: ended its process with exit status 4"),
        ("os.abort()", "", "method mine, image camera: its process was ended by signal 6 (Aborted)"),
        ("raise KeyboardInterrupt", "", "method mine, image camera: raised KeyboardInterrupt"),
        ("raise type('Odd', (BaseException,), {})('so')", "", "method mine, image camera: raised Odd: so"),
        ("import ctypes; ctypes.string_at(0)", "", "its process was ended by signal 11 (Segmentation fault)"),
        ("os.kill(os.getpid(), 9)", "", "its process was killed (out of memory?"),
        ("os.closerange(3, 200)", "", "method mine, image camera: ended its process"),
        ("return noisy + 1j", "", "returned numbers of type torch.complex64; expected float32, 1.0 = white"),
        ("return noisy > 0.5", "", "returned numbers of type torch.bool; expected float32, 1.0 = white"),
        ("print('at it'); os._exit(1)", "", "ended its process with exit status 1: at it"),
        ("pass", "sys.exit()", "method mine, loading: called sys.exit(None)"),
        ("pass", "os._exit(0)", "method mine, loading: ended its process with exit status 0"),
        ("pass", "raise RuntimeError('no such layer')", "method mine, loading: raised RuntimeError: no such layer"),
        (
            "pass",
            "import argparse; a = argparse.ArgumentParser(); a.add_argument('--sigma', required=True); a.parse_args()",
            "called sys.exit(2): mine.py: error: the following arguments are required: --sigma",
        ),
    ],
)
def test_what_ends_a_program_is_one_line(one_cell, photographs, method_file, body, before, expected):
    assert expected in cause(one_cell(str(method_file(denoise(body, before))), photographs))


@pytest.mark.parametrize(
    ("before", "value"),
    [
        ("calls = []", "0.9 - 0.1 * (calls.append(1) or len(calls) > 4)"),  # after some images
        ("last = [1]", "0.9 + 0 * (last[0], last.__setitem__(0, float(noisy.mean())))[0]"),  # kept, and not used
    ],
)
def test_a_method_whose_result_rests_on_the_images_before_is_warned_of(
    one_cell, photographs, method_file, before, value
):
    path = method_file(f"{before}\ndef denoise(noisy, sigma):\n    return noisy * ({value})\n")
    warnings = run_cell(one_cell(str(path), photographs), CPU).provenance["warnings"]
    assert any(line.startswith("gives another result at the end of a run") for line in warnings) == ("calls" in before)


@pytest.mark.parametrize(("mean", "warned"), [("noisy.mean()", True), ("noisy.mean((1, 2, 3), keepdim=True)", False)])
def test_a_network_that_looks_at_the_other_images_of_a_batch_is_warned_of(
    one_cell, photographs, method_file, mean, warned
):
    path = method_file(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, noisy):\n"
        f"        return noisy + 0.3 * ({mean} - 0.4)\n"
        "model = Net()\n"
    )
    cell = one_cell(str(path), photographs)
    batched = run_cell(cell, replace(CPU, runtime="torch")).provenance["warnings"]
    assert any("alone than in a batch" in line for line in batched) == warned
    assert not any("alone than in a batch" in line for line in run_cell(cell, CPU).provenance["warnings"])  # no batch


def test_a_script_that_reads_its_arguments_finds_none(one_cell, photographs, method_file):
    before = "import argparse; a = argparse.ArgumentParser(); a.add_argument('--n', default=1); a.parse_args()"
    run_cell(one_cell(str(method_file(denoise("pass", before))), photographs), CPU)


PATCHES = """
import atexit, os, random, signal, sys, threading, time
import numpy, torch
import bench.run.one_cell, bench.score.metrics as metrics, bench.score.scorer
metrics.METRICS.clear()
metrics.psnr = bench.score.scorer.scores = bench.run.scoring.scores = lambda *given: 99
numpy.mean = numpy.log10 = torch.Tensor.mean = torch.Tensor.log10 = lambda *given, **how: 99
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.set_num_threads(1)
torch.manual_seed(7), random.seed(7), numpy.random.seed(7)
os.chdir("/")
os.environ.clear()
sys.path.clear()
signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_IGN)
atexit.register(time.sleep, 1000)
threading.Thread(target=time.sleep, args=(1000,)).start()
def denoise(noisy, sigma):
    return noisy.float()
"""


def test_what_a_method_changes_reaches_no_score_and_nobody_else(one_cell, photographs, method_file):
    state = (os.getcwd(), dict(os.environ), torch.get_default_dtype(), torch.random.get_rng_state().tolist())  # noqa: PTH109
    record = run_cell(one_cell(str(method_file(PATCHES)), photographs), CPU)
    for row in record.images:
        assert row["psnr"] == pytest.approx(psnr_by_definition(photographs, row), abs=1e-9)
        assert 20 < row["psnr"] < 21  # 10 log10(255^2 / 25^2) is 20.17; clipping gives a little more
    assert state == (os.getcwd(), dict(os.environ), torch.get_default_dtype(), torch.random.get_rng_state().tolist())  # noqa: PTH109


def test_no_state_goes_from_cell_to_cell(one_cell, photographs, method_file):
    body = "torch.calls = getattr(torch, 'calls', 0) + 1; return noisy * 0 + torch.calls / 100 + torch.rand(1) / 100"
    cell = one_cell(str(method_file(denoise(body, "import torch"))), photographs)
    first, second = ([row["mse"] for row in run_cell(cell, CPU).images] for _ in range(2))
    assert first == second


def test_no_type_of_a_method_comes_out_of_its_process(one_cell, photographs, method_file):
    before = (
        "import torch\nclass Mine(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
        "        print(function); return super().__torch_function__(function, types, args, kwargs or {})\n"
    )
    record = run_cell(one_cell(str(method_file(denoise("return noisy.as_subclass(Mine)", before))), photographs), CPU)
    assert all(20 < row["psnr"] < 21 for row in record.images)


def test_a_hang_is_ended_with_all_that_it_started(one_cell, photographs, method_file, tmp_path):
    started = tmp_path / "pid"
    body = (
        f"p = subprocess.Popen(['sleep', '1000']); open({str(started)!r}, 'w').write(str(p.pid)); "
        "print('waiting for the licence'); time.sleep(1000)"
    )
    cell = one_cell(str(method_file(denoise(body, "import subprocess"))), photographs)
    text = cause(cell, replace(CPU, timeout=1.0))
    assert "gave no answer within 1 s and was ended: waiting for the licence; TIMEOUT=2 gives it more" in text
    assert _gone(int(started.read_text()))


def test_more_memory_than_there_is(one_cell, photographs, method_file):
    for body in ("import numpy; numpy.ones(2**31, 'uint8')", "import torch; torch.ones(2**29)"):
        text = cause(one_cell(str(method_file(denoise(body))), photographs), replace(CPU, memory=0.5))
        assert "(it may take 0.5 GiB; MEMORY= says how much)" in text


def test_prints_without_end_are_not_kept(one_cell, photographs, method_file, monkeypatch, capfd):
    kept = []
    close = ChildProcess.close
    monkeypatch.setattr(ChildProcess, "close", lambda self: (kept.append(len(self.tail)), close(self)))
    body = "os.write(2, b'x' * 2**20 * 20)"
    run_cell(one_cell(str(method_file(denoise(body))), photographs), CPU)
    assert kept == [child_process.TAIL]
    assert capfd.readouterr() == ("", "")


def test_seconds_are_those_of_the_method(one_cell, photographs, method_file, monkeypatch):
    call = ChildProcess.call
    monkeypatch.setattr(ChildProcess, "call", lambda self, *given: (time.sleep(0.3), call(self, *given))[1])
    record = run_cell(one_cell(str(method_file(denoise("time.sleep(0.05)"))), photographs), CPU)
    assert all(0.05 < row["seconds"] < 0.3 for row in record.images)


def test_a_method_that_forks_answers_once(one_cell, photographs, method_file):
    body = "os.fork(); return noisy * 0 + noisy.mean()"
    for row in run_cell(one_cell(str(method_file(denoise(body))), photographs), CPU).images:
        assert row["psnr"] == pytest.approx(psnr_by_definition(photographs, row), abs=1e-9)
        assert len(set(row["denoised"])) == 1
        assert row["mse"] < 3000  # its own mean: that of the other image is 60 grey levels away


@pytest.mark.parametrize("body", ["socket.socket().connect_ex(('127.0.0.1', 1))", "os.system('')", "os.system('true')"])
def test_what_is_watched_works_as_ever(one_cell, photographs, method_file, body):
    """What hides from a record is noted there, whatever Python reports of it."""
    record = run_cell(one_cell(str(method_file(denoise(body, "import socket"))), photographs), CPU)
    assert [row["image"] for row in record.images] == ["camera", "coins"]


def test_which_methods_are_foreign(one_cell, photographs, method_file, tiny_net):
    own = one_cell(str(method_file(denoise("pass"))), photographs)
    ours = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    program = one_cell("cmd:cp {noisy.npy} {out.npy}", photographs)
    assert [foreign(cell) for cell in (own, ours, program)] == [True, False, False]


def test_a_traceback_of_the_process_is_shown_on_request(one_cell, photographs, method_file, monkeypatch):
    monkeypatch.setenv("BENCH_TRACEBACK", "1")
    cell = one_cell(str(method_file(denoise("raise RuntimeError('out of ideas')"))), photographs)
    with pytest.raises(BenchError) as caught:
        run_cell(cell, CPU)
    assert 'mine.py", line 4, in denoise' in "".join(caught.value.__cause__.__notes__)


def test_studies_that_need_the_network_itself_ask_for_it_in_its_process(one_cell, photographs, method_file, tmp_path):
    cell = one_cell(str(method_file(denoise("pass"))), photographs)
    assert apart(cell, divmod, 7, 2) == (3, 1)
    with pytest.raises(BenchError, match="method mine: ended its process with exit status 5"):
        apart(cell, os._exit, 5)
    request = Request(str(method_file(denoise("pass", "os._exit(6)"))), str(photographs), "25")
    outcomes = [
        *explain.build(request, "", "", tmp_path),
        *export.build(request, "onnx", "", tmp_path),
        *selfscore.build(request, tmp_path),
    ]
    assert [outcome.cause.partition(" ended its process with exit status ")[2] for outcome in outcomes] == ["6"] * 3


@pytest.mark.parametrize(
    ("command", "timeout", "expected"),
    [
        ("sleep 100", 0.5, "sh took longer than 0.5 s; give it more, as in cmd:limit=1 ... or TIMEOUT=1"),
        ("yes | head -c 20000000; echo no licence >&2; exit 3", 0, "sh ended with exit status 3: no licence"),
        ("sleep 1000 & echo $! >&2; exit 4", 60, "sh ended with exit status 4: "),
    ],
)
def test_a_program_has_the_same_limits(one_cell, photographs, command, timeout, expected):
    cell = one_cell(f'cmd:sh -c "{command}" {{noisy.npy}} {{out.npy}}', photographs)
    text = cause(cell, replace(CPU, timeout=timeout))
    assert expected in text
    assert "& echo" not in command or _gone(int(text.split()[-1]))


def test_numbers_survive_the_way_to_the_process_and_back(one_cell, photographs, method_file):
    cell = one_cell(str(method_file(denoise("return noisy.double() * 0.5"))), photographs)
    for row in run_cell(cell, CPU).images:
        assert row["psnr"] == pytest.approx(psnr_by_definition(photographs, row), abs=1e-9)


def psnr_by_definition(folder, row):
    """Return the PSNR of the pixels that a record holds, computed with NumPy."""
    clean = np.asarray(Image.open(folder / f"{row['image']}.png"), float)
    denoised = np.frombuffer(row["denoised"], np.uint8).reshape(clean.shape)
    return 10 * np.log10(255**2 / np.mean((clean - denoised) ** 2))


def _gone(pid: int) -> bool:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "answer",
    [
        "b\"cos\\nsystem\\n(S'touch ran'\\ntR.\"",
        "b\"cbench.adapters.command\\n_run\\n(]S'touch'aS'ran'aS'.'F9.0tR.\"",
        "pickle.dumps(pickle.Pickler)",
        "b'no pickle'",
        "b''",
    ],
)
def test_an_answer_runs_nothing_here(method_file, one_cell, photographs, answer, monkeypatch, tmp_path):
    """A method can write what it likes into the pipe of its process."""
    monkeypatch.chdir(tmp_path)
    forged = f"import cloudpickle, pickle\ndumps, answer = cloudpickle.dumps, {answer}\n"
    body = "cloudpickle.dumps = lambda value: answer"
    path = method_file(denoise(body, forged))
    said = cause(one_cell(str(path), photographs))
    assert "which is no plain data" in said or "its answer is damaged" in said
    assert not (tmp_path / "ran").exists()
