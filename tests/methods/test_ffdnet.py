from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, relu

import methods
from bench.common.files import fetch
from bench.run.images import pictures
from datasets import available
from methods.checkpoints import state_dict
from methods.ffdnet import load
from methods.networks.ffdnet import FFDNet

GRAY, RGB = methods.available()["ffdnet"].nets
BY_ROW = ((0, 0), (0, 1), (1, 0), (1, 1))
BY_COLUMN = ((0, 0), (1, 0), (0, 1), (1, 1))


def convolutions(channels=1, inputs=None, depth=4, features=8):
    """Random weights and biases of a stack, with `inputs` channels in and four a colour out."""
    torch.manual_seed(channels)
    widths = [inputs or 4 * channels + 1, *[features] * (depth - 1), 4 * channels]
    layers = [nn.Conv2d(a, b, 3) for a, b in pairwise(widths)]
    return [(layer.weight.detach(), layer.bias.detach()) for layer in layers]


def by_hand(stack, noisy, sigma, places, *, maps_in_front=0):
    """What `stack` makes of the sub-images at `places` of every 2x2 square, channel by channel, put back there."""
    channels = noisy.shape[1]
    parts = [noisy[:, [c], row::2, column::2] for c in range(channels) for row, column in places]
    maps = [torch.full_like(parts[0], sigma)] * (maps_in_front or 1)
    output = stack(torch.cat([*maps, *parts] if maps_in_front else [*parts, *maps], 1))
    image = torch.empty_like(noisy)
    for index in range(4 * channels):
        row, column = places[index % 4]
        image[:, index // 4, row::2, column::2] = output[:, index]
    return image


def plain(layers):
    """The function of a chain of convolutions with ReLU between them."""

    def stack(x):
        for index, (weight, bias) in enumerate(layers):
            x = conv2d(x if index == 0 else relu(x), weight, bias, padding=1)
        return x

    return stack


def normalised(tensors, depth):
    """The function of Tassano et al.'s file: convolutions 0, 2, 5, 8, ... without bias, batch norm in the middle."""
    prefix = "intermediate_dncnn.itermediate_dncnn"

    def stack(x):
        x = relu(conv2d(x, tensors[f"{prefix}.0.weight"], padding=1))
        for at in range(2, 3 * depth - 4, 3):
            scale, shift, mean, variance = (
                tensors[f"{prefix}.{at + 1}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            )
            x = conv2d(x, tensors[f"{prefix}.{at}.weight"], padding=1)
            x = relu(batch_norm(x, mean, variance, scale, shift, eps=1e-5))
        return conv2d(x, tensors[f"{prefix}.{3 * depth - 4}.weight"], padding=1)

    return stack


def save_matconvnet(path, layers):
    """Write MATLAB 7.3's form of cszn's file: SubP, concat, conv, relu, ..., conv, SubP; axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = []

        def put(kind, parts=None):
            group = file.create_group(f"#refs#/layer{len(references)}")
            group["type"] = np.array([[ord(c)] for c in kind], np.uint16)
            if parts is not None:
                cells = [
                    file.create_dataset(f"#refs#/part{len(references)}{i}", data=part).ref
                    for i, part in enumerate(parts)
                ]
                group.create_dataset("weights", data=np.array([[cell] for cell in cells], h5py.ref_dtype))
            references.append(group.ref)

        put("SubP")
        put("concat")
        for index, (weight, bias) in enumerate(layers):
            put("conv", (weight.numpy().transpose(0, 1, 3, 2), bias.numpy()[None]))
            if index < len(layers) - 1:
                put("relu")
        put("SubP")
        file.create_dataset("net/layers", data=np.array([[r] for r in references], h5py.ref_dtype))


def tassano(channels, depth=5, features=8):
    """A state dict as Tassano et al. save it, from which the key prefix `module.` has been dropped."""
    torch.manual_seed(7)
    prefix, tensors = "intermediate_dncnn.itermediate_dncnn", {}
    widths = [5 * channels, *[features] * (depth - 1), 4 * channels]
    for index in range(depth):
        at = max(0, 3 * index - 1)
        tensors[f"{prefix}.{at}.weight"] = torch.randn(widths[index + 1], widths[index], 3, 3) / 10
        if 0 < index < depth - 1:
            for part, tensor in (
                ("weight", torch.rand(features) + 0.5),
                ("bias", torch.randn(features) / 5),
                ("running_mean", torch.randn(features) / 5),
                ("running_var", torch.rand(features) + 0.3),
            ):
                tensors[f"{prefix}.{at + 1}.{part}"] = tensor
    return tensors


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
def test_authors_matconvnet_file_is_column_major(tmp_path, channels, net):
    layers = convolutions(channels)
    save_matconvnet(tmp_path / "net.mat", layers)
    network = load(net, tmp_path / "net.mat", {})
    noisy = torch.rand(2, channels, 12, 10)
    with torch.no_grad():
        denoised = network(noisy, 0.2)
        expected = by_hand(plain(layers), noisy, 0.2, BY_COLUMN)
        torch.testing.assert_close(denoised, expected, atol=1e-5, rtol=0)
        assert (denoised - by_hand(plain(layers), noisy, 0.2, BY_ROW)).abs().max() > 0.01
    assert network.padding == "replicate"


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
def test_kair_file_is_row_major(tmp_path, channels, net):
    layers = convolutions(channels, depth=12)
    tensors = {
        f"model.{2 * i}.{part}": t
        for i, pair in enumerate(layers)
        for part, t in zip(("weight", "bias"), pair, strict=True)
    }
    torch.save(tensors, tmp_path / "net.pth")
    noisy = torch.rand(1, channels, 8, 8)
    with torch.no_grad():
        denoised = load(net, tmp_path / "net.pth", {})(noisy, 0.1)
        torch.testing.assert_close(denoised, by_hand(plain(layers), noisy, 0.1, BY_ROW), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
def test_tassano_file_has_its_maps_in_front_and_predicts_noise(tmp_path, channels, net):
    tensors = tassano(channels)
    path = tmp_path / "net.pth"
    torch.save({f"module.{k}": t for k, t in tensors.items()}, path, _use_new_zipfile_serialization=False)
    network = load(net, path, {})
    noisy = torch.rand(1, channels, 8, 12)
    with torch.no_grad():
        noise = by_hand(normalised(tensors, 5), noisy, 0.3, BY_ROW, maps_in_front=channels)
        torch.testing.assert_close(network(noisy, 0.3), noisy - noise, atol=1e-5, rtol=0)
    assert network.padding == "reflect"


@pytest.mark.parametrize("predicts", ["image", "noise"])
def test_own_file_remembers_what_it_predicts(tmp_path, predicts):
    from safetensors.torch import save_file

    torch.manual_seed(3)
    network = FFDNet(12, 1, 8, predicts=predicts).eval()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    noisy = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(load(GRAY, tmp_path / "net.safetensors", {})(noisy, 0.1), network(noisy, 0.1))
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        assert torch.equal(network(noisy, 0.1), noisy if predicts == "noise" else torch.zeros_like(noisy))


@pytest.mark.parametrize("depth", [2, 5])
def test_receptive_field(depth):
    """NaN in one pixel, at each place of a square; how far away outputs become NaN: at most 2 depth + 1."""
    network = FFDNet(depth, 1, 4).eval()
    farthest = 0
    for place in BY_ROW:
        image = torch.zeros(1, 1, 48, 48)
        at = torch.tensor([24 + place[0], 24 + place[1]])
        image[0, 0, at[0], at[1]] = torch.nan
        with torch.no_grad():
            reached = network(image, 0.1)[0, 0].isnan().nonzero()
        farthest = max(farthest, int((reached - at).abs().max()))
    assert network.receptive_field == 2 * farthest + 1 == 4 * depth + 3


def test_nets_of_the_paper():
    """A receptive field of 62 (gray; 12 layers: 50), and one more since its centre lies between pixels; sigma 0-75."""
    assert [(net.receptive_field, net.size_multiple, net.trained) for net in (GRAY, RGB)] == [
        (63, 2, (0, 75)),
        (51, 2, (0, 75)),
    ]
    assert all(net.given_sigma and net.published == ("FFDNet", "") for net in (GRAY, RGB))


def test_sigma_must_be_told():
    with pytest.raises(ValueError, match=r"^FFDNet: sigma is None; expected the standard deviation of the noise"):
        FFDNet(2, 1, 4)(torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("case", ["no chain", "map missing", "5x5", "other module", "colour", "mat"])
def test_files_that_are_no_such_ffdnet(tmp_path, case):
    layers = convolutions(3 if case == "colour" else 1, inputs={"map missing": 4, "5x5": 5}.get(case))
    if case == "no chain":
        layers[1] = (torch.zeros(8, 7, 3, 3), torch.zeros(8))
    elif case == "5x5":
        layers[1] = (torch.zeros(8, 8, 5, 5), torch.zeros(8))
    path = tmp_path / ("net.mat" if case == "mat" else "net.pth")
    tensors = {f"model.{2 * i}.weight": weight for i, (weight, _) in enumerate(layers)}
    if case == "other module":
        tensors["model.1.weight"] = torch.zeros(1)  # a PReLU
    save_matconvnet(path, layers[:1]) if case == "mat" else torch.save(tensors, path)
    reason = {
        "no chain": "no plain chain of 3x3 convolutions",
        "map missing": r"4 channels in and 4 out; expected .* 5 channels in and 4 out \(gray\), or 13 in",
        "5x5": "no plain chain of 3x3 convolutions",
        "other module": "not a net of convolutions and batch norms; model.1 is something else",
        "colour": "hold a rgb net, and the images are gray",
        "mat": r"not an FFDNet: its 1 convolutions",
    }[case]
    with pytest.raises(ValueError, match=f"^weights .*{reason}") as caught:
        load(GRAY, path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_it_runs_in_onnxruntime_at_any_size():
    from bench.run.runtimes.onnx_network import export

    torch.manual_seed(0)
    network = FFDNet(4, 3, 8, predicts="noise").eval()
    image = np.random.default_rng(0).random((3, 18, 30), np.float32)
    output = export(network, 3, 0.1)(1)(image)
    with torch.no_grad():
        np.testing.assert_allclose(output, network(torch.from_numpy(image)[None], 0.1)[0].numpy(), atol=1e-5)


def published(net):
    (path,) = fetch("weights", "weights of FFDNet", [net.weights])
    return path


def photograph(data, name):
    """One image of a set, float32 (1, C, H, W), 1.0 = white."""
    (picture,) = pictures(available()[data], [name])
    return torch.from_numpy(picture.clean.astype(np.float32) / 255).permute(2, 0, 1)[None]


def psnr(network, clean, sigma):
    """PSNR of the clipped, unrounded output for one draw of noise, in dB."""
    field = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    with torch.no_grad():
        denoised = network(clean + sigma / 255 * torch.from_numpy(field), sigma / 255).clip(0, 1)
    return float(-10 * torch.log10(((denoised - clean) ** 2).mean()))


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(("net", "depth", "maps"), [(GRAY, 15, 1), (RGB, 12, 3)])
def test_published_weights_are_computed_as_they_were_trained(net, depth, maps):
    """Against batch norm, order and maps as Tassano et al. write them, nothing merged."""
    path = published(net)
    tensors = state_dict(path)
    counted = sum(tensor.numel() for key, tensor in tensors.items() if "running" not in key)
    assert counted == net.parameters
    network = load(net, path, {})
    assert network.receptive_field == net.receptive_field
    noisy = torch.randn(1, maps, 24, 28)
    with torch.no_grad():
        noise = by_hand(normalised(tensors, depth), noisy, 50 / 255, BY_ROW, maps_in_front=maps)
        torch.testing.assert_close(network(noisy, 50 / 255), noisy - noise, atol=2e-5, rtol=0)


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(("sigma", "house", "starfish"), [(15, 35.07, 31.99), (25, 33.28, 29.32), (50, 30.37, 25.75)])
def test_published_numbers_of_two_images(sigma, house, starfish):
    """House and Starfish with the authors' own weights (`results/published.csv`); one draw moves one image by 0.1."""
    network = load(GRAY, published(GRAY), {})
    measured = [psnr(network, photograph("set12", name), sigma) for name in ("02", "04")]
    assert measured == pytest.approx([house, starfish], abs=0.25)


@pytest.mark.usefixtures("published_files")
def test_wrong_order_of_the_sub_images_costs_decibels():
    network = load(GRAY, published(GRAY), {})
    clean = photograph("set12", "02")[..., :128, :128]
    right = psnr(network, clean, 25)
    with torch.no_grad():
        network.stack[0].weight.copy_(network.stack[0].weight[:, [0, 2, 1, 3, 4]])
        network.stack[-1].weight.copy_(network.stack[-1].weight[[0, 2, 1, 3]])
    assert right > 30
    assert psnr(network, clean, 25) < right - 2


@pytest.mark.usefixtures("published_files")
def test_colour_weights_are_as_good_as_cdncnn():
    """On CBSD68 the papers print 31.21 (FFDNet) and 31.23 (CDnCNN-B) at sigma 25."""
    from methods.dncnn import load as load_dncnn

    cdncnn = next(net for net in methods.available()["dncnn-b"].nets if net.colour == "rgb")
    (path,) = fetch("weights", "weights of CDnCNN-B", [cdncnn.weights])
    for name in ("101085", "102061"):
        clean = photograph("cbsd68", name)[..., :160, :160]
        ours = psnr(load(RGB, published(RGB), {}), clean, 25)
        assert ours == pytest.approx(psnr(load_dncnn(cdncnn, path, {}), clean, 25), abs=0.3)
