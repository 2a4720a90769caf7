"""The program as a person runs it: one process a test."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def bench(*words, out=None, **environment):
    command = [sys.executable, "-m", "bench", *map(str, words), *(["--out", str(out)] if out else [])]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_run_report_and_run_again(tmp_path, photographs):
    words = ("run", "--method", "wavelet,nlm", "--data", photographs, "--noise", "15,25", "--table", tmp_path / "t.csv")
    first = bench(*words, out=tmp_path)
    assert first.returncode == 0, first.stderr
    assert re.search(r"Wavelet\s+folder photographs\s+25\s+2\d\.\d\d", first.stdout)
    assert "protocol standard" in first.stdout
    again = bench(*words, out=tmp_path)
    assert "4 of 4 cells are finished already" in again.stdout
    assert first.stdout[first.stdout.index("Method") :] == again.stdout[again.stdout.index("Method") :]
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [row["method"] for row in rows[:2]] == ["NLM", "Wavelet"]
    assert 20 < float(rows[0]["psnr"]) < 40

    page = bench("report", out=tmp_path)
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "report" / "index.html").exists()


def test_tables_never_mix_protocols(tmp_path, photographs):
    done = bench("run", "--method", "wavelet", "--data", photographs, "--protocol", "standard,clipped", out=tmp_path)
    first, second = done.stdout.split("Method ")[1:]
    assert "protocol standard;" in first
    assert "protocol clipped;" in second
    assert first.count("Wavelet  folder") == second.count("Wavelet  folder") == 1


def test_a_finished_run_imports_nothing_heavy(tmp_path, photographs):
    words = ["run", "--method", "wavelet", "--data", str(photographs), "--out", str(tmp_path)]
    assert bench(*words).returncode == 0
    for arguments in (words, ["list"], ["run", "--method", "dncnnn", "--out", str(tmp_path)]):
        script = (
            f"import sys; sys.argv = ['bench', *{arguments!r}]\nfrom bench.cli.app import app\n"
            "try:\n    app()\nexcept SystemExit:\n    pass\n"
            "print([m for m in ('torch', 'matplotlib', 'seaborn', 'scipy', 'skimage', 'bm3d', 'pandas', 'onnxruntime')"
            " if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", arguments


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "--method", "dncnnn"), "unknown method 'dncnnn': did you mean dncnn"),
        (("run", "--data", "no-such"), "unknown dataset 'no-such'"),
        (("run", "--engine", "slurm"), "unknown engine 'slurm': known: loky, serial"),
        (("run", "--backend", "onnx"), "unknown backend 'onnx': did you mean onnxruntime"),
        (("list", "method"), "unknown list 'method': did you mean methods"),
        (("report",), "no finished cell; run make bench first"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, words, line):
    done = bench(*words, out=None if words[0] == "list" else tmp_path)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_failed_cell_is_recorded_and_the_others_go_on(tmp_path, photographs, method_file):
    bad = method_file("def denoise(noisy, sigma):\n    raise ValueError('no')\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = bench("run", "--method", f"{bad},wavelet", "--data", f"{photographs},{empty}", out=tmp_path)
    assert done.returncode == 1
    assert "raised ValueError: no" in done.stderr
    assert "the folder has no image" in done.stderr
    assert "Wavelet" in done.stdout
    causes = [path.read_text() for path in (tmp_path / "runs" / "failed").glob("*.json")]
    assert len(causes) == 2
    page = bench("report", out=tmp_path)
    assert page.returncode == 0
    assert "raised ValueError: no" in (tmp_path / "report" / "index.html").read_text()


def test_offline_without_mirror_says_what_to_do(tmp_path):
    nowhere = "http://127.0.0.1:9"  # a proxy that is not there: offline on any machine
    done = bench("run", "--method", "wavelet", "--data", "mcmaster", out=tmp_path, HTTPS_PROXY=nowhere)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    for part in ("dataset mcmaster", "McMaster", "https://", "BENCH_MIRROR", "DATA=builtin"):
        assert part in line


def test_list_names_everything():
    done = bench("list")
    assert done.returncode == 0
    for name in (
        "bm3d",
        "nlm",
        "wavelet",
        "dncnn",
        "fdncnn",
        "dncnn-s",
        "@saoyan",
        "set12",
        "kodak24-500",
        "seed0",
        "builtin",
    ):
        assert name in done.stdout
