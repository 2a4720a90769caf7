import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from skimage import data as photographs

from bench.cli import app
from bench.common import devices
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.train import loop
from bench.train import record as training_record
from bench.train.overrides import recipe_for
from bench.train.record import differences, read_record, recorded_recipe
from bench.train.weights_file import FOLDER
from methods.sealed_json import sealed

SMALL = "patch=16,batch=2,depth=3,features=4,held_out=1"


def test_another_recipe_does_not_overwrite(crops, built, tmp_path):
    gray = recipe_for(
        "rdn-small", str(crops["gray"]), "25", "channels=1,blocks=1,layers=1,patch=16,batch=2,held_out=1,steps=1", ""
    )
    built(gray)
    built(gray)  # the same may
    weights = next((tmp_path / "w").glob("*.safetensors"))
    before = weights.read_bytes()
    colour = replace(gray, images=str(crops["rgb"]), arguments={**gray.arguments, "channels": 3})
    with pytest.raises(BenchError, match=r"rdn-small@own-25\.safetensors was trained by another recipe .*give NAME="):
        built(colour)
    assert weights.read_bytes() == before
    record, _ = built(replace(colour, variant="colour"))
    assert (record["name"], record["colour"]) == ("rdn-small@own-colour", "rgb")
    weights.with_suffix(".json").write_text("{}")
    with pytest.raises(BenchError, match="has no readable training record; give NAME="):
        built(gray)


def test_a_training_repeated_from_its_record(crops, built, tmp_path, monkeypatch):
    # As a budget leaves it: a schedule that was planned three times, and an end before the recipe's.
    plan = {5: 40, 12: 31, 20: 25}
    monkeypatch.setattr(loop.Budget, "steps", lambda self, step, planned, first: plan.get(step, planned))
    monkeypatch.setattr(loop, "_look_every", lambda recipe, held_out: 7)
    change = f"{SMALL},steps=60,cosine=true,warm_up=10,rate=0.02,average=0.5"
    first, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", change), budget=100.0)
    monkeypatch.undo()
    shares = [5 / 60, 5 / 60 + 55 / 60 * 7 / 35]
    shares.append(shares[1] + (1 - shares[1]) * 8 / 19)
    assert first["plan"] == [
        [step, pytest.approx(share, abs=1e-4), steps] for (step, steps), share in zip(plan.items(), shares, strict=True)
    ]
    assert (first["steps"], [row["step"] for row in first["history"]]) == (25, [7, 14, 21, 25])
    assert (first["threads"], first["processes"]) == (1, 1)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # the clock says nothing any more
    again = read_record(tmp_path / "w" / "dncnn@own-25.json", "again")
    second, lines = built(again.recipe, recorded=again)
    assert second["sha256"] == first["sha256"]
    assert second["plan"] == first["plan"]
    assert [(row["step"], row["psnr"]) for row in second["history"]] == [
        (row["step"], row["psnr"]) for row in first["history"]
    ]
    assert not [line for line in lines if line.startswith("not ")]
    # And what was trained again can be trained again.
    twice = read_record(tmp_path / "w" / "dncnn@own-again-25.json", "twice")
    assert built(twice.recipe, recorded=twice)[0]["sha256"] == first["sha256"]


def test_a_training_that_its_budget_ended_is_repeated_to_the_same_step(crops, built, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Budget, "steps", lambda self, step, planned, first: 20 if step == 3 else planned)
    steps = iter(range(1, 1000))
    monkeypatch.setattr(
        loop.distributed,
        "broadcast_numbers",
        lambda stop, planned: (next(steps) == 17, planned),
    )
    first, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=60"), budget=100.0)
    monkeypatch.undo()
    assert (first["steps"], first["plan"][0][2]) == (17, 20)
    again = read_record(tmp_path / "w" / "dncnn@own-25.json", "again")
    assert built(again.recipe, recorded=again)[0]["sha256"] == first["sha256"]
    # The same command again trains no further.
    assert built(again.recipe, recorded=again)[0]["steps"] == 17


def test_a_training_in_stages_is_repeated(built, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(photographs.camera()[30 * i : 30 * i + 9, :9]).save(folder / f"{i}.png")
    monkeypatch.setattr(loop.Budget, "steps", lambda self, step, planned, first: min(planned, 5))
    changes = "patch=8,visible=64,hidden=12,batch=2,steps=40,held_out=1"
    first, _ = built(recipe_for("dae", str(folder), "25", changes), budget=600.0)
    monkeypatch.undo()
    assert [(stage["steps"], stage["plan"][0][2]) for stage in first["stages"]] == [(5, 5), (5, 5)]
    again = read_record(tmp_path / "w" / "dae@own-25.json", "again")
    second, lines = built(again.recipe, recorded=again)
    assert second["sha256"] == first["sha256"]
    assert not [line for line in lines if line.startswith("not ")]


def test_a_repetition_goes_on_after_a_kill(crops, built, tmp_path, monkeypatch):
    built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=12,cosine=true"))
    again = read_record(tmp_path / "w" / "dncnn@own-25.json", "again")
    again = replace(again, replays={"": replace(again.replays[""], validations=frozenset({3, 7, 12}))})
    original = loop.step

    def dying(run, *words):
        if run.step == 8:
            raise KeyboardInterrupt
        return original(run, *words)

    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        built(again.recipe, recorded=again)
    monkeypatch.setattr(loop, "step", original)
    (left,) = (tmp_path / "out" / "training").glob("*.again.ckpt")
    assert torch.load(left, weights_only=True)["step"] == 7
    reports = []
    built(again.recipe, recorded=again, report=reports.append)
    assert [(progress.step, progress.steps, progress.left) for progress in reports] == [(12, 12, 0)]
    ends = [torch.load(path, weights_only=True)["network"] for path in (left, left.with_name("dncnn@own-25.ckpt"))]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_what_is_not_as_then_is_said(crops, built, tmp_path):
    record, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=1"))
    path = tmp_path / "w" / "dncnn@own-25.json"
    versions = {**record["versions"], "torch": "1.0"}
    changed = {**record, "threads": 3, "processor": "another", "processes": 2, "versions": versions}
    path.write_text(json.dumps(changed))
    with pytest.raises(BenchError, match="not as it was written, by its checksum"):
        read_record(path, "b")
    path.write_text(json.dumps({name: value for name, value in changed.items() if name != "checksum"}))
    with pytest.raises(BenchError, match="it has no checksum"):
        read_record(path, "b")
    changed["checksum"] = "none"  # as a person does who means it
    path.write_text(json.dumps(changed))
    by_hand, *lines = differences(read_record(path, "b"), "other", "cpu")
    assert by_hand == "not as then: the record was changed by hand, as its checksum says"
    assert [line.partition(":")[0] for line in lines] == ["not as then"] * 5
    for line, cause in zip(
        lines, ("the images of", "was 1.0", "1 threads, were 3", "was another", "were 2"), strict=True
    ):
        assert cause in line
    del changed["threads"], changed["plan"], changed["processor"]
    path.write_text(json.dumps({**changed, "steps": 7, "device": devices.title("cpu")}))
    old = read_record(path, "b")
    assert old.replays[""].plan == {0: 7}
    said = " ".join(differences(old, record["data"], "cpu"))
    assert "no number of threads" in said
    assert "was not recorded" in said  # of the processor
    assert "does not say when its budget became 7 steps" in said


def test_shipped_records_are_read():
    for path in sorted(FOLDER.glob("*.json")):
        words = json.loads(path.read_text())
        recipe = recorded_recipe(words)
        assert ":" not in f"{recipe.network}{recipe.programme}{recipe.corruption}"
        assert recipe.method == words["method"]
        if "within" not in words:
            assert sum(replay.steps for replay in read_record(path, "again").replays.values()) == words["steps"]


@pytest.mark.parametrize("word", ["network", "programme", "finish", "corruption", "loss", "optimiser", "noise"])
def test_a_record_runs_no_code(word, tmp_path, monkeypatch):
    monkeypatch.setattr("os.system", lambda command: pytest.fail(f"ran {command}"))
    words = json.loads((FOLDER / "dncnn@own-small-25.json").read_text())
    words["checksum"] = "none"
    words["recipe"] |= {word: "os:system", "arguments": {"command": "true"} if word == "network" else {}}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(words))
    with pytest.raises(
        BenchError, match=r"is no training record that can be read \(unknown .*'(os:system|os|finish)'"
    ) as found:
        read_record(path, "again")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("lie", "cause"),
    [
        ({"threads": -3}, "threads is -3; expected a whole number from 0 up"),
        ({"threads": 1.7}, "threads is 1.7; expected"),
        ({"threads": True}, "threads is True; expected"),
        ({"threads": 100_000}, "has 100000 threads, too many for this machine; give JOBS"),
        ({"steps": -5}, "steps is -5; expected a whole number from 1 up"),
        ({"steps": 10**30}, "steps is 1000000000000000000000000000000; expected"),
        ({"steps": 10**12}, "steps is 1000000000000, and 2 were planned at most"),
        ({"plan": [[0, 0.0, -2]]}, "plan is -2; expected"),
        ({"plan": [[-1, 0.0, 2]]}, "plan is -1; expected"),
        ({"plan": [[0, 0.0, 10**18]]}, "plan is 1000000000000000000; expected"),
        ({"plan": [[0]]}, "IndexError"),
        ({"history": [{"step": 0.5}]}, "history is 0.5; expected"),
    ],
)
def test_numbers_of_a_record_that_none_has_are_refused(lie, cause, crops, built, tmp_path, capsys):
    built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=2", "a"))
    record = tmp_path / "w" / "dncnn@own-a-25.json"
    assert set(lie) <= set(json.loads(record.read_text()))
    path = tmp_path / "lie.json"
    path.write_text(sealed(json.loads(record.read_text()) | lie))
    assert app.main(["train", f"--record={path}", "--name=b", f"--to={tmp_path / 'to'}", f"--out={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert cause in error
    assert error.count("\n") == 1


def test_what_a_record_says_is_cut(crops, built, tmp_path):
    record, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=2", "a"))
    path = tmp_path / "long.json"
    path.write_text(sealed(record | {"data": "x" * 10**6, "versions": {"torch": "y" * 10**6}}))
    assert [len(line) < 500 for line in differences(read_record(path, "b"), "d", "cpu")][:2] == [True, True]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--record", "{path}"], "would be overwritten; give NAME=again or TO=another/folder"),
        (["--method", "{path}"], "would be overwritten"),
        (["--record", "{path}", "--name", "b"], "was trained as a part of mwrcanet; give the record of that training"),
        (["--record", "none.json"], "is no training record that can be read"),
        (["--record", "{path}", "--noise", "25", "--budget", "3m"], "leave out NOISE, BUDGET"),
    ],
)
def test_what_record_refuses(words, cause, tmp_path, capsys):
    path = tmp_path / "x.json"
    fields = {
        "name": "a",
        "title": "b",
        "paper": "c",
        "method": "dncnn",
        "network": "dncnn",
        "images": "f",
        "noise": "25",
    }
    said = {"recipe": fields, "history": [], "steps": 1, "data": "", "versions": {}, "device": "cpu"}
    said |= {"within": {"name": "mwrcanet"}} if "--name" in words else {}
    path.write_text(sealed(said))
    assert app.main(["train", *(word.format(path=path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert cause in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("written", [0, 1])
def test_a_training_that_was_killed_while_it_stored_stores_both_files(written, crops, built, tmp_path, monkeypatch):
    recipe = recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=2")
    whole, left = training_record.write_whole, [written]

    def killed(*given, **more):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        whole(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(training_record, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            built(recipe)
    assert len(list((tmp_path / "w").glob("dncnn@own-25.*"))) == written
    record, _ = built(recipe)
    assert record["sha256"] == sha256(tmp_path / "w" / "dncnn@own-25.safetensors")
