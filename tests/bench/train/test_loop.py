import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

import methods
from bench.common import atomic
from bench.common.errors import BenchError
from bench.common.parsing import budget_seconds
from bench.degradation import parse
from bench.plan.request import Request, plan
from bench.run.images import spread
from bench.train import budget, checkpoint, loop
from bench.train.losses import LOSSES
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.recipe import Recipe, load_recipe, recipe_files
from bench.train.session import Session
from bench.train.trainer import train_and_store
from methods.trained_here import trained

CAMERA, COINS = data.camera()[:120, :90, None], data.coins()[:100, :140, None]
TINY = Recipe(
    "tiny", "tiny", "", "dncnn", "dncnn", "train", "gaussian:10-50",
    {"depth": 3, "features": 4, "norm": True}, patch=16, batch=4, steps=12,
    average=0.9, held_out=1, validation_noise="25",
)  # fmt: skip


@pytest.fixture
def stock():
    return on_device([CAMERA, COINS], 16, "cpu")


@pytest.fixture
def held():
    clean = torch.from_numpy(CAMERA[None, :64, :64, 0] / 255).float()[None]
    return [(clean, clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))]


@pytest.fixture
def photographs_to_train(tmp_path):
    from PIL import Image

    folder = tmp_path / "train"
    folder.mkdir()
    for i, (y, x) in enumerate([(0, 0), (100, 200), (200, 100), (300, 300)]):
        Image.fromarray(data.camera()[y : y + 64, x : x + 80]).save(folder / f"{i}.png")
    return folder


def trained_by(recipe, stock, held, path, **session):
    torch.set_num_threads(1)
    return loop.train(recipe, loop.Inputs(stock, held), Session("cpu", path, "d", **session))


def test_every_patch_is_a_piece_of_an_image_turned_or_mirrored(stock):
    clean, _ = draw_batch(stock, 60, parse("25"), (0, 0), augment=True)
    pieces = {
        np.ascontiguousarray(image[y : y + 16, x : x + 16, 0]).tobytes()
        for image in (CAMERA, COINS)
        for y in range(image.shape[0] - 15)
        for x in range(image.shape[1] - 15)
    }
    seen = set()
    for patch in (clean[:, 0] * 255).round().to(torch.uint8).numpy():
        kinds = [np.rot90(side, k) for side in (patch, patch[:, ::-1]) for k in range(4)]
        hits = [i for i, kind in enumerate(kinds) if np.ascontiguousarray(kind).tobytes() in pieces]
        assert hits
        seen.add(hits[0])
    assert len(seen) == 8


def test_every_place_has_the_same_chance(stock):
    clean = stock.patches(4000, torch.Generator().manual_seed(1), augment=False)
    corner = (clean[:, 0, 0, 0] * 255).round()
    places = [image[: image.shape[0] - 15, : image.shape[1] - 15, 0].ravel() for image in (CAMERA, COINS)]
    expected = np.concatenate(places)
    assert float(corner.mean()) == pytest.approx(expected.mean(), abs=4 * expected.std() / math.sqrt(4000))


def test_a_batch_is_a_function_of_its_key(stock):
    first, again, other = (
        draw_batch(stock, 8, parse("gaussian:0-55"), key, augment=True) for key in ((0, 5), (0, 5), (0, 6))
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_pairs_keep_clean_and_noisy_together():
    noisy = np.clip(CAMERA.astype(int) + 7, 0, 255).astype(np.uint8)
    stock = on_device([np.concatenate([CAMERA, noisy], axis=2)], 16, "cpu")
    clean, dirty = draw_batch(stock, 20, parse("pairs"), (0, 0), augment=True)
    expected = ((clean * 255 + 7).clamp(max=255)) / 255
    torch.testing.assert_close(dirty, expected)


def test_losses_are_those_of_the_papers():
    output, clean = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    difference = (output - clean).double().numpy()
    assert float(LOSSES["squared"](output, clean)) == pytest.approx((difference**2).sum() / 6, rel=1e-5)
    assert float(LOSSES["mse"](output, clean)) == pytest.approx((difference**2).mean(), rel=1e-5)
    assert float(LOSSES["l1"](output, clean)) == pytest.approx(abs(difference).mean(), rel=1e-5)
    entropy = -(clean * output.log() + (1 - clean) * (1 - output).log()).double().sum() / 3
    assert float(LOSSES["cross_entropy"](output, clean)) == pytest.approx(float(entropy), rel=1e-5)


def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path, stock, held, monkeypatch):
    monkeypatch.setattr(loop, "_look_every", lambda recipe, held_out: 5)
    whole = trained_by(TINY, stock, held, tmp_path / "whole.ckpt")

    class Killed(BaseException):
        pass

    original, monkeypatched = loop.step, {"left": 7}

    def dying(*words):
        if monkeypatched["left"] == 0:
            raise Killed
        monkeypatched["left"] -= 1
        return original(*words)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # a checkpoint after each step
    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(Killed):
        trained_by(TINY, stock, held, tmp_path / "cut.ckpt")
    monkeypatch.setattr(loop, "step", original)
    resumed = trained_by(TINY, stock, held, tmp_path / "cut.ckpt")
    assert resumed.step == whole.step == 12
    for name in ("step", "loss", "psnr"):  # the held-out images are looked at after the same steps, whatever the clock
        assert [row[name] for row in resumed.history] == [row[name] for row in whole.history]
    assert resumed.best_score == whole.best_score
    for name, value in whole.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_training_learns(tmp_path, stock, held):
    longer = replace(TINY, steps=150, average=0.0, noise="25", rate=3e-3)
    noisy_psnr = -10 * math.log10(float((held[0][1].clamp(0, 1) - held[0][0]).square().mean()))
    run = trained_by(longer, stock, held, tmp_path / "x.ckpt")
    assert run.best_score > noisy_psnr + 3


def test_the_mean_of_the_weights_is_what_is_stored(tmp_path, stock, held, monkeypatch):
    seen = []
    original = loop._average
    monkeypatch.setattr(
        loop, "_average", lambda mean, now, weight: (original(mean, now, weight), seen.append((now, weight)))
    )
    monkeypatch.setattr(loop, "step", loop.step)
    run = trained_by(replace(TINY, steps=1), stock, held, tmp_path / "x.ckpt")
    ((_, weight),) = seen
    assert weight == pytest.approx(0.9)  # 1 - (step + 1) / (step + 10) while that is more than the recipe's 0.1
    name = "stack.0.weight"
    start = TINY.build().state_dict()[name]
    expected = 0.1 * start + 0.9 * run.network.state_dict()[name]
    torch.testing.assert_close(run.mean[name], expected)


def test_a_plan_that_changes_leads_on_to_the_end_of_the_schedule():
    run = loop.Run(None, None, 1000)
    run.plan_steps(1000)
    assert run.plan == []
    run.step = 100
    run.plan_steps(200)  # a tenth is done, and the rest goes nine times as fast
    assert run.share() == pytest.approx(0.1)
    run.step = 150
    assert run.share() == pytest.approx(0.1 + 0.9 / 2)
    run.plan_steps(250)
    assert run.share() == pytest.approx(0.55)
    run.step = 250
    assert run.share() == pytest.approx(1.0)
    assert run.plan == [(100, pytest.approx(0.1), 200), (150, pytest.approx(0.55), 250)]


def test_a_budget_is_planned_again_where_the_machine_turns_slower(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(budget.time, "perf_counter", lambda: clock[0])
    run, pace = loop.Run(None, None, 10_000), budget.Budget(1000.0, 10_000, "cpu", 0.0)
    while run.step < run.steps:
        run.step += 1
        clock[0] += 1.0 if clock[0] < 500 else 2.0  # seconds a step
        run.plan_steps(pace.steps(run.step, run.steps, first=not run.plan))
    assert run.plan[0][2] == pytest.approx(970, abs=20)
    assert run.steps == pytest.approx(742, abs=15)
    assert clock[0] == pytest.approx(990, abs=15)
    assert run.share() == pytest.approx(1.0)


def test_a_budget_ends_in_time_with_the_best_weights(tmp_path, stock, held):
    run = trained_by(replace(TINY, steps=1_000_000), stock, held, tmp_path / "x.ckpt", budget=1.5)
    assert budget.MEASURED <= run.step < 1_000_000
    assert run.seconds < 3
    assert run.best
    # The schedule is stretched to the steps that are done: the last one has the last rate.
    late = replace(TINY, steps=100, schedule=((0.6, 0.1),))
    assert [late.rate_at(s) for s in (0, 59, 60)] == pytest.approx([1e-3, 1e-3, 1e-4])


@pytest.mark.parametrize(
    ("room", "left", "steps"), [(20.0, 20.0, 50), (math.inf, 17_990 * 0.5, 18_000), (0.0, 0.0, 10), (-1.0, 0.0, 10)]
)
def test_what_is_left_is_what_a_budget_leaves(tmp_path, room, left, steps):
    """Half a second a step: before the steps are planned, 20 seconds are 40 more, not the recipe's 18,000."""
    run, seen = loop.Run(None, None, 18_000, step=10), []
    run.seconds, run.losses = 5.0, [torch.tensor(0.5)]
    loop._look(run, TINY, [], None, Session("cpu", tmp_path / "x.ckpt", "d", report=seen.append), room)
    assert [(one.left, one.steps) for one in seen] == [(left, steps)]


def test_cosine_and_warm_up():
    waves = replace(TINY, steps=100, cosine=True, warm_up=10, rate=2.0)
    assert waves.rate_at(0) == pytest.approx(0.2)
    assert waves.rate_at(50) == pytest.approx(1.0)
    assert waves.rate_at(100) == pytest.approx(0.0)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path, stock, held):
    path = tmp_path / "x.ckpt"
    trained_by(TINY, stock, held, path)
    before = path.read_bytes()
    state = checkpoint.load(path, "d", "cpu")
    state["steps"] += 5
    state["network"]["stack.0.weight"].fill_(math.nan)
    checkpoint.save(path, state)
    poisoned = path.read_bytes()
    with pytest.raises(
        BenchError, match=r"the loss is nan at step 17; the last good checkpoint is .*lower learning rate"
    ):
        trained_by(TINY, stock, held, path)
    assert path.read_bytes() == poisoned != before


def test_checkpoints_that_do_not_fit(tmp_path, stock, held, monkeypatch):
    path = tmp_path / "x.ckpt"
    trained_by(TINY, stock, held, path)
    with pytest.raises(BenchError, match="belongs to another recipe or other images"):
        checkpoint.load(path, "other", "cpu")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BenchError, match=r"cannot be read .* delete it"):
        checkpoint.load(path, "d", "cpu")

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(BenchError, match=r"cannot write .*No space left on device.*the checkpoint before it stays"):
        checkpoint.save(path, {"identity": "d"})
    assert list(tmp_path.iterdir()) == [path]


def test_every_recipe_builds_and_says_its_source():
    assert {"dncnn-s", "rdn-small"} <= set(recipe_files())
    for name in recipe_files():
        found = load_recipe(name)
        assert found.paper
        assert found.method in methods.available()
        assert isinstance(found.build(), nn.Module)
        assert parse(found.noise)


def test_what_a_person_changes():
    changed = recipe_for("dncnn", "set12", "15", "steps=200,depth=5,rate=1e-4,optimiser=adamw", "small")
    assert (changed.name, changed.weights_name, changed.images, changed.noise) == (
        "dncnn-s",
        "dncnn@own-small",
        "set12",
        "15",
    )
    assert (changed.steps, changed.rate, changed.optimiser) == (200, 1e-4, "adamw")
    assert changed.arguments == {"depth": 5, "norm": True}
    assert changed.digest != load_recipe("dncnn-s").digest


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("dncn", "", "", "", ""), "unknown recipe 'dncn': did you mean dncnn-s"),
        (("dncnn", "", "", "steps=0", ""), "steps is 0; expected a number from 1 up"),
        (("dncnn", "", "", "loss=l3", ""), "unknown loss .* 'l3'"),
        (("dncnn", "", "", "average=1", ""), "average is 1; expected 0 to below 1"),
    ],
)
def test_bad_words(words, cause):
    with pytest.raises(BenchError, match=cause):
        recipe_for(*words)


@pytest.mark.parametrize("text", ["fast", "-3m", "9x", "0", "1e-400s", "nan", "inf"])
def test_bad_budget(text):
    with pytest.raises(BenchError, match=r"expected a time as 90s, 9m or 1\.5h"):
        budget_seconds(text)


def test_held_out_images_are_spread():
    assert spread(4, 400) == [50, 150, 250, 350]
    assert spread(8, 3) == [0, 1, 2] or len(set(spread(8, 3))) <= 3


def test_from_images_to_a_method(tmp_path, photographs_to_train, monkeypatch, reported):
    short = recipe_for(
        "dncnn", str(photographs_to_train), "25", "steps=3,batch=2,depth=3,features=4,held_out=1,patch=16", "x"
    )
    lines = list(train_and_store(short, tmp_path, to=tmp_path / "weights", device="cpu", threads=1))
    assert "measure it: make bench METHOD=dncnn@own-x" in lines[-1]
    (record,) = (tmp_path / "weights").glob("*.json")
    said = json.loads(record.read_text())
    assert (said["steps"], said["trained"], said["recipe"]["images"]) == (3, [25, 25], str(photographs_to_train))
    (part,) = reported(tmp_path, "training").parts
    assert part.tables[0].rows[0][:3] == (said["label"], "25", "3")
    assert str(tmp_path) not in str(part)
    (method,) = trained(methods.available(), tmp_path / "weights")
    assert (method.name, method.nets[0].trained) == ("dncnn@own-x", (25, 25))
    monkeypatch.setattr("bench.plan.resolve.methods.available", lambda: {method.name: method})
    (cell,), failures = plan(Request(method.name, str(photographs_to_train), "25"))
    assert not failures
    network = cell.method.load(cell.net, tmp_path / "weights" / said["weights"], cell.options)
    folded = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not folded
    assert sum(p.numel() for p in network.parameters()) == said["parameters"]


def test_a_checkpoint_of_which_a_bit_has_flipped_is_refused(tmp_path):
    path = tmp_path / "a.ckpt"
    checkpoint.save(path, {"identity": "a", "weight": torch.full((100,), 0.25)})
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((9,), 0.25).numpy().tobytes()) + 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"a\.ckpt cannot be read .* delete it, and training starts anew"):
        checkpoint.load(path, "a", "cpu")
