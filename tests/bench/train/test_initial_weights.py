from dataclasses import replace

import pytest
import torch

from bench.common.errors import BenchError
from bench.train import initial_weights
from bench.train.initial_weights import weights_of
from bench.train.overrides import recipe_for
from bench.train.recipe import load_recipe
from methods.sealed_json import sealed

SMALL = "patch=16,batch=2,depth=3,features=4,held_out=1"


def test_training_starts_from_weights(crops, built, tmp_path):
    first = recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},norm=false,steps=3", "a")
    record, _ = built(first)
    stored = initial_weights._loaded(replace(first, start="x"), tmp_path / "w" / record["weights"])
    # Training that learns nothing: what is stored is what it started from.
    again = recipe_for("dncnn", str(crops["gray"]), "15", f"{SMALL},norm=false,steps=1,rate=1e-30", "b", "dncnn@own-a")
    later, _ = built(again)
    assert later["recipe"]["start"] == "dncnn@own-a"
    assert later["recipe"]["start_sha256"] == record["sha256"]
    ended = initial_weights._loaded(replace(first, start="x"), tmp_path / "w" / later["weights"])
    assert ended.keys() == stored.keys()
    for name, value in ended.items():
        assert torch.equal(value, stored[name])
        assert value.dtype == torch.float32
    by_path = replace(again, start=str(tmp_path / "w" / record["weights"]))
    assert initial_weights.initial_weights(by_path)[0].start_sha256 == record["sha256"]
    assert initial_weights.initial_weights(by_path)[0].digest != replace(by_path, start="").digest


def test_of_several_weights_those_of_the_noise(tmp_path):
    for noise in ("15", "25"):
        words = {"name": "dncnn@own", "recipe": {"noise": noise}, "weights": f"dncnn@own-{noise}.safetensors"}
        (tmp_path / f"dncnn@own-{noise}.json").write_text(sealed(words))
    plain = replace(load_recipe("dncnn-s"), start="dncnn@own")
    assert weights_of(replace(plain, noise="15"), tmp_path).name == "dncnn@own-15.safetensors"
    assert weights_of(replace(plain, start="dncnn@own-25"), tmp_path).name == "dncnn@own-25.safetensors"
    with pytest.raises(BenchError, match="none for 50; expected one of dncnn@own-15, dncnn@own-25"):
        weights_of(replace(plain, noise="50"), tmp_path)
    with pytest.raises(BenchError, match="unknown weights on START: 'dncn@own': did you mean dncnn@own"):
        weights_of(replace(plain, start="dncn@own"), tmp_path)


def test_weights_that_are_damaged_or_gone_are_not_started_from(crops, built, tmp_path):
    record, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},norm=false,steps=1", "a"))
    path = tmp_path / "w" / record["weights"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    for start in (str(path), "dncnn@own-a"):
        asked = recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},norm=false", "b", start)
        with pytest.raises(BenchError, match=r"START=.* has SHA-256 .* its training record .*train again"):
            initial_weights.initial_weights(asked, tmp_path / "w")
    described = path.with_suffix(".json")
    right = described.read_text()
    for wrong in (right.replace('"checksum"', '"comment"'), right.replace('"sha256"', '"sha257"'), right[:-9]):
        described.write_text(wrong)
        with pytest.raises(BenchError, match=r"START=.*: training record .*; train again, or delete it"):
            initial_weights.initial_weights(recipe_for("dncnn", str(crops["gray"]), "25", SMALL, "b", str(path)))
    described.write_text('{"architectures": ["DnCNN"]}')  # of another program
    content[-1] ^= 64
    path.write_bytes(content)
    _, weights = initial_weights.initial_weights(
        recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},norm=false", "b", str(path))
    )
    assert weights
    described.write_text(right)
    path.unlink()
    with pytest.raises(BenchError, match=r"START=dncnn@own-a: .* is not there, and its training record is"):
        initial_weights.initial_weights(asked, tmp_path / "w")


def test_weights_that_do_not_fit(crops, built, tmp_path):
    record, _ = built(recipe_for("dncnn", str(crops["gray"]), "25", f"{SMALL},steps=1", "a"))
    path = tmp_path / "w" / record["weights"]
    for change, cause in (
        (SMALL, r"batch normalisation folded .* CHANGE=norm=false"),
        (
            f"{SMALL},norm=false,depth=4",
            r"stack\.\d\.\w+ is .* there and .* here; expected weights of the same network",
        ),
    ):
        with pytest.raises(BenchError, match=cause):
            initial_weights.initial_weights(recipe_for("dncnn", "", "", change, "", str(path)))
    with pytest.raises(BenchError, match=r"recipe dae trains in several stages"):
        initial_weights.initial_weights(recipe_for("dae", "", "", "", "", str(path)))
    with pytest.raises(BenchError, match="no such file"):
        initial_weights.initial_weights(recipe_for("dncnn", "", "", "", "", "none.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    with pytest.raises(BenchError, match="cannot be read as safetensors"):
        initial_weights.initial_weights(recipe_for("dncnn", "", "", "", "", str(tmp_path / "broken.safetensors")))
    fitting = recipe_for("dncnn", "", "", f"{SMALL},norm=false", "", str(path))
    with pytest.raises(BenchError, match=r"has SHA-256 .* and the training began with 0000"):
        initial_weights.initial_weights(replace(fitting, start_sha256="0" * 64))
