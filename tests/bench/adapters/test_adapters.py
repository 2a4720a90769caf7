import itertools
import pickle
import sys
import time
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from bench.adapters import image_files, method_of
from bench.adapters.windows import in_windows
from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings

CPU = Settings(device="cpu", jobs=1)


def causes(**words) -> list[str]:
    found = [failure.cause for failure in plan(Request(**words))[1]]
    assert all("\n" not in cause for cause in found)
    return found


def loaded(word: str, colour: str = "gray", weights: str = ""):
    """Return what runs, and the net; after a journey through pickle, as to a worker."""
    method, given = method_of(word, weights)
    method = pickle.loads(pickle.dumps(method))
    net = next(net for net in method.nets if net.colour in (colour, "any"))
    path = Path(net.weights.local) if net.weights else None
    return method.load(net, path, {**method.options, **given}), net


def code(word: str) -> str:
    return method_of(word)[0].load.code


def image(height=20, width=31, channels=1, batch=2):
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2


# Python files


def test_keywords_of_the_function_are_options(method_file, one_cell, photographs):
    path = method_file("def denoise(noisy, sigma, strength=2.0, *, sign=True):\n    return noisy * strength\n")
    assert torch.equal(loaded(str(path))[0](image(), 0.1), image() * 2)
    run, _ = loaded(f"{path}:strength=0.5")
    assert torch.equal(run(image(), 0.1), image() * 0.5)
    cell = one_cell(f"{path}:strength=0.5", photographs)
    assert cell.label == "mine strength=0.5"
    assert cell.key != one_cell(str(path), photographs).key
    assert causes(method=f"{path}:size=3") == ["method mine has no option 'size'; it has strength, sign"]
    with pytest.raises(ValueError, match="strength=much; expected a number"):
        loaded(f"{path}:strength=much")


def test_modules_and_files_beside_a_method_count(method_file, tmp_path):
    path = method_file(
        "FILES = 'net.bin'\nfrom helper import half\ndef denoise(noisy, sigma):\n    return half(noisy)\n"
    )
    assert "no such file" in causes(method=str(path))[0]
    (tmp_path / "net.bin").write_bytes(b"1")
    (tmp_path / "helper.py").write_text("def half(x):\n    return x / 2\n")
    seen = {code(str(path))}
    assert torch.equal(loaded(str(path))[0](image(), 0.1), image() / 2)
    (tmp_path / "helper.py").write_text("def half(x):\n    return x / 4 * 2 - x * 0\n")
    seen.add(code(str(path)))
    (tmp_path / "net.bin").write_bytes(b"2")
    seen.add(code(str(path)))
    assert len(seen) == 3
    (tmp_path / "helper.py").write_text("# no change\ndef half(x):\n    return x / 4 * 2 - x * 0\n")
    assert code(str(path)) in seen


@pytest.mark.parametrize(("head", "encoding"), [("", "utf-8-sig"), ("# coding: latin-1\n", "latin-1")])
def test_a_file_is_read_in_the_encoding_that_python_reads_it_in(method_file, head, encoding):
    path = method_file("")
    path.write_text(f"{head}LABEL = 'Débruité'\ndef denoise(noisy, sigma):\n    return noisy / 2\n", encoding=encoding)
    run, net = loaded(str(path))
    assert net.label == "Débruité"
    assert torch.equal(run(image(), 0.1), image() / 2)


def test_two_folders_may_have_modules_of_one_name(tmp_path):
    for name, factor in (("a", 2), ("b", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "factors.py").write_text(f"FACTOR = {factor}\n")
        (tmp_path / name / "mine.py").write_text(
            "from factors import FACTOR\ndef denoise(noisy, sigma):\n    return FACTOR * noisy\n"
        )
    first, second = (loaded(str(tmp_path / name / "mine.py"))[0] for name in "ab")
    assert torch.equal(second(image(), 0.1), 3 * image())
    assert torch.equal(first(image(), 0.1), 2 * image())


def test_a_network_and_what_it_says(method_file):
    body = "BLIND = True\nSIZE_MULTIPLE = 4\nPADDING = 'zero'\nRECEPTIVE_FIELD = 3\nTRAINED = '25'\n"
    path = method_file(f"from torch import nn\n{body}denoise = nn.Identity()\n")
    run, net = loaded(str(path))
    assert isinstance(run, torch.nn.Module)
    assert (net.given_sigma, net.size_multiple, net.padding, net.receptive_field) == (False, 4, "zero", 3)
    assert net.trained == (25, 25)
    bad = method_file("SIZE_MULTIPLE = 0\ndef denoise(noisy, sigma):\n    return noisy\n")
    assert "SIZE_MULTIPLE is 0; expected a whole number of pixels from 1 up" in causes(method=str(bad))[0]


def test_a_file_that_changes_while_cells_wait(method_file):
    path = method_file("def denoise(noisy, sigma):\n    return noisy\n")
    method, _ = method_of(str(path))
    path.write_text("def denoise(noisy, sigma):\n    return noisy / 2\n")
    with pytest.raises(BenchError, match="has changed since the benchmark began"):
        method.load(method.nets[0], None, {})


# ONNX


@pytest.fixture
def onnx_file(tmp_path):
    """Return a function that writes a model of a few nodes."""
    import onnx
    from onnx import helper as h

    count = itertools.count()

    def write(nodes, shape, name="", sigma=None, dtype=1, tensors=(), metadata=None, out=None):
        inputs = [h.make_tensor_value_info("noisy", dtype, shape)]
        if sigma is not None:
            inputs.insert(0, h.make_tensor_value_info("sigma", dtype, sigma))
        outputs = [h.make_tensor_value_info("out", dtype, shape if out is None else out)]
        graph = h.make_graph([h.make_node(*node[:3], **(node[3] if node[3:] else {})) for node in nodes],
                             "net", inputs, outputs, list(tensors))  # fmt: skip
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
        for key, value in (metadata or {}).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        path = tmp_path / f"{name or f'model{next(count)}'}.onnx"
        onnx.save(model, path)
        return str(path)

    return write


MINUS_SIGMA = [("Sub", ["noisy", "sigma"], ["out"])]
TWICE = [("Add", ["noisy", "noisy"], ["out"])]


@pytest.mark.parametrize(
    ("shape", "colour"),
    [
        ([1, 1, None, None], "gray"),
        (["N", 3, "H", "W"], "rgb"),
        (["N", "C", "H", "W"], "any"),
        (["N", "H", "W", 3], "rgb"),
        ([1, "H", "W", 1], "gray"),
    ],
)
@pytest.mark.parametrize("size", [(20, 31), (1, 1), (7, 3)])
def test_colour_and_layout_of_an_onnx_model(onnx_file, shape, colour, size):
    run, net = loaded(onnx_file(TWICE, shape), colour)
    assert (net.colour, net.given_sigma) == (colour, False)
    noisy = image(*size, channels=3 if colour == "rgb" else 1)
    before = noisy.clone()
    torch.testing.assert_close(run(noisy, 0.1), 2 * noisy, rtol=0, atol=0)
    assert torch.equal(noisy, before)


@pytest.mark.parametrize("sigma", [[], [1], ["N"], [1, 1], [1, 1, 1, 1], ["N", 1, "H", "W"], ["N", 1, 1, 1]])
@pytest.mark.parametrize("dtype", [1, 11])
def test_a_second_input_is_the_noise_level(onnx_file, sigma, dtype):
    run, net = loaded(onnx_file(MINUS_SIGMA, ["N", 1, "H", "W"], sigma=sigma, dtype=dtype))
    assert net.given_sigma
    torch.testing.assert_close(run(image(), 0.25), image() - 0.25, rtol=0, atol=1e-6)


def test_the_noise_level_as_a_channel(onnx_file):
    """As FDnCNN and DRUNet are exported: RGB and a map in, RGB out."""
    from onnx import helper as h

    weight = np.eye(3, 4)[:, :, None, None] - np.eye(1, 4, 3)[:, :, None, None]  # each colour minus the map
    model = onnx_file(
        [("Conv", ["noisy", "w"], ["out"])], [1, 4, "H", "W"], out=[1, 3, "H", "W"],
        tensors=[h.make_tensor("w", 1, weight.shape, weight.astype(np.float32).ravel())],
    )  # fmt: skip
    run, net = loaded(model, "rgb")
    assert (net.colour, net.given_sigma) == ("rgb", True)
    torch.testing.assert_close(run(image(channels=3), 0.25), image(channels=3) - 0.25)


@pytest.mark.parametrize("size", [(12, 16), (13, 17), (40, 50), (5, 60), (1, 1)])
def test_a_model_of_fixed_size_sees_windows(onnx_file, size):
    """With windows that overlap by a receptive field's half, only the image's own border can differ."""
    from onnx import helper as h

    box = h.make_tensor("w", 1, (1, 1, 3, 3), np.full(9, 1 / 9, np.float32))
    conv = [("Conv", ["noisy", "w"], ["out"], {"pads": [1, 1, 1, 1]})]
    whole, _ = loaded(onnx_file(conv, [1, 1, "H", "W"], "whole", tensors=[box]))
    run, _ = loaded(onnx_file(conv, [1, 1, 12, 16], "fixed", tensors=[box]) + ":receptive_field=3")
    noisy = image(*size)
    inner = (..., slice(0, max(size[0] - 1, 0)), slice(0, max(size[1] - 1, 0)))
    out = run(noisy, 0.1)
    assert out.shape == noisy.shape
    torch.testing.assert_close(out[inner], whole(noisy, 0.1)[inner], rtol=0, atol=1e-6)
    if size[0] >= 12 and size[1] >= 16:
        torch.testing.assert_close(out, whole(noisy, 0.1), rtol=0, atol=1e-6)


def test_windows_cover_every_pixel_once_at_any_overlap():
    pixels = np.random.default_rng(0).random((3, 37, 23))
    for overlap in (None, 0, 1, 100):
        assert np.array_equal(in_windows(lambda part: part.copy(), pixels, 8, 5, overlap), pixels)


def test_what_an_onnx_model_says_of_itself(onnx_file):
    said = {"label": "Mine", "trained": "0-55", "receptive_field": "35", "size_multiple": "8", "padding": "replicate"}
    path = onnx_file(TWICE, [1, 1, "H", "W"], metadata=said | {"colour": "gray", "producer": "x", "sigma": "blind"})
    _, net = loaded(path)
    assert (net.label, net.trained, net.receptive_field, net.size_multiple, net.padding, net.colour) == (
        "Mine", (0, 55), 35, 8, "replicate", "gray",
    )  # fmt: skip
    assert loaded(f"{path}:label=Ours,size_multiple=4")[1].label == "Ours"
    assert code(path) != code(f"{path}:size_multiple=4")
    assert code(path) == code(f"{path}:label=Ours")
    fixed = onnx_file(TWICE, [1, 1, "H", "W"], "fixed", metadata={"sigma": "25"})
    assert loaded(fixed)[1].trained == (25, 25)


def test_white_of_a_model(onnx_file):
    path = onnx_file(MINUS_SIGMA, [1, 1, "H", "W"], sigma=[])
    minus_one = onnx_file([("Sub", ["noisy", "one"], ["out"])], [1, 1, "H", "W"], "b", tensors=[_scalar("one", 1)])
    torch.testing.assert_close(loaded(f"{path}:white=255")[0](image(), 0.1), image() - 0.1)
    torch.testing.assert_close(loaded(f"{minus_one}:white=255")[0](image(), 0.1), image() - 1 / 255)


def _scalar(name, value):
    from onnx import helper as h

    return h.make_tensor(name, 1, (), np.float32(value).tobytes(), raw=True)


def test_onnx_models_that_cannot_be_used(onnx_file, tmp_path, photographs):
    free = [1, 1, "H", "W"]
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "lfs.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    (tmp_path / "page.onnx").write_text("<!DOCTYPE html><html></html>")
    for word, cause in [
        (str(tmp_path / "none.onnx"), "no such file; expected an ONNX model"),
        (str(tmp_path / "text.onnx"), "is no ONNX model"),
        (str(tmp_path / "lfs.onnx"), "is a Git LFS pointer, not the file itself"),
        (str(tmp_path / "page.onnx"), "is an HTML page, not the file itself"),
        (onnx_file(TWICE, [1, 5, "H", "W"]), "takes images of 5 channels; expected 1"),
        (onnx_file(TWICE, [1, 1, 64, "W"]), "takes one fixed and one free length, (1, 1, 64, free)"),
        (onnx_file(TWICE, [1, 64, 64]), "takes an input of shape (1, 64, 64); expected a batch"),
        (onnx_file(TWICE, free, dtype=7), "its input noisy is not of float numbers"),
        (onnx_file(TWICE, free, metadata={"colour": "rgb"}), "says colour=rgb and takes gray images"),
        (onnx_file(TWICE, free, metadata={"sigma": "input"}), "says sigma=input and has no input"),
        (onnx_file(TWICE, free) + ":size=3", "has no option 'size'; it has label, colour"),
        (onnx_file(TWICE, free) + ":white=0", "white is '0'; expected a number above 0"),
        (onnx_file(TWICE, [1, 3, "H", "W"]), "has rgb nets only, and the images are gray"),
    ]:
        (found,) = causes(method=word, data=str(photographs))
        assert cause in found
    with pytest.raises(BenchError, match="takes no weights"):
        method_of(onnx_file(TWICE, free), onnx_file(TWICE, free, "other"))


def test_an_onnx_model_that_fails_says_what_may_help(onnx_file):
    halves = [("MaxPool", ["noisy"], ["half"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
              ("Resize", ["half", "", "scale"], ["large"]), ("Add", ["large", "noisy"], ["out"])]  # fmt: skip
    from onnx import helper as h

    path = onnx_file(halves, [1, 1, "H", "W"], tensors=[h.make_tensor("scale", 1, (4,), [1.0, 1.0, 2.0, 2.0])])
    run, _ = loaded(path)
    assert run(image(20, 30), 0.1).shape == (2, 1, 20, 30)
    with pytest.raises(BenchError, match=r"onnxruntime fails on an image of 1x1x21x30.*size_multiple=8"):
        run(image(21, 30), 0.1)


def test_external_data_stays_in_the_folder(onnx_file, tmp_path):
    import onnx

    path = onnx_file([("Add", ["noisy", "one"], ["out"])], [1, 1, "H", "W"], tensors=[_scalar("one", 1)])
    model = onnx.load(path)
    onnx.external_data_helper.convert_model_to_external_data(model, location="one.data", size_threshold=0)
    onnx.save(model, path)
    torch.testing.assert_close(loaded(path)[0](image(), 0.1), image() + 1)
    before = code(path)
    (tmp_path / "one.data").write_bytes(np.float32(2).tobytes())
    assert code(path) != before
    (tmp_path.parent / "outside.data").write_bytes(np.float32(2).tobytes())
    (tmp_path / "link.data").symlink_to(tmp_path.parent / "outside.data")
    for place in ("../outside.data", "/etc/hostname", "a/../../outside.data", "link.data"):
        model = onnx.load(path, load_external_data=False)
        model.graph.initializer[0].external_data[0].value = place
        (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
        assert "outside its folder; refused" in causes(method=str(tmp_path / "bad.onnx"))[0]


def test_an_onnx_model_in_the_harness(onnx_file, one_cell, photographs):
    path = onnx_file(MINUS_SIGMA, [1, 1, "H", "W"], sigma=[1], metadata={"size_multiple": "16"})
    record = run_cell(one_cell(path, photographs, "51"), CPU)
    noisy = run_cell(
        one_cell(onnx_file([("Identity", ["noisy"], ["out"])], [1, 1, "H", "W"], "same"), photographs, "51"), CPU
    )
    picture, plain = (np.frombuffer(r.images[0]["denoised"], np.uint8).astype(int) for r in (record, noisy))
    inside = (plain > 60) & (plain < 250)
    assert inside.any()
    assert np.abs(plain[inside] - 51 - picture[inside]).max() <= 1


# TensorFlow Lite: the interpreter is an optional package, here stood in for by one that subtracts sigma


class Interpreter:
    """The part of `ai_edge_litert.interpreter.Interpreter` that is used."""

    def __init__(self, model_path, num_threads):
        kind, signature, dtype = Path(model_path).read_text().split("|")
        if kind not in ("image", "sigma"):
            raise ValueError("Model provided has model identifier 'xxxx', should be 'TFL3'")
        signature = [int(n) for n in signature.split(",")]
        scale = (0.0, 0) if dtype == "float32" else (2 / 255, 64)
        self.details = [
            {"name": name, "index": i, "shape": np.array([max(n, 1) for n in signature]), "dtype": np.dtype(dtype).type,
             "shape_signature": np.array(signature), "quantization": scale}
            for i, name in enumerate(("serving_noisy:0", "out"))
        ]  # fmt: skip
        shape = np.array([1])
        level = {"name": "serving_sigma:0", "index": 2, "shape": shape, "dtype": np.float32,
                 "shape_signature": shape, "quantization": (0.0, 0)}  # fmt: skip
        self.level = [level] if kind == "sigma" else []
        self.tensors, self.sizes, self.ready = {}, {0: self.details[0]["shape"]}, False

    def get_input_details(self):
        return [*self.level, self.details[0]]

    def get_output_details(self):
        return [self.details[1]]

    def resize_tensor_input(self, index, shape):
        self.sizes[index], self.ready = np.array(shape), False

    def allocate_tensors(self):
        self.ready = True

    def set_tensor(self, index, array):
        if not self.ready or (index in self.sizes and list(array.shape) != list(self.sizes[index])):
            raise ValueError("Cannot set tensor: Dimension mismatch")
        self.tensors[index] = array.copy()

    def invoke(self):
        self.tensors[1] = self.tensors[0] - self.tensors.get(2, 0)

    def get_tensor(self, index):
        return self.tensors[index]


@pytest.fixture
def tflite_file(tmp_path, monkeypatch):
    package, module = types.ModuleType("ai_edge_litert"), types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)

    def write(text):
        path = tmp_path / "model.tflite"
        path.write_text(text)
        return str(path)

    return write


def test_tflite_models(tflite_file):
    for text, channels, expected in [
        ("image|1,-1,-1,1|float32", 1, lambda x: x),
        ("sigma|1,-1,-1,3|float32", 3, lambda x: x - 0.25),
        ("sigma|1,16,24,1|float32", 1, lambda x: x - 0.25),
        ("sigma|1,1,-1,-1|float32", 1, lambda x: x - 0.25),
        # an 8-bit input of step 2/255 and zero 64 holds -128/255 to 382/255
        ("image|1,-1,-1,1|uint8", 1, lambda x: torch.round(x * 255 / 2) * 2 / 255),
    ]:
        run, net = loaded(tflite_file(text), "rgb" if channels == 3 else "gray")
        assert net.given_sigma == text.startswith("sigma")
        for size in ((20, 31), (1, 1), (20, 31), (9, 40)):
            noisy = image(*size, channels=channels)
            torch.testing.assert_close(run(noisy, 0.25), expected(noisy), rtol=0, atol=1e-6)


def test_tflite_models_that_cannot_be_used(tflite_file, monkeypatch):
    assert "is no TensorFlow Lite model that can be run" in causes(method=tflite_file("bad|1,1,1,1|float32"))[0]
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite.python.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)  # as if not installed
    assert causes(method=tflite_file("image|1,-1,-1,1|float32"))[0].endswith(
        "needs an interpreter of TensorFlow Lite; pip install ai-edge-litert"
    )


# Programs


@pytest.fixture
def program(tmp_path):
    """Return a function that writes a program and returns the start of its command."""

    def write(body, name="denoise.py"):
        path = tmp_path / name
        path.write_text(f"import sys\nimport numpy as np\n{body}\n")
        return f"cmd:{sys.executable} {path}"

    return write


HALVE = "a = np.load(sys.argv[1])\nnp.save(sys.argv[2], a / 2 + float(sys.argv[3]))"


@pytest.mark.parametrize(("size", "channels"), [((20, 31), 1), ((1, 1), 3)])
def test_a_program_gets_numbers_and_sigma(program, size, channels):
    noisy = image(*size, channels=channels)
    before = noisy.clone()
    run, net = loaded(f"{program(HALVE)} {{noisy}} {{out}} {{sigma}}")
    assert (net.label, net.given_sigma) == ("denoise", True)
    torch.testing.assert_close(run(noisy, 25 / 255), noisy / 2 + 25)
    assert torch.equal(noisy, before)
    run, _ = loaded(f"{program(HALVE).replace('cmd:', 'cmd:white=255 ')} {{noisy.npy}} {{out.npy}} {{sigma1}}")
    torch.testing.assert_close(run(noisy[:1], 0.1), noisy[:1] / 2 + 0.1 / 255)


@pytest.mark.parametrize("suffix", ["npy", "tiff", "mat", "raw", "png", "ppm", "pgm", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_formats_of_files(tmp_path, suffix, channels):
    from bench.adapters import image_files

    pixels = np.random.default_rng(0).normal(0.5, 0.5, (7, 9, channels)).astype(np.float32)
    path = tmp_path / f"noisy.{suffix}"
    image_files.write(path, pixels)
    lossless = suffix in ("npy", "tiff", "mat", "raw")
    expected = pixels if lossless else np.rint(pixels.clip(0, 1) * 255) / 255
    np.testing.assert_allclose(image_files.read(path, pixels.shape), expected, rtol=0, atol=1e-7)
    image_files.write(path, pixels, 255)
    np.testing.assert_allclose(image_files.read(path, pixels.shape, 255), expected, rtol=0, atol=1e-6)


def test_a_gray_image_may_come_back_flat_and_in_16_bit(tmp_path):
    from PIL import Image

    from bench.adapters import image_files

    Image.fromarray(np.array([[0, 65535], [13107, 1]], np.uint16)).save(tmp_path / "out.png")
    read = image_files.read(tmp_path / "out.png", (2, 2, 1))
    np.testing.assert_allclose(read[..., 0], [[0, 1], [0.2, 1 / 65535]], atol=1e-9)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("print('first', file=sys.stderr)\nsys.exit('no licence found')", "ended with exit status 1: no licence found"),
        ("print('nothing to do')", r"wrote no file \{out.npy\}: nothing to do"),
        ("np.save(sys.argv[2], np.load(sys.argv[1])[1:])", r"wrote an image of shape \(19, 31, 1\); expected"),
        ("np.save(sys.argv[2], np.load(sys.argv[1]) * np.nan)", "wrote NaN or infinite values"),
        ("np.save(sys.argv[2], np.load(sys.argv[1]) * 1j)", "numbers of type complex64; expected real"),
        (
            "np.save(sys.argv[2], np.full_like(np.load(sys.argv[1]), 200, np.uint32))",
            r"wrote numbers of type uint32, up to 200, which says no white; expected uint8 \(255 = white\)",
        ),
        ("open(sys.argv[2], 'w').write('x')", "wrote a npy file that cannot be read"),
        ("np.save(sys.argv[2], np.array([{}]), allow_pickle=True)", "cannot be read .*allow_pickle=False"),
        ("import os\nos.kill(os.getpid(), 9)", "was ended by signal 9"),
    ],
)
def test_a_program_that_fails_says_so_in_one_line(program, body, cause):
    run, _ = loaded(f"{program(body)} {{noisy}} {{out}}")
    with pytest.raises(BenchError, match=f"python.* {cause}") as caught:
        run(image(batch=1), 0.1)
    assert "\n" not in str(caught.value)


def test_a_program_that_takes_too_long_is_ended_with_its_children(program, tmp_path):
    body = f"import subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\nopen({str(tmp_path / 'child')!r}, 'w')"
    body += ".write(str(child.pid))\ntime.sleep(60)"
    run, _ = loaded(program(body).replace("cmd:", "cmd:limit=1.5 ") + " {noisy} {out}")
    start = time.perf_counter()
    with pytest.raises(BenchError, match=r"took longer than 1.5 s; give it more, as in cmd:limit=3"):
        run(image(batch=1), 0.1)
    assert time.perf_counter() - start < 20
    child = Path("/proc") / (tmp_path / "child").read_text()
    deadline = time.perf_counter() + 10  # a killed process may take a moment to go
    while child.exists() and "(sleep) Z" not in (child / "stat").read_text() and time.perf_counter() < deadline:
        time.sleep(0.05)
    assert not child.exists() or "(sleep) Z" in (child / "stat").read_text()


def test_a_program_leaves_nothing_running_and_no_file(program, tmp_path):
    body = "import os, subprocess, tempfile\nfile = tempfile.mkstemp()[1]\nchild = subprocess.Popen(['sleep', '60'], "
    body += f"start_new_session=True)\nopen({str(tmp_path / 'left')!r}, 'w').write(f'{{child.pid}} {{file}}')\n"
    run, _ = loaded(f"{program(body + HALVE)} {{noisy}} {{out}} {{sigma}}")
    run(image(batch=1), 0.1)
    child, file = (tmp_path / "left").read_text().split()
    deadline = time.perf_counter() + 10
    stat = Path("/proc") / child / "stat"
    while stat.exists() and ") Z " not in stat.read_text() and time.perf_counter() < deadline:
        time.sleep(0.02)
    assert not stat.exists() or ") Z " in stat.read_text()
    assert not Path(file).exists()
    assert not Path(file).parent.exists()


def test_a_program_gets_no_more_memory_than_it_may_take(program):
    method, _ = method_of(f"{program('a = bytearray(3 << 30)')} {{noisy}} {{out}}")
    run = method.load.within(60, 0.5)(method.nets[0], None, {})
    with pytest.raises(BenchError, match=r"ended with exit status 1.*MemoryError"):
        run(image(batch=1), 0.1)


def test_commands_that_cannot_be_used(program):
    start = program(HALVE)
    for word, cause in [
        (f"{start} {{noisy}}", "{out} is missing"),
        (f"{start} {{out}}", "{noisy} is missing"),
        (f"{start} {{noisy}} {{noisy.png}} {{out}}", "{noisy} has two formats, npy and png"),
        (f"{start} {{noisy.jpg}} {{out}}", "{noisy.jpg} is no format known here; expected one of npy"),
        (f"{start} {{noisy}} {{out}} {{sgima}}", "{sgima} means nothing; there are {noisy}, {out}, {sigma}"),
        ("cmd:./no-such-program {noisy} {out}", "there is no program './no-such-program'"),
        ("cmd:", "names no program; for example cmd:./denoise {noisy.png} {out.png} {sigma}"),
        ("cmd:./a 'b {noisy} {out}", "every quote needs its partner"),
        ("cmd:speed=3 ./a {noisy} {out}", "has no option 'speed'; it has label, colour"),
        (f"{start.replace('cmd:', 'cmd:limit=soon ')} {{noisy}} {{out}}", "limit is 'soon'; expected a number above 0"),
    ]:
        assert cause in causes(method=word)[0]


def test_no_shell_reads_a_command(program, tmp_path):
    body = "open(sys.argv[3], 'w').write(' '.join(sys.argv[4:]))\nnp.save(sys.argv[2], np.load(sys.argv[1]))"
    log = tmp_path / "log"
    run, _ = loaded(
        f"{program(body)} {{noisy}} {{out}} {log} 'a  b' $HOME ; rm * {{width}}x{{height}}x{{channels}} {{}}"
    )
    run(image(batch=1), 0.1)
    assert log.read_text() == "a  b $HOME ; rm * 31x20x1 {}"


def test_a_command_knows_the_files_it_names(program, tmp_path):
    (tmp_path / "net.bin").write_bytes(b"1")
    word = f"{program(HALVE)} {{noisy}} {{out}} {{sigma}} --net={tmp_path / 'net.bin'}"
    seen = [code(word), code(word.replace("{sigma}", "{sigma1}"))]
    (tmp_path / "net.bin").write_bytes(b"2")
    seen.append(code(word))
    program(f"{HALVE}\n# changed")
    seen.append(code(word))
    assert len(set(seen)) == 4
    assert code(word) == code(word.replace("cmd:", "cmd:label=Mine limit=7 ")) == seen[-1]


def test_pictures_that_programs_write(tmp_path):
    """Held against the numbers that went into the files: a palette is no gray, and 16 bits are not cut to 8."""
    rng = np.random.default_rng(0)
    gray, deep = rng.integers(0, 8, (6, 5), np.uint8), rng.integers(0, 65536, (6, 5, 3), np.uint16)
    levels = np.arange(255, 0, -20, np.uint8)
    picture = Image.fromarray(gray, "P")
    picture.putpalette(np.repeat(levels, 3).tobytes())
    picture.save(tmp_path / "palette.png")
    assert np.array_equal(image_files.read(tmp_path / "palette.png", (6, 5, 1))[..., 0], levels[gray] / np.float32(255))
    for name in ("deep.png", "deep.ppm"):
        cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
        assert np.allclose(image_files.read(tmp_path / name, (6, 5, 3)), deep / 65535, atol=1e-7)
    Image.fromarray(gray).convert("CMYK").save(tmp_path / "x.tif")
    (tmp_path / "x.tif").rename(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"wrote a png file that cannot be read \(it is CMYK"):
        image_files.read(tmp_path / "x.png", (6, 5, 1))


def test_a_program_in_the_harness(program, one_cell, photographs):
    body = "np.save(sys.argv[2], np.load(sys.argv[1]) * 0 + float(sys.argv[3]) / 255)"
    word = f"{program(body).replace('cmd:', 'cmd:label=Flat colour=gray trained=0-55 ')} {{noisy}} {{out}} {{sigma}}"
    cell = one_cell(word, photographs, "60")
    assert (cell.label, cell.extrapolates) == ("Flat", True)
    assert cell.method.processes  # `loaded` has it pickled, as for a worker
    record = run_cell(cell, CPU)
    assert all((np.frombuffer(row["denoised"], np.uint8) == 60).all() for row in record.images)


# Installed packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package of two methods, as far as finding its entry points goes."""
    site = tmp_path / "site"
    (site / "fancy").mkdir(parents=True)
    (site / "fancy" / "__init__.py").write_text("")
    (site / "fancy" / "net.py").write_text(
        "LABEL, COLOUR, TRAINED, BLIND = 'Fancy', 'gray', (0, 50), True\n"
        "def denoise(noisy, sigma, gain=1):\n    return noisy * gain\n"
        "class Broken:\n    COLOUR = 'green'\n    denoise = None\n"
    )
    (site / "fancy" / "ends.py").write_text("import sys\nsys.exit(3)\n")
    info = site / "fancy-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fancy\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[denoising_bench.methods]\nfancy = fancy.net\nfancy-function = fancy.net:denoise\n"
        "ends = fancy.ends:denoise\nbroken = fancy.net:Broken\ngone = fancy.nowhere:denoise\n"
    )
    monkeypatch.syspath_prepend(site)
    yield site
    for name in ("fancy", "fancy.net"):
        sys.modules.pop(name, None)


def test_methods_of_installed_packages(package, one_cell, photographs):
    cell = one_cell("fancy:gain=2", photographs)
    assert (cell.label, cell.net.trained, cell.net.given_sigma) == ("Fancy gain=2", (0, 50), False)
    load = pickle.loads(pickle.dumps(cell.method.load))
    assert torch.equal(load(cell.net, None, cell.options)(image(), 0.1), 2 * image())
    assert one_cell("fancy-function", photographs).net.colour == "any"
    (package / "fancy" / "weights.bin").write_bytes(b"1")
    assert one_cell("fancy:gain=2", photographs).key != cell.key


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("fanci", "unknown method 'fanci': did you mean fancy"),
        ("broken", "is no function denoise(noisy, sigma) and has none"),
        ("gone", "fancy.nowhere:denoise cannot be imported (needs the package fancy"),
        ("ends", "METHOD=ends: fancy.ends:denoise cannot be imported (called sys.exit(3))"),
        ("fancy:strength=3", "method fancy has no option 'strength'; it has gain"),
    ],
)
def test_methods_of_installed_packages_that_cannot_be_used(package, word, cause):
    assert cause in causes(method=word)[0]


# spandrel and deepinv: optional packages, here stood in for by modules of the same interface


class Grayscale(torch.nn.Module):
    """Subtracts the noise map where it is given one."""

    def __init__(self, inputs=1, pretrained="download", device="cpu", gain=1.0, in_channels=1):
        super().__init__()
        self.m_head = torch.nn.Conv2d(max(inputs, in_channels), 1, 1, bias=False)
        self.gain = gain

    def forward(self, x, sigma=None):
        out = x[:, :1] * self.m_head.weight[0, 0, 0, 0] * self.gain
        return out - x[:, 1:] if x.shape[1] == 2 else out - (sigma or 0)


@pytest.fixture
def spandrel(monkeypatch):
    module = types.ModuleType("spandrel")

    class UnsupportedModelError(Exception):
        pass

    class ImageModelDescriptor:
        scale, input_channels = 1, 1

        def __init__(self, tensors):
            self.model = Grayscale(tensors["m_head.weight"].shape[1])
            self.model.load_state_dict(tensors)
            self.architecture = types.SimpleNamespace(id="DRUNet", name="DRUNet")
            self.size_requirements = types.SimpleNamespace(multiple_of=8)

        def eval(self):
            return self

        def to(self, device):
            return self

        def __call__(self, image):
            assert len(image) == 1
            return self.model(image)

    class ModelLoader:
        def load_from_state_dict(self, tensors):
            if "m_head.weight" not in tensors:
                raise UnsupportedModelError
            return ImageModelDescriptor(tensors)

    module.ModelLoader, module.ImageModelDescriptor = ModelLoader, ImageModelDescriptor
    module.UnsupportedModelError = UnsupportedModelError
    module.canonicalize_state_dict = lambda content: content.get("params", content)
    module.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "spandrel", module)


def weights(tmp_path, inputs, name="net.pth", wrap=lambda tensors: tensors):
    tensors = {"m_head.weight": torch.full((1, inputs, 1, 1), 0.5)}
    torch.save(wrap(tensors), tmp_path / name)
    return str(tmp_path / name)


def test_networks_of_spandrel(spandrel, tmp_path):
    run, net = loaded(f"spandrel:path={weights(tmp_path, 1)},label=Mine,trained=0-50")
    assert (net.label, net.trained, net.weights.path) == ("Mine", (0, 50), "net.pth")
    torch.testing.assert_close(run(image(), 0.1), image() / 2)
    mapped, _ = loaded("spandrel", weights=weights(tmp_path, 2, "map.pth", lambda tensors: {"params": tensors}))
    torch.testing.assert_close(mapped(image(13, 9), 0.1), image(13, 9) / 2 - 0.1)  # sigma, not spandrel's 15
    with pytest.raises(ValueError, match="take gray images, got rgb ones"):
        run(image(channels=3), 0.1)


def test_networks_of_spandrel_that_cannot_be_used(spandrel, tmp_path, monkeypatch):
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="of no architecture that spandrel knows"):
        loaded(f"spandrel:path={tmp_path / 'other.pth'}")
    torch.save({"m_head.weight": BenchError("code")}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="one that would execute code; refused"):
        loaded(f"spandrel:path={tmp_path / 'bad.pth'}")
    assert "give a file of yours with WEIGHTS=path" in causes(method="spandrel")[0]
    assert "has no option 'size'" in causes(method="spandrel:size=3")[0]
    assert "blind=maybe: expected true or false" in causes(method="spandrel:blind=maybe")[0]
    assert "no such file" in causes(method="spandrel:path=none.pth")[0]


@pytest.mark.parametrize("name", ["spandrel", "deepinv"])
def test_an_optional_package_that_is_not_there(name, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    expected = f"the package {name} is not installed; pip install {name}, or pip install -r requirements-extras.txt"
    assert expected in causes(method=f"{name}:model=drunet")[0]


@pytest.fixture
def deepinv(monkeypatch):
    module, models = types.ModuleType("deepinv"), types.ModuleType("deepinv.models")

    class Denoiser(torch.nn.Module):
        pass

    class DRUNet(Denoiser, Grayscale):
        def __init__(self, in_channels=3, pretrained="download", device=None, gain=1.0):
            Grayscale.__init__(self, in_channels=in_channels, gain=gain)

    class Halve(Denoiser):
        def __init__(self, share=0.5):
            super().__init__()
            self.share = share

        def forward(self, x, sigma, **kwargs):
            return x.mul_(self.share)  # in place: the harness's image must not change

    models.Denoiser, models.DRUNet, models.Halve = Denoiser, DRUNet, Halve
    module.models, module.__spec__ = models, types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "deepinv", module)


def test_networks_of_deepinv(deepinv, tmp_path):
    path = weights(tmp_path, 1)
    run, net = loaded(f"deepinv:model=drunet,weights={path},gain=3.0,label=Mine")
    assert (net.label, net.colour, net.given_sigma) == ("Mine", "gray", True)
    torch.testing.assert_close(run(image(), 0.1), image() * 1.5 - 0.1)
    assert code(f"deepinv:model=drunet,weights={path}") != code(f"deepinv:model=drunet,weights={path},gain=3.0")
    noisy = image()
    halved, net = loaded("deepinv:model=Halve")
    torch.testing.assert_close(halved(noisy, 0.1), image() / 2)
    assert torch.equal(noisy, image())
    assert net.weights is None


def test_networks_of_deepinv_that_cannot_be_used(deepinv, tmp_path):
    path = weights(tmp_path, 1)
    with pytest.raises(
        ValueError, match=r"not a DRUNet of deepinv for rgb images: m_head.weight has shape \(1, 1, 1, 1\)"
    ):
        loaded(f"deepinv:model=drunet,weights={path}", "rgb")
    for word, cause in [
        ("deepinv", "say which network, as in deepinv:model=drunet,weights=path"),
        ("deepinv:model=drnet", "unknown network of deepinv 'drnet': did you mean drunet"),
        ("deepinv:model=drunet,depth=3", "has no option 'depth'; it has in_channels, gain"),
        ("deepinv:model=drunet", "give a file of yours with WEIGHTS=path"),
        (f"deepinv:model=halve,weights={path}", "method deepinv-halve takes no weights"),
    ]:
        assert cause in causes(method=word)[0]
