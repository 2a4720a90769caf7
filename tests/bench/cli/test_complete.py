"""Completion: the words that the registries have, and what bash makes of them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import datasets
import methods
from bench.cli import make
from bench.cli.app import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def completed(monkeypatch, capsys):
    """Return a function that gives the words for a line."""

    def words(line):
        monkeypatch.setenv("BENCH_COMPLETE", line)
        assert make.run_words([]) == 0
        return capsys.readouterr().out.split()

    return words


def test_commands_variables_and_options(completed):
    assert completed("bench to") == ["top", "torture"]
    assert {"bench", "compare", "compare-runs", "help"} <= set(completed("bench "))
    assert "run" not in completed("bench ")
    assert completed("bench help sel") == ["selfscore"]
    assert completed("bench bench NOI") == completed("bench bench noi") == ["NOISE="]
    assert completed("bench report pict") == ["PICTURES="]
    assert completed("bench run --no") == ["--noise"]
    assert completed("bench nonsense X") == completed("bench nonsense METHOD") == []


def test_names_of_methods_and_datasets(completed):
    assert completed("bench bench METHOD=bf-dncnn@") == [
        f"METHOD={n}" for n in methods.available() if n.startswith("bf-dncnn@")
    ]
    assert completed("bench top DATA=") == [f"DATA={name}" for name in datasets.available()]
    of_last = completed("bench bench DATA=set12,bsd68,set")
    assert of_last == [
        f"DATA=set12,bsd68,{name}" for name in datasets.available() if name.startswith("set") and name != "set12"
    ]
    assert completed("bench run --method ffd") == ["ffdnet"]
    assert completed("bench run --method=ffd") == ["--method=ffdnet"]
    assert completed("bench bench METHOD=bm3d PROTOCOL=cl") == ["PROTOCOL=clipped"]
    assert "NOISE=poisson:" in completed("bench bench NOISE=p")
    assert completed("bench bench BUDGET=") == completed("bench bench OUT=") == []


@pytest.mark.skipif(not shutil.which("bash"), reason="this machine has no bash")
def test_bash_gets_what_stands_behind_its_ends_of_words(tmp_path, capsys):
    assert main(["--show-completion", "bash"]) == 0
    lines = ["bench top DATA=bsd6", "bench bench METHOD=bm3d,wave"]
    (tmp_path / "typing.py").write_text("raise SystemExit('code of the folder that one happens to be in')")
    ask = 'COMP_LINE="$1" COMP_POINT=${#1}; _bench_words 2> /dev/null; echo "${COMPREPLY[@]}"'
    program = f"{capsys.readouterr().out}\nask() {{ {ask}; }}\n" + "".join(f"ask '{line}'\n" for line in lines)
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_COMPLETE"}
    done = subprocess.run(
        ["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["bsd68", "bm3d,wavelet"]


def test_an_unknown_shell_is_one_line(capsys):
    assert main(["--show-completion", "tcsh"]) == 2
    assert "unknown shell 'tcsh'" in capsys.readouterr().err
    for shell in ("zsh", "fish"):
        assert main(["--show-completion", shell]) == 0
        assert str(ROOT) in capsys.readouterr().out
