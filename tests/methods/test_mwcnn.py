import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn
from torch.nn.functional import conv2d, relu

import methods
from bench.run.runtimes.onnx_network import export
from methods.mwcnn import load, load_v2
from methods.networks.mwcnn import MWCNN, MWCNNv2
from methods.networks.mwrcanet import MWResNet

NETS = {net.id: net for method in methods.available().values() for net in method.nets}
GRAY, RGB, V2, V2_RGB = NETS["mwcnn"], NETS["mwcnn-rgb"], NETS["mwcnn-v2"], NETS["mwcnn-v2-rgb"]
FORMS = [(lambda channels: MWCNN(channels, (6, 8, 5))), (lambda channels: MWCNNv2(channels, 3))]


def noisy(channels=1, height=16, width=24) -> torch.Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(7))


def zeroed(network: nn.Module) -> nn.Module:
    for tensor in network.parameters():
        nn.init.zeros_(tensor)
    return network.eval()


# The networks as the authors' code describes them, on tensors with the authors' names.


def dwt(x, *, rows_first=False):
    a, b, c, d = x[..., 0::2, 0::2], x[..., 1::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 1::2]
    columns, rows = -a - b + c + d, -a + b - c + d
    details = [rows, columns] if rows_first else [columns, rows]
    return torch.cat([a + b + c + d, *details, a - b - c + d], dim=1) / 2


def iwt(x, *, rows_first=False):
    low, second, third, both = x.chunk(4, dim=1)
    columns, rows = (third, second) if rows_first else (second, third)
    y = x.new_zeros(len(x), low.shape[1], 2 * x.shape[2], 2 * x.shape[3])
    y[..., 0::2, 0::2] = low - columns - rows + both
    y[..., 1::2, 0::2] = low - columns + rows - both
    y[..., 0::2, 1::2] = low + columns - rows - both
    y[..., 1::2, 1::2] = low + columns + rows + both
    return y / 2


def random_layers(shapes: dict[str, tuple[int, int]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for name, (inputs, outputs) in shapes.items():
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / 9 / inputs) ** 0.5
        tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return tensors


def run(tensors, x, names, dilations=(), linear=False):
    for index, name in enumerate(names):
        dilation = dilations[index] if dilations else 1
        x = conv2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=dilation, dilation=dilation)
        x = x if linear and name == names[-1] else relu(x)
    return x


def lpj0(channels=1, one=6, two=8):
    """Return tensors of lpj0/MWCNN_PyTorch (model/mw.py) and what they do; `one` is 160 there, `two` 256."""
    shapes = {"head.0.body.0": (4 * channels, one)}
    shapes |= {f"d_l1.{i}.body.0": (one, one) for i in range(3)}
    shapes |= {"d_l2.0.body.0": (4 * one, two), **{f"d_l2.{i}.body.0": (two, two) for i in range(1, 4)}}
    shapes |= {"pro_l3.0.body.0": (4 * two, two), **{f"pro_l3.{i}.body.0": (two, two) for i in range(1, 7)}}
    shapes |= {"pro_l3.7.body.0": (two, 4 * two), **{f"i_l2.{i}.body.0": (two, two) for i in range(3)}}
    shapes |= {"i_l2.3.body.0": (two, 4 * one), **{f"i_l1.{i}.body.0": (one, one) for i in range(3)}}
    shapes |= {"tail.0": (one, 4 * channels)}
    tensors = random_layers(shapes)

    def stage(name):
        return [key for key in shapes if key.startswith(name)]

    def forward(x):
        x1 = run(tensors, dwt(x), ["head.0.body.0", *stage("d_l1")])
        x2 = run(tensors, dwt(x1), stage("d_l2"))
        y = iwt(run(tensors, dwt(x2), stage("pro_l3"))) + x2
        y = iwt(run(tensors, y, stage("i_l2"))) + x1
        return x + iwt(run(tensors, y, [*stage("i_l1"), "tail.0"], linear=True))

    return tensors, forward


def v2(channels=1, n=3):
    """Return tensors of lpj-github-io/MWCNNv2 (model/mwcnn.py) and what they do."""
    shapes = {"head.0.body.0": (channels, n), "d_l0.0.body.0": (n, n), "d_l0.0.body.2": (n, n)}
    for level, width in ((1, 2 * n), (2, 4 * n)):
        shapes |= {f"d_l{level}.0.body.0": (2 * width, width)}
        shapes |= {f"d_l{level}.1.body.{i}": (width, width) for i in (0, 2)}
    shapes |= {"pro_l3.0.body.0": (16 * n, 8 * n)}
    shapes |= {f"pro_l3.{block}.body.{i}": (8 * n, 8 * n) for block in (1, 2) for i in (0, 2)}
    shapes |= {"pro_l3.3.body.0": (8 * n, 16 * n)}
    for level, width in ((2, 4 * n), (1, 2 * n)):
        shapes |= {f"i_l{level}.0.body.{i}": (width, width) for i in (0, 2)}
        shapes |= {f"i_l{level}.1.body.0": (width, 2 * width)}
    shapes |= {"i_l0.0.body.0": (n, n), "i_l0.0.body.2": (n, n), "tail.0": (n, channels)}
    tensors = random_layers(shapes)

    def stage(name):
        return [key for key in shapes if key.startswith(name)]

    def forward(x):
        x0 = run(tensors, x, ["head.0.body.0", *stage("d_l0")], (1, 2, 1))
        x1 = run(tensors, dwt(x0), stage("d_l1"), (1, 2, 1))
        x2 = run(tensors, dwt(x1), stage("d_l2"), (1, 2, 1))
        y = iwt(run(tensors, dwt(x2), stage("pro_l3"), (1, 2, 3, 3, 2, 1))) + x2
        y = iwt(run(tensors, y, stage("i_l2"), (2, 1, 1))) + x1
        y = iwt(run(tensors, y, stage("i_l1"), (2, 1, 1))) + x0
        return x + run(tensors, y, [*stage("i_l0"), "tail.0"], (2, 1, 1), linear=True)

    return tensors, forward


def matconvnet(one=6, two=5, three=7):
    """Return parameters of net_wavelet_haart_24.m and what they do: batch norm, rows first, 4 x - 2."""
    generator = torch.Generator().manual_seed(5)
    plan = {
        "01": [4, *[one] * 7, 4],
        "02": [4 * one, *[two] * 7, 4 * one],
        "03": [4 * two, *[three] * 7, 4 * two],
    }
    parameters, half = {}, {}
    for level, chain in plan.items():
        for layer in range(8):
            inputs, outputs, key = chain[layer], chain[layer + 1], f"{layer:02}"
            scale = (2 / 9 / inputs) ** 0.5
            parameters[f"LIEVE{level}_layer{key}f"] = torch.randn(3, 3, inputs, outputs, generator=generator) * scale
            parameters[f"LIEVE{level}_layer{key}b"] = torch.randn(outputs, 1, generator=generator) * 0.1
            if (level, layer) not in (("01", 0), ("01", 7)):
                parameters[f"LIEVE{level}_mean{key}"] = torch.rand(outputs, 1, generator=generator) + 0.5
                parameters[f"LIEVE{level}_var{key}"] = torch.randn(outputs, 1, generator=generator) * 0.1
                moments = [
                    torch.randn(outputs, generator=generator) * 0.1,
                    torch.rand(outputs, generator=generator) + 1,
                ]
                parameters[f"LIEVE{level}_mom{key}"] = torch.stack(moments, dim=1)
        half[level] = (range(4), range(4, 8))

    def layers(x, level, numbers):
        for number in numbers:
            name, key = f"LIEVE{level}", f"{number:02}"
            filters = parameters[f"{name}_layer{key}f"].permute(3, 2, 0, 1)
            x = conv2d(x, filters, parameters[f"{name}_layer{key}b"][:, 0], padding=1)
            if f"{name}_mom{key}" in parameters:
                mean, deviation = (m[:, None, None] for m in parameters[f"{name}_mom{key}"].T)
                gain, shift = (parameters[f"{name}_{p}{key}"][..., None] for p in ("mean", "var"))
                x = gain * (x - mean) / deviation + shift
            x = x if (level, number) == ("01", 7) else relu(x)
        return x

    def forward(image):
        x = dwt(image * 4 - 2, rows_first=True)
        haar2 = dwt(layers(x, "01", half["01"][0]), rows_first=True)
        haar3 = dwt(layers(haar2, "02", half["02"][0]), rows_first=True)
        y = iwt(haar3 + layers(haar3, "03", range(8)), rows_first=True)
        y = iwt(haar2 + layers(y, "02", half["02"][1]), rows_first=True)
        return (iwt(x + layers(y, "01", half["01"][1]), rows_first=True) + 2) / 4

    return {name: tensor.numpy() for name, tensor in parameters.items()}, forward


def save_mat5(path, parameters):
    """Write a .mat file as MATLAB's `save` does by default, of what DagNN.saveobj gives."""
    fields = np.zeros((1, len(parameters)), dtype=[("name", object), ("value", object), ("learningRate", object)])
    for index, (name, value) in enumerate(parameters.items()):
        fields[0, index] = (name, value, 1.0)
    savemat(path, {"net": {"vars": 0.0, "params": fields}, "stats": {"num": 1.0}}, do_compression=True)


def save_hdf5(path, parameters):
    """Write the same as MATLAB 7.3: axes reversed, one array of references for each field."""
    with h5py.File(path, "w", userblock_size=512) as file:
        names, values = [], []
        for index, (name, value) in enumerate(parameters.items()):
            codes = np.array([[ord(letter)] for letter in name], np.uint16)
            names.append(file.create_dataset(f"#refs#/n{index}", data=codes).ref)
            values.append(file.create_dataset(f"#refs#/v{index}", data=value.T).ref)
        for field, references in (("name", names), ("value", values)):
            file.create_dataset(f"net/params/{field}", data=np.array([[r] for r in references], h5py.ref_dtype))


def assert_same(network, forward, image):
    with torch.no_grad():
        torch.testing.assert_close(network(image, 0.1), forward(image), atol=2e-5, rtol=0)


def test_parameters_of_the_authors_code():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in network.parameters()) for network in (MWCNN(), MWCNNv2())]
    assert counts == [16_145_892, 24_927_809] == [GRAY.parameters, V2.parameters]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_without_weights_it_returns_its_input(form, channels):
    image = noisy(channels)
    with torch.no_grad():
        assert torch.equal(zeroed(form(channels))(image), image)


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_gets_a_gradient(form):
    torch.manual_seed(0)
    network = form(1)
    (network(noisy(height=32, width=32)) ** 2).mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(("form", "net"), [(lambda: MWCNN(1, (1, 1, 1)), GRAY), (lambda: MWCNNv2(1, 1), V2)])
@pytest.mark.parametrize("axis", [2, 3])
def test_receptive_field_by_a_pixel_that_is_no_number(form, net, axis):
    # float64, because fast float32 convolutions compute several outputs from one tile
    network = form().double().eval()
    side, reach = 400, 0
    for pixel in range(200, 208):
        image = torch.zeros((1, 1, 8, side) if axis == 3 else (1, 1, side, 8), dtype=torch.double)
        image.select(axis, pixel).fill_(torch.nan)
        with torch.no_grad():
            touched = network(image).isnan().any(dim=5 - axis).flatten().nonzero().flatten()
        reach = max(reach, pixel - touched.min().item(), touched.max().item() - pixel)
    assert 2 * reach + 1 == network.receptive_field == net.receptive_field
    assert network.size_multiple == net.size_multiple == 8


def test_receptive_field_and_multiple_follow_the_depth():
    network = MWCNN(1, (1, 1), depth=1)
    # Around one pixel: 1 convolution up and 1 down at level 1 (2 pixels each), 2 at level 2 (4 pixels each),
    # and up to 3 pixels because of its place in the block of 4.
    assert network.receptive_field == 2 * (2 * 2 + 2 * 4 + 3) + 1
    assert network.size_multiple == 4


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
def test_the_layout_of_the_pytorch_code_loads(tmp_path, channels, net):
    tensors, forward = lpj0(channels)
    torch.save(tensors, tmp_path / "model_best.pt")
    assert_same(load(net, tmp_path / "model_best.pt", {}), forward, noisy(channels))


@pytest.mark.parametrize(("channels", "net"), [(1, V2), (3, V2_RGB)])
def test_the_layout_of_the_second_version_loads(tmp_path, channels, net):
    from safetensors.torch import save_file

    tensors, forward = v2(channels)
    torch.save({f"module.{key}": tensor for key, tensor in tensors.items()}, tmp_path / "model_best.pt")
    save_file(tensors, tmp_path / "net.safetensors")
    for name in ("model_best.pt", "net.safetensors"):
        assert_same(load_v2(net, tmp_path / name, {}), forward, noisy(channels))


@pytest.mark.parametrize("save", [save_mat5, save_hdf5])
def test_matconvnet_files_load(tmp_path, save):
    parameters, forward = matconvnet()
    save(tmp_path / "net.mat", parameters)
    network = load(GRAY, tmp_path / "net.mat", {})
    assert_same(network, forward, noisy())
    torch.save(network.state_dict(), tmp_path / "again.pth")  # the range 4 x - 2 goes with it
    assert_same(load(GRAY, tmp_path / "again.pth", {}), forward, noisy())


@pytest.mark.parametrize(("form", "net", "read"), [(FORMS[0], RGB, load), (FORMS[1], V2_RGB, load_v2)])
def test_own_layout_loads(tmp_path, form, net, read):
    from safetensors.torch import save_file

    torch.manual_seed(2)
    network = form(3).eval()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        assert_same(read(net, tmp_path / name, {}), network, noisy(3))


@pytest.mark.parametrize("form", FORMS)
def test_graph_and_onnx_export_at_another_size(form):
    network = form(1).eval()
    image = noisy(height=40, width=24)[:1]
    with torch.no_grad():
        torch.testing.assert_close(torch.fx.symbolic_trace(network)(image), network(image))
        denoised = export(network, 1, 0.1)(1)(image[0].numpy())
        torch.testing.assert_close(torch.from_numpy(denoised), network(image)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("read", [load, load_v2])
@pytest.mark.parametrize(
    "case", ["truncated", "empty", "chain", "other version", "residual", "no bias", "mat", "cut mat"]
)
def test_files_that_are_no_such_network(tmp_path, read, case):
    tensors = (lpj0 if read is load else v2)()[0]
    path = tmp_path / ("net.mat" if "mat" in case else "net.pth")
    torch.save(tensors, path)
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "chain":
        torch.save(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 1, 3)).state_dict(), path)
    elif case == "other version":
        torch.save((v2 if read is load else lpj0)()[0], path)
    elif case == "residual":
        torch.save(MWResNet(1, (4, 4, 4), 1).state_dict(), path)
    elif case == "no bias":
        torch.save({key: tensor for key, tensor in tensors.items() if not key.startswith("i_l2.0.body.0.b")}, path)
    else:
        save_mat5(path, {"LIEVE02_mom01": np.ones((3, 2)), "filters": np.ones((3, 3))})
        if case == "cut mat":
            save_mat5(path, matconvnet()[0])
            path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"^weights .*net") as caught:
        read(GRAY if read is load else V2, path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_a_matconvnet_net_with_a_layer_missing(tmp_path):
    parameters = matconvnet()[0]
    del parameters["LIEVE02_layer03b"]
    save_hdf5(tmp_path / "net.mat", parameters)
    with pytest.raises(ValueError, match=r"not a MWCNN of MatConvNet .*LIEVE02_layer03b"):
        load(GRAY, tmp_path / "net.mat", {})


@pytest.mark.parametrize(("read", "net", "made"), [(load, GRAY, lpj0), (load_v2, V2, v2)])
def test_a_net_for_another_colour(tmp_path, read, net, made):
    torch.save(made(3)[0], tmp_path / "net.pth")
    with pytest.raises(ValueError, match="hold a rgb net, and the images are gray"):
        read(net, tmp_path / "net.pth", {})
    with pytest.raises(ValueError, match=f"{net.id}: needs weights"):
        read(net, None, {})
