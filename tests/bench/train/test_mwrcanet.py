import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

import methods
from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.train import loop
from bench.train.data import TrainingData
from bench.train.losses import LOSSES
from bench.train.patches import on_device
from bench.train.programmes.mwrcanet import TRAININGS, mean_of, partner, staged, to_raw, train
from bench.train.programmes.stages import allotted
from bench.train.recipe import Recipe, load_recipe
from bench.train.session import Session
from bench.train.trainer import progress_line, train_and_store
from methods.networks.mwrcanet import MWRCANet, MWResNet
from methods.trained_here import trained

TINY = Recipe(
    "tiny", "tiny", "", "mwrcanet", "mwrcanet", "pairs", "pairs",
    {"channels": 1, "features": [4, 4], "blocks": 1, "reduction": 2}, programme="mwrcanet",
    patch=16, batch=2, steps=8, loss="l1", held_out=1, options={"original": "mwresnet-small"},
)  # fmt: skip


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def stock():
    clean = data.camera()[:80, :90, None]
    noise = np.random.default_rng(0).normal(0, 20, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).round().astype(np.uint8)
    return on_device([np.concatenate([clean, noisy], axis=2)], 16, "cpu")


@pytest.fixture(scope="module")
def held():
    clean = torch.from_numpy(data.camera()[200:234, 200:250] / 255).float()[None, None]
    return [(clean, clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))]


def trained_by(stock, held, folder, recipe=TINY, **session):
    torch.set_num_threads(1)
    return train(recipe, TrainingData(stock, held), Session("cpu", folder / "x.ckpt", "d", **session))


@pytest.fixture(scope="module")
def whole(stock, held, tmp_path_factory):
    """Return the folder of a run that was never killed, and the run."""
    folder = tmp_path_factory.mktemp("whole")
    seen = []
    return folder, trained_by(stock, held, folder, report=seen.append), seen


@pytest.fixture
def calls(monkeypatch):
    """Return what the loop is called with; it trains nothing, and its weights are the number of the call."""
    made = []

    def train(recipe, given, session, stage):
        network = recipe.build()
        for value in network.parameters():
            nn.init.constant_(value, (len(made) + 1) / 100)
        made.append({"recipe": recipe, **vars(session), **vars(given), "stage": stage})
        scores = [20.0, 31.0, 22.0, 33.0, 32.0]
        history = [{"step": 3, "psnr": scores[len(made) - 1]}]
        best = dict(network.state_dict())
        return loop.Run(
            network, None, 3, step=3, seconds=1.5, history=history, best=best, best_score=scores[len(made) - 1]
        )

    monkeypatch.setattr(loop, "train", train)
    return made


def last_weights(folder):
    """Return the weights after the last step of the last stage."""
    return torch.load(folder / "x.distilled.ckpt", weights_only=True)["network"]


def test_each_stage_trains_its_net_from_its_beginning(calls, stock, held, tmp_path):
    trained_by(stock, held, tmp_path)
    nets = [call["recipe"].network for call in calls]
    assert nets == ["mwresnet", "mwrcanet", "mwresnet", "mwrcanet", "mwrcanet"]
    starts = [call["start"] and round(100 * float(call["start"]["core.bottom.0.bias"][0])) for call in calls]
    assert starts == [None, None, 1, 2, 4]  # untrained twice, then on from stages 1, 2 and 4 in the order of calls
    assert [call["criterion"] is None for call in calls] == [True, True, False, False, False]
    assert [call["recipe"].steps for call in calls] == [8, 8, 2, 2, 2]
    assert [call["recipe"].rate for call in calls] == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4, 2e-4])
    assert len({call["recipe"].seed for call in calls}) == 5
    assert len({call["checkpoint"] for call in calls}) == len({call["identity"] for call in calls}) == 5


def test_targets_are_the_mean_of_the_two_nets_of_the_stage_before(calls, stock, held, tmp_path):
    trained_by(stock, held, tmp_path)
    noisy = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    teachers = [(1, 2), (1, 2), (3, 4)]  # which calls made the weights
    for call, (one, two) in zip(calls[2:], teachers, strict=True):
        outputs = []
        for net, value in ((partner(TINY), one), (TINY, two)):
            network = net.build().eval()
            for weight in network.parameters():
                nn.init.constant_(weight, value / 100)
            outputs.append(network(noisy).detach())
        expected = LOSSES["l1"](noisy, (outputs[0] + outputs[1]) / 2)
        found = call["criterion"](nn.Identity(), torch.full_like(noisy, math.nan), noisy)  # clean is not looked at
        torch.testing.assert_close(found, expected)


def test_teachers_do_not_change_and_get_no_gradient():
    teachers = [MWResNet(1, (4, 4), 1), MWRCANet(1, (4, 4), 1, 2)]
    before = [{name: value.clone() for name, value in net.state_dict().items()} for net in teachers]
    pupil = MWRCANet(1, (4, 4), 1, 2)
    optimiser = torch.optim.Adam(pupil.parameters(), 1e-2)
    noisy = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        target = (teachers[0](noisy) + teachers[1](noisy)) / 2
    criterion = mean_of(teachers, "mse")
    first = criterion(pupil, noisy, noisy)
    torch.testing.assert_close(first, (pupil(noisy) - target).square().mean())
    for _ in range(5):
        optimiser.zero_grad()
        criterion(pupil, noisy, noisy).backward()
        optimiser.step()
    assert float(criterion(pupil, noisy, noisy).detach()) < float(first.detach())
    assert all(weight.grad is None for net in teachers for weight in net.parameters())
    for net, known in zip(teachers, before, strict=True):
        assert all(torch.equal(value, known[name]) for name, value in net.state_dict().items())


def test_the_whole_run_is_the_sum_of_its_stages_and_stores_the_best_siamese_net(calls, stock, held, tmp_path):
    result = trained_by(stock, held, tmp_path)
    assert (result.steps, result.seconds) == (15, 7.5)
    names = ["original", "siamese", "original-tuned", "siamese-tuned", "distilled"]
    assert [(stage["name"], stage["steps"], stage["score"]) for stage in result.history["stages"]] == list(
        zip(names, [3] * 5, [20.0, 31.0, 22.0, 33.0, 32.0], strict=True)
    )
    # Call 4 is the siamese net of stage 3, with 33 dB: above the 32 dB after stage 4.
    assert result.score == 33
    assert float(result.weights["core.bottom.0.bias"][0]) == pytest.approx(0.04)
    TINY.build().load_state_dict(result.weights)
    # The original net is best after stage 3, in call 3; what came after it is none of its record.
    (other,) = result.by_products
    assert (other.recipe.weights_name, other.score, other.steps) == ("mwresnet@own", 22, 9)
    assert float(other.weights["core.bottom.0.bias"][0]) == pytest.approx(0.03)
    other.recipe.build().load_state_dict(other.weights)
    assert [stage["name"] for stage in other.history["stages"]] == names[:3]


def test_the_original_network_has_the_widths_of_the_siamese_one():
    network = partner(replace(TINY, arguments={**TINY.arguments, "channels": 3, "features": [6, 4]})).build()
    assert isinstance(network, MWResNet)
    assert network.core.contract[0][0].weight.shape[:2] == (6, 12)
    blocks = load_recipe("mwresnet-small").arguments["blocks"]
    assert sum(name.endswith("conv1.weight") for name in network.state_dict() if "contract.0" in name) == blocks
    small = partner(load_recipe("mwrcanet-small"))
    assert small.arguments == load_recipe("mwresnet-small").arguments
    assert partner(load_recipe("mwrcanet")).arguments == load_recipe("mwresnet").arguments


@pytest.mark.parametrize("killed_in", range(5))
def test_a_run_that_was_killed_in_any_stage_ends_as_one_that_was_not(
    tmp_path, stock, held, monkeypatch, killed_in, whole
):
    # The steps of the stages are 8, 8, 2, 2, 2: the second step of each is the last that is done.
    left = [sum((8, 8, 2, 2, 2)[:killed_in]) + 1]
    original = loop.step

    def dying(*words):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return original(*words)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # a checkpoint after each step
    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(Killed):
        trained_by(stock, held, tmp_path / "cut")
    taken = []
    monkeypatch.setattr(loop, "step", lambda run, *words: (taken.append(run.step), original(run, *words))[1])
    resumed = trained_by(stock, held, tmp_path / "cut")
    assert len(taken) == 22 - sum((8, 8, 2, 2, 2)[:killed_in]) - 1  # nothing is done twice
    assert resumed.steps == whole[1].steps == 22
    for name, value in last_weights(whole[0]).items():
        assert torch.equal(value, last_weights(tmp_path / "cut")[name]), name


def test_a_stage_that_is_over_is_not_trained_on(whole, stock, held, monkeypatch):
    folder, first, _ = whole
    monkeypatch.setattr(loop, "step", lambda *words: pytest.fail("a step was taken"))
    again = trained_by(stock, held, folder)
    assert again.score == first.score
    assert all(torch.equal(value, again.weights[name]) for name, value in first.weights.items())
    with pytest.raises(BenchError, match="belongs to another recipe or other images"):
        train(TINY, TrainingData(stock, held), Session("cpu", folder / "x.ckpt", "other"))


def test_a_budget_is_divided_over_the_stages_that_are_left(calls, stock, held, tmp_path, monkeypatch):
    # Shares 1, 1, 1/4, 1/4, 1/4 of 2.75: of 110 s each stage has 40, 40, 10, 10, 10 when all keep to it.
    shares = [training.share for training in TRAININGS]
    assert [allotted(110, spent, shares[i:]) for i, spent in enumerate((0, 40, 80, 90, 100))] == pytest.approx(
        [40, 40, 10, 10, 10]
    )
    assert allotted(110, 20, shares[1:]) == pytest.approx(90 / 1.75)  # what a stage leaves goes to those after it
    assert allotted(0, 5, shares[2:]) == 0
    assert allotted(110, 120, shares[3:]) > 0  # 0 would mean no budget
    clock = iter([0.0, 0.0, 40.0, 80.0, 90.0, 100.0])
    monkeypatch.setattr("bench.train.programmes.stages.time.perf_counter", lambda: next(clock))
    trained_by(stock, held, tmp_path, budget=110)
    assert [call["budget"] for call in calls] == pytest.approx([40, 40, 10, 10, 10])


def test_progress_says_the_stage(whole):
    seen = whole[2]
    assert [progress.stage for progress in seen] == [
        "stage 1, original", "stage 2, siamese", "stage 3, original", "stage 3, siamese", "stage 4, siamese",
    ]  # fmt: skip
    assert "stage 4, siamese: step 2/2" in progress_line(seen[-1])


def test_raw_is_trained_on_mosaics_of_colour_images():
    image = data.astronaut()[:64, 200:290]
    clean = torch.from_numpy(image / 255).float().permute(2, 0, 1)[None]
    sets = TrainingData(on_device([image], 16, "cpu"), [(clean, clean)])
    first, second, third = (to_raw(replace(TINY, seed=seed), sets, "cpu") for seed in (0, 0, 1))
    ((mosaic, noisy),), ((again, _),), ((other, _),) = (made.held_out for made in (first, second, third))
    assert first.images.paired
    assert first.images.patches(3, torch.Generator(), augment=True).shape == (3, 2, 16, 16)
    assert mosaic.shape == noisy.shape == (1, 1, 64, 90)
    assert torch.equal(mosaic, again)
    assert not torch.equal(mosaic, other)
    # A green pixel is darker in raw than in sRGB where it is not white: gamma, tone curve and gains all darken it.
    assert float(mosaic[0, 0, ::2, 1::2].mean()) < float(clean[0, 1, ::2, 1::2].mean())


def test_from_colour_images_to_a_method_for_raw(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(data.astronaut()[80 * i : 80 * i + 64, 200:280]).save(folder / f"{i}.png")
    small = {"channels": 1, "features": [4, 4], "blocks": 1, "reduction": 2}
    words = {"images": str(folder), "patch": 16, "batch": 2, "steps": 2, "held_out": 1}
    tiny = replace(load_recipe("mwrcanet-raw"), arguments=small, **words)
    list(train_and_store(tiny, tmp_path, to=tmp_path / "weights", device="cpu", threads=1))
    made = {method.name: method for method in trained(methods.available(), tmp_path / "weights")}
    assert {name: method.nets[0].colour for name, method in made.items()} == {
        "mwrcanet@own-raw": "gray", "mwresnet@own-raw": "gray",
    }  # fmt: skip
    method, other = made["mwrcanet@own-raw"], made["mwresnet@own-raw"]
    said, beside = (
        json.loads((tmp_path / "weights" / one.nets[0].weights.record).read_text()) for one in (method, other)
    )
    assert (said["steps"], beside["steps"]) == (2 + 2 + 1 + 1 + 1, 2 + 2 + 1)
    assert [len(stage["history"]) for stage in said["stages"]] == [1] * 5
    assert sum(stage["seconds"] for stage in said["stages"]) == pytest.approx(said["seconds"], abs=0.06)
    # What trains it again is the recipe of the whole.
    assert beside["within"] == said["recipe"]
    assert beside["recipe"]["network"] == "mwresnet"
    for one in (method, other):
        weights = tmp_path / "weights" / one.nets[0].weights.path
        assert one.load(one.nets[0], weights, {})(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)
    monkeypatch.setattr("bench.plan.resolve.methods.available", lambda: {method.name: method})
    (cell,), _ = plan(Request(method.name, "set12", "25"))
    network = cell.method.load(cell.net, tmp_path / "weights" / said["weights"], cell.options)
    assert network(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_stages_are_four_in_number():
    assert sorted({stage.number for stage in TRAININGS}) == [1, 2, 3, 4]
    assert staged(TINY, TRAININGS[2]).schedule == TINY.schedule
