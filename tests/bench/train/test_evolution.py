import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from bench.common.errors import BenchError
from bench.train import loop
from bench.train.data import TrainingData
from bench.train.patches import on_device
from bench.train.recipe import Recipe
from bench.train.search import evolution
from bench.train.search.evolution import best_of
from bench.train.search.space import Plan, Space
from bench.train.session import Session
from methods.networks.mwrcanet import MWResNet
from methods.networks.rdn import ResidualDenseBlock
from methods.networks.searched import BLOCKS, SearchedNet

TINY = Recipe(
    "tiny", "tiny", "", "mwresnet", "mwresnet", "pairs", "pairs", {"channels": 1},
    patch=16, batch=2, loss="l1", held_out=1,
)  # fmt: skip
SMALL = Space(("residual", "dense", "attention"), (1, 2), (2, 4), levels=2, most_parameters=6000, most_macs=0)


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


def searched(stock, held, folder, **words):
    torch.set_num_threads(1)
    plan = Plan(**{"seed": 3, "population": 3, "sample": 2, "generations": 2, "steps": 1, "space": SMALL, **words})
    return evolution.evolve(TINY, TrainingData(stock, held, identity="d"), plan, folder / "s.json", device="cpu")


@pytest.fixture
def fitness(monkeypatch):
    """Let no candidate be trained: the fitness is a function of its genes."""

    def score(genes, *_):
        return 30 + sum(genes["features"]) + genes["blocks"] / 10 + BLOCKS.index(genes["block"]) / 100

    monkeypatch.setattr(evolution, "_fitness", score)
    return score


def test_a_search_is_evolution_within_its_budget(stock, held, tmp_path, fitness):
    record = searched(stock, held, tmp_path, generations=3)
    written = json.loads((tmp_path / "s.json").read_text())
    assert len(written.pop("checksum")) == 64
    assert record == written
    candidates = record["candidates"]
    assert [candidate["number"] for candidate in candidates] == list(range(12))
    assert record["best"]["psnr"] == max(candidate["psnr"] for candidate in candidates)
    assert record["setting"]["seed"] == 3
    assert record["setting"]["space"]["most_parameters"] == 6000
    for i, candidate in enumerate(candidates):
        network = SearchedNet(1, **candidate["genes"])
        assert candidate["parameters"] == sum(value.numel() for value in network.parameters()) <= 6000
        if i < 3:
            assert candidate["parent"] is None
            continue
        assert i - 3 <= candidate["parent"] < i  # the oldest has died
        parent = candidates[candidate["parent"]]["genes"]
        ours = candidate["genes"]
        apart = [a != b for a, b in zip(ours["features"], parent["features"], strict=True)]
        assert sum(apart) + (ours["block"] != parent["block"]) + (ours["blocks"] != parent["blocks"]) == 1
        # Of two of the three living the better is the parent, so it is never the worst of them.
        living = candidates[i - 3 : i]
        assert (
            candidates[candidate["parent"]]["psnr"] > min(c["psnr"] for c in living)
            or len({c["psnr"] for c in living}) < 3
        )


def test_a_search_is_a_function_of_its_seed(stock, held, tmp_path, fitness):
    first, again, other = (
        searched(stock, held, tmp_path / name, seed=seed, generations=1)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again
    assert first["candidates"] != other["candidates"]


def test_a_search_that_was_killed_ends_as_one_that_was_not(stock, held, tmp_path, monkeypatch):
    whole = searched(stock, held, tmp_path / "whole", population=2, generations=1)
    original, left = loop.step, [2]

    def dying(*words):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return original(*words)

    monkeypatch.setattr(loop, "step", dying)
    with pytest.raises(Killed):
        searched(stock, held, tmp_path / "cut", population=2, generations=1)
    assert len(json.loads((tmp_path / "cut" / "s.json").read_text())["candidates"]) == 2
    left[0] = 2
    assert searched(stock, held, tmp_path / "cut", population=2, generations=1) == whole
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["s.json"]
    monkeypatch.setattr(loop, "step", original)
    longer = searched(stock, held, tmp_path / "cut", population=2, generations=2)
    assert longer["candidates"][:4] == whole["candidates"]
    assert len(longer["candidates"]) == 6


def test_fitness_is_the_psnr_of_the_held_out_images_after_the_last_step(stock, held, tmp_path):
    record = searched(stock, held, tmp_path, population=1, sample=1, generations=0)
    (only,) = record["candidates"]
    network = {"network": "searched", "arguments": {"channels": 1, **only["genes"]}, "steps": 1, "programme": ""}
    made = loop.train(
        replace(TINY, **network), loop.Inputs(stock, held), Session("cpu", tmp_path / "y.ckpt", "e")
    ).network.eval()
    clean, noisy = held[0]
    with torch.no_grad():
        # The network takes multiples of 4: of 34x50 pixels, 32x48 are looked at.
        error = (made(noisy[..., :32, :48]).clamp(0, 1) - clean[..., :32, :48]).double().square().mean()
    assert only["psnr"] == pytest.approx(-10 * math.log10(float(error)), abs=1e-4)


def test_searches_that_cannot_be(stock, held, tmp_path, fitness, monkeypatch):
    monkeypatch.setattr(evolution, "TRIES", 10)
    with pytest.raises(BenchError, match="at most 10 parameters"):
        searched(stock, held, tmp_path, space=replace(SMALL, most_parameters=10))
    with pytest.raises(BenchError, match=r"sample 4.* expected 1 <= sample <= population"):
        searched(stock, held, tmp_path, sample=4)
    searched(stock, held, tmp_path, generations=0)
    with pytest.raises(BenchError, match="of a search with another steps; delete it"):
        searched(stock, held, tmp_path, steps=2)
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(BenchError, match=r"record .*s\.json cannot be read"):
        searched(stock, held, tmp_path)


def test_the_residual_candidate_is_mwresnet_and_the_dense_one_keeps_all_maps():
    ours, theirs = SearchedNet(3, "residual", 4, (8, 12, 16)), MWResNet(3, (8, 12, 16), 4)
    ours.load_state_dict(theirs.state_dict())
    noisy = torch.rand(1, 3, 16, 24)
    assert torch.equal(ours(noisy), theirs(noisy))
    # Width 8, growth 4: 3x3 convolutions of 8, 12 and 16 maps, and 1x1 of 20, all with biases.
    dense = sum(value.numel() for value in ResidualDenseBlock(8, 4, 3).parameters())
    assert dense == 9 * 4 * (8 + 12 + 16) + 3 * 4 + 20 * 8 + 8
    with pytest.raises(ValueError, match="block 'deep'; expected one of residual, dense, attention"):
        SearchedNet(1, "deep", 1, (4, 4))


def test_the_best_is_the_earliest_of_equals():
    assert best_of([{"n": i, "psnr": p} for i, p in enumerate((1.0, 3.0, 3.0, 2.0))])["n"] == 1
