"""Studies that run networks take DEVICE: on a pretended CUDA device they find what they find on the CPU."""

import csv

import pytest
import torch
from typer.testing import CliRunner

from bench.cli.app import app
from bench.common import provenance
from bench.studies.conform.pretended_cuda import pretended_cuda
from bench.studies.explain.explanation import explain, rows
from bench.studies.segment.evaluation import segmented


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(provenance, "cores", lambda: 1)


def written(out, pattern):
    """Return the rows of the tables that a study wrote."""
    return [row for path in sorted(out.glob(pattern)) for row in csv.DictReader(path.open())]


def on(device, folder, *words):
    with pretended_cuda():
        done = CliRunner().invoke(app, [*words, "--device", device, "--out", str(folder / device)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return folder / device


def test_the_score_without_a_reference_is_that_of_the_cpu(photographs, tiny_net, tmp_path):
    where = ("--data", str(photographs), "--noise", "25", "--images", "1")
    words = ("selfscore", "--method", "dncnn", "--weights", str(tiny_net), *where)
    found = [written(on(device, tmp_path, *words), "selfscore/*.csv") for device in ("cuda", "cpu")]
    assert found[0] == found[1] != []


def test_filters_are_those_of_the_cpu(one_cell, photographs, tiny_net):
    cell = one_cell("dncnn", photographs, weights=str(tiny_net))
    expected = rows(explain(cell, "", ((12, 12), (20, 30)), "cpu"))
    with pretended_cuda():
        assert rows(explain(cell, "", ((12, 12), (20, 30)), "cuda:0")) == expected


def test_a_file_is_compared_with_the_network_on_the_device(photographs, tiny_net, tmp_path):
    words = ("export", "--method", "dncnn", "--weights", str(tiny_net), "--data", str(photographs), "--noise", "25")
    assert list((on("cuda", tmp_path, *words) / "export").glob("*.onnx"))


def test_a_segmentation_network_classes_pixels_on_the_device(gray):
    from methods.networks.segmentation import CompactUNet

    torch.manual_seed(0)
    network = CompactUNet(3, features=2, levels=2).eval()
    image = gray[:30, :37].astype("float32") / 255
    expected = segmented(network, image)
    with pretended_cuda():
        found = segmented(network.to("cuda"), image, "cuda")
        assert found.device.type == "cpu"
    assert torch.equal(found, expected)
