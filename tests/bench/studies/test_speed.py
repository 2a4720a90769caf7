"""Rows of `make speed`: ratios beside their aims, and what is timed."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.studies.speed import growth, rows, study


@pytest.mark.parametrize(
    ("measured", "reference", "aim", "met", "line"),
    [
        (9.0, 20.0, 0.45, "yes", "x: 9 / 20 = 0.45, met: at most 0.45  r"),
        (9.1, 20.0, 0.45, "no", "x: 9.1 / 20 = 0.455, NOT met: at most 0.45  r"),
        (3.0, 2.0, None, "", "x: 3 / 2 = 1.5  r"),
    ],
)
def test_a_ratio_stands_beside_its_aim(measured, reference, aim, met, line):
    found = rows.row("x", measured, reference, "r", aim=aim)
    assert (found["ratio"], found["aim"], found["met"]) == (round(measured / reference, 4), aim or "", met)
    assert rows.line(found) == line


def test_works_take_turns_and_the_median_of_each_counts():
    now, order = [0.0], []

    def work(name, *seconds):
        left = list(seconds)

        def run():
            order.append(name)
            now[0] += left.pop(0)
            return f"{name}{len(left)}"

        return run

    found = rows.in_turns(work("a", 5, 1, 2), work("b", 3, 30, 4), clock=lambda: now[0])
    assert order == list("ababab")
    assert found == [("a0", 2), ("b0", 4)]


def test_plans_are_timed_by_their_size():
    (found,) = growth.planning(((200, 1e6),))
    assert (found["what"], found["reference"], found["met"]) == ("200 cells planned", 1e6, "yes")
    assert found["measured"] > 0


def test_commands_that_are_timed_are_what_they_say(monkeypatch):
    asked = []

    def of_command(*words):
        asked.append(words)
        if "--method" in words and words[2].endswith(".py"):
            images = list(Path(words[4]).iterdir())
            assert len(images) == 7
            assert {Image.open(path).size for path in images} == {(32, 32)}
            assert "def denoise" in Path(words[2]).read_text()
        return float(len(asked))

    monkeypatch.setattr(growth, "_of_command", of_command)
    assert growth.many_images(7, 0.5)["met"] == "no"
    del asked[:]
    again = growth.finished_grid(("--method", "median"))
    assert again["measured"] == 3.0  # the median of the second, third and fourth; the first one measures the cells
    assert len(set(asked)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no module resource")
def test_the_processor_time_of_a_command_is_its_own():
    assert 0.01 < growth._of_command("--help") < 20


def test_the_plain_loop_gives_the_scores_of_the_harness(photographs):
    cell = plan(Request("dncnn@own-small", str(photographs), "25"))[0][0]
    plain = study.plain_loop(cell, threads=1)
    record = run_cell(cell, Settings(jobs=1))
    assert plain == pytest.approx({row["image"]: row["psnr"] for row in record.images}, abs=2e-4)


def test_a_forward_pass_is_held_against_plain_pytorch(photographs):
    (found,) = study.forward("dncnn@own-small", str(photographs))
    assert found["what"].startswith("forward pass of DnCNN (10 layers of 16) (own small), ")
    assert found["ratio"] == pytest.approx(found["measured"] / found["reference"], rel=0.3)  # rounded times
    assert float(found["remark"].rpartition(" ")[2]) < 1e-5
    with pytest.raises(BenchError, match="unknown method 'nosuch'"):
        list(study.forward("nosuch", str(photographs)))


def test_an_evaluation_is_held_against_the_loop_and_its_own_passes(photographs, monkeypatch):
    cell = plan(Request("dncnn@own-small", str(photographs), "25"))[0][0]
    monkeypatch.setattr(study, "_cell", lambda method, data: cell)
    found = list(study.evaluation("a set", 2, "cpu"))
    assert [row["aim"] for row in found] == [0.45, 1.05, 1.0, "", 1.05, 1.0]
    for against_loop, against_passes, memory in (found[:3], found[3:]):
        assert float(against_loop["remark"].split("at most ")[1].split()[0]) < 2e-4
        assert against_passes["ratio"] >= 1  # a part of it
        assert 0.05 < memory["measured"] < 8


def test_scores_are_timed_beside_those_of_scikit_image():
    (found,) = study._scoring(1)
    assert found["what"].startswith("PSNR, SSIM and MSE of 1 images")
    assert 0 < found["ratio"] < 1
