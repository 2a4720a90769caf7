"""ONNX models as MATLAB, TensorFlow, Keras and PyTorch leave them: each right, or one line."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx import helper as h
from torch.nn.functional import avg_pool2d

from bench.adapters import method_of
from bench.run.conventions import understood
from bench.run.runtimes.choice import plain

F = TensorProto.FLOAT


def box(channels=1):
    """Return the weights of a mean over 3x3 pixels of each channel."""
    weights = np.zeros((channels, channels, 3, 3), np.float32)
    for i in range(channels):
        weights[i, i] = 1 / 9
    return h.make_tensor("w", F, weights.shape, weights.ravel())


CONV = h.make_node("Conv", ["noisy", "w"], ["out"], pads=[1, 1, 1, 1])


def save(path, nodes, shapes, outputs=("out",), tensors=(), opset=17, listed=False):
    inputs = [h.make_tensor_value_info("noisy", F, shapes)]
    inputs += [h.make_tensor_value_info(t.name, F, list(t.dims)) for t in tensors] if listed else []
    ends = [h.make_tensor_value_info(name, F, shapes) for name in outputs]
    graph = h.make_graph(list(nodes), "net", inputs, ends, list(tensors))
    ir = 3 if opset < 9 else 8
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=ir), path)
    return str(path)


def run(word, noisy):
    method, options = method_of(word)
    denoise = method.load(method.nets[0], None, {**method.options, **options})
    return denoise(noisy, 0.1), method.nets[0], denoise


def image(height=20, width=31, channels=1, batch=2):
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2


def photograph():
    from skimage import data

    clean = torch.from_numpy(data.camera()[100:148, 200:264]).float()[None, None] / 255
    return clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def understanding(word, noisy):
    """Return what comes out of a model in the harness, and how it was understood."""
    method, options = method_of(word)
    denoise = method.load(method.nets[0], None, {**method.options, **options})
    out = understood(denoise, method.nets[0].returns, notes := [], [])(noisy, 0.1)
    return out, notes


def mean(noisy):
    return avg_pool2d(noisy, 3, 1, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_layout_and_colour_where_all_axes_are_free(tmp_path, channels):
    """They are read off the graph: what is transposed before the first convolution has its channels last."""
    last = [
        h.make_node("Cast", ["noisy"], ["cast"], to=F),
        h.make_node("Transpose", ["cast"], ["first"], perm=[0, 3, 1, 2]),
        h.make_node("Conv", ["first", "w"], ["made"], pads=[1, 1, 1, 1]),
        h.make_node("Transpose", ["made"], ["out"], perm=[0, 2, 3, 1]),
    ]
    for nodes in (last, [CONV]):
        path = save(tmp_path / "net.onnx", nodes, ["a", "b", "c", "d"], tensors=[box(channels)])
        out, net, _ = run(path, image(channels=channels))
        assert net.colour == {1: "gray", 3: "rgb"}[channels]
        torch.testing.assert_close(out, mean(image(channels=channels)))


@pytest.mark.parametrize("shape", [[4, 1, None, None], [8, 1, 20, 31], [2, 1, 12, 16]])
def test_a_batch_of_fixed_length_is_filled_up(tmp_path, shape):
    path = save(tmp_path / "net.onnx", [CONV], shape, tensors=[box()])
    out, _, _ = run(f"{path}:receptive_field=3", image(batch=3))
    torch.testing.assert_close(out, mean(image(batch=3)))


@pytest.mark.parametrize(
    ("size", "order"),
    [([None, None], ("noise", "out")), ([24, 32], ("noise", "out")), ([None, None], ("out", "noise"))],
)
def test_the_noise_first_or_alone(tmp_path, size, order):
    """MATLAB's networks return the noise; others return it beside the image."""
    nodes = [CONV, h.make_node("Sub", ["noisy", "out"], ["noise"])]
    shape, noisy = [1, 1, *size], photograph()
    (right, _), (both, said_of_both), (alone, said_of_one) = (
        understanding(f"{save(tmp_path / 'net.onnx', nodes, shape, ends, [box()])}:receptive_field=3", noisy)
        for ends in (("out",), order, ("noise",))
    )
    torch.testing.assert_close(right, mean(noisy), rtol=0, atol=1e-6)
    torch.testing.assert_close(both, right, rtol=0, atol=1e-6)
    torch.testing.assert_close(alone, right, rtol=0, atol=1e-6)
    assert said_of_both == [f"returns 2 images; number {1 + order.index('out')} is taken"]
    assert said_of_one == ["returns the noise; subtracted; OUTPUT=image keeps it"]


def test_what_the_metadata_say_is_not_recognised_again(tmp_path):
    path = save(tmp_path / "net.onnx", [CONV], [1, 1, None, None], tensors=[box()])
    assert method_of(path)[0].nets[0].returns == ""
    assert method_of(f"{path}:output=residual")[0].nets[0].returns == "residual"
    model = onnx.load(path)
    h.set_model_props(model, {"output": "255"})
    onnx.save(model, path)
    assert method_of(path)[0].nets[0].returns == "255"


def test_operators_that_the_runtime_has_no_more(tmp_path):
    """Batch normalisation of opset 6, as the first exporters wrote it."""
    ones = [h.make_tensor(name, F, [1], [value]) for name, value in zip("sbmv", (2.0, 0.5, 0.0, 1.0), strict=True)]
    norm = h.make_node("BatchNormalization", ["noisy", *"sbmv"], ["out"], epsilon=0.0, is_test=1)
    path = save(tmp_path / "net.onnx", [norm], ["N", 1, "H", "W"], tensors=ones, opset=6, listed=True)
    out, _, denoise = run(path, image())
    torch.testing.assert_close(out, 2 * image() + 0.5)
    assert plain(denoise).runtime == "onnxruntime"
    assert list(denoise.notes) == ["converted to opset 17: onnxruntime lacks operators of the opset that it has"]


def test_initialisers_among_the_inputs_are_no_inputs_and_no_warnings(tmp_path, capfd):
    path = save(tmp_path / "net.onnx", [CONV], ["N", 1, "H", "W"], tensors=[box()], listed=True)
    out, net, _ = run(path, image())
    torch.testing.assert_close(out, mean(image()))
    assert not net.given_sigma
    assert capfd.readouterr() == ("", "")


def test_subnormal_weights_are_said_and_count_as_zero(tmp_path):
    weights = np.full((64, 64, 3, 3), 0x00010000, np.uint32).view(np.float32)  # about 9e-41
    weights[:, :, 1, 1] = np.eye(64)
    tensor = h.make_tensor("w", F, weights.shape, weights.tobytes(), raw=True)
    path = save(tmp_path / "net.onnx", [CONV], [1, 64, "H", "W"], tensors=[tensor])
    from bench.adapters import onnx_graph

    assert onnx_graph.subnormal_weights(path) == (
        "89 % of its weights are subnormal numbers, which are slow; they count as zero",
    )
