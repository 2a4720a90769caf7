"""Training of every programme on a pretended CUDA device: no mixed devices, and steps that wait for nothing."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from bench.degradation import KINDS, parse
from bench.studies.conform.pretended_cuda import pretended_cuda
from bench.studies.segment.evaluation import Scheme
from bench.train import captured, loop
from bench.train.data import TrainingData
from bench.train.losses import denoising
from bench.train.patches import on_device
from bench.train.programmes import autoencoders, mwrcanet, segmentation
from bench.train.recipe import Recipe
from bench.train.registry import NETWORKS, OPTIMISERS
from bench.train.session import Session

CAMERA, COLOUR = data.camera()[:40, :50, None], data.astronaut()[:40, :50]
PLAIN = Recipe(
    "tiny", "tiny", "", "dncnn", "dncnn", "train", "gaussian:10-50", {"depth": 3, "features": 4, "norm": True},
    patch=16, batch=2, steps=2, average=0.9, clip=1.0, held_out=1,
)  # fmt: skip
SMALL = {"channels": 1, "features": [4, 4], "blocks": 1}
ARGUMENTS = {
    "autoencoder": {"visible": 256, "hidden": 8},
    "bias-free-dncnn": {"depth": 4, "features": 4},
    "convolutional-autoencoder": {"features": 4},
    "ding-liu": {"features": 2, "channels": 1},
    "dncnn": PLAIN.arguments,
    "dncnn-he": {"depth": 4, "features": 4},
    "mwrcanet": {**SMALL, "reduction": 2},
    "mwresnet": SMALL,
    "pyramid": {"channels": 1, "features": 4, "blocks": 1, "levels": 2},
    "rdn": {"blocks": 1, "layers": 1, "growth": 4, "features": 4, "channels": 1},
    "searched": {**SMALL, "block": "dense"},
    "stacked-autoencoder": {"sizes": (256, 8, 8)},
}


@pytest.fixture
def waits(monkeypatch):
    """Pretend the device, and return how often each step waited for it or copied to it, by place."""
    torch.set_num_threads(1)
    found = []
    step = loop.step

    with pretended_cuda() as seen:

        def counted(*given):
            before = seen.waits + seen.uploads
            loss = step(*given)
            found.append(dict(seen.waits + seen.uploads - before))
            return loss

        monkeypatch.setattr(loop, "step", counted)
        yield found


def pair(image, noise=0.1):
    clean = torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(255)).to("cuda")
    return clean, clean + noise


def stepped(recipe, images=(CAMERA,), steps=2):
    """Take steps on the device."""
    run = loop.begin(recipe, "cuda:0")
    stock = on_device(images, recipe.patch, "cuda:0", recipe.align)
    for _ in range(steps):
        loss = loop.step(run, recipe, stock, parse(recipe.noise), denoising(recipe.loss))
        run.step += 1
    assert torch.isfinite(loss)
    assert {value.device.type for value in (*run.network.state_dict().values(), *run.mean.values())} == {"cuda"}


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"unet"}))
def test_a_step_of_every_network_waits_for_nothing(name, waits):
    stepped(replace(PLAIN, network=name, arguments=ARGUMENTS[name]))
    assert waits == [{}, {}]


@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if about.tensors])
def test_noise_of_every_kind_is_drawn_on_the_device(kind, waits):
    stepped(replace(PLAIN, noise=re.split(", | or ", KINDS[kind].example)[0]), steps=1)
    assert waits == [{}]


def test_noise_that_recipes_alone_can_say_is_drawn_on_the_device(waits):
    stepped(replace(PLAIN, corruption="additive-or-multiplicative"), steps=1)
    assert waits == [{}]


def data_of(recipe, *images):
    return TrainingData(on_device(images, recipe.patch, "cuda:0", recipe.align), [pair(images[0][..., :3])])


def session(recipe, path):
    return Session("cuda:0", path / "x.ckpt", recipe.digest)


def test_a_whole_run_goes_on_from_its_checkpoint(tmp_path, waits, monkeypatch):
    counted = loop.step

    def dying(run, *given):
        if run.step == 1:
            raise KeyboardInterrupt
        return counted(run, *given)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # after each step
    given, four = loop.Inputs(on_device([CAMERA], 16, "cuda:0"), [pair(CAMERA)]), replace(PLAIN, steps=4)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "step", dying)
        with pytest.raises(KeyboardInterrupt):
            loop.train(four, given, session(four, tmp_path))
    assert waits == [{}]
    run = loop.train(four, given, session(four, tmp_path))
    assert (run.step, waits) == (4, [{}] * 4)


def test_layers_one_after_another(tmp_path, waits):
    recipe = replace(
        PLAIN, network="stacked-autoencoder", arguments={"sizes": (64, 12, 8)}, patch=8, noise="25",
        programme="autoencoders", options={"epochs": 2, "start": "principal"}, loss="cross_entropy",
    )  # fmt: skip
    trained = autoencoders.train(recipe, data_of(recipe, CAMERA), session(recipe, tmp_path))
    assert {value.device.type for value in trained.weights.values()} == {"cpu"}
    assert waits == [{}] * len(waits)
    assert len(waits) > 2


@pytest.mark.parametrize("programme", ["mwrcanet", "mwrcanet-raw"])
def test_two_networks_that_teach_each_other(programme, tmp_path, waits):
    recipe = replace(
        PLAIN, network="mwrcanet", arguments={**SMALL, "reduction": 2}, programme=programme,
        options={"original": "mwresnet-small"}, align=2, noise="pairs" if programme == "mwrcanet" else "30",
    )  # fmt: skip
    if programme == "mwrcanet":
        given = data_of(recipe, np.concatenate([CAMERA, CAMERA], 2))
        given = replace(given, held_out=[pair(CAMERA)])
    else:
        given = mwrcanet.to_raw(recipe, data_of(recipe, COLOUR), "cuda:0")
    trained = mwrcanet.train(recipe, given, session(recipe, tmp_path))
    assert {value.device.type for value in trained.weights.values()} == {"cpu"}
    assert waits[1:] == [{}] * (len(waits) - 1)  # the first one may bring constants of cameras there
    assert len(waits) >= len(mwrcanet.TRAININGS)


def test_a_denoiser_and_a_segmentation_network(tmp_path, waits, monkeypatch):
    monkeypatch.setattr(segmentation, "_classes", lambda recipe: Scheme(("a", "b"), 2))
    recipe = replace(
        PLAIN, network="ding-liu", arguments={"features": 2}, programme="segmentation", variant="joint", noise="30",
        images="camvid-train", labels=True, augment=False, loss="mse", options={
            "weight": 0.5,
            "segmenter": {"steps": 2, "average": 0.9, "arguments": {"features": 2, "levels": 2}},
            "denoiser": {"steps": 2, "patch": 8, "batch": 2},
        },
    )  # fmt: skip
    labels = (np.arange(40)[:, None] * np.ones(50) // 16).astype(np.uint8)[..., None]
    given = data_of(recipe, np.concatenate([COLOUR, labels], 2))
    maps = [torch.from_numpy(labels[None, ..., 0].astype(np.int64)).to("cuda")]
    trained = segmentation.train(recipe, replace(given, labels=maps), session(recipe, tmp_path))
    assert {value.device.type for value in trained.weights.values()} == {"cpu"}
    assert waits == [{}] * len(waits)
    assert len(waits) > 4


def test_a_planted_wait_in_a_step_is_found(waits):
    criterion = denoising("mse")

    def waiting(network, clean, noisy, step):
        return criterion(network, clean, noisy) * float(clean.max() > 0)

    run, stock = loop.begin(PLAIN, "cuda:0"), on_device([CAMERA], 16, "cuda:0")
    loop.step(run, PLAIN, stock, parse("25"), waiting)
    assert [sum(one.values()) for one in waits] == [1]


def test_planted_noise_of_another_device_is_found(waits):
    def mixed(network, clean, noisy, step):
        return (network(noisy) - torch.zeros(16)).square().mean()

    run, stock = loop.begin(PLAIN, "cuda:0"), on_device([CAMERA], 16, "cuda:0")
    with pytest.raises(RuntimeError, match="same device"):
        loop.step(run, PLAIN, stock, parse("25"), mixed)


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_no_optimiser_waits_for_the_device(optimiser, waits):
    stepped(replace(PLAIN, optimiser=optimiser, rate=1e-3))
    assert waits == [{}] * 2


@pytest.mark.gpu
@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_a_captured_step_does_what_a_step_does(optimiser, monkeypatch):
    recipe = replace(PLAIN, optimiser=optimiser, rate=1e-2, warm_up=20, cosine=True, steps=60, average=0.9, batch=8)
    stock = on_device([data.camera()[:, :, None]], recipe.patch, "cuda:0")

    def trained(warm):
        monkeypatch.setattr(captured, "WARM", warm)
        run = loop.begin(recipe, "cuda:0", budget=1.0)
        losses = []
        for _ in range(recipe.steps):
            losses.append(loop.step(run, recipe, stock, parse(recipe.noise), denoising(recipe.loss)))
            run.step += 1
        assert (run.graph is None) == (warm > recipe.steps)
        return torch.stack(losses).cpu(), {name: value.double().cpu() for name, value in run.mean.items()}

    (losses, mean), (expected, expected_mean) = trained(5), trained(1000)
    torch.testing.assert_close(losses[:12], expected[:12], rtol=5e-3, atol=0)
    torch.testing.assert_close(losses, expected, rtol=0.1, atol=0)
    assert len(set(losses.tolist())) == recipe.steps  # each draws its own batch
    for name, value in expected_mean.items():
        assert (mean[name] - value).norm() <= 0.05 * value.norm() + 1e-3, name


def test_a_step_that_no_graph_holds_is_taken_part_by_part(waits, monkeypatch):
    monkeypatch.setattr(captured, "WARM", 2)
    stepped(PLAIN, steps=4)  # the pretended device has no graphs
    assert waits == [{}] * 4
