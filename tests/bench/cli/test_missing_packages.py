"""What a machine can do that has PyTorch and little else: packages are hidden, and every command does what it can."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HIDDEN = ("bm3d", "bm4d", "loky", "pooch", "platformdirs", "pydicom", "pywt", "cloudpickle", "requests")
SCRIPT = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

class Hiding:
    invalidate_caches = PathFinder.invalidate_caches

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, path, target)

HIDDEN, commands = json.load(sys.stdin)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
from bench.cli.make import run_words
from bench.report.figures import charts

charts.paper_figures = lambda *_, **__: []  # what takes most of a report's time
said = []
for words in commands:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = run_words(words)
    said.append((status, printed.getvalue()))
print(json.dumps(said))
"""


@pytest.fixture
def said(tmp_path):
    """Return a function that runs commands in one process without the packages; it gives status and text of each."""

    def run(*commands):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")}
        environment |= {"XDG_CACHE_HOME": str(tmp_path / "xdg"), "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], input=json.dumps((HIDDEN, commands)), cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_every_command_does_what_needs_no_missing_package(said, photographs, tiny_net, method_file, tmp_path):
    own = method_file("def denoise(noisy, sigma):\n    return noisy * 0.9\n")
    where = [f"DATA={photographs}", f"OUT={tmp_path / 'out'}"]
    tiny = "CHANGE=patch=16 batch=2 depth=3 features=4 held_out=1 steps=2"
    network, plain, estimated, python, download, engine, train, report = said(
        ["bench", "METHOD=dncnn", f"WEIGHTS={tiny_net}", "NOISE=25", *where],
        ["bench", "METHOD=bm3d,nlm,wavelet", "NOISE=25", "JOBS=2", *where],
        ["bench", "METHOD=nlm", "NOISE=poisson:30", *where],
        ["bench", f"METHOD={own}", "NOISE=25", *where],
        ["bench", "METHOD=nlm", "DATA=bsd68", "NOISE=25", where[1]],
        ["bench", "METHOD=nlm", "ENGINE=loky", "JOBS=2", "FRESH=1", "NOISE=25", *where],
        ["train", "METHOD=dncnn", "NOISE=25", tiny, "NAME=x", "DEVICE=cpu", f"TO={tmp_path / 'w'}", *where],
        ["report", where[1]],
    )
    assert network[0] == estimated[0] == train[0] == report[0] == 0, (network, estimated, train, report)
    assert (tmp_path / "out/report/index.html").is_file()
    assert [path.suffix for path in sorted((tmp_path / "w").iterdir())] == [".json", ".safetensors"]
    for package in ("bm3d", "PyWavelets"):
        (line,) = (line for line in plain[1].splitlines() if line.startswith("failed") and f"install {package}" in line)
        assert line.endswith(f"needs the package {package}, which is not installed: pip install {package}")
    assert "done  NLM" in plain[1]
    assert "one process and not 2: the package loky is not installed" in plain[1]
    assert "needs the package cloudpickle, which is not installed: pip install cloudpickle" in python[1]
    assert "(needs the package requests, which is not installed: pip install requests); put it in " in download[1]
    assert str(tmp_path / "xdg/denoising-bench/data") in download[1]
    assert engine[1].splitlines()[-1].endswith("needs the package loky, which is not installed: pip install loky")
    assert "Traceback" not in "".join(text for _, text in (plain, python, download, engine))


@pytest.mark.parametrize("module", ["bench", "bench.cli.make"])
def test_a_typer_that_is_too_old_is_one_line(module, tmp_path):
    (tmp_path / "typer").mkdir()
    (tmp_path / "typer" / "__init__.py").write_text("")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", module, "list"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: No module named 'typer.exceptions': expected the packages of requirements.txt; "
        "pip install -r requirements.txt\n"
    )
