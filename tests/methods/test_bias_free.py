import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import fx, nn

import datasets
import methods
from bench.common.files import fetch
from bench.degradation import degrade, parse
from bench.run.images import pictures
from bench.run.runtimes.choice import prepare
from methods.checkpoints import state_dict
from methods.formats import fill
from methods.networks.bias_free import BiasFreeBatchNorm, DenseNet, DnCNN, RecurrentCNN, UNet, fold

AVAILABLE = methods.available()
NETS = {net.id: net for method in AVAILABLE.values() for net in method.nets}
FAMILIES = {"dncnn": DnCNN, "unet": UNet, "rcnn": RecurrentCNN, "densenet": DenseNet}
BOTH = pytest.mark.parametrize("bias", [False, True], ids=["bias-free", "biased"])
ALL = pytest.mark.parametrize("family", list(FAMILIES))
RANGES = ("0-10", "0-30", "0-55", "0-100")


def randomised(family, *, bias=False, **shape):
    """A narrow network whose constants and running statistics are anything but their initial values."""
    torch.manual_seed(0)
    network = FAMILIES[family](features=8, bias=bias, **shape).eval()
    for name, tensor in network.state_dict().items():
        if "bn_layer_list" in name and tensor.dtype.is_floating_point:
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            tensor.normal_(0, 0.2)
    return network


def method(family, *, bias=False):
    return AVAILABLE[f"biased-{family}@0-55" if bias else f"bf-{family}"]


def load(chosen, path):
    with torch.no_grad():
        return chosen.load(chosen.nets[0], path, {})


def published(name):
    """Load a registered net with its authors' weights."""
    chosen = AVAILABLE[name]
    (path,) = fetch("weights", name, [chosen.nets[0].weights])
    return load(chosen, path)


def relative_gap(network, noisy, factor):
    with torch.no_grad():
        expected = factor * network(noisy)
        return float((network(factor * noisy) - expected).norm() / expected.norm())


def test_parameters():
    """Of the facts: UNet 233,024, recurrent 186,048; the others by the layers' sizes."""
    middle = 64 * 64 * 9
    stage = [  # inputs, outputs of the four stages
        (1 if i == 0 else 6) * 64 * 9 + 5 * middle + 64 * (1 if i == 3 else 5) * 9 for i in range(4)
    ]
    expected = {
        (DnCNN, False): 64 * 9 + 18 * (middle + 64) + 64 * 9,
        (DnCNN, True): 64 * 9 + 64 + 18 * (middle + 64 + 2 * 64) + 64 * 9 + 1,
        (UNet, False): 233_024,
        (UNet, True): 233_024 + 2 * 32 + 5 * 64 + 32,
        (RecurrentCNN, False): 186_048,
        (RecurrentCNN, True): 186_048 + 6 * 64,
        (DenseNet, False): sum(stage),
        (DenseNet, True): sum(stage) + 4 * 6 * 64 + 3 * 5,
    }
    for (architecture, bias), number in expected.items():
        assert sum(p.numel() for p in architecture(bias=bias).parameters()) == number
    assert NETS["bf-dncnn@0-55"].parameters == 64 * 9 + 18 * middle + 64 * 9
    assert NETS["biased-dncnn@0-55"].parameters == 665_921  # as cszn's DnCNN-B, batch normalisation merged
    assert NETS["bf-unet@0-55"].parameters == 233_024
    assert NETS["bf-rcnn@0-55"].parameters == 186_048
    assert NETS["bf-densenet"].parameters == sum(stage)
    assert NETS["biased-densenet"].parameters == sum(stage) + 4 * 6 * 64 + 3 * 5


@ALL
def test_receptive_field(family):
    """A NaN in one pixel reaches exactly the outputs that depend on it."""
    network = randomised(family)
    multiple, radius = network.size_multiple, 0
    for row, column in np.ndindex(multiple, multiple):
        noisy = torch.rand(1, 1, 64, 64)
        noisy[0, 0, 32 + row, 32 + column] = torch.nan
        with torch.no_grad():
            reached = network(noisy)[0, 0].isnan().nonzero() - torch.tensor([32 + row, 32 + column])
        radius = max(radius, int(reached.abs().max()))
    net = method(family).nets[0]
    assert (2 * radius + 1, multiple) == (net.receptive_field, net.size_multiple)
    assert (network.receptive_field, network.size_multiple) == (net.receptive_field, net.size_multiple)


def test_receptive_field_follows_the_depth():
    assert DnCNN(6).receptive_field == 13
    assert RecurrentCNN(recurrences=2, hidden=3).receptive_field == 2 * 2 * 5 + 1
    assert DenseNet(stages=3, hidden=1).receptive_field == 2 * 3 * 3 + 1
    assert method("unet").nets[0].padding == "zero"


def test_bias_free_normalisation_in_evaluation_adds_epsilon_to_the_deviation():
    norm = BiasFreeBatchNorm(2).eval()
    norm.running_var.copy_(torch.tensor([4.0, 1e-10]))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([3.0, 1.0]))
        denoised = norm(torch.ones(1, 2, 1, 1)).flatten()
    assert denoised.tolist() == pytest.approx([3 / 2.00001, 1 / 2e-5], rel=1e-5)


def test_bias_free_normalisation_in_training_uses_the_batch():
    norm = BiasFreeBatchNorm(3).train()
    x = np.random.default_rng(0).normal(2, [[[[0.5]], [[1.0]], [[3.0]]]], (4, 3, 5, 6)).astype("f4")
    variance = x.transpose(1, 0, 2, 3).reshape(3, -1).var(axis=1, ddof=1)
    scaled = norm(torch.from_numpy(x)).detach().numpy()
    assert scaled == pytest.approx(x / (np.sqrt(variance) + 1e-5)[:, None, None], rel=1e-5)  # not centred
    assert norm.running_var.numpy() == pytest.approx(0.9 + 0.1 * variance, rel=1e-5)


def test_a_constant_channel_has_a_finite_gradient():
    norm = BiasFreeBatchNorm(1).train()
    x = torch.zeros(2, 1, 4, 4, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_recurrences_one_to_four_in_training_and_four_in_evaluation():
    network = randomised("rcnn")
    noisy = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        images = [noisy]
        for _ in range(4):
            images.append(network.cnn(torch.cat([noisy, images[-1]], 1)))
        torch.testing.assert_close(network(noisy), images[4], rtol=0, atol=0)
        network.train()
        seen = []
        for _ in range(100):
            image = network(noisy)
            seen.append([torch.equal(image, other) for other in images].index(True))
    assert set(seen) == {1, 2, 3, 4}
    assert all(8 <= seen.count(n) <= 42 for n in (1, 2, 3, 4))  # evenly: 25 each, deviation 4


def test_the_dncnn_starts_as_in_the_authors_training():
    torch.manual_seed(0)
    network = DnCNN(bias=True)
    for layer in network.hidden_layer_list:
        assert float(layer.weight.detach().std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
        assert not layer.bias.any()
    scales = torch.cat([norm.weight.detach() for norm in network.bn_layer_list]).abs()
    assert float(scales.max()) == pytest.approx(0.025)
    assert float((scales < 0.025).float().mean()) == pytest.approx(0.329, abs=0.06)  # P(|N(0, 0.0589)| < 0.025)


@ALL
@pytest.mark.parametrize("factor", [0.1, 3.7])
def test_bias_free_networks_scale_with_their_input(family, factor):
    noisy = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    assert relative_gap(randomised(family).double(), noisy, factor) < 1e-12
    assert relative_gap(randomised(family, bias=True).double(), noisy, factor) > 1e-2


@BOTH
def test_the_folded_dncnn_is_the_same_function(bias):
    network = randomised("dncnn", bias=bias, depth=8)
    plain = fold(network)
    assert {type(module) for module in plain.modules()} == {DnCNN, nn.Conv2d, nn.ReLU, nn.ModuleList}
    noisy = torch.rand(2, 1, 20, 24)
    with torch.no_grad():
        expected = network(noisy)
        torch.testing.assert_close(plain(noisy), expected, atol=1e-5, rtol=0)
        assert float((expected - noisy).abs().max()) > 0.1  # so that the layers matter
        torch.testing.assert_close(fold(plain)(noisy), plain(noisy), atol=0, rtol=0)


@ALL
@BOTH
def test_a_gradient_step_lowers_the_loss(family, bias):
    torch.manual_seed(0)
    network = FAMILIES[family](features=16, bias=bias).train()
    clean = torch.rand(4, 1, 5, 5).repeat_interleave(4, -1).repeat_interleave(4, -2)
    noisy = clean + 0.1 * torch.randn_like(clean)

    def loss():
        torch.manual_seed(1)  # the same number of recurrences
        return ((network(noisy) - clean) ** 2).sum() / (2 * len(clean))

    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4)
    before = loss()
    before.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    optimiser.step()
    assert loss().item() < before.item()


SHAPES = {
    "dncnn": {"depth": 5},
    "unet": {},
    "rcnn": {"hidden": 2},
    "densenet": {"stages": 3, "hidden": 2, "passed": 4},
}


@ALL
def test_own_weights_of_any_size_load(tmp_path, family):
    network = randomised(family, **SHAPES[family])
    noisy = torch.rand(1, 1, 16, 18)
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "net.pt")
    saved = ["net.safetensors", "net.pt"]
    if family == "dncnn":
        save_file(fold(network).state_dict(), tmp_path / "folded.safetensors")
        saved.append("folded.safetensors")
    for name in saved:
        loaded = load(method(family), tmp_path / name)
        assert not loaded.training
        assert loaded.receptive_field == network.receptive_field
        with torch.no_grad():
            torch.testing.assert_close(loaded(noisy, 0.1), network(noisy), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["dncnn", "unet", "rcnn"])
def test_own_biased_weights_load(tmp_path, family):
    network = randomised(family, bias=True, **SHAPES[family])
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    noisy = torch.rand(1, 1, 16, 18)
    with torch.no_grad():
        loaded = load(method(family, bias=True), tmp_path / "net.safetensors")(noisy)
        torch.testing.assert_close(loaded, network(noisy), atol=1e-5, rtol=0)


def refused(chosen, path, words):
    with pytest.raises(ValueError, match=words) as caught:
        load(chosen, path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(path) in str(caught.value)


@ALL
def test_files_of_another_architecture(tmp_path, family):
    for other in FAMILIES:
        torch.save(randomised(other).state_dict(), tmp_path / f"{other}.pt")
        if other != family:
            refused(method(family), tmp_path / f"{other}.pt", "^weights .*: not a bias-free ")
    torch.save(randomised(family, bias=True).state_dict(), tmp_path / "biased.pt")
    refused(method(family), tmp_path / "biased.pt", r"not a bias-free .*(do not belong to it, as .*bias|is not 0)")
    if family != "densenet":
        words = "not a .* with biases: .* are missing, as .*bias"
        refused(method(family, bias=True), tmp_path / f"{family}.pt", words)
    wider = {key: t.repeat(2, *[1] * (t.ndim - 1)) for key, t in randomised(family).state_dict().items()}
    torch.save(wider, tmp_path / "wider.pt")
    refused(method(family), tmp_path / "wider.pt", "not a bias-free .* has shape .*, expected")


def test_ordinary_batch_normalisation_is_not_taken_for_bias_free(tmp_path):
    """Convolutions without biases, but means that are subtracted, as in other DnCNNs."""
    tensors = randomised("dncnn").state_dict() | {"bn_layer_list.0.running_mean": torch.full((8,), 0.3)}
    torch.save(tensors, tmp_path / "net.pt")
    refused(method("dncnn"), tmp_path / "net.pt", "running_mean is not 0, so its batch normalisation is ordinary")


def test_no_weights_and_damaged_weights(tmp_path):
    with pytest.raises(ValueError, match=r"^bf-densenet: needs weights; give a file of your own with WEIGHTS$"):
        load(AVAILABLE["bf-densenet"], None)
    assert AVAILABLE["bf-densenet"].learned
    torch.save(randomised("unet").state_dict(), tmp_path / "net.pt")
    (tmp_path / "net.pt").write_bytes((tmp_path / "net.pt").read_bytes()[:3000])
    refused(method("unet"), tmp_path / "net.pt", "^weights .*cannot be read")


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@ALL
def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path, family):
    content = {"model": [randomised(family).state_dict()], "args": Malicious(tmp_path / "ran")}
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(content))
    torch.save(content, tmp_path / "bad2.pt")
    torch.save(content, tmp_path / "bad3.pt", _use_new_zipfile_serialization=False)
    for name in ("bad.pt", "bad2.pt", "bad3.pt"):
        refused(method(family), tmp_path / name, "would execute code; refused")
    assert not (tmp_path / "ran").exists()


@ALL
def test_graphs_are_plain_and_export(family):
    network = randomised(family, bias=family == "unet")
    network = fold(network) if family == "dncnn" else network
    graph = fx.symbolic_trace(network, concrete_args={"sigma": None})
    kinds = {type(graph.get_submodule(str(node.target))) for node in graph.graph.nodes if node.op == "call_module"}
    assert kinds <= {nn.Conv2d, nn.ReLU, nn.ConvTranspose2d}
    inputs = [torch.rand(1, 1, 24, 32), torch.rand(1, 1, 40, 18)]
    with torch.no_grad():
        expected = [network(noisy) for noisy in inputs]
    runner = prepare(network, channels=1, device="cpu", runtime="onnxruntime", sigma=0.1, threads=1)
    for noisy, denoised in zip(inputs, expected, strict=True):
        gap = (torch.as_tensor(runner.run(noisy, 0.1)) - denoised).abs().max()
        assert float(gap / denoised.abs().max()) < 1e-5


def test_every_published_file_and_curve_has_its_method():
    files = [path for path in methods.description.listed() if path.startswith("bf_cnn/")]
    with (Path(methods.__file__).parents[1] / "results" / "published.csv").open(newline="") as table:
        rows = {(row["method"], row["variant"]) for row in csv.DictReader(table) if "BF-CNN" in row["paper"]}
    used = []
    for family in ("dncnn", "unet", "rcnn"):
        for span in RANGES:
            for kind, folder in (("bf", "bias_free"), ("biased", "bias")):
                (net,) = AVAILABLE[f"{kind}-{family}@{span}"].nets
                assert net.weights.path == f"bf_cnn/{family}/{folder}/{span}.pt"
                assert net.published in rows
                assert net.published[1] == f"{'bias-free' if kind == 'bf' else 'with bias'}, trained sigma {span}"
                assert net.published[0].startswith("BF-") == (kind == "bf")
                assert net.trained == tuple(map(int, span.split("-")))
                assert not net.given_sigma
                used.append(net.weights.path)
        assert AVAILABLE[f"bf-{family}"].nets[0] is AVAILABLE[f"bf-{family}@0-55"].nets[0]
    assert sorted(used) == sorted(files)
    assert {NETS["bf-densenet"].published, NETS["biased-densenet"].published} <= set(rows)
    assert NETS["bf-dncnn@0-10"].label == "BF-DnCNN 0-10"
    assert NETS["biased-dncnn@0-10"].label == "DnCNN bias 0-10"


def degraded(name, sigma):
    """An image of Set12 and its noisy form, as tensors (1, 1, H, W)."""
    (picture,) = pictures(datasets.available()["set12"], [name])
    clean = picture.clean
    noisy = degrade(clean, parse(str(sigma)), dataset="set12", image=name, seed=0).noisy
    return [torch.from_numpy(np.asarray(a, "f4")).permute(2, 0, 1)[None] for a in (clean / 255, noisy)]


def psnr(name, image, sigma, side=256):
    clean, noisy = (tensor[..., :side, :side] for tensor in degraded(image, sigma))
    network = published(name)
    with torch.no_grad():
        denoised = network(noisy, sigma / 255).clamp(0, 1)
    return -10 * float(((denoised - clean) ** 2).mean().log10())


# DnCNN-B's printed number for the image (29.94, 33.05, 30.84), less what the net stands below it over Set12: DnCNN-B
# 30.362 at sigma 25 against 30.37, 30.25 and 30.07, measured with these weights by other code.
@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("bf-dncnn", "01", 29.94),
        ("bf-unet", "01", 29.83),
        ("bf-unet", "02", 32.94),
        ("bf-unet", "03", 30.73),
        ("bf-rcnn", "03", 30.55),
    ],
)
def test_the_authors_weights_reach_their_psnr(name, image, expected):
    assert psnr(name, image, 25) == pytest.approx(expected, abs=0.3)  # one image, one draw of the noise


@pytest.mark.usefixtures("published_files")
def test_trained_up_to_sigma_10_only_the_bias_free_net_denoises_sigma_50():
    """The curves of Mohan et al.: 25.80 against 15.29 dB on BSD68; 15.16 was measured elsewhere on Set12."""
    biased = psnr("biased-dncnn@0-10", "03", 50, side=96)
    assert biased == pytest.approx(15.2, abs=0.5)
    assert psnr("bf-dncnn@0-10", "03", 50, side=96) - biased > 9


@pytest.mark.usefixtures("published_files")
def test_the_authors_files_fold_and_scale():
    noisy = degraded("03", 25)[1][..., 100:148, 60:124]
    for name in ("bf-dncnn@0-10", "bf-unet@0-10", "bf-rcnn"):
        network = published(name)
        assert relative_gap(network, noisy, 0.1) < 1e-6
        assert relative_gap(network, noisy, 3.7) < 1e-6
    biased = published("biased-dncnn@0-10")
    assert relative_gap(biased, noisy, 3.7) > 1e-2
    for name, unused in (("biased-dncnn@0-10", ()), ("bf-dncnn@0-10", ("bias", "running_mean", "num_batches_tracked"))):
        trained = DnCNN(bias=not unused).eval()
        (path,) = fetch("weights", name, [NETS[name].weights])
        tensors = {key: t for key, t in state_dict(path).items() if not unused or not key.endswith(unused)}
        fill(trained, tensors, path, "DnCNN in the form that is trained")
        with torch.no_grad():
            torch.testing.assert_close(published(name)(noisy), trained(noisy), atol=1e-5, rtol=0)


def test_normalisation_keeps_half_precision_and_has_the_statistics_of_float32():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 16, 16).bfloat16()
    norm = BiasFreeBatchNorm(3, momentum=1.0).train()
    assert norm(x).dtype == torch.bfloat16
    expected = x.double().var(dim=(0, 2, 3), correction=1)
    torch.testing.assert_close(norm.running_var.double(), expected, rtol=1e-6, atol=0)
    assert norm.eval()(x).dtype == torch.bfloat16
