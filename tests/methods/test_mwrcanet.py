import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, prelu, relu

import methods
from bench.run.runtimes.onnx_network import export
from methods.mwrcanet import load, load_resnet
from methods.networks.mwcnn import MWCNN
from methods.networks.mwrcanet import MWRCANet, MWResNet

NETS = {net.id: net for method in methods.available().values() for net in method.nets}
RAW, RGB, RESNET, RESNET_RGB = NETS["mwrcanet"], NETS["mwrcanet-rgb"], NETS["mwresnet"], NETS["mwresnet-rgb"]
FORMS = [(lambda channels: MWRCANet(channels, (8, 4, 6), 2, 2)), (lambda channels: MWResNet(channels, (5, 4, 6), 2))]
HAAR = torch.tensor([[[1.0, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]])[:, None] / 2


def noisy(channels=1, height=16, width=24) -> torch.Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(7))


def happycaoyue(channels=1, one=32, two=16, three=48, blocks=2, haar=HAAR):
    """Return tensors of net/mwrcanet.py of the authors and what they do; `one` is 96 there, the others 128."""
    generator = torch.Generator().manual_seed(11)
    tensors = {}

    def conv(name, inputs, outputs, side=3):
        scale = (2 / side**2 / inputs) ** 0.5
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, side, side, generator=generator) * scale
        tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1

    def activation(name):
        tensors[f"{name}.weight"] = torch.rand(1, generator=generator)

    def group(name, width):
        for block in (f"{name}.body.{i}" for i in range(blocks)):
            conv(f"{block}.conv1", width, width)
            activation(f"{block}.act")
            conv(f"{block}.conv2", width, width)
            conv(f"{block}.cuca.conv_du.0", width, width // 16, 1)
            conv(f"{block}.cuca.conv_du.2", width // 16, width, 1)
        conv(f"{name}.tail", width, width)

    for name in ("head", "down2.0", "down3.0", "up1.2", "up2.3", "tail"):
        tensors[f"{name}.weight"] = haar.clone()
    for name, inputs, outputs in (
        ("down1.0", 4 * channels, one),
        ("down2.1", 4 * one, two),
        ("down3.1", 4 * two, three),
        ("up1.0", three, 4 * two),
        ("up2.1", two, 4 * one),
        ("up3.1", one, 4 * channels),
    ):
        conv(name, inputs, outputs)
    for name in ("down1.1", "down2.2", "down3.2", "up1.1", "up2.2"):
        activation(name)
    for name, width in (("down1.2", one), ("down2.3", two), ("middle", three), ("up2.0", two), ("up3.0", one)):
        group(name, width)

    def run(x, name, side=3):
        return conv2d(x, tensors[f"{name}.weight"].to(x), tensors[f"{name}.bias"].to(x), padding=side // 2)

    def run_activation(x, name):
        return prelu(x, tensors[f"{name}.weight"].to(x))

    def run_group(x, name):
        y = x
        for block in (f"{name}.body.{i}" for i in range(blocks)):
            z = run(run_activation(run(y, f"{block}.conv1"), f"{block}.act"), f"{block}.conv2")
            gate = relu(run(z.mean(dim=(2, 3), keepdim=True), f"{block}.cuca.conv_du.0", 1))
            y = y + z * torch.sigmoid(run(gate, f"{block}.cuca.conv_du.2", 1))
        return x + run(y, f"{name}.tail")

    def dwt(x, name):
        planes = conv2d(x.flatten(0, 1)[:, None], tensors[f"{name}.weight"].to(x), stride=2)
        return planes.reshape(len(x), -1, *planes.shape[2:])

    def iwt(x, name):
        planes = conv_transpose2d(x.reshape(-1, 4, *x.shape[2:]), tensors[f"{name}.weight"].to(x), stride=2)
        return planes.reshape(len(x), -1, *planes.shape[2:])

    def forward(x):
        c1 = dwt(x, "head")
        c2 = run_group(run_activation(run(c1, "down1.0"), "down1.1"), "down1.2")
        c3 = run_group(run_activation(run(dwt(c2, "down2.0"), "down2.1"), "down2.2"), "down2.3")
        c4 = run_activation(run(dwt(c3, "down3.0"), "down3.1"), "down3.2")
        c5 = iwt(run_activation(run(run_group(c4, "middle"), "up1.0"), "up1.1"), "up1.2") + c3
        c6 = iwt(run_activation(run(run_group(c5, "up2.0"), "up2.1"), "up2.2"), "up2.3") + c2
        return iwt(run(run_group(c6, "up3.0"), "up3.1") + c1, "tail")

    return tensors, forward


def assert_same(network, forward, image):
    image = image.double()
    with torch.no_grad():
        torch.testing.assert_close(network.double()(image, 0.1), forward(image), atol=1e-10, rtol=1e-10)


def test_parameters_of_the_authors_code():
    """27,215,965 (raw) and 27,229,797 (sRGB) without the six fixed kernels of 16 numbers each."""
    with torch.device("meta"):
        networks = [MWRCANet(1), MWRCANet(3)]
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [27_215_965, 27_229_797] == [RAW.parameters, RGB.parameters]
    stored = sum(tensor.numel() for tensor in networks[0].state_dict().values())
    assert stored == 27_215_965 + 6 * 16


def test_parameters_of_mwresnet_with_the_widths_of_mwrcanet():
    """Counted by hand: 9 weights a pair of channels and a bias for each output."""
    one, two, three = 96, 128, 128

    def conv(inputs, outputs):
        return 9 * inputs * outputs + outputs

    chains = 8 * 2 * (conv(one, one) + conv(two, two) + conv(three, three))  # 4 down, 4 up, of 2 each
    edges = [(4, one), (one, 4), (4 * one, two), (two, 4 * one), (4 * two, three), (three, 4 * two)]
    with torch.device("meta"):
        count = sum(p.numel() for p in MWResNet(1).parameters())
    assert count == chains + sum(conv(*edge) for edge in edges)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_without_weights_it_returns_its_input(form, channels):
    network = form(channels).eval()
    for tensor in network.parameters():
        nn.init.zeros_(tensor)
    image = noisy(channels)
    with torch.no_grad():
        torch.testing.assert_close(network(image), image, atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_gets_a_gradient(form):
    torch.manual_seed(0)
    network = form(1)
    for name, tensor in network.named_parameters():
        if name.endswith("gate.0.bias"):
            nn.init.ones_(tensor)  # few channels: the ReLU of the attention could be dead
    ((network(noisy(height=32, width=32)) - 1) ** 2).mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_channel_attention_sees_the_whole_image():
    network = MWRCANet(1, (2, 2, 2), 1, 1).eval()
    image = torch.zeros(1, 1, 8, 1600)
    image[..., 0] = torch.nan
    with torch.no_grad():
        assert network(image).isnan().all()
    assert network.receptive_field is None
    assert (RAW.receptive_field, RGB.receptive_field) == (None, None)
    assert network.size_multiple == RAW.size_multiple == RGB.size_multiple == 8


@pytest.mark.parametrize("axis", [2, 3])
def test_receptive_field_of_mwresnet_by_a_pixel_that_is_no_number(axis):
    # float64, because fast float32 convolutions compute several outputs from one tile
    network = MWResNet(1, (1, 1, 1)).double().eval()
    side, reach = 640, 0
    for pixel in range(320, 328):
        image = torch.zeros((1, 1, 8, side) if axis == 3 else (1, 1, side, 8), dtype=torch.double)
        image.select(axis, pixel).fill_(torch.nan)
        with torch.no_grad():
            touched = network(image).isnan().any(dim=5 - axis).flatten().nonzero().flatten()
        reach = max(reach, pixel - touched.min().item(), touched.max().item() - pixel)
    assert 2 * reach + 1 == network.receptive_field == RESNET.receptive_field == RESNET_RGB.receptive_field
    assert network.size_multiple == RESNET.size_multiple == 8


def test_mwresnet_as_the_picture_has_it():
    """Sums from every transform's output to the inverse's input, ReLU behind all but the last convolution."""
    torch.manual_seed(4)
    network = MWResNet(1, (3, 4, 5), 2).eval()
    image = noisy()
    dwt = network.transform.__class__
    transforms = {width: dwt(width, "interleaved") for width in (1, 3, 4)}
    inverses = {width: type(network.inverse)(width, "interleaved") for width in (1, 3, 4)}

    def blocks(x, layers):
        for block in layers:
            x = x + block.conv2(relu(block.conv1(x)))
        return x

    with torch.no_grad():
        down1, down2 = network.core.contract
        up2, up1 = network.core.expand
        bottom = network.core.bottom
        t1 = transforms[1](image)
        t2 = transforms[3](blocks(relu(down1[0](t1)), down1[2:]))
        t3 = transforms[4](blocks(relu(down2[0](t2)), down2[2:]))
        y = blocks(relu(bottom[0](t3)), bottom[2:6])
        y = inverses[4](relu(bottom[6](y)) + t3)
        y = inverses[3](relu(up2[2](blocks(y, up2[:2]))) + t2)
        y = inverses[1](up1[2](blocks(y, up1[:2])) + t1)
        torch.testing.assert_close(network(image), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("channels", "net"), [(1, RAW), (3, RGB)])
def test_the_checkpoints_of_the_authors_load(tmp_path, channels, net):
    tensors, forward = happycaoyue(channels)
    wrapped = {"state_dict": {f"module.{key}": tensor for key, tensor in tensors.items()}, "epoch": 3}
    torch.save(wrapped, tmp_path / "dn_mwrcanet.pth")
    assert_same(load(net, tmp_path / "dn_mwrcanet.pth", {}), forward, noisy(channels))


def test_the_stored_wavelet_kernels_are_used(tmp_path):
    """The same network in another sign of the details is another function of the same tensors."""
    other = HAAR * torch.tensor([1.0, -1, -1, 1])[:, None, None, None]
    tensors, forward = happycaoyue(haar=other)
    torch.save(tensors, tmp_path / "net.pth")
    assert_same(load(RAW, tmp_path / "net.pth", {}), forward, noisy())


@pytest.mark.parametrize(("form", "net", "read"), [(FORMS[0], RGB, load), (FORMS[1], RESNET_RGB, load_resnet)])
def test_own_layout_loads(tmp_path, form, net, read):
    from safetensors.torch import save_file

    torch.manual_seed(2)
    network = form(3).eval()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        assert_same(read(net, tmp_path / name, {}), network.double(), noisy(3))


@pytest.mark.parametrize("form", FORMS)
def test_graph_and_onnx_export_at_another_size(form):
    network = form(1).eval()
    image = noisy(height=40, width=24)[:1]
    with torch.no_grad():
        torch.testing.assert_close(torch.fx.symbolic_trace(network)(image), network(image))
        denoised = export(network, 1, 0.1)(1)(image[0].numpy())
        torch.testing.assert_close(torch.from_numpy(denoised), network(image)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("read", "net"), [(load, RAW), (load_resnet, RESNET)])
@pytest.mark.parametrize("case", ["truncated", "empty", "chain", "mwcnn", "sibling", "a tensor less"])
def test_files_that_are_no_such_network(tmp_path, read, net, case):
    path = tmp_path / "net.pth"
    tensors = FORMS[0 if read is load else 1](1).state_dict()
    torch.save(tensors, path)
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "chain":
        torch.save(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 1, 3)).state_dict(), path)
    elif case == "mwcnn":
        torch.save(MWCNN(1, (4, 4, 4)).state_dict(), path)
    elif case == "sibling":
        torch.save(FORMS[1 if read is load else 0](1).state_dict(), path)
    else:
        torch.save({key: tensor for key, tensor in tensors.items() if key != "core.bottom.3.bias"}, path)
        if read is load_resnet:
            torch.save({key: tensor for key, tensor in tensors.items() if key != "core.bottom.2.conv1.bias"}, path)
    with pytest.raises(ValueError, match=r"^weights .*net") as caught:
        read(net, path, {})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("form", "net", "read"), [(FORMS[0], RAW, load), (FORMS[1], RESNET, load_resnet)])
def test_a_net_for_another_colour(tmp_path, form, net, read):
    torch.save(form(3).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="hold a rgb net, and the images are gray"):
        read(net, tmp_path / "net.pth", {})
    with pytest.raises(ValueError, match=f"{net.id}: needs weights"):
        read(net, None, {})
