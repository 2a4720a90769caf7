import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import methods
from bench.cli.app import app
from bench.common.errors import BenchError
from bench.train.overrides import recipe_for
from bench.train.recipe import load_recipe
from bench.train.search import evolution, report
from bench.train.search.searcher import requested_search, search_and_store
from bench.train.trainer import train_and_store
from methods.networks.searched import BLOCKS, SearchedNet
from methods.trained_here import trained

GENES = {"block": "dense", "blocks": 2, "features": [2, 4]}


@pytest.fixture
def crops(tmp_path):
    """Return a folder of two gray crops of a photograph."""
    folder = tmp_path / "crops"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(data.camera()[100 * i : 100 * i + 41, 200:250]).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def fitness(monkeypatch):
    """Let no candidate be trained: the fitness is a function of its genes."""

    def score(genes, *_):
        return 30 + sum(genes["features"]) + genes["blocks"] / 10 + BLOCKS.index(genes["block"]) / 100

    monkeypatch.setattr(evolution, "_fitness", score)


TINY = "steps=1 population=2 sample=1 generations=1 features=[2,4] blocks=[1,2] levels=2 patch=16 batch=2 held_out=1"


def words(crops, out, *more):
    base = ["--data", str(crops), "--noise", "25", "--set", TINY, "--jobs", "1", "--device", "cpu"]
    return ["search", *base, "--out", str(out), *more]


def test_a_person_searches_trains_the_best_and_measures_it(crops, tmp_path, reported):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, words(crops, out, "--name", "tiny", "--seed", "5"), catch_exceptions=False)
    assert result.exit_code == 0
    record = json.loads((out / "search/tiny.json").read_text())
    assert record["setting"]["seed"] == 5
    assert len(record["candidates"]) == 4
    for candidate in record["candidates"]:
        (line,) = [one for one in result.output.splitlines() if one.startswith(f"{candidate['number']:3d} of 4")]
        counted = sum(value.numel() for value in SearchedNet(1, **candidate["genes"]).parameters())
        assert f" {counted:,d} parameters" in line
        assert f" {candidate['psnr']:.2f} dB" in line
        assert ("drawn" in line) == (candidate["parent"] is None)
    best = record["best"]
    assert f"best: {best['number']:3d} of 4" in result.output
    assert Image.open(out / "search/tiny.png").size[0] > 1000
    (part,) = reported(out, "search").parts
    assert [row[0] for row in part.tables[0].rows if row[-1] == "best"] == [str(best["number"])]
    # The recipe of the best trains in the four stages of MWRCANet, and METHOD finds the weights.
    short = recipe_for(str(out / "search/tiny.toml"), "", "", "steps=2", "")
    assert (short.weights_name, short.programme) == ("searched@own-tiny", "mwrcanet")
    assert short.arguments == {"channels": 1, **best["genes"]}
    list(train_and_store(short, out, to=tmp_path / "weights", device="cpu", threads=1))
    known = {method.name: method for method in trained(methods.available(), tmp_path / "weights")}
    (net,) = known["searched@own-tiny"].nets
    network = known["searched@own-tiny"].load(net, Path(net.weights.local), {})
    assert net.parameters == best["parameters"] == sum(value.numel() for value in network.parameters())


def test_the_chart_numbers_each_network_and_shows_the_noisy_images():
    genes = [{"block": block, "blocks": 1, "features": [2, 4]} for block in ("dense", "residual", "dense")]
    candidates = [
        {"number": i, "parent": parent, "genes": one, "parameters": 900 - i % 2, "psnr": psnr}
        for i, (parent, one, psnr) in enumerate(zip([None, 0, 1], genes, [30.0, 30.5, 30.0], strict=True))
    ]
    (axes,) = report._chart(candidates, 30.7, "here").axes
    assert sorted(text.get_text() for text in axes.texts) == ["0", "1"]  # the third is the first again
    assert "2 networks among 3 candidates" in axes.get_title("left")
    assert "best, 1: residual, 1 a level, 2-4 channels; noisy images: 30.70 dB" in axes.get_title("left")
    (noisy,) = [one for one in axes.lines if one.get_label() == "noisy images"]  # above all of them, too
    assert list(noisy.get_ydata()) == [30.7, 30.7]
    (far,) = report._chart(candidates, 35.0, "here").axes
    assert not [one for one in far.lines if one.get_label() == "noisy images"]  # would press the others together
    assert "noisy images: 35.00 dB" in far.get_title("left")


def test_a_search_within_a_budget_goes_on(crops, tmp_path, fitness):
    base, plan = requested_search("search-siamese", str(crops), "25", TINY, "")
    whole = tmp_path / "whole"
    list(search_and_store(base, plan, whole, device="cpu", threads=1))
    seen = []
    for sitting in range(1, 5):
        said = list(
            search_and_store(base, plan, tmp_path, device="cpu", threads=1, budget=1e-9, report_line=seen.append)
        )
        assert [line for line in said if line.startswith("stopped after")] == (
            [f"stopped after {sitting} of 4 candidates; the same command goes on"] if sitting < 4 else []
        )
    assert [int(line.split()[0]) for line in seen] == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]  # those of before are told first
    (record,) = (tmp_path / "search").glob("*.json")
    assert record.read_text() == (whole / "search" / record.name).read_text()


def test_the_table_has_a_row_a_candidate(crops, tmp_path, fitness):
    base, plan = requested_search("search-siamese", str(crops), "25", TINY, "", 2)
    list(search_and_store(base, plan, tmp_path, name="t", device="cpu", threads=1))
    rows = list(csv.DictReader((tmp_path / "search/t.csv").open()))
    candidates = json.loads((tmp_path / "search/t.json").read_text())["candidates"]
    for row, candidate in zip(rows, candidates, strict=True):
        assert [row["block"], row["blocks"]] == [candidate["genes"]["block"], str(candidate["genes"]["blocks"])]
        assert row["features"] == "-".join(map(str, candidate["genes"]["features"]))
        assert float(row["psnr"]) == pytest.approx(candidate["psnr"], abs=1e-4)
    top = max(float(row["psnr"]) for row in rows)
    assert [row["best"] for row in rows].count("1") == 1
    assert next(float(row["psnr"]) for row in rows if row["best"] == "1") == top


def test_words_of_change_are_the_searchs_or_the_trainings():
    base, plan = requested_search(
        "mwrcanet-small", "", "", "block=dense,features=[4,8],most_macs=2e9,steps=9,batch=3", ""
    )
    assert (plan.space.block, plan.space.features, plan.space.most_macs) == (("dense",), (4, 8), 2e9)
    assert plan.space.blocks == (1, 2, 3, 4)  # of search-siamese, since mwrcanet-small says nothing
    # Steps are a candidate's: the found net is trained as long as the recipe says.
    assert (plan.steps, base.steps, base.batch) == (9, load_recipe("mwrcanet-small").steps, 3)
    assert (base.weights_name, plan.seed, plan.candidates) == ("mwrcanet@own-found", 0, 8 * (1 + 3))
    assert requested_search("mwrcanet-small", "", "", "seed=4", "", 7)[1].seed == 7


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("search-siamese", "popluation=3", "unknown word in CHANGE: 'popluation': did you mean population"),
        ("search-siamese", "features=a", r"options.search.features is 'a'; expected a whole number, as 8"),
        ("search-siamese", "steps=1.5", r"options.search.steps is 1.5; expected a whole number, as 200"),
        ("search-siamese", "block=deep", "unknown block 'deep'"),
        ("search-siamese", "blocks=0", "blocks is .0,.; expected numbers from 1 up"),
        ("search-siamese", "patch=36", "patch is 36; 3 levels take multiples of 8"),
        ("search-siamese", "sample=9", "expected 1 <= sample <= population"),
        ("mwrcanet-raw-small", "", "takes other images or networks; search with another recipe"),
        ("nothing.toml", "", "recipe nothing.toml: cannot be read"),
    ],
)
def test_searches_that_cannot_be(method, change, message):
    with pytest.raises(BenchError, match=message):
        requested_search(method, "", "", change, "")


def test_a_search_among_other_candidates_is_another_one(crops, tmp_path, fitness):
    for seed in (1, 2):
        base, plan = requested_search("search-siamese", str(crops), "25", TINY, "", seed)
        if seed == 1:
            list(search_and_store(base, plan, tmp_path, name="t", device="cpu", threads=1))
            continue
        with pytest.raises(BenchError, match="of a search with another seed; delete it, or give NAME=another"):
            list(search_and_store(base, plan, tmp_path, name="t", device="cpu", threads=1))
    record = tmp_path / "search/t.json"
    for wrong in (record.read_text().replace('"checksum"', '"comment"'), "[" * 100_000, "[]"):
        record.write_text(wrong)
        with pytest.raises(BenchError, match=r"record .*t\.json cannot be read .*; delete it"):
            list(search_and_store(base, plan, tmp_path, name="t", device="cpu", threads=1))


def test_a_line_says_what_was_changed():
    first = {"number": 0, "parent": None, "genes": GENES, "parameters": 1234, "macs_per_megapixel": 5.6e9, "psnr": 30.0}
    wider = {**first, "number": 1, "parent": 0, "genes": {**GENES, "features": [2, 8]}}
    back = {**first, "number": 2, "parent": 1, "genes": GENES}
    assert report.line(first, 9, []).split("  ")[-1] == "drawn"
    assert report.line(wider, 9, [first]).endswith(
        "1,234 parameters    5.60 GMAC/MP  30.00 dB  of 0, level 2: 4 -> 8 channels"
    )
    assert report.line(back, 9, [first, wider]).endswith("of 1, level 2: 8 -> 4 channels (is 0 again)")


def test_a_found_recipe_is_read_as_it_was_written(tmp_path):
    base = replace(load_recipe("search-siamese"), schedule=((0.5, 0.1),), title='A "title" \\ é', cosine=False)
    path = report.write_recipe(replace(base, name="x"), tmp_path / "x.toml", ["remark"])
    assert path.read_text().startswith("# remark\n")
    again = load_recipe(str(path))
    assert again == replace(base, name="x", arguments=again.arguments, options=again.options)
    assert json.dumps(again.arguments) == json.dumps(base.arguments)
    assert json.dumps(again.options) == json.dumps(base.options)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_method_builds_what_a_file_holds(block, tmp_path):
    torch.manual_seed(0)
    network = SearchedNet(3, block, 3, (2, 4, 6)).eval()
    torch.save(network.state_dict(), tmp_path / "net.pth")
    method = methods.available()["searched"]
    loaded = method.load(method.nets[1], tmp_path / "net.pth", {})
    noisy = torch.rand(1, 3, 16, 24)
    assert torch.equal(loaded(noisy), network(noisy))
    with pytest.raises(ValueError, match="gray"):
        method.load(method.nets[0], tmp_path / "net.pth", {})


def test_files_that_hold_no_searched_net(tmp_path):
    method = methods.available()["searched"]
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="not a searched net: it has no tensor"):
        method.load(method.nets[0], tmp_path / "a.pth", {})
    names = ("core.contract.0.0.weight", "core.bottom.0.weight")
    torch.save({name: torch.from_numpy(np.zeros((4, 4, 3, 3), np.float32)) for name in names}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match="its first level has no block; expected a state dict of SearchedNet"):
        method.load(method.nets[0], tmp_path / "b.pth", {})
