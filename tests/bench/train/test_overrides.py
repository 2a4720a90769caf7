import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from bench.cli import app
from bench.common import devices
from bench.common.errors import BenchError
from bench.train import checkpoint, initial_weights, loop, trainer
from bench.train.patches import stocked
from bench.train.recipe import Recipe, asked, recipe
from bench.train.record import repetition
from bench.train.throughput import against_plain

SMALL = "patch=16,batch=2,depth=3,features=4,held_out=1"


@pytest.fixture
def crops(tmp_path):
    """Return folders of crops of photographs, gray and colour."""
    folders = {}
    for name, image in (("gray", data.camera()), ("rgb", data.astronaut())):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for i in range(2):
            Image.fromarray(image[100 * i : 100 * i + 41, 200:250]).save(folders[name] / f"{i}.png")
    return folders


def built(recipe, folder, **how):
    """Train, and return the record."""
    lines = list(trainer.build(recipe, folder / "out", to=folder / "w", device="cpu", threads=1, **how))
    return json.loads((folder / "w" / lines[-2].rpartition("record: ")[2]).read_text()), lines


# CHANGE


def test_words_with_a_dot_change_tables():
    changed = asked(
        "ding-liu-joint", "", "",
        "options.weight=0.01,options.segmenter.steps=300,options.segmenter.batch=2,"
        "options.segmenter.arguments.features=8,arguments.features=4,options.denoiser.schedule=0.5:0.1",
        "",
    )  # fmt: skip
    before = recipe("ding-liu-joint").options
    assert changed.options["weight"] == 0.01
    assert changed.options["segmenter"] == {
        **before["segmenter"], "steps": 300, "batch": 2, "arguments": {"features": 8, "levels": 4},
    }  # fmt: skip
    assert changed.options["denoiser"] == {**before["denoiser"], "schedule": ((0.5, 0.1),)}
    assert changed.arguments == {"features": 4}
    assert before["segmenter"]["steps"] == 6000
    assert asked("dae", "", "", "options.masked=0.1+0.25", "").options["masked"] == [0.1, 0.25]


def test_a_schedule_in_a_comma_list():
    changed = asked("dncnn", "", "", "schedule=0.6:0.1;0.8:0.5,steps=1e3,rate=1", "")
    assert changed.schedule == ((0.6, 0.1), (0.8, 0.5))
    assert [changed.rate_at(step) for step in (0, 599, 600, 800)] == pytest.approx([1, 1, 0.1, 0.05])


def test_lists_have_plus_between_their_members():
    assert asked("mwrcanet-small", "", "", "features=8+16+16", "").arguments["features"] == [8, 16, 16]


@pytest.mark.parametrize(
    ("method", "change", "cause"),
    [
        ("dncnn", "dept=3", "unknown word in CHANGE: 'dept': did you mean depth"),
        ("dncnn", "batchs=3", "unknown word in CHANGE: 'batchs': did you mean batch"),
        ("dncnn", "name=x", "unknown word in CHANGE: 'name'"),
        ("dncnn", "options.weight=3", "unknown word in CHANGE: 'options.weight': .*recipe dncnn-s has no options"),
        ("dae", "options.epoch=3", "unknown word in CHANGE: 'options.epoch': did you mean options.epochs"),
        ("ding-liu-joint", "options.segmenter.stepps=3", "did you mean options.segmenter.steps"),
        ("ding-liu-joint", "options.segmentr.steps=3", "did you mean options.segmenter.steps"),
        ("ding-liu-joint", "options.segmenter=3", "unknown word in CHANGE: 'options.segmenter'"),
        ("msbf-resnet", "block=foo", "block is 'foo'"),
        ("msbf-resnet", "dept=3", "unexpected keyword argument 'dept'"),
        ("dncnn", "batch=abc", "CHANGE=batch=abc: expected a whole number"),
        ("dncnn", "batch=2.5", r"CHANGE=batch=2\.5: expected a whole number"),
        ("dncnn", "rate=fast", "CHANGE=rate=fast: expected a number"),
        ("dncnn", "rate=nan", "CHANGE=rate=nan: expected a number"),
        ("dncnn", "cosine=maybe", "CHANGE=cosine=maybe: expected true or false"),
        ("dncnn", "depth=abc", "CHANGE=depth=abc: expected a whole number, as depth=17"),
        ("dncnn", "features=abc", "CHANGE=features=abc: expected a whole number, as features=64"),
        ("dncnn", "features=-1", "recipe dncnn-s: there is no such network: .*features=-1"),
        ("dncnn", "schedule=0.6", "CHANGE=schedule=0.6: expected share:factor with ; between"),
        ("dncnn", "schedule=6:0.1", "shares from 0 to 1"),
        ("dncnn", "align=0", "align is 0; expected a whole number from 1 up"),
    ],
)
def test_a_word_or_value_that_means_nothing(method, change, cause):
    with pytest.raises(BenchError, match=cause) as found:
        asked(method, "", "", change, "")
    assert "\n" not in str(found.value)


def test_values_of_a_recipe_file_have_their_types(tmp_path):
    text = 'title="t"\npaper="p"\nmethod="dncnn"\nnetwork="n"\nimages="i"\nnoise="25"\n'
    for line, cause in (
        ('rate="fast"', "rate is 'fast'; expected a number"),
        ("steps=true", "steps is True; expected a whole number"),
        ("title=3", "Cannot overwrite|cannot overwrite"),
        ("schedule=[0.5, 0.1]", "expected .*share, factor"),
    ):
        (tmp_path / "x.toml").write_text(text + line)
        with pytest.raises(BenchError, match=cause):
            recipe(str(tmp_path / "x.toml"))


def test_digests_stand_where_new_words_say_nothing():
    # Of the committed recipe before `align` and `start` were there: checkpoints and records from before stay valid.
    assert Recipe("a", "b", "c", "d", "e", "f", "25").digest == "02be9efdd0e1bb75"
    assert Recipe("a", "b", "c", "d", "e", "f", "25", align=2).digest != "02be9efdd0e1bb75"


# Patches that keep a mosaic


def test_patches_begin_at_multiples():
    # Each pixel is its own number, so that a patch says where it began.
    image = np.arange(30 * 43, dtype=np.float32).reshape(30, 43, 1)
    clean = stocked([image], 8, "cpu", align=2).patches(4000, torch.Generator().manual_seed(0), augment=False)
    corner = (clean[:, 0, 0, 0] * 255).round().long()
    rows, columns = corner // 43, corner % 43
    # As many as fit: rows 0 to 22, columns 0 to 35.
    assert rows.unique().tolist() == list(range(0, 23, 2))
    assert columns.unique().tolist() == list(range(0, 36, 2))
    expected = np.arange(0, 36, 2)
    assert float(columns.double().mean()) == pytest.approx(expected.mean(), abs=4 * expected.std() / math.sqrt(4000))


def test_align_and_mirror_reach_the_patches(crops, monkeypatch):
    seen = []
    original = trainer.stocked
    monkeypatch.setattr(trainer, "stocked", lambda *words, **more: seen.append(original(*words, **more)) or seen[0])
    trainer.read(asked("dncnn", str(crops["gray"]), "", f"{SMALL},align=2,mirror=true", ""), "cpu")
    assert (seen[0].align, seen[0].mirror) == (2, True)


# Names


def test_another_recipe_does_not_overwrite(crops, tmp_path):
    gray = asked(
        "rdn-small", str(crops["gray"]), "25", "channels=1,blocks=1,layers=1,patch=16,batch=2,held_out=1,steps=1", ""
    )
    built(gray, tmp_path)
    built(gray, tmp_path)  # the same may
    weights = next((tmp_path / "w").glob("*.safetensors"))
    before = weights.read_bytes()
    colour = replace(gray, images=str(crops["rgb"]), arguments={**gray.arguments, "channels": 3})
    with pytest.raises(BenchError, match=r"rdn-small@own-25\.safetensors was trained by another recipe .*give NAME="):
        built(colour, tmp_path)
    assert weights.read_bytes() == before
    record, _ = built(replace(colour, variant="colour"), tmp_path)
    assert (record["name"], record["colour"]) == ("rdn-small@own-colour", "rgb")
    weights.with_suffix(".json").write_text("{}")
    with pytest.raises(BenchError, match="has no readable training record; give NAME="):
        built(gray, tmp_path)


# START


def test_training_starts_from_weights(crops, tmp_path):
    first = asked("dncnn", str(crops["gray"]), "25", f"{SMALL},norm=false,steps=3", "a")
    record, _ = built(first, tmp_path)
    stored = initial_weights._loaded(replace(first, start="x"), tmp_path / "w" / record["weights"])
    # Training that learns nothing: what is stored is what it started from.
    again = asked("dncnn", str(crops["gray"]), "15", f"{SMALL},norm=false,steps=1,rate=0", "b", "dncnn@own-a")
    later, _ = built(again, tmp_path)
    assert later["recipe"]["start"] == "dncnn@own-a"
    assert later["recipe"]["start_sha256"] == record["sha256"]
    ended = initial_weights._loaded(replace(first, start="x"), tmp_path / "w" / later["weights"])
    assert ended.keys() == stored.keys()
    for name, value in ended.items():
        assert torch.equal(value, stored[name])
        assert value.dtype == torch.float32
    by_path = replace(again, start=str(tmp_path / "w" / record["weights"]))
    assert initial_weights.begun(by_path)[0].start_sha256 == record["sha256"]
    assert initial_weights.begun(by_path)[0].digest != replace(by_path, start="").digest


def test_of_several_weights_those_of_the_noise(tmp_path):
    for noise in ("15", "25"):
        words = {"name": "dncnn@own", "recipe": {"noise": noise}, "weights": f"dncnn@own-{noise}.safetensors"}
        (tmp_path / f"dncnn@own-{noise}.json").write_text(json.dumps(words))
    plain = replace(recipe("dncnn-s"), start="dncnn@own")
    assert initial_weights.found(replace(plain, noise="15"), tmp_path).name == "dncnn@own-15.safetensors"
    assert initial_weights.found(replace(plain, start="dncnn@own-25"), tmp_path).name == "dncnn@own-25.safetensors"
    with pytest.raises(BenchError, match="none for 50; expected one of dncnn@own-15, dncnn@own-25"):
        initial_weights.found(replace(plain, noise="50"), tmp_path)
    with pytest.raises(BenchError, match="unknown weights on START: 'dncn@own': did you mean dncnn@own"):
        initial_weights.found(replace(plain, start="dncn@own"), tmp_path)


def test_weights_that_do_not_fit(crops, tmp_path):
    record, _ = built(asked("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=1", "a"), tmp_path)
    path = tmp_path / "w" / record["weights"]
    for change, cause in (
        (SMALL, r"batch normalisation folded .* CHANGE=norm=false"),
        (
            f"{SMALL},norm=false,depth=4",
            r"stack\.\d\.\w+ is .* there and .* here; expected weights of the same network",
        ),
    ):
        with pytest.raises(BenchError, match=cause):
            initial_weights.begun(asked("dncnn", "", "", change, "", str(path)))
    with pytest.raises(BenchError, match=r"recipe dae trains in several stages"):
        initial_weights.begun(asked("dae", "", "", "", "", str(path)))
    with pytest.raises(BenchError, match="there is no such file"):
        initial_weights.begun(asked("dncnn", "", "", "", "", "none.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    with pytest.raises(BenchError, match="cannot be read as safetensors"):
        initial_weights.begun(asked("dncnn", "", "", "", "", str(tmp_path / "broken.safetensors")))
    fitting = asked("dncnn", "", "", f"{SMALL},norm=false", "", str(path))
    with pytest.raises(BenchError, match=r"has SHA-256 .* and the training began with 0000"):
        initial_weights.begun(replace(fitting, start_sha256="0" * 64))


# RECORD


def test_a_training_repeated_from_its_record(crops, tmp_path, monkeypatch):
    # As a budget leaves it: a schedule that was planned three times, looks by the clock, and an end before the plan's.
    plan = {5: 40, 12: 31, 20: 25}
    monkeypatch.setattr(loop.Pace, "wanted", lambda self, run: plan.get(run.step, run.steps))
    monkeypatch.setattr(loop.distributed, "agreed", lambda look, spent, steps: (int(looks(steps)), 0, steps))
    seen = iter(range(1, 1000))
    looks = lambda steps: next(seen) in (4, 9, 17)  # noqa: E731
    change = f"{SMALL},steps=60,cosine=true,warm_up=10,rate=0.02,average=0.5"
    first, _ = built(asked("dncnn", str(crops["gray"]), "25", change, ""), tmp_path, budget=100.0)
    monkeypatch.undo()
    assert first["plan"] == [[5, 5 / 60, 40], [12, pytest.approx(5 / 60 + 55 / 60 * 7 / 35), 31], [20, pytest.approx(
        first["plan"][1][1] + (1 - first["plan"][1][1]) * 8 / 19), 25]]  # fmt: skip
    assert (first["steps"], [row["step"] for row in first["history"]]) == (25, [4, 9, 17, 25])
    assert (first["threads"], first["processes"]) == (1, 1)
    path = tmp_path / "w" / "dncnn@own-25.json"
    monkeypatch.setattr(loop, "LOOK_EVERY", 0.0)  # a slow machine looks in between too
    again = repetition(path, "again")
    second, lines = built(again.recipe, tmp_path, repeated=again)
    assert second["sha256"] == first["sha256"]
    assert second["plan"] == first["plan"]
    assert [(row["step"], row["psnr"]) for row in second["history"]] == [
        (row["step"], row["psnr"]) for row in first["history"]
    ]
    assert not [line for line in lines if line.startswith("not ")]
    # And a repetition can be repeated.
    twice = repetition(tmp_path / "w" / "dncnn@own-again-25.json", "twice")
    assert built(twice.recipe, tmp_path, repeated=twice)[0]["sha256"] == first["sha256"]


def test_a_repetition_goes_on_after_a_kill(crops, tmp_path, monkeypatch):
    built(asked("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=12,cosine=true", ""), tmp_path)
    again = repetition(tmp_path / "w" / "dncnn@own-25.json", "again")
    again = replace(again, looks=(3, 7, 12))
    original = loop.step

    def dying(run, *words):
        if run.step == 8:
            raise KeyboardInterrupt
        return original(run, *words)

    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        built(again.recipe, tmp_path, repeated=again)
    monkeypatch.setattr(loop, "step", original)
    (left,) = (tmp_path / "out" / "training").glob("*.again.ckpt")
    assert torch.load(left, weights_only=True)["step"] == 7
    ended = []
    how = {"device": "cpu", "path": left, "digest": torch.load(left, weights_only=True)["digest"]}
    stock, held, _ = trainer.read(again.recipe, "cpu")
    run = again.train(again.recipe, stock, held, seen=ended.append, **how)
    assert [(progress.step, progress.steps, progress.left) for progress in ended] == [(12, 12, 0)]
    whole = checkpoint.load(tmp_path / "out" / "training" / "dncnn@own-25.ckpt", _digest(tmp_path), "cpu")
    for name, value in run.weights().items():
        assert torch.equal(value, whole["network"][name]), name


def _digest(folder):
    return torch.load(folder / "out" / "training" / "dncnn@own-25.ckpt", weights_only=True)["digest"]


def test_what_is_not_as_then_is_said(crops, tmp_path):
    record, _ = built(asked("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=1", ""), tmp_path)
    path = tmp_path / "w" / "dncnn@own-25.json"
    changed = {**record, "threads": 3, "processes": 2, "versions": {**record["versions"], "torch": "1.0"}}
    path.write_text(json.dumps(changed))
    lines = list(repetition(path, "b").differences("other", "cpu"))
    assert [line.partition(":")[0] for line in lines] == ["not as then"] * 4
    for line, cause in zip(lines, ("the images of", "was 1.0", "1 threads, were 3", "were 2"), strict=True):
        assert cause in line
    del changed["threads"], changed["plan"]
    path.write_text(json.dumps({**changed, "steps": 7, "device": devices.title("cpu")}))
    old = repetition(path, "b")
    assert old.plan == ((0, 0.0, 7),)
    said = " ".join(old.differences(record["data"], "cpu"))
    assert "no number of threads" in said
    assert "does not say when its budget became 7 steps" in said


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
def test_what_record_refuses(words, cause, tmp_path, capsys, monkeypatch):
    path = tmp_path / "x.json"
    fields = {"name": "a", "title": "b", "paper": "c", "method": "dncnn", "network": "e", "images": "f", "noise": "25"}
    said = {"recipe": fields, "history": [], "steps": 1, "data": "", "versions": {}, "device": "cpu"}
    said |= {"within": {"name": "mwrcanet"}} if "--name" in words else {}
    path.write_text(json.dumps(said))
    monkeypatch.setattr("sys.argv", ["bench", "train", *(word.format(path=path) for word in words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert cause in error
    assert error.count("\n") == 1


# Speed


def test_speed_of_training_from_the_command_line(crops, tmp_path, monkeypatch, capsys):
    from bench.train import throughput

    original = throughput.measure
    monkeypatch.setattr(throughput, "measure", lambda method, images: original(method, images, seconds=0.2))
    table = tmp_path / "study.csv"
    words = ["speed", "--what", "train", "--method", "dncnn-small", "--data", str(crops["gray"]), "--table", str(table)]
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert not ended.value.code
    assert "against a plain loop" in capsys.readouterr().out
    header, row = table.read_text().splitlines()
    assert header == "what,measured,reference,ratio,remark"
    assert "DataLoader with 0 workers, fp32" in row
    monkeypatch.setattr("sys.argv", ["bench", "speed", "--what", "trian"])
    with pytest.raises(SystemExit):
        app.main()
    assert "unknown WHAT 'trian': did you mean train?" in capsys.readouterr().err


def test_the_plain_loop_with_workers(monkeypatch):
    import bench.train.throughput as module

    small = asked("dncnn-small", "", "", "batch=2,patch=16,depth=3,features=4", "")
    row = against_plain(small, 0.2, [data.camera()[:80, :80, None]], device="cpu", workers=1)
    assert "DataLoader with 1 workers" in row["remark"]
    # On CUDA without being told: a core less than there are, eight at most.
    for cores, workers in ((16, 8), (4, 3), (1, 1)):
        asked_for = []
        monkeypatch.setattr(module.provenance, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(module.devices, "chosen", lambda word: "cuda:0")
        monkeypatch.setattr(module, "_this", lambda *words: lambda: None)
        monkeypatch.setattr(module, "_plain", lambda *words, to=asked_for: to.append(words[-1]) or (lambda: None))
        monkeypatch.setattr(module, "_rate", lambda *words: 1.0)
        monkeypatch.setattr(module.devices, "title", lambda device: device)
        assert against_plain(small, 0.1, [])["ratio"] == 1.0
        assert asked_for == [workers]


def test_speed_refuses_what_no_plain_loop_does():
    for name in ("dae", "msbf-resnet"):
        with pytest.raises(BenchError, match=f"recipe {name} trains in a way that no plain loop follows"):
            against_plain(recipe(name), 0.1, [], device="cpu")


def test_held_out_images_of_a_range_have_a_level_each(crops):
    short = asked("dncnn", str(crops["gray"]), "gaussian:0-55", f"{SMALL},held_out=6", "")
    for i in range(2, 24):
        Image.open(crops["gray"] / "0.png").save(crops["gray"] / f"{i}.png")
    first, again = (trainer.read(short, "cpu")[1] for _ in range(2))
    sigmas = [float((noisy - clean).std()) * 255 for clean, noisy in first]
    assert all(0 <= sigma <= 58 for sigma in sigmas)  # 55, and four standard errors of 2050 samples
    assert max(sigmas) - min(sigmas) > 5
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))


def test_the_held_out_noise_follows_the_noise():
    def looked(method: str, noise: str, change: str = "") -> str:
        return asked(method, "", noise, change, "").validation_noise

    assert looked("dncnn-b", "") == "25"
    assert looked("dncnn-b", "gaussian:0-30") == "25"
    assert looked("dncnn-b", "gaussian:0-10") == ""  # 25 would choose the weights at a level that is not trained
    assert looked("dncnn-b", "15") == ""
    assert looked("dncnn-b", "poisson:30") == ""
    assert looked("dncnn-b", "gaussian:0-10", "validation_noise=5") == "5"
    assert looked("dncnn-b", "gaussian:std=0.05-0.15") == "25"


def test_upright_patches_are_mirrored():
    image = (
        np.tile(np.arange(16, dtype=np.uint8), (16, 1))[:, :, None] + 16 * np.arange(16, dtype=np.uint8)[:, None, None]
    )
    stock = stocked([image], 4, "cpu", mirror=True)
    drawn = (stock.patches(400, torch.Generator().manual_seed(0), augment=False) * 255).round()
    steps = (drawn[:, 0, 0, 1] - drawn[:, 0, 0, 0]).tolist()
    assert set(steps) == {1.0, -1.0}
    assert 150 < steps.count(1.0) < 250
    assert set((drawn[:, 0, 1, 0] - drawn[:, 0, 0, 0]).tolist()) == {16.0}  # never upside down
