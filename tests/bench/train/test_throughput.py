import numpy as np
import pytest
import torch
from skimage import data

from bench.cli import app
from bench.common.errors import BenchError
from bench.degradation import parse
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.recipe import load_recipe
from bench.train.throughput import _patches, compare_with_plain_loop


def test_speed_of_training_from_the_command_line(crops, tmp_path, monkeypatch, capsys):
    from bench.train import throughput

    original = throughput.measure
    monkeypatch.setattr(throughput, "measure", lambda *words, **more: original(*words, seconds=0.2, **more))
    table = tmp_path / "study.csv"
    words = ["speed", "--what", "train", "--method", "dncnn-small", "--data", str(crops["gray"]), "--table", str(table)]
    assert app.main(words) == 0
    assert "against a plain loop" in capsys.readouterr().out
    header, row = table.read_text().splitlines()
    assert header == "what,measured,reference,ratio,remark"
    assert "DataLoader with 0 workers, fp32" in row
    assert app.main(["speed", "--what", "trian"]) == 2
    assert "unknown WHAT 'trian': did you mean train?" in capsys.readouterr().err


def test_the_plain_loop_with_workers(monkeypatch):
    import bench.train.throughput as module

    small = recipe_for("dncnn-small", "", "", "batch=2,patch=16,depth=3,features=4", "")
    row = compare_with_plain_loop(small, 0.2, [data.camera()[:80, :80, None]], device="cpu", workers=1)
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
        assert compare_with_plain_loop(small, 0.1, [])["ratio"] == 1.0
        assert asked_for == [workers]


def test_speed_refuses_what_no_plain_loop_does():
    for name in ("dae", "msbf-resnet"):
        with pytest.raises(BenchError, match=f"recipe {name} trains in a way that no plain loop follows"):
            compare_with_plain_loop(load_recipe(name), 0.1, [], device="cpu")


def test_speed_against_a_plain_loop():
    small = recipe_for("dncnn-small", "", "", "batch=2,patch=16,depth=3,features=4", "")
    row = compare_with_plain_loop(small, 0.3, [data.camera()[:80, :80, None]], device="cpu")
    assert row["ratio"] == pytest.approx(row["measured"] / row["reference"])
    ours, plain = (1 / row[word] for word in ("measured", "reference"))
    assert row["remark"].startswith(f"{ours:.0f} against {plain:.0f} patches/s ({ours / plain:.2f} times) on cpu")


def test_both_loops_draw_the_same_noise():
    image = np.full((40, 40, 1), 128, np.uint8)
    found = load_recipe("dncnn-s")
    stream = iter(_patches(found, [image]))
    plain = torch.stack([noisy - clean for clean, noisy in (next(stream) for _ in range(200))])
    clean, noisy = draw_batch(on_device([image], 40, "cpu"), 200, parse(found.noise), (0, 0), augment=True)
    for noise in (plain, noisy - clean):
        assert float(noise.std()) == pytest.approx(25 / 255, rel=0.01)
