import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional

import methods
from bench.common.errors import BenchError
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.plan.resolve import known_dataset
from bench.run.images import pictures
from bench.train import loop
from bench.train.data import TrainingData
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.programmes import autoencoders
from bench.train.programmes.autoencoders import lowest, principal_start
from bench.train.recipe import Recipe, load_recipe
from bench.train.session import Session
from bench.train.trainer import train_and_store
from methods.networks.autoencoders import DenoisingAutoencoder
from methods.trained_here import trained

TABLE = Path(__file__).resolve().parents[3] / "results" / "measured" / "chest.csv"
DENSE = Recipe(
    "dense", "dense", "", "dae", "autoencoder", "train", "25",
    {"visible": 64, "hidden": 48}, programme="autoencoders", patch=8, batch=10, steps=6,
    loss="cross_entropy", options={"epochs": 20},
)  # fmt: skip
STACK = replace(
    DENSE, network="stacked-autoencoder", method="dae-stacked",
    arguments={"sizes": (64, 32, 24, 16)}, options={"masked": (0.1, 0.2, 0.3), "epochs": 20},
)  # fmt: skip


def crops(image, count, side):
    places = np.random.default_rng(0).integers(0, np.array(image.shape) - side, (count, 2))
    return [image[y : y + side, x : x + side, None] for y, x in places]


@pytest.fixture
def stock():
    torch.set_num_threads(1)
    return on_device([image[:9, :9] for image in crops(data.camera(), 3, 9)], 8, "cpu")


@pytest.fixture
def held():
    clean = torch.from_numpy(data.camera()[None, None, 100:124, 200:224] / 255).float()
    return [(clean, clean + 25 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))]


def stages(monkeypatch):
    """Record recipe, start and result of every stage."""
    seen = []
    original = loop.train

    def watched(recipe, given, session, stage):
        start = {name: value.clone() for name, value in (given.start or recipe.build().state_dict()).items()}
        result = original(recipe, given, session, stage)
        seen.append((recipe, start, {k: v.clone() for k, v in result.network.state_dict().items()}, session.budget))
        return result

    monkeypatch.setattr(loop, "train", watched)
    return seen


def ran(recipe, stock, held, path, **session):
    return autoencoders.train(recipe, TrainingData(stock, held), Session("cpu", path, "d", **session))


def test_each_layer_is_trained_alone_and_then_all(tmp_path, stock, held, monkeypatch):
    seen = stages(monkeypatch)
    run = ran(STACK, stock, held, tmp_path / "x.ckpt")
    assert len(seen) == 4
    for layer, (how, start, end, _) in enumerate(seen[:3]):
        changed = {name.rpartition(".")[0] for name, value in end.items() if not torch.equal(value, start[name])}
        assert changed == {f"layers.{layer}"}
        assert {name.rpartition(".")[0] for name in end} == {f"layers.{i}" for i in range(layer + 1)}
        assert (how.noise, how.optimiser, how.steps) == (f"masking:{(0.1, 0.2, 0.3)[layer]}", "sgd", 6)
        assert how.rate == pytest.approx(0.01)  # with momentum 0.9 as far as 0.1 without
    for (_, _, end, _), (_, start, _, _) in itertools.pairwise(seen):
        assert all(torch.equal(value, start[name]) for name, value in end.items())
    whole, start, end, _ = seen[3]
    assert (whole.noise, whole.optimiser) == ("25", "adam")
    assert all(not torch.equal(value, start[name]) for name, value in end.items())
    assert run.steps == 3 * 6 + 6
    assert [(stage["name"], stage["steps"]) for stage in run.history["stages"]] == [
        ("layer1", 6), ("layer2", 6), ("layer3", 6), ("all", 6),
    ]  # fmt: skip


def test_weights_stay_tied(tmp_path, stock, held):
    run = ran(STACK, stock, held, tmp_path / "x.ckpt")
    assert {name: tuple(value.shape) for name, value in run.weights.items() if "weight" in name} == {
        "layers.0.weight": (32, 64),
        "layers.1.weight": (24, 32),
        "layers.2.weight": (16, 24),
    }
    hidden = held[0][1][..., :8, :8].flatten(1)
    weights = {name: value.double() for name, value in run.weights.items()}
    for i in (0, 1, 2):
        hidden = torch.sigmoid(hidden.double() @ weights[f"layers.{i}.weight"].T + weights[f"layers.{i}.hidden_bias"])
    for i in (2, 1, 0):
        hidden = torch.sigmoid(hidden @ weights[f"layers.{i}.weight"] + weights[f"layers.{i}.visible_bias"])
    network = STACK.build()
    network.load_state_dict(run.weights)
    torch.testing.assert_close(network(held[0][1][..., :8, :8]).double().flatten(1), hidden, atol=1e-6, rtol=0)


def test_a_layer_sees_what_is_masked_of_the_layers_below():
    stack = lowest(STACK, 2)
    clean = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    loss = stack(clean, fraction=0.25, generator=torch.Generator().manual_seed(2))
    first, second = STACK.build().layers[:2]
    below = torch.sigmoid(clean.flatten(1) @ first.weight.T + first.hidden_bias)
    kept = torch.rand(below.shape, generator=torch.Generator().manual_seed(2)) >= 0.25
    output = torch.sigmoid(
        torch.sigmoid(below * kept @ second.weight.T + second.hidden_bias) @ second.weight + second.visible_bias
    )
    entropy = functional.binary_cross_entropy(output, below.detach(), reduction="sum") / 40
    assert loss.item() == pytest.approx(entropy.item(), rel=1e-5)
    loss.backward()
    assert all(value.grad is None for value in stack.layers[0].parameters())
    assert all(value.grad is not None for value in stack.layers[1].parameters())


@pytest.mark.parametrize("kept", [3, 9, 16, 21])
@pytest.mark.parametrize("start", ["uniform", "principal"])
def test_a_run_that_was_killed_in_any_stage_ends_as_one_that_was_not(tmp_path, stock, held, monkeypatch, kept, start):
    asked = replace(STACK, options={**STACK.options, "start": start})
    whole = ran(asked, stock, held, tmp_path / "whole.ckpt")

    class Killed(BaseException):
        pass

    original, left = loop.step, [kept]

    def dying(*words):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return original(*words)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # a checkpoint after each step
    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(Killed):
        ran(asked, stock, held, tmp_path / "cut.ckpt")
    monkeypatch.setattr(loop, "step", original)
    seen = stages(monkeypatch)
    resumed = ran(asked, stock, held, tmp_path / "cut.ckpt")
    assert len(seen) == 4 - kept // 6  # the stages that were done are not run again
    assert resumed.steps == whole.steps == 24
    ends = [torch.load(tmp_path / f"{name}.all.ckpt", weights_only=True)["network"] for name in ("whole", "cut")]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_budget_is_divided_over_the_stages(tmp_path, stock, held, monkeypatch):
    now, shares = [0.0], []

    def spending(recipe, given, session, stage):
        shares.append(session.budget)
        now[0] += session.budget if len(shares) != 2 else 0.0  # the second layer is done at once
        return loop.Run(given.network or recipe.build(), None, 1, step=1, history=[{"psnr": 20.0}])

    monkeypatch.setattr(loop, "train", spending)
    monkeypatch.setattr("bench.train.programmes.stages.time.perf_counter", lambda: now[0])
    ran(STACK, stock, held, tmp_path / "x.ckpt", budget=100.0)
    # Each layer gets a tenth; what the second one leaves goes to the third (a tenth of 0.8 of it) and to the whole.
    assert shares == pytest.approx([10, 10, 90 / 8, 90 - 90 / 8])


def test_masking_is_that_of_the_benchmark(stock):
    masked = recipe_for("dae", "", "masking:0.25", "", "")
    clean, noisy = draw_batch(replace(stock, side=8), 500, parse(masked.noise), (0,), augment=False)
    kept = noisy != 0
    assert torch.equal(noisy[kept], clean[kept])
    assert float((~kept & (clean > 0)).sum() / (clean > 0).sum()) == pytest.approx(0.25, abs=0.01)


def test_the_principal_start_is_near_the_best_linear_filter():
    images = torch.from_numpy(np.stack(crops(data.camera(), 3000, 8))).reshape(-1, 64).double() / 255
    images = 0.4 + 0.2 * images  # little contrast, so that sigmoids are nearly linear
    noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, covariance = images.mean(0), images.T.cov()
    best = mean + (noisy - mean) @ torch.linalg.solve(covariance + 0.01 * torch.eye(64), covariance)
    layer = DenoisingAutoencoder(64, 100)
    principal_start(layer, images.float(), noisy.float(), torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = layer.reconstruct(noisy.float())
    errors = [float((image - images).square().mean()) for image in (found.double(), best, noisy)]
    gain = [errors[2] - error for error in errors]
    assert gain[0] == pytest.approx(gain[1], rel=0.05)


def test_a_tiny_training_beats_the_noisy_image(tmp_path):
    torch.set_num_threads(1)
    faces = [image[:, :, None] for image in (data.lfw_subset()[:100, 4:20, 4:20] * 255).astype(np.uint8)]
    clean = torch.from_numpy(faces.pop(50)[None, None, :, :, 0] / 255).float()
    noisy = clean + 50 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    short = replace(
        DENSE, arguments={"visible": 256, "hidden": 64}, patch=16, batch=32, steps=150, noise="50", augment=False,
        options={"start": "principal"},
    )  # fmt: skip
    run = ran(short, on_device(faces, 16, "cpu"), [(clean, noisy)], tmp_path / "x.ckpt")
    before = -10 * np.log10(float((noisy.clamp(0, 1) - clean).square().mean()))
    assert run.score > before + 3


def test_from_images_to_a_method(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "train"
    folder.mkdir()
    for i, image in enumerate(crops(data.camera(), 4, 28)):
        Image.fromarray(image[:, :, 0]).save(folder / f"{i}.png")
    short = recipe_for("dae", str(folder), "masking:0.25", "steps=3,batch=2,hidden=20,held_out=1", "x")
    lines = list(train_and_store(short, tmp_path, to=tmp_path / "weights", device="cpu", threads=1))
    assert "measure it: make bench METHOD=dae@own-x" in lines[-1]
    (record,) = (tmp_path / "weights").glob("*.json")
    said = json.loads(record.read_text())
    assert [stage["name"] for stage in said["stages"]] == ["layer1", "all"]
    assert said["steps"] == sum(stage["steps"] for stage in said["stages"])
    (method,) = trained(methods.available(), tmp_path / "weights")
    monkeypatch.setattr("bench.plan.resolve.methods.available", lambda: {method.name: method})
    (cell,), failures = plan(Request(method.name, str(folder), "25"))
    assert not failures
    network = cell.method.load(cell.net, tmp_path / "weights" / said["weights"], cell.options)
    assert network.weight.shape == (20, 784)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"patch": 9}, "patches of 9x9 pixels, but the network reads 8x8; give CHANGE=patch=8"),
        ({"options": {"start": "pca"}}, "unknown start in recipe dense: 'pca'"),
    ],
)
def test_bad_recipes(tmp_path, stock, held, change, cause):
    with pytest.raises(BenchError, match=cause):
        ran(replace(DENSE, **change), stock, held, tmp_path / "x.ckpt")


def test_recipes_have_the_sizes_of_the_papers():
    assert {name: sum(p.numel() for p in load_recipe(name).build().parameters()) for name in ("dae", "cnn-dae")} == {
        "dae": 784 * 500 + 500 + 784,
        "cnn-dae": 112_001,
    }
    assert [len(layer.weight) for layer in load_recipe("dae-stacked").build().layers] == [1000, 1000, 1000]


@pytest.mark.usefixtures("published_files")
def test_shipped_weights_reach_the_committed_table():
    with TABLE.open(newline="") as file:
        table = {row["net"]: float(row["psnr"]) for row in csv.DictReader(file) if row["dataset"] == "pneumonia-mnist"}
    images = [
        degrade(picture.clean, parse("25"), dataset="pneumonia-mnist", image=picture.name, seed=0)
        for picture in pictures(known_dataset("pneumonia-mnist"))
    ]
    clean = np.stack([image.clean for image in images]).astype(float)[..., 0]
    noisy = torch.from_numpy(np.stack([image.noisy for image in images])).float().movedim(3, 1)
    own = [name for name in table if "@own" in name]
    five = {"cnn-dae", "dncnn", "rdn-small", "ding-liu", "dae"}  # of the comparison, and the stacked one
    assert {name.partition("@")[0] for name in own} == {*five, "dae-stacked"}
    assert all(table[name] > table["bm3d"] for name in own if name.partition("@")[0] in five)
    known = {net.id: (method, net) for method in methods.available().values() for net in method.nets}
    for name in own:
        method, net = known[name]
        with torch.inference_mode():
            network = method.load(net, Path(net.weights.local), dict(method.options))
            denoised = network(noisy)[:, 0].double().numpy()
        errors = np.square((denoised * 255).clip(0, 255).round() - clean).mean((1, 2))
        assert float((10 * np.log10(255**2 / errors)).mean()) == pytest.approx(table[name], abs=0.02), name
