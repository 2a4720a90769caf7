"""`make` hands its variables over as they were typed, and a command takes a variable or says that it does not."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli import clean, make
from bench.cli.app import main
from bench.cli.make import arguments
from bench.common.errors import BenchError

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = [
    "; touch ran", "$(shell touch ran)", "${shell touch ran}", "$(eval $(shell touch ran))", "`touch ran`",
    "'; touch ran; '", '"; touch ran; "', "a\ntouch ran", "a\n\ttouch ran", "endef\nall: ; touch ran", "&& touch ran",
    "| touch ran", "> ran", "a$$b", "$", "$(", "\\", "a\\ b", "#c", "-x", "--help", "*", "~", "it's", "été 中文",
    "$(error x)", "$@", "$(METHOD)", "a=b", "a:=b", "%", "{}", "!x",
    "$(file >ran,x)", "$(foreach x,a,$(shell touch ran))", "$(if $(shell touch ran),)", "$(call shell,touch ran)",
    "$(or $(shell touch ran))", "$(eval all:;touch ran)", "$(eval override SHELL := touch ran)", "$(guile (system 0))",
    "$$(touch ran)", "$$$$(shell touch ran)", "\\$(shell touch ran)", "$(\nshell touch ran)", "a\r\ntouch ran",
    "a\\\ntouch ran", "touch${IFS}ran", "$'touch\\x20ran'", "<(touch ran)", "{touch,ran}", "a & touch ran &",
    "a || touch ran", "${PATH}", "$(value SHELL)", "$(info x)", "$(wildcard *)", "$(MAKE) ran", "+touch ran",
    "@touch ran", "!=touch ran", "define RUN\ntouch ran\nendef", "export RUN=touch ran", "include ran",
    "--eval=$(shell touch ran)", "-f ran", "((", ")", "a\\", "# $(shell touch ran)", "a\tb", "b ",
    "\x1b]0;x\x07", "\x7f", "\udcff", "a" * 100_000,
]  # fmt: skip


@pytest.fixture
def typed(tmp_path):
    """Return a function that runs make with a Python that writes down its environment, and returns what it wrote."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nenv -0 > "{tmp_path}/environment"\n')
    program.chmod(0o755)

    def run(*words, **environment):
        (tmp_path / "environment").unlink(missing_ok=True)
        command = ["make", "--file", str(ROOT / "Makefile"), *words, "VENV=", f"PYTHON={program}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False,
                              env=os.environ | environment)  # fmt: skip
        assert not (tmp_path / "ran").exists(), words
        if not (tmp_path / "environment").exists():
            return done
        pairs = os.fsdecode((tmp_path / "environment").read_bytes()).split("\0")
        return dict(pair.split("=", 1) for pair in pairs if pair)

    return run


def test_values_arrive_as_they_were_typed_and_nothing_of_them_runs(typed):
    """Each value on each name; several in one run of make, and one in its environment."""
    names = ("METHOD", "DATA", "WHAT", "TESTS", "NOISE", "NOIZE")
    for place in range(len(HOSTILE)):
        given = {name: HOSTILE[(place + number) % len(HOSTILE)] for number, name in enumerate(names)}
        environment = typed("list", *(f"{name}={value}" for name, value in given.items()), SEED=HOSTILE[place])
        assert {name: environment[name] for name in (*names, "SEED")} == given | {"SEED": HOSTILE[place]}
        assert set(environment["BENCH_TYPED"].split()) == {*names, "VENV", "PYTHON"}


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_of_the_environment_s_path_runs(tmp_path, value):
    for words in (("VENV=", f"PYTHON={value}"), (f"VENV={value}", "PYTHON=false")):
        done = subprocess.run(
            ["make", "--file", str(ROOT / "Makefile"), "list", *words], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 2
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["RUN", "COMMANDS", "TYPED", "BENCH_TYPED", "OTHERS", "SHELL", ".SHELLFLAGS"])
def test_no_variable_changes_the_makefile_itself(typed, name):
    assert name in typed("list", f"{name}=touch ran;")["BENCH_TYPED"].split()


def test_the_environment_does_not_count_as_typed(typed):
    assert set(typed("bench", "NOISE=25", METHOD="nlm")["BENCH_TYPED"].split()) == {"NOISE", "VENV", "PYTHON"}


@pytest.mark.parametrize("command", ["help", "check", "clean", "setup"])
def test_commands_without_variables_say_so(typed, command):
    done = typed(command, "METHOD=bm3d")
    assert done.returncode == 2
    assert f"make {command} does not take METHOD" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_needs_no_environment_and_fits(typed):
    done = subprocess.run(
        ["make", "help", "VENV=/nowhere", "PYTHON=false"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    for command in (*make.variables("bench"), "make bench", "make selfscore", "PIXEL='12,30;7,8'"):
        assert command in done.stdout


def test_variables_become_options():
    assert arguments("explain", {"PIXEL": "12,30;7,8", "IMAGE": "01", "NOISE": "10,50", "VENV": ""}) == [
        "explain", "--pixel=12,30;7,8", "--image=01", "--noise=10,50",
    ]  # fmt: skip
    assert arguments("export", {"TO": "a b.onnx", "FORMAT": "onnx"}) == ["export", "--to=a b.onnx", "--format=onnx"]
    assert arguments("list", {"WHAT": "-x", "METHOD": "dncnn"}) == ["list", "--method=dncnn", "--", "-x"]
    assert arguments("train", {"CHANGE": "steps=9 depth=8", "SEED": "7"}) == [
        "train",
        "--set=steps=9 depth=8",
        "--seed=7",
    ]
    assert arguments("bench", {"COMPILE": "0", "METHOD": " "}) == ["run"]
    assert arguments("where", {"SEED": "0,1", "SIGMA": "15", "TABLE": "t.csv", "JOBS": "2", "DEVICE": "cpu"})[1:] == [
        "--seed=0,1", "--sigma=15", "--table=t.csv", "--jobs=2", "--device=cpu",
    ]  # fmt: skip
    # Of several commands each takes its own.
    assert arguments("report", {"METHOD": "nlm", "OUT": "x"}, ["bench", "report"]) == ["report", "--out=x"]


@pytest.mark.parametrize(
    ("command", "name", "line"),
    [
        ("bench", "NOIZE", "unknown variable NOIZE: did you mean NOISE?"),
        ("bench", "METHODS", "unknown variable METHODS: did you mean METHOD?"),
        ("bench", "method", "unknown variable method: did you mean METHOD?"),
        ("train", "SIGMA", "make train does not take SIGMA"),
        ("where", "PIXEL", "make where does not take PIXEL (make where takes METHOD, DATA, NOISE, SEED, PROTOCOL"),
        ("test", "METHOD", "make test does not take METHOD (make test takes TESTS)"),
    ],
)
def test_a_variable_that_is_none_of_the_command_s(command, name, line):
    with pytest.raises(BenchError) as error:
        arguments(command, {name: "50"})
    assert line in str(error.value)


def test_each_command_of_the_makefile_is_one():
    rules = [line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":  ##" in line]
    assert all(make.variables(rule) for rule in rules if rule not in ("help", "setup", "docs", "check", "clean"))


@pytest.mark.parametrize(
    ("command", "typed", "line"),
    [
        ("bench", {"COMPILE": "maybe"}, "COMPILE=maybe: expected 1 or 0"),
        ("bench", {"TILE": "abc"}, "TILE=abc: expected a whole number"),
        ("bench", {"NOIZE": "1"}, "did you mean NOISE?"),
        ("test", {"TESTS": "'a"}, "TESTS='a: No closing quotation"),
        ("conform", {"WEIGHTS": "x"}, "WEIGHTS=x: expected METHOD too"),
        ("list", {"WHAT": "$(shell touch ran)"}, "unknown list '$(shell touch ran)'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, monkeypatch, command, typed, line):
    for name, value in {**typed, "BENCH_TYPED": " ".join(typed), "BENCH_GOALS": command}.items():
        monkeypatch.setenv(name, value)
    assert make.run(command) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("error: ")
    assert line in said


def test_a_variable_of_the_environment_is_said_not_to_count(capsys, monkeypatch):
    monkeypatch.setenv("METHOD", "nlm")
    monkeypatch.setenv("BENCH_TYPED", "WHAT")
    monkeypatch.setenv("WHAT", "protocols")
    assert make.run("list") == 0
    assert capsys.readouterr().err == "note: METHOD of the environment does not count; type make list METHOD=...\n"


@pytest.fixture
def called(monkeypatch):
    """Return the list of what the program is called with, in place of running it."""
    calls = []
    monkeypatch.setattr(make, "main", lambda words: calls.append(list(words)) or 0)
    return calls


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("bench METHOD=dncnn DATA=bsd68", "run --method=dncnn --data=bsd68"),
        ("bench --method dncnn --dry-run", "run --method dncnn --dry-run"),
        (
            "run PROTOCOL=standard,channel=y,crop=4 DRY_RUN=1 COMPILE=0",
            "run --protocol=standard,channel=y,crop=4 --dry-run",
        ),
        ("list METHOD=colour,blind WHAT=methods", "list --method=colour,blind -- methods"),
        ("list datasets", "list datasets"),
        ("test TESTS=tests/bench", "test --tests=tests/bench"),
        ("train METHOD=dncnn CHANGE=depth=8", "train --method=dncnn --set=depth=8"),
        ("bench", "run"),
        ("check", "check"),
        ("clean", "clean"),
        ("help", "--help"),
        ("", "--help"),
        ("lst METHOD=x", "lst METHOD=x"),
        ("run --method x=1", "run --method x=1"),
    ],
)
def test_the_module_takes_the_words_of_make(called, words, call):
    assert make.run_words(words.split()) == 0
    assert called == [call.split()]


def test_the_module_takes_every_command_and_variable_of_make(called):
    rules = [line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":  ##" in line]
    for rule in rules:
        if rule in ("help", "setup"):  # the first has a test above, the second makes what the program needs to run
            continue
        for name in make.variables(rule):
            assert make.run_words([rule, f"{name}=1"]) == 0
            assert called.pop() == arguments(rule, {name: "1"})


def test_a_wrong_variable_of_the_module_is_one_line_too(called, capsys):
    assert make.run_words(["bench", "NOIZE=50"]) == 2
    assert "unknown variable NOIZE: did you mean NOISE?" in capsys.readouterr().err
    assert make.run_words(["clean", "METHOD=x"]) == 2
    assert "make clean does not take METHOD (make clean takes no variable)" in capsys.readouterr().err
    assert not called


def test_a_mirror_may_be_named_behind_the_command(called, monkeypatch):
    monkeypatch.setenv("BENCH_MIRROR", "")
    assert make.run_words(["list", "BENCH_MIRROR=/some/where"]) == 0
    assert os.environ["BENCH_MIRROR"] == "/some/where"


def test_checks_and_tests_are_the_programs_of_the_project(monkeypatch):
    ran = []

    def run(words, **_):
        ran.append(" ".join(words[1:]))
        return subprocess.CompletedProcess(words, 3 if "mypy" in words else 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["check"]) == 3
    ours = "bench methods datasets docs tests"  # and not what a person lays beside them
    assert ran == [f"-m ruff format --check {ours}", f"-m ruff check {ours}", "-m mypy"]
    assert main(["test", "--tests", "tests/bench -k 'a b'"]) == 0
    assert ran[-1].startswith("-m pytest --numprocesses=auto ")
    assert ran[-1].endswith(" tests/bench -k a b")


def test_clean_removes_what_commands_write_and_nothing_else(monkeypatch, tmp_path):
    stays = [
        "results/published.csv",
        "results/measured/a.csv",
        "results/training/a",
        ".venv/lib/__pycache__/a",
        "bench/a.py",
    ]
    goes = ["results/runs/set12/a", "results/report/a", "results/search/a", ".mypy_cache/a", "bench/cli/__pycache__/a"]
    for name in (*stays, *goes):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    monkeypatch.setattr(clean, "ROOT", tmp_path)
    assert main(["clean"]) == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(stays)
    # As `make clean` runs it: with a Python that has no package.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli.clean"],
        check=False,
    )
    assert done.returncode == 0


def test_help_explains_one_command_and_runs_none(tmp_path, capsys):
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n')
    program.chmod(0o755)
    for words in (["help", "bench"], ["help", "clean", "setup"], ["bench", "help"], ["help", "x", "y"]):
        # Within make test, make would tell which folder it enters.
        command = [
            "make",
            "--no-print-directory",
            "--file",
            str(ROOT / "Makefile"),
            *words,
            "VENV=",
            f"PYTHON={program}",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
        assert (tmp_path / "calls").read_text() == "-m bench.cli.make help\n"
        (tmp_path / "calls").unlink()
    for command in (*make.COMMANDS, "bench", "setup"):
        assert make.run_words(["help", command]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"make {command}: ")
        assert max(map(len, printed.splitlines())) <= 80
        takes = {} if command == "setup" else make.variables(command)
        assert [
            line.split()[0].removesuffix("=1") for line in printed.splitlines() if line[:2] == "  " != line[2:4]
        ] == list(takes)
    assert make.run_words(["help", "benhc"]) == 2
    assert capsys.readouterr().err == "error: unknown command 'benhc': did you mean bench?\n"


@pytest.mark.parametrize("group", [True, False])
def test_make_adds_nothing_at_ctrl_c(tmp_path, group):
    """A terminal interrupts make and all that it started; who interrupts the program alone hears of make too."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\ntrap "exit 130" INT\necho $$ > "{tmp_path}/pid"\nsleep 20 2> /dev/null & wait\n')
    program.chmod(0o755)
    command = ["make", "--file", str(ROOT / "Makefile"), "list", "VENV=", f"PYTHON={program}"]
    made = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.02)
    if group:
        os.killpg(made.pid, signal.SIGINT)
    else:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGINT)
    _, said = made.communicate(timeout=20)
    assert (made.returncode, "Error" in said) == ((-signal.SIGINT, False) if group else (2, True))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(made.pid, signal.SIGKILL)  # the one that slept


def test_the_version_stands_in_one_place(capsys):
    assert main(["--version"]) == 0
    printed = capsys.readouterr().out
    cited = next(line.split()[1] for line in (ROOT / "CITATION.cff").read_text().splitlines() if line[:8] == "version:")
    assert printed == f"denoising-bench {cited}\n"
