import json
import math
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

from bench.common.errors import BenchError
from bench.train import distributed, loop
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.recipe import Recipe
from bench.train.session import Session
from bench.train.trainer import train_and_store
from bench.train.weights_file import rounded_weights

ROOT = Path(__file__).resolve().parents[3]
CAMERA = data.camera()[:120, :90, None]
# Without batch normalisation, whose statistics are those of a process's own patches.
PLAIN = Recipe(
    "plain", "plain", "", "dncnn", "dncnn", "train", "25", {"depth": 3, "features": 4},
    patch=16, batch=4, steps=6, average=0.9, held_out=1, optimiser="sgd", rate=1e-3, clip=5.0,
)  # fmt: skip


def fit(path, recipe=PLAIN, report=lambda progress: None, **how):
    torch.set_num_threads(1)
    stock = on_device([CAMERA], recipe.patch, "cpu")
    clean = torch.from_numpy(CAMERA[None, :65, :66, 0] / 255).float()[None]
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    given = loop.Inputs(stock, [(clean, noisy)], **how)
    return loop.train(recipe, given, Session("cpu", path, "d", report=report))


def of_a_process(folder):
    """Train in a process of several, and leave what it has in a file."""
    said = []
    run = fit(folder / f"{distributed.rank()}.ckpt", report=said.append)
    best = {name: value.flatten().tolist() for name, value in run.best.items()}
    words = {"best": best, "psnr": run.best_score, "rows": len(run.history), "said": len(said)}
    (folder / f"{distributed.rank()}.json").write_text(json.dumps(words))


COMMAND = "patch=16,batch=4,depth=3,features=4,held_out=1,steps=6"  # of a recipe with batch normalisation


def killed_at_step_3(folder):
    """Leave images, and the checkpoint of a training that was killed; return the command that goes on."""
    (folder / "train").mkdir()
    for i in range(2):
        Image.fromarray(data.camera()[100 * i : 100 * i + 32, :40]).save(folder / "train" / f"{i}.png")
    original = loop.step

    def dying(run, *words):
        if run.step == 3:
            raise KeyboardInterrupt
        return original(run, *words)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "step", dying)
        patched.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # a checkpoint after each step
        short = recipe_for("dncnn", str(folder / "train"), "25", COMMAND, "")
        with pytest.raises(KeyboardInterrupt):
            list(train_and_store(short, folder / "out", to=folder / "w", device="cpu", threads=1))
    return [
        "bench", "train", "--method", "dncnn", "--data", str(folder / "train"), "--noise", "25", "--set", COMMAND,
        "--device", "cpu", "--jobs", "1", "--out", str(folder / "out"), "--to", str(folder / "w"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Train in two processes as torchrun starts them: by the loop, then by the command line."""
    folder = tmp_path_factory.mktemp("two")
    command = killed_at_step_3(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        f"import pathlib, runpy, sys; runpy.run_path({__file__!r})['of_a_process'](pathlib.Path({str(folder)!r})); "
        f"sys.argv = {command!r}; from bench.cli import app; app.main()"
    )
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | place | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=(folder / f"{rank}.txt").open("w"),
        )
        for rank in ("0", "1")
    ]  # fmt: skip
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    return folder


def test_two_processes_train_as_one_on_both_their_batches(two_processes, tmp_path, monkeypatch):
    def both(stock, count, noise, streams, **how):
        halves = [draw_batch(stock, count // 2, noise, (*streams.key, rank), **how) for rank in (0, 1)]
        return tuple(torch.cat(part) for part in zip(*halves, strict=True))

    monkeypatch.setattr(loop, "drawn_batch", both)
    alone = fit(tmp_path / "x.ckpt")
    start = PLAIN.build().state_dict()
    first, second = (json.loads((two_processes / f"{rank}.json").read_text()) for rank in (0, 1))
    for name, value in alone.best.items():
        assert not torch.equal(value, start[name])
        for found in (first, second):
            torch.testing.assert_close(torch.tensor(found["best"][name]), value.flatten(), rtol=1e-5, atol=1e-6)
    assert first["psnr"] == second["psnr"] == pytest.approx(alone.best_score, abs=1e-4)


def test_the_first_process_looks_and_stores(two_processes):
    assert {path.name for path in two_processes.glob("*.ckpt")} == {"0.ckpt"}
    assert [json.loads((two_processes / f"{rank}.json").read_text())["said"] for rank in (0, 1)] == [1, 0]


def test_two_processes_by_command_go_on_after_a_kill(two_processes):
    first, second = ((two_processes / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first.count("going on from") == first.count("weights: ") == first.count("step 6/6") == 1
    assert second == ""
    places = (two_processes / "out", two_processes / "w")
    names = sorted(path.name for place in places for path in place.rglob("*") if path.is_file())
    # The record lies beside the weights, and with the results, where the report finds it.
    assert names == ["dncnn@own-25.ckpt", "dncnn@own-25.json", "dncnn@own-25.json", "dncnn@own-25.safetensors"]
    record = json.loads((two_processes / "w" / "dncnn@own-25.json").read_text())
    assert (record["steps"], record["processes"], record["threads"]) == (6, 2, 1)
    assert [row["step"] for row in record["history"]] == [5, 6]  # looks go by steps: the kill after three adds none


def test_a_process_ends_with_what_started_it():
    child = "import time; from bench.train import distributed; distributed._end_with_parent(); print(1, flush=True); "
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child + 'time.sleep(100)'!r}])"
    place = os.environ | {"PYTHONPATH": str(ROOT)}
    started = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, env=place)
    assert started.stdout.readline() == "1\n"
    started.kill()
    started.communicate(timeout=30)  # the child holds the pipe too: it is closed when both have ended


def test_a_batch_is_shared_evenly(monkeypatch):
    assert distributed.local_batch(7) == 7
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert distributed.local_batch(128) == 32
    with pytest.raises(BenchError, match=r"a batch of 126 .* by 4 processes; .* CHANGE=batch=128"):
        distributed.local_batch(126)


def test_each_process_has_its_own_gpu(monkeypatch):
    assert distributed.local_device("cuda:0") == "cuda:0"
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert distributed.local_device("cuda:0") == "cuda:3"
    assert distributed.local_device("cpu") == "cpu"


def test_what_cannot_be_compiled_runs_as_it_is(monkeypatch):
    original, calls = torch.compile, []

    def broken(graph, example):
        calls.append(graph)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda network: original(network, backend=broken))
    network, x = PLAIN.build(), torch.rand(2, 1, 16, 16)
    compiled = loop._compiled(network, "cuda:0", 0.0)
    assert torch.equal(compiled(x), network(x))
    assert calls
    assert loop._compiled(network, "cpu", 0.0) is network
    assert loop._compiled(network, "cuda:0", 30.0) is network


def test_a_run_that_goes_astray_stops_before_the_next_look(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", math.inf)

    def never(network, clean, noisy, step):
        return network(noisy).mean() * math.nan

    with pytest.raises(
        BenchError, match=f"the loss is nan at step {loop.CHECK_EVERY}; there is no good checkpoint yet"
    ):
        fit(tmp_path / "x.ckpt", replace(PLAIN, steps=100_000), criterion=never)
    assert not (tmp_path / "x.ckpt").exists()


class Gain(nn.Module):
    """Multiplies by one weight."""

    def __init__(self, gain):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.register_buffer("design", torch.tensor([1, 2], dtype=torch.uint8))

    def forward(self, noisy):
        return noisy * self.gain


@pytest.mark.parametrize(
    ("error", "precision"),
    [
        (0.0, "float16"),
        (0.5, "float16"),  # much larger than the 2^-13 that rounding to 1.0 changes
        (2e-4, "float32"),  # of the same size
    ],
)
def test_half_precision_where_the_psnr_stays(error, precision):
    # The noisy image is 0.5 (1 + error) / gain, so that the exact weight is wrong by 0.5 error, the rounded one not.
    gain = 1 + 2**-13 if error else 1.0
    clean = torch.full((1, 1, 8, 8), 0.5)
    network = Gain(gain).eval()
    tensors, said, change = rounded_weights(network, [(clean, clean * (1 + error) / gain)])
    assert said == precision
    assert tensors["gain"].dtype == getattr(torch, precision)
    assert tensors["design"].dtype == torch.uint8
    assert float(network.gain.detach()) == pytest.approx(gain, abs=1e-9)
    if error:
        rounded = abs((1 + error) / gain - 1)
        assert change == pytest.approx(20 * math.log10(error / rounded), rel=0.05, abs=1e-3)


def test_a_weight_too_large_for_half_precision():
    clean = torch.full((1, 1, 8, 8), 0.5)
    tensors, said, change = rounded_weights(Gain(1e6).eval(), [(clean, clean / 1e6)])
    assert (said, tensors["gain"].dtype) == ("float32", torch.float32)
    assert math.isnan(change)


def test_held_out_images_are_cropped_to_what_the_network_takes(tmp_path):
    pyramid = replace(
        PLAIN, network="pyramid", patch=16, steps=2,
        arguments={"channels": 1, "features": 4, "blocks": 1, "levels": 3},
    )  # fmt: skip
    assert math.isfinite(fit(tmp_path / "x.ckpt", pyramid).best_score)  # of an image of 65x66 pixels
