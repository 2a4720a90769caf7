import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, relu

import methods
from methods.networks.rdn import RDN, ResidualDenseBlock
from methods.rdn import load

METHODS = {name: methods.available()[name] for name in ("rdn", "rdn-small")}
GRAY, RGB = METHODS["rdn"].nets[0], METHODS["rdn-small"].nets[0]
ADDED, NOISE = METHODS["rdn"].options, METHODS["rdn-small"].options


def small(channels=1, *, blocks=2, layers=3, growth=4, features=6, predicts="residual") -> RDN:
    torch.manual_seed(0)
    return RDN(blocks, layers, growth, features, channels, predicts=predicts).eval()


def by_the_paper(tensors, noisy, blocks, layers):
    """F_{-1} ... F_DF as the equations of Zhang et al. 2020, Section 3, with the final convolution."""

    def conv(name, image):
        weight = tensors[f"{name}.weight"]
        return conv2d(image, weight, tensors[f"{name}.bias"], padding=weight.shape[-1] // 2)

    f_minus_1 = conv("shallow_first", noisy)
    before = conv("shallow_second", f_minus_1)  # F_0
    local = []
    for d in range(blocks):
        everything = before
        for c in range(layers):
            f_dc = relu(conv(f"blocks.{d}.convolutions.{c}", everything))
            everything = torch.cat([everything, f_dc], 1)
        before = before + conv(f"blocks.{d}.local_fusion", everything)
        local.append(before)
    f_gf = conv("global_fusion.1", conv("global_fusion.0", torch.cat(local, 1)))
    return conv("output", f_gf + f_minus_1)


@pytest.mark.parametrize(
    ("net", "configuration", "parameters"),
    [
        (METHODS["rdn"].nets[0], (16, 8, 64, 64, 1), 21_973_377),
        (METHODS["rdn"].nets[-1], (16, 8, 64, 64, 3), 21_975_683),
        (RGB, (3, 5, 16, 16, 3), 114_883),
    ],
)
def test_parameters_of_the_paper(net, configuration, parameters):
    with torch.device("meta"):
        network = RDN(*configuration)
    assert sum(p.numel() for p in network.parameters()) == parameters == net.parameters
    assert network.receptive_field == net.receptive_field


@pytest.mark.parametrize(("blocks", "layers", "side"), [(1, 1, 11), (2, 3, 21), (3, 5, 39)])
def test_receptive_field(blocks, layers, side):
    """NaN in one pixel; the outputs that become NaN. Side: 2 (D C + 4) + 1."""
    network = small(blocks=blocks, layers=layers)
    image = torch.zeros(1, 1, 45, 45)
    image[0, 0, 22, 22] = torch.nan
    with torch.no_grad():
        reached = network(image)[0, 0].isnan()
    assert reached.any(dim=0).sum() == reached.any(dim=1).sum() == side == network.receptive_field


def test_it_computes_the_equations_of_the_paper():
    network = small(3)
    noisy = torch.randn(2, 3, 12, 10)
    with torch.no_grad():
        expected = noisy + by_the_paper(network.state_dict(), noisy, 2, 3)
        torch.testing.assert_close(network(noisy), expected, atol=1e-5, rtol=0)


def test_each_convolution_of_a_block_sees_all_before_it():
    """Convolution c is made to give the constant c + 1, or a negative one; what the others read shows where it goes."""
    torch.manual_seed(0)
    block = ResidualDenseBlock(features=6, growth=4, layers=5)
    read = {}

    def constant(name, value):
        def hook(module, inputs, output):
            read[name] = inputs[0]
            return torch.full_like(output, value)

        return hook

    for c, convolution in enumerate(block.convolutions):
        convolution.register_forward_hook(constant(c, -1.0 if c == 3 else c + 1.0))
    block.local_fusion.register_forward_hook(constant("fusion", 0.0))
    features = torch.randn(1, 6, 5, 5)
    assert torch.equal(block(features), features)  # local residual
    memory = [features, *(torch.full((1, 4, 5, 5), value) for value in (1.0, 2.0, 3.0, 0.0, 5.0))]
    for c in range(5):
        assert torch.equal(read[c], torch.cat(memory[: c + 1], 1))
    assert torch.equal(read["fusion"], torch.cat(memory, 1))


def test_each_block_reaches_the_global_fusion_and_the_next_block():
    network = small(blocks=4)
    read = {}
    for d, block in enumerate(network.blocks):
        block.register_forward_hook(lambda module, inputs, output, d=d: torch.full_like(output, d + 1.0))
        block.register_forward_pre_hook(lambda module, inputs, d=d: read.update({d: inputs[0].unique().tolist()}))
    network.global_fusion.register_forward_pre_hook(lambda module, inputs: read.update(fusion=inputs[0]))
    network(torch.rand(1, 1, 8, 8))
    assert [read[d] for d in (1, 2, 3)] == [[1.0], [2.0], [3.0]]
    assert read["fusion"][0, :, 4, 4].tolist() == [1.0] * 6 + [2.0] * 6 + [3.0] * 6 + [4.0] * 6


def test_global_residual_comes_from_the_first_convolution():
    network = small()
    for parameter in network.global_fusion.parameters():
        torch.nn.init.zeros_(parameter)
    seen = {}
    network.shallow_first.register_forward_hook(lambda module, inputs, output: seen.update(first=output))
    network.output.register_forward_pre_hook(lambda module, inputs: seen.update(last=inputs[0]))
    network(torch.rand(1, 1, 8, 8))
    assert seen["first"].abs().max() > 0
    assert torch.equal(seen["last"], seen["first"])


@pytest.mark.parametrize(("predicts", "expected"), [("residual", 0.75), ("noise", 0.25), ("image", 0.25)])
def test_image_residual_and_its_sign(predicts, expected):
    """All weights zero but the last bias, 0.25, on an image of 0.5; with that zero too, the image comes back."""
    network = small(predicts=predicts)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    noisy = torch.full((1, 1, 8, 8), 0.5)
    with torch.no_grad():
        assert torch.equal(network(noisy), torch.zeros_like(noisy) if predicts == "image" else noisy)
        network.output.bias.fill_(0.25)
        assert torch.equal(network(noisy), torch.full_like(noisy, expected))


def yjn870(key):
    """Our name of a tensor in yjn870/RDN-pytorch."""
    for ours, theirs in (
        ("shallow_first", "sfe1"),
        ("shallow_second", "sfe2"),
        ("blocks", "rdbs"),
        ("local_fusion", "lff"),
        ("global_fusion", "gff"),
    ):
        key = key.replace(ours, theirs)
    return _dense(key, "layers")


def cifar(key):
    """Our name of a tensor in aptlin/noisy-cifar-100-rdn."""
    for ours, theirs in (
        ("shallow_first", "outer_shallow_features"),
        ("shallow_second", "inner_shallow_features"),
        ("blocks", "residual_dense_blocks"),
        ("local_fusion", "local_feature_fusion"),
        ("global_fusion", "global_feature_fusion"),
    ):
        key = key.replace(ours, theirs)
    return _dense(key, "dense_layers")


def _dense(key, name):
    parts = key.split(".")
    if "convolutions" in parts:
        at = parts.index("convolutions")
        parts[at : at + 2] = [name, parts[at + 1], "conv"]
    return ".".join(parts)


def test_the_other_names_are_theirs():
    assert yjn870("blocks.1.convolutions.2.weight") == "rdbs.1.layers.2.conv.weight"
    assert yjn870("blocks.0.local_fusion.bias") == "rdbs.0.lff.bias"
    assert cifar("blocks.1.convolutions.2.weight") == "residual_dense_blocks.1.dense_layers.2.conv.weight"
    assert cifar("global_fusion.0.weight") == "global_feature_fusion.0.weight"


@pytest.mark.parametrize("layout", ["ours", "safetensors", "yjn870", "cifar"])
def test_files_load_and_their_configuration_is_read_off(tmp_path, layout):
    from safetensors.torch import save_file

    # Twelve convolutions: safetensors sorts 10 before 2. Only our layout has features other than growth.
    network = small(3, layers=12, growth=4, features=4 if layout in ("yjn870", "cifar") else 6)
    rename = {"yjn870": yjn870, "cifar": cifar}.get(layout, lambda key: key)
    tensors = {rename(key): tensor for key, tensor in network.state_dict().items()}
    path = tmp_path / ("net.safetensors" if layout == "safetensors" else "net.pth")
    save_file(tensors, path) if layout == "safetensors" else torch.save(tensors, path)
    noisy = torch.rand(1, 3, 9, 11)
    prediction = by_the_paper(network.state_dict(), noisy, 2, 12)
    for options, sign in ((ADDED, 1), (NOISE, -1)):
        loaded = load(RGB, path, options)
        assert loaded.receptive_field == 2 * (2 * 12 + 4) + 1
        with torch.no_grad():
            torch.testing.assert_close(loaded(noisy), noisy + sign * prediction, atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["other net", "missing", "extra", "other shape", "upscaling", "colour"])
def test_files_that_are_no_such_rdn(tmp_path, case):
    tensors = dict(small(3 if case == "colour" else 1).state_dict())
    if case == "other net":
        tensors = {"model.0.weight": torch.zeros(8, 1, 3, 3)}
    elif case == "missing":
        del tensors["blocks.1.local_fusion.bias"]
    elif case == "extra":
        tensors["attention.weight"] = torch.zeros(3)
    elif case == "other shape":
        tensors["output.weight"] = torch.zeros(1, 6, 5, 5)
    elif case == "upscaling":
        tensors["upscale.0.weight"] = torch.zeros(24, 6, 3, 3)
    torch.save(tensors, tmp_path / "net.pth")
    reason = {
        "other net": r"not an RDN: it has no tensor 'shallow_first\.weight', but model\.0\.weight",
        "missing": r"not an RDN: 1 tensors are missing, as blocks\.1\.local_fusion\.bias",
        "extra": r"1 do not belong to it, as attention\.weight",
        "other shape": r"output\.weight has shape \(1, 6, 5, 5\), expected \(1, 6, 3, 3\)",
        "upscaling": "for super-resolution",
        "colour": "hold a rgb net, and the images are gray",
    }[case]
    with pytest.raises(ValueError, match=rf"^weights .*{reason}") as caught:
        load(GRAY, tmp_path / "net.pth", ADDED)
    assert len(str(caught.value).splitlines()) == 1


def test_it_runs_in_onnxruntime_at_any_size():
    from bench.run.runtimes.onnx_network import export

    network = small(3)
    image = np.random.default_rng(0).random((3, 17, 30), np.float32)
    output = export(network, 3, 0.1)(1)(image)
    with torch.no_grad():
        np.testing.assert_allclose(output, network(torch.from_numpy(image)[None])[0].numpy(), atol=1e-5)


def test_nets_of_the_paper():
    assert {(net.colour, net.trained) for net in METHODS["rdn"].nets} == {
        (colour, (sigma, sigma)) for colour in ("gray", "rgb") for sigma in (10, 30, 50, 70)
    }
    assert all(net.published == ("RDN", "") and net.weights is None for net in METHODS["rdn"].nets)
    assert METHODS["rdn-small"].nets[0].published == ("RDN (small)", "noise predictor")  # of CIFAR-100's noise
    assert (ADDED["predicts"], NOISE["predicts"]) == ("residual", "noise")
