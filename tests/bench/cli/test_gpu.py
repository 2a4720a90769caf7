"""`make gpu` from the first step to the last, at toy size on the pretended device."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image
from skimage import data

from bench.cli import gpu
from bench.cli.app import main
from bench.common.errors import BenchError
from bench.run.one_cell import run_cell
from bench.studies.conform.pretended_cuda import pretended_cuda
from bench.studies.deadline import Deadline
from bench.studies.gpu import agreement, forward, surroundings
from bench.train.overrides import recipe_for

TINY = "depth=3 features=8 patch=16 batch=4 steps=12 held_out=1"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(4):
        Image.fromarray(data.camera()[100 + 40 * i : 124 + 40 * i, 200:232]).save(tmp_path / "images" / f"{i}.png")
    return tmp_path / "images"


@pytest.fixture
def ask(folder, tmp_path):
    """Return a function that runs steps, and returns the exit status."""

    def asked(step, method="dncnn-b@own-small,median", device="cuda", **more):
        words = {
            "method": method,
            "data": folder,
            "to": tmp_path / "to",
            "out": tmp_path / "out",
            "device": device,
            **more,
        }
        return main(["gpu", f"--step={step}", *(f"--{name}={value}" for name, value in words.items())])

    return asked


def table(tmp_path, name):
    return pd.read_csv(tmp_path / "to" / f"gpu-{name}.csv")


def test_the_first_three_steps(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings, "run_tests", lambda: (True, "3 passed in 1 s"))
    monkeypatch.setattr(forward, "TIMED", 1)
    monkeypatch.setattr(forward, "WARM", 0)
    monkeypatch.setattr(forward, "SHAPE", (8, 16))
    monkeypatch.setattr(forward, "BATCHES", (1, 2))
    with pretended_cuda():
        assert ask("1,2,3") == 0
    about = table(tmp_path, "surroundings").set_index("what").value
    assert about["pytest -m gpu"] == "3 passed in 1 s"
    assert about["device"].startswith("cuda:0")
    assert {"torch", "cudnn", "driver", "compute capability", "TF32 by default, cuDNN"} <= set(about.index)
    (row,) = table(tmp_path, "agreement").to_dict("records")  # the median runs on the CPU everywhere
    assert (row["degradation"], row["difference"]) == ("gaussian:25", 0)
    assert row["psnr_device"] == row["psnr_cpu"] > 25
    ways = table(tmp_path, "precision")
    assert list(ways.precision) == ["fp32", "tf32", "bf16", "fp16", "fp32", "bf16"]
    assert ways.psnr[0] == row["psnr_cpu"]
    assert (ways.difference.abs() < 0.1).all()
    times = table(tmp_path, "forward")
    assert list(times.compiled) == ["no"] * 2 * 2 * 4 + ["yes"] * 2 * 2 * 2  # batches, layouts, precisions
    assert (times.milliseconds > 0).all()
    assert times[times.precision == "fp32"].difference.max() < 1e-5


def test_steps_go_on_from_what_is_finished(ask, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr("bench.run.engine.run_cell", lambda cell, *rest: ran.append(cell) or run_cell(cell, *rest))
    with pretended_cuda():
        with monkeypatch.context() as late:
            late.setattr(Deadline, "over", True)
            assert ask("2") == 0  # nothing is begun
        assert not ran
        assert ask("2") == 0
        assert len(ran) == 2
        assert ask("2") == 0
    assert len(ran) == 2
    assert "0 of 2 cells ran on both" in capsys.readouterr().out


def test_a_gpu_that_gives_other_numbers_is_named(ask, monkeypatch, capsys):
    def other(cell, settings, *rest):
        record = run_cell(cell, settings, *rest)
        if settings.device == "cpu":
            return record
        rows = [{**row, "psnr": row["psnr"] + 0.0011 * (place == 1)} for place, row in enumerate(record.images)]
        return replace(record, images=rows)

    monkeypatch.setattr("bench.run.engine.run_cell", other)
    with pretended_cuda():
        assert ask("2") == 2
    assert "gaussian:25: 0.0011 dB: expected 0.001 dB at most between cuda:0 and the CPU" in capsys.readouterr().err
    assert agreement.LARGEST == 0.001


def test_recipes_are_trained_in_turn_and_measured(ask, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        gpu, "TRAININGS", (("dncnn-s", "25", ""), ("dncnn-s", "50", ""), ("dncnn-b", "gaussian:0-55", ""))
    )
    monkeypatch.setattr(gpu, "FAST", f"{gpu.FAST} {TINY}")
    with pretended_cuda():
        assert ask("4,5", method="", budget="1h") == 0
        assert ask("5", method="", budget="1h") == 0
        assert ask("5", method="", budget="1h") == 0
    assert "all recipes are trained" in capsys.readouterr().out
    for stem, noises in (("dncnn-fast-25", ["gaussian:25"]), ("dncnn-fast-50", ["gaussian:50"])):
        assert list(table(tmp_path, stem).degradation) == noises
    assert list(table(tmp_path, "dncnn-b-fast-gaussian-0-55").degradation) == [f"gaussian:{n}" for n in (15, 25, 50)]
    record = json.loads((tmp_path / "to" / "weights" / "dncnn@own-fast-25.json").read_text())
    assert record["device"].startswith("cuda:0")
    assert record["steps"] == 12
    assert record["recipe"]["optimiser"] == "adamw"


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Return recipes in the order in which they would be trained, with their seconds; some fail, or are interrupted."""
    found, statuses, now = [], {}, [0.0]

    def train(asked, method, noise, sets, name="fast", change="", *, seconds):
        found.append((method, noise, round(seconds)))
        now[0] += seconds + 30
        gpu._ended(statuses.get((method, noise), 0))
        recipe = recipe_for(method, "", noise, f"{gpu.FAST} {change}", name)
        (tmp_path / "to" / "weights").mkdir(parents=True, exist_ok=True)
        (tmp_path / "to" / "weights" / f"{recipe.stem}.json").write_text("{}")

    monkeypatch.setattr(gpu, "_train", train)
    monkeypatch.setattr(gpu, "monotonic", lambda: now[0])
    return found, statuses


def test_recipes_follow_each_other_while_there_is_time(ask, trained, tmp_path, capsys):
    found, _ = trained
    with pretended_cuda():
        assert ask("5", method="", budget="9m") == 0
        assert found == [("bf-dncnn", "gaussian:0-100", gpu.ENOUGH)]
        waiting = f"{len(gpu.TRAININGS) - 2} recipes wait for the next STEP=5, dncnn-s at 50 first"
        assert waiting in capsys.readouterr().out
        assert ask("5", method="", budget="3m") == 0  # what is trained has its weights there
        assert found[1:] == [("dncnn-s", "50", 144)]
        assert ask("5", method="", budget="1h") == 0
    assert [one[:2] for one in found[2:]] == [training[:2] for training in gpu.TRAININGS[3:]]
    assert len(list((tmp_path / "to" / "weights").iterdir())) == len(found)  # each has a name of its own


def test_a_recipe_that_fails_keeps_no_other_from_its_turn(ask, trained, capsys):
    found, statuses = trained
    statuses["bf-dncnn", "gaussian:0-100"] = 2
    with pretended_cuda():
        assert ask("5", method="", budget="1h") == 2
        assert len(found) == len(gpu.TRAININGS) - 1
        assert "not trained, as said above: bf-dncnn at gaussian:0-100" in capsys.readouterr().err
        del found[:]
        statuses["bf-dncnn", "gaussian:0-100"] = 130  # Ctrl-C is for all of them
        assert ask("4,5", method="", budget="1h") == 130
        assert found == [("dncnn-s", "25", 2880), ("bf-dncnn", "gaussian:0-100", 2880)]  # the last one has all time
        assert ask("4", method="") == 0
    assert len(found) == 2
    assert "dncnn-s at 25 is trained" in capsys.readouterr().out


def test_a_step_that_fails_keeps_no_later_one_from_running_but_for_the_first(ask, monkeypatch, capsys):
    ran = []

    def step(number, error=None):
        def run(asked):
            ran.append(number)
            if error:
                raise error

        return (f"step {number}", run)

    for bad, order in (("2", ["1", "2", "3"]), ("1", ["1"])):
        steps = {n: step(n, BenchError(f"{n} is wrong") if n == bad else None) for n in "123"}
        monkeypatch.setattr(gpu, "STEPS", steps)
        assert ask("1,2,3", device="cpu") == 2
        assert ran == order
        assert f"{bad} is wrong" in capsys.readouterr().err
        del ran[:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--step=7"], "unknown STEP '7'"),
        (["--step=2", "--method=nothing"], "unknown method 'nothing'"),
        (["--budget=soon"], "BUDGET=soon"),
    ],
)
def test_what_cannot_be_is_said(words, said, capsys):
    assert main(["gpu", "--device=cpu", *words]) == 2
    assert said in capsys.readouterr().err


def test_without_a_gpu_it_says_so(capsys):
    assert main(["gpu", "--device=cuda"]) == 2
    assert "this machine has 0 CUDA devices" in capsys.readouterr().err


def test_the_tests_that_need_a_gpu_are_found_by_file(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    marked = "import pytest\n\n@pytest.mark.gpu\ndef test_there(): assert {}\n\ndef test_elsewhere(): assert False\n"
    (tmp_path / "tests" / "test_marked.py").write_text(marked.format(True))
    (tmp_path / "tests" / "test_other.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.setattr(surroundings, "ROOT", tmp_path)
    passed, line = surroundings.run_tests()
    assert passed
    assert "1 passed, 1 deselected" in line
    (tmp_path / "tests" / "test_marked.py").write_text(marked.format(False))
    passed, line = surroundings.run_tests()
    assert not passed
    assert "1 failed" in line
