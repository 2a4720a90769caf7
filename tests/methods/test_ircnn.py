from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, relu

import methods
from methods.ircnn import load
from methods.networks.ircnn import IRCNN

GRAY, RGB = methods.available()["ircnn"].nets
PAPER_DILATIONS = (1, 2, 3, 4, 3, 2, 1)


def layers(number, channels=1, features=4):
    """Weights and biases of the network with this number."""
    generator = torch.Generator().manual_seed(number)
    widths = [channels, *[features] * 6, channels]
    return [
        (torch.randn(b, a, 3, 3, generator=generator) / 5, torch.randn(b, generator=generator) / 5)
        for a, b in pairwise(widths)
    ]


def by_hand(chain, noisy):
    """Zhang et al. 2017, Fig. 1: the residual of seven dilated convolutions."""
    x = noisy
    for index, ((weight, bias), dilation) in enumerate(zip(chain, PAPER_DILATIONS, strict=True)):
        x = conv2d(x if index == 0 else relu(x), weight, bias, padding=dilation, dilation=dilation)
    return noisy - x


def kair(chain):
    """A state dict of KAIR's names: convolutions at even places, ReLU between."""
    return {
        f"model.{2 * index}.{part}": tensor
        for index, pair in enumerate(chain)
        for part, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def save_matlab(path, chains):
    """Write the cell `CNNdenoiser` as MATLAB 7.3 does: a reference to each cell of references to layers."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def stored(array):
            return file.create_dataset(f"#refs#/{len(file['#refs#'])}", data=array).ref

        file.create_group("#refs#")
        cells = []
        for chain in chains:
            references = []
            for index, (weight, bias) in enumerate(chain):
                array = weight.numpy().transpose(0, 1, 3, 2)
                parts = [stored(array[0] if len(array) == 1 else array), stored(bias.numpy()[None])]
                for kind in ("conv", "relu")[: 1 if index == 6 else 2]:
                    group = file.create_group(f"#refs#/{len(file['#refs#'])}")
                    group["type"] = np.array([[ord(c)] for c in kind], np.uint16)
                    if kind == "conv":
                        group.create_dataset("weights", data=np.array([[part] for part in parts], h5py.ref_dtype))
                    references.append(group.ref)
            cells.append(stored(np.array([[reference] for reference in references], h5py.ref_dtype)))
        file.create_dataset("CNNdenoiser", data=np.array([[cell] for cell in cells], h5py.ref_dtype))


@pytest.mark.parametrize(("net", "channels", "parameters"), [(GRAY, 1, 185_857), (RGB, 3, 188_163)])
def test_parameters_and_nets_of_the_paper(net, channels, parameters):
    """640 + 5 x 36,928 + 577 for gray, 1,792 + 5 x 36,928 + 1,731 for colour; 25 of them, sigma up to 50."""
    with torch.device("meta"):
        network = IRCNN(channels=channels)
    assert sum(p.numel() for p in network.parameters()) == 25 * parameters
    assert (net.parameters, net.trained, net.given_sigma) == (parameters, (0, 50), True)
    assert net.weights is None
    assert methods.available()["ircnn"].learned


def test_receptive_field_of_the_paper():
    """33 x 33; NaN in one pixel, and the outputs that become NaN."""
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, 20, 20] = torch.nan
    network = IRCNN(1, 1, 4)
    with torch.no_grad():
        reached = network(image)[0, 0].isnan()
    assert reached.any(dim=0).nonzero().flatten().tolist() == list(range(4, 37))
    assert network.receptive_field == GRAY.receptive_field == RGB.receptive_field == 33


def test_the_network_for_a_sigma():
    """cszn/IRCNN, loadmodel.m: min(25, max(ceil(sigma / 2), 1)), counted from 1."""
    network = IRCNN(features=2)
    for sigma in range(2, 52, 2):
        assert network.index(sigma / 255) == sigma // 2 - 1
    wanted = {0.5: 1, 1: 1, 2.1: 2, 3: 2, 15: 8, 25: 13, 29.9: 15, 30.1: 16, 49: 25, 51: 25, 75: 25}
    assert {sigma: network.index(sigma / 255) + 1 for sigma in wanted} == wanted


def test_sigma_must_be_told_unless_there_is_one_network():
    noisy = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"^IRCNN: sigma is None; expected the standard deviation of the noise"):
        IRCNN(2, 1, 2)(noisy)
    assert IRCNN(1, 1, 2)(noisy).shape == noisy.shape


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
@pytest.mark.parametrize("form", ["kair", "matlab", "ours", "safetensors"])
def test_files_of_25_networks_load(tmp_path, form, channels, net):
    from safetensors.torch import save_file

    chains = [layers(number, channels) for number in range(25)]
    path = tmp_path / {"matlab": "net.mat", "safetensors": "net.safetensors"}.get(form, "net.pth")
    ours = {
        key.replace("model.", f"nets.{number}."): tensor
        for number, chain in enumerate(chains)
        for key, tensor in kair(chain).items()
    }
    if form == "kair":
        torch.save({str(number): kair(chain) for number, chain in enumerate(chains)}, path)
    elif form == "matlab":
        save_matlab(path, chains)
    elif form == "ours":
        assert list(ours) == list(IRCNN(25, channels, 4).state_dict())
        torch.save(ours, path)
    else:
        save_file(ours, path)
    network = load(net, path, {})
    assert len(network.nets) == 25
    noisy = torch.rand(1, channels, 16, 20)
    with torch.no_grad():
        for sigma, number in ((1, 0), (15, 7), (25, 12), (50, 24), (60, 24)):
            torch.testing.assert_close(network(noisy, sigma / 255), by_hand(chains[number], noisy), atol=1e-5, rtol=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_one_network_serves_every_sigma(tmp_path, wrapped):
    chain = layers(0)
    torch.save({"epoch": 1, "state_dict": kair(chain)} if wrapped else kair(chain), tmp_path / "net.pth")
    network = load(GRAY, tmp_path / "net.pth", {})
    noisy = torch.rand(1, 1, 9, 9)
    with torch.no_grad():
        for sigma in (5 / 255, 50 / 255, None):
            torch.testing.assert_close(network(noisy, sigma), by_hand(chain, noisy), atol=1e-5, rtol=0)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    "case", ["six layers", "unequal", "gap", "colour", "no tensors", "truncated", "code", "mat", "mat of another net"]
)
def test_files_that_are_no_such_ircnn(tmp_path, case):
    chains = [layers(number, 3 if case == "colour" else 1) for number in range(3)]
    if case == "six layers":
        chains[1] = chains[1][:6]
    elif case == "unequal":
        chains[2] = layers(2, features=5)
    path = tmp_path / ("net.mat" if "mat" in case else "net.pth")
    if case == "mat":
        with h5py.File(path, "w") as file:
            file["CNNdenoiser"] = np.zeros((25, 1))
    elif case == "mat of another net":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    else:
        numbers = (0, 1, 3) if case == "gap" else (0, 1, 2)
        content = {str(number): kair(chain) for number, chain in zip(numbers, chains, strict=True)}
        torch.save({"0": {"epoch": 3}} if case == "no tensors" else content, path)
        if case == "code":
            torch.save({"0": {"model.0.weight": Malicious(tmp_path / "ran")}}, path)
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    reason = {
        "six layers": "not an IRCNN: network 1 has 6 convolutions; expected 7",
        "unequal": r"not an IRCNN: nets\.2\.0\.weight has shape \(5, 1, 3, 3\), expected \(4, 1, 3, 3\)",
        "gap": r"networks \[0, 1, 3\]; expected 0, 1, 2",
        "colour": "hold a rgb net, and the images are gray",
        "no tensors": "holds no named tensors",
        "truncated": "cannot be read",
        "code": "would execute code; refused",
        "mat": "no readable MatConvNet network .*expected a cell CNNdenoiser",
        "mat of another net": "no readable MatConvNet network",
    }[case]
    with pytest.raises(ValueError, match=f"^weights .*{reason}") as caught:
        load(GRAY, path, {})
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_it_runs_in_onnxruntime_at_any_size():
    """The network for sigma 25 alone is exported."""
    from bench.run.runtimes.onnx_network import export

    torch.manual_seed(0)
    network = IRCNN(25, 1, 4).eval()
    image = np.random.default_rng(0).random((1, 17, 30), np.float32)
    output = export(network, 1, 25 / 255)(1)(image)
    chain = [(layer.weight, layer.bias) for layer in network.nets[12] if hasattr(layer, "weight")]
    with torch.no_grad():
        expected = by_hand(chain, torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_allclose(output, expected, atol=1e-5)
