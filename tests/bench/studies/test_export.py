import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from bench.cli.app import app
from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.plan.request import Request
from bench.studies.export import files
from bench.studies.export import study as export_module
from bench.studies.export.study import build, export
from methods.description import listed
from methods.networks.dncnn import DnCNN, FDnCNN

ROOT = Path(__file__).resolve().parents[3]


def randomised(network):
    torch.manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.copy_(torch.randn_like(tensor) * 0.1)
    return network.eval()


def test_a_network_that_returns_the_noise_is_exported_as_one_that_returns_the_image(
    tmp_path, photographs, noise_predictor, one_cell
):
    line = export(one_cell(str(noise_predictor), photographs), "onnx", tmp_path / "net.onnx")
    assert "; the network returns the noise; subtracted" in line
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    noisy = torch.rand(1, 1, 21, 34)
    (got,) = session.run(None, {"noisy": noisy.numpy()})
    expected = nn.functional.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(torch.from_numpy(got), expected, atol=1e-6, rtol=0)


@pytest.fixture
def blind(tmp_path):
    path = tmp_path / "blind.pth"
    torch.save(randomised(DnCNN(5, 1, 8)).state_dict(), path)
    return str(path)


@pytest.fixture
def flexible(tmp_path):
    path = tmp_path / "flexible.pth"
    torch.save(randomised(FDnCNN(4, 1, 8)).state_dict(), path)
    return str(path)


def said(path):
    return {p.key: p.value for p in onnx.load(str(path)).metadata_props}


def test_a_file_gives_what_the_network_gives_at_any_size(tmp_path, photographs, blind, one_cell):
    path = tmp_path / "net.onnx"
    line = export(one_cell("dncnn", photographs, weights=blind), "onnx", path)
    assert line.startswith(f"{path}: differs by at most ")
    assert float(line.split("at most ")[1].split()[0]) <= 1e-4
    assert "(48x64, 71x101, 98x67)" in line
    session = onnxruntime.InferenceSession(str(path))
    network = randomised(DnCNN(5, 1, 8))
    for height, width in ((48, 64), (33, 47), (20, 90)):
        noisy = torch.rand(1, 1, height, width)
        with torch.no_grad():
            got = session.run(None, {"noisy": noisy.numpy()})[0]
            torch.testing.assert_close(torch.from_numpy(got), network(noisy), atol=1e-4, rtol=0)
    model = onnx.load(str(path))
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [17]
    assert [p for p in tmp_path.iterdir() if ".part" in p.name] == []


def test_the_file_runs_as_a_method(tmp_path, photographs, blind, one_cell):
    cell = one_cell("dncnn", photographs, weights=blind)
    path = tmp_path / "net.onnx"
    export(cell, "onnx", path)
    again = one_cell(str(path), photographs)
    assert (again.net.colour, again.net.given_sigma, again.net.padding) == ("gray", False, "reflect")
    assert again.net.label == "dncnn (blind.pth) (ONNX)"
    denoise = again.method.load(again.net, None, {})
    noisy = torch.rand(1, 1, 30, 41)
    with torch.no_grad():
        torch.testing.assert_close(denoise(noisy, 0.1), randomised(DnCNN(5, 1, 8))(noisy), atol=1e-4, rtol=0)


def test_what_a_published_net_says_of_itself(published_files, tmp_path, photographs, one_cell):
    path = tmp_path / "net.onnx"
    export(one_cell("dncnn", photographs, "25"), "onnx", path)
    about = said(path)
    assert about.pop("label") == "DnCNN-S (ONNX)"
    source = about.pop("source")
    weights = listed()["dncnn/cszn/specifics/sigma=25.mat"]
    for part in ("dncnn-s-25", weights.sha256, weights.licence, "arxiv.org/abs/1608.03981"):
        assert part in source
    assert about == {
        "colour": "gray", "trained": "25-25", "receptive_field": "35", "size_multiple": "1", "padding": "reflect",
        "sigma": "blind",
    }  # fmt: skip
    again = one_cell(str(path), photographs).net
    assert (again.trained, again.receptive_field) == ((25, 25), 35)


def test_sigma_is_an_input_of_nets_that_are_told(tmp_path, photographs, flexible, one_cell):
    path = tmp_path / "net.onnx"
    export(one_cell("fdncnn", photographs, weights=flexible), "onnx", path)
    assert said(path)["sigma"] == "input"
    assert one_cell(str(path), photographs).net.given_sigma
    session = onnxruntime.InferenceSession(str(path))
    assert [entry.name for entry in session.get_inputs()] == ["noisy", "sigma"]
    noisy, network = torch.rand(1, 1, 21, 34), randomised(FDnCNN(4, 1, 8))
    outputs = []
    for sigma in (0.02, 0.3):
        got = session.run(None, {"noisy": noisy.numpy(), "sigma": np.array(sigma, np.float32)})[0]
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(got), network(noisy, sigma), atol=1e-4, rtol=0)
        outputs.append(got)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3


class Scaled(nn.Module):
    def forward(self, noisy, sigma):
        return noisy * (1 - float(sigma))  # float() is a constant to whoever traces this


def test_sigma_that_cannot_be_an_input_is_fixed(tmp_path, photographs, flexible, one_cell, monkeypatch):
    monkeypatch.setattr(export_module, "load", lambda cell, noisy: (Scaled(), 1, 1, []))
    path = tmp_path / "net.onnx"
    line = export(one_cell("fdncnn", photographs, "51", weights=flexible), "onnx", path)
    assert "sigma is fixed at 51, since it cannot be an input" in line
    assert said(path)["sigma"] == "51"
    noisy = torch.rand(1, 1, 8, 9)
    got = onnxruntime.InferenceSession(str(path)).run(None, {"noisy": noisy.numpy()})[0]
    np.testing.assert_allclose(got, 0.8 * noisy.numpy(), rtol=1e-6)
    assert one_cell(str(path), photographs).net.trained == (51, 51)


class Ramp(nn.Module):
    def forward(self, noisy, sigma=None):
        return noisy + torch.linspace(0, 1, int(noisy.shape[-1]))


class Blocks(nn.Module):
    """Mean of blocks of 4x4 pixels: sizes must be multiples."""

    def forward(self, noisy, sigma=None):
        return nn.functional.interpolate(nn.functional.avg_pool2d(noisy, 4), scale_factor=4.0, mode="nearest")


def test_sizes_are_tried_in_multiples(tmp_path, photographs, blind, one_cell, monkeypatch):
    monkeypatch.setattr(export_module, "load", lambda cell, noisy: (Blocks(), 7, 4, []))
    path = tmp_path / "net.onnx"
    assert "(48x64, 72x104, 100x68)" in export(one_cell("dncnn", photographs, weights=blind), "onnx", path)
    assert (said(path)["size_multiple"], said(path)["receptive_field"]) == ("4", "7")


@pytest.mark.parametrize("case", ["another output", "one size only"])
def test_a_file_that_differs_is_refused(tmp_path, photographs, blind, monkeypatch, case):
    if case == "one size only":
        monkeypatch.setattr(export_module, "load", lambda cell, noisy: (Ramp(), 1, 1, []))
    else:
        write = export_module.write_onnx

        def wrong(*words, **more):
            run = write(*words, **more)
            return lambda image, sigma: run(image, sigma) + np.float32(2e-4)

        monkeypatch.setattr(export_module, "write_onnx", wrong)
    (failure,) = build(Request("dncnn", str(photographs), "25", weights=blind), "onnx", "", tmp_path)
    assert isinstance(failure, Failure)
    assert "the onnx file differs from the network by" in failure.cause
    assert "more than 0.0001; nothing was written to" in failure.cause
    assert list((tmp_path / "export").iterdir()) == []


def test_half_precision(tmp_path, photographs, blind):
    request = Request("dncnn", str(photographs), "25", weights=blind, precision="fp16")
    (line,) = build(request, "onnx", "", tmp_path)
    path = Path(line.split(":")[0])
    assert path.name.endswith("-sigma25-fp16.onnx")
    kinds = {tensor.data_type for tensor in onnx.load(str(path)).graph.initializer if len(tensor.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert 1e-6 < float(line.split("at most ")[1].split()[0]) < 1 / 255


def test_files_of_one_name_become_two(tmp_path, photographs, method_file):
    for factor in (0.5, 0.9):
        body = "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, noisy, sigma=None):\n"
        method = method_file(f"{body}        return noisy * {factor}\n\ndenoise = Net()\n", "model")
        (line,) = build(Request(str(method), str(photographs), "25"), "onnx", "", tmp_path)
        assert "differs by at most" in line
    assert len(list((tmp_path / "export").glob("model.py-sigma25-*.onnx"))) == 2


def test_names(tmp_path, photographs, blind):
    request = Request("dncnn", str(photographs), "15,50", weights=blind)
    names = sorted(line.split(": ")[0] for line in build(request, "onnx", "", tmp_path))
    assert [Path(name).name.split("-", 1)[1] for name in names] == ["sigma15.onnx", "sigma50.onnx"]
    with pytest.raises(BenchError, match="2 networks cannot go into one file; give a folder"):
        list(build(request, "onnx", str(tmp_path / "a.onnx"), tmp_path))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--format", "saved_model"), "FORMAT=saved_model: not written here; write FORMAT=onnx and convert that file"),
        (("--format", "onx"), "unknown format 'onx': did you mean onnx"),
        (("--format", "tflite", "--to", "a.onnx"), "FORMAT=tflite writes files that end in .tflite"),
        (("--format", "tflite", "--precision", "fp16"), "PRECISION=fp16: expected fp32, or fp16 with FORMAT=onnx"),
        (("--precision", "bf16"), "PRECISION=bf16: expected fp32"),
        (("--method", "nlm"), "is no network in PyTorch"),
    ],
)
def test_mistakes_are_one_line(tmp_path, photographs, words, line):
    done = CliRunner().invoke(app, ["export", "--data", str(photographs), "--out", str(tmp_path), *words])
    assert done.exit_code != 0
    told = done.stderr or str(done.exception)
    assert line in told
    assert len(told.strip().splitlines()) == 1


def test_tflite_without_its_converter(tmp_path, photographs, blind, monkeypatch):
    monkeypatch.setattr(files, "_CONVERTERS", ("no_such_converter",))
    (failure,) = build(Request("dncnn", str(photographs), "25", weights=blind), "tflite", "", tmp_path)
    assert isinstance(failure, Failure)
    assert failure.cause.startswith("FORMAT=tflite needs the package litert-torch (pip install litert-torch)")


@pytest.mark.parametrize("error", [0.0, 2e-4])
def test_tflite_with_a_converter(tmp_path, photographs, blind, monkeypatch, error):
    """What surrounds the converter; the converter itself is a package of its own."""

    class Model:
        def __init__(self, network, example):
            Interpreter.network, Interpreter.shape = network, example[0].shape

        def export(self, path):
            Path(path).write_bytes(b"TFL3")

    class Interpreter:
        def __init__(self, model_path):
            assert Path(model_path).read_bytes() == b"TFL3"

        def allocate_tensors(self):
            pass

        def get_input_details(self):
            return [{"index": 0}]

        get_output_details = get_input_details

        def set_tensor(self, index, array):
            assert array.shape == self.shape == (1, 1, 256, 256)
            self.array = torch.from_numpy(array)

        def invoke(self):
            with torch.no_grad():
                self.array = self.network(self.array) + error

        def get_tensor(self, index):
            return self.array.numpy()

    for name, part in (
        ("litert_torch", {"convert": Model}),
        ("ai_edge_litert", {}),
        ("ai_edge_litert.interpreter", {"Interpreter": Interpreter}),
    ):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(part)
        monkeypatch.setitem(sys.modules, name, module)
    path = tmp_path / "net.tflite"
    (result,) = build(Request("dncnn", str(photographs), "25", weights=blind), "tflite", str(path), tmp_path)
    if error:
        assert isinstance(result, Failure)
        assert "the tflite file differs from the network by 0.0002" in result.cause
        assert not path.exists()
    else:
        assert result.endswith(
            f"runs as METHOD='{path}:receptive_field=11,size_multiple=1,padding=reflect,sigma=blind'"
        )
        about = json.loads(path.with_suffix(".json").read_text())
        assert (about["colour"], about["sigma"]) == ("gray", "blind")


def test_colour_is_that_of_the_images(tmp_path, one_cell):
    folder = tmp_path / "colour"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    weights = tmp_path / "rgb.pth"
    torch.save(randomised(DnCNN(4, 3, 8)).state_dict(), weights)
    path = tmp_path / "net.onnx"
    export(one_cell("dncnn", folder, weights=str(weights)), "onnx", path)
    assert said(path)["colour"] == "rgb"
    assert one_cell(str(path), folder).net.colour == "rgb"
