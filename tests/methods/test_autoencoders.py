import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import fx

import methods
from bench.common.files import fetch
from datasets.description import RAW, File
from methods.networks.autoencoders import (
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    StackedAutoencoder,
    corrupt,
    patch_stride,
    reconstruction_loss,
)

METHODS = {name: methods.available()[name] for name in ("dae", "dae-stacked", "cnn-dae")}

PNEUMONIA = File(
    "PneumoniaMNIST/pneumoniamnist.npz",
    "a554d2332488d3ddc075125e66a1af77ec379fd2bafc09108ab95a37e2bd9c26",
    f"{RAW}/varun19424/pneumonia_mnist/9361a718d67e8a40f1ef8929db8c5682add8bd70/data/pneumoniamnist.npz",
)
RADIOGRAPHS = [
    File(
        f"CXR/images/{name}",
        digest,
        f"{RAW}/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset/"
        f"377a49490e910a66a7f7aee1b92cdc3d5ac4bddf/images/{name}",
    )
    for name, digest in (
        (
            "covid-19-pneumonia-evolution-over-a-week-1-day0-PA.jpg",
            "c831b8799bfb52f0fa0c23e2b25d0036677492c28980485cc96c1cbceb4432d6",
        ),
        ("kjr-21-e24-g003-l-a.jpg", "cef9b793ca574c174a1c02477fc96409ced4cdb53eec7ec1f268c6f2a6cb78b2"),
        ("klebsiella-pneumonia-1.jpg", "f33c17fb154510c17854f2b20455bcdf54c5d9e6dc7a86742d3aa414f382800c"),
    )
]


@pytest.fixture
def chests(published_files):
    """Chest radiographs of 28x28 pixels as vectors from 0 to 1: 1000 to train on, 200 others."""
    with np.load(fetch("data", "dataset pneumoniamnist", [PNEUMONIA])[0]) as arrays:
        parts = (arrays["train_images"][:1000], arrays["test_images"][:200])
    return [torch.from_numpy(images).flatten(1) / 255 for images in parts]


@pytest.fixture
def radiographs(published_files):
    """48 crops of 64x64 pixels, 16 of each radiograph reduced to 256x256."""
    crops = []
    for path in fetch("data", "dataset cxr", RADIOGRAPHS):
        with Image.open(path) as image:
            pixels = np.array(image.convert("L").resize((256, 256), Image.Resampling.BOX))
        crops.append(torch.from_numpy(pixels).unfold(0, 64, 64).unfold(1, 64, 64).reshape(16, 1, 64, 64) / 255)
    return torch.cat(crops)


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def squared_error(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first - second).square().mean().item()


def receptive_field(network, multiple: int, size: int) -> int:
    """Side of the square in which a NaN in one input pixel shows, over all positions in a multiple."""
    reach = 0
    for place in range(size // 2 // multiple * multiple, size // 2 // multiple * multiple + multiple):
        noisy = torch.full((1, 1, size, size), 0.5)
        noisy[..., place, place] = torch.nan
        with torch.no_grad():
            rows, columns = network(noisy).isnan()[0, 0].nonzero(as_tuple=True)
        reach = max(reach, (torch.cat([rows, columns]) - place).abs().max().item())
    return 2 * reach + 1


def descend(parameters, losses, optimiser) -> list[float]:
    """Take a step for every loss, and return them."""
    steps = optimiser(parameters)
    values = []
    for loss in losses:
        steps.zero_grad()
        loss.backward()
        steps.step()
        values.append(loss.item())
    return values


def test_parameters_of_the_papers():
    dense = 784 * 500 + 500 + 784
    stacked = (784 * 1000 + 1000 + 784) + 2 * (1000 * 1000 + 1000 + 1000)
    convolutional = (9 * 64 + 64) + 3 * (9 * 64 * 64 + 64) + (9 * 64 + 1)
    assert convolutional == 112_001  # as Keras counts them for the published layout
    built = (DenoisingAutoencoder(), StackedAutoencoder(), ConvolutionalAutoencoder())
    for method, network, count in zip(METHODS.values(), built, (dense, stacked, convolutional), strict=True):
        (net,) = method.nets
        assert net.parameters == count == sum(p.numel() for p in network.parameters())
        assert (net.receptive_field, net.size_multiple) == (network.receptive_field, network.size_multiple)


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (DenoisingAutoencoder(64, 5), 48),
        (StackedAutoencoder((49, 5, 3)), 42),
        (DenoisingAutoencoder(hidden=4), 168),
        *((ConvolutionalAutoencoder(4, reduction), 48) for reduction in (1, 2, 4)),
    ],
)
def test_receptive_field(network, size):
    assert receptive_field(network, network.size_multiple, size) == network.receptive_field


def test_masking_noise():
    clean = torch.rand(100, 784, generator=seeded(0)) + 0.1
    before = clean.clone()
    masked = corrupt(clean, 0.25, seeded(1))
    assert torch.equal(clean, before)
    assert torch.equal(masked, corrupt(clean, 0.25, seeded(1)))
    assert not torch.equal(masked, corrupt(clean, 0.25, seeded(2)))
    gone = masked == 0
    assert torch.equal(masked[~gone], clean[~gone])
    deviation = (0.25 * 0.75 / clean.numel()) ** 0.5
    assert abs(gone.double().mean().item() - 0.25) < 4 * deviation
    assert torch.equal(corrupt(clean, 0, seeded(1)), clean)
    assert not corrupt(clean, 1, seeded(1)).any()
    with pytest.raises(ValueError, match="fraction is 25; expected 0"):
        corrupt(clean, 25, seeded(1))


def test_cross_entropy_by_its_definition():
    z, x = torch.tensor([[0.2, 0.9], [0.5, 0.7]]), torch.tensor([[0.0, 1.0], [0.25, 0.5]])
    first = np.log(0.8) + np.log(0.9)
    second = (0.25 + 0.75) * np.log(0.5) + 0.5 * np.log(0.7) + 0.5 * np.log(0.3)
    assert reconstruction_loss(z, x).item() == pytest.approx(-(first + second) / 2, rel=1e-6)


def test_an_image_of_the_patch_size_is_one_example():
    torch.manual_seed(0)
    network = DenoisingAutoencoder()
    torch.nn.init.normal_(network.hidden_bias)
    torch.nn.init.normal_(network.visible_bias)
    image = torch.rand(2, 1, 28, 28)
    weight, hidden, visible = (p.detach().double().numpy() for p in network.parameters())
    examples = image.double().flatten(1).numpy()
    y = 1 / (1 + np.exp(-(examples @ weight.T + hidden)))
    z = 1 / (1 + np.exp(-(y @ weight + visible)))
    with torch.no_grad():
        np.testing.assert_allclose(network(image).flatten(1).numpy(), z, atol=1e-5)
    limit = 4 * np.sqrt(6 / (784 + 500))
    assert 0.999 * limit < np.abs(weight).max() <= limit


def test_decoder_and_encoder_share_one_tensor():
    """The gradient is the sum of those of an encoder and a decoder that were separate."""
    torch.manual_seed(0)
    network = DenoisingAutoencoder(6, 4)
    x = torch.rand(3, 6)
    reconstruction_loss(network.reconstruct(x), x).backward()
    up, down = (network.weight.detach().clone().requires_grad_() for _ in range(2))
    z = torch.sigmoid(torch.sigmoid(x @ up.T + network.hidden_bias) @ down + network.visible_bias)
    reconstruction_loss(z, x).backward()
    assert up.grad.abs().max() > 0
    assert down.grad.abs().max() > 0
    torch.testing.assert_close(network.weight.grad, up.grad + down.grad)
    assert [name for name, _ in network.named_parameters()] == ["weight", "hidden_bias", "visible_bias"]


@pytest.mark.parametrize("size", [(8, 8), (12, 22), (11, 17), (5, 9), (1, 1)])
def test_patches_are_averaged_where_they_overlap(size):
    torch.manual_seed(0)
    network = DenoisingAutoencoder(64, 10)
    image = torch.rand(2, 1, *size)
    height, width = (max(8, n + n % 2) for n in size)  # patches of 8 in steps of 2
    padded = torch.from_numpy(
        np.pad(image.numpy(), ((0, 0), (0, 0), (0, height - size[0]), (0, width - size[1])), "edge")
    )
    total, count = torch.zeros_like(padded), torch.zeros_like(padded)
    with torch.no_grad():
        for y in range(0, height - 7, 2):
            for x in range(0, width - 7, 2):
                patch = padded[..., y : y + 8, x : x + 8]
                total[..., y : y + 8, x : x + 8] += network.reconstruct(patch.flatten(1)).reshape(patch.shape)
                count[..., y : y + 8, x : x + 8] += 1
        denoised = network(image)
    torch.testing.assert_close(denoised, (total / count)[..., : size[0], : size[1]])


def test_steps_of_the_grid():
    assert [patch_stride(side) for side in (28, 8, 64, 17, 6, 1)] == [7, 2, 16, 1, 1, 1]


def test_aligned_tiles_give_the_whole_image():
    torch.manual_seed(0)
    network = StackedAutoencoder((64, 12, 6))
    image = torch.rand(1, 1, 40, 56)
    with torch.no_grad():
        whole, tile = network(image), network(image[..., 8:32, 16:48])
    torch.testing.assert_close(tile[..., 8:-8, 8:-8], whole[..., 16:24, 24:40])


@pytest.mark.parametrize(
    ("network", "multiple"), [(DenoisingAutoencoder(hidden=6), 28), (ConvolutionalAutoencoder(4), 4)]
)
def test_other_runtimes_take_every_size(network, multiple):
    import onnxruntime

    network.eval()
    images = [torch.rand(1, 1, a * multiple, b * multiple) for a, b in ((1, 1), (3, 2), (4, 5))]
    model = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, 64, 64),),
            model,
            dynamo=False,
            input_names=["noisy"],
            dynamic_axes={"noisy": {2: "h", 3: "w"}},
        )
    session = onnxruntime.InferenceSession(model.getvalue(), providers=["CPUExecutionProvider"])
    traced = fx.symbolic_trace(network, concrete_args={"sigma": None})
    for image in images:
        with torch.no_grad():
            denoised = network(image)
            torch.testing.assert_close(traced(image, None), denoised)
        (output,) = session.run(None, {"noisy": image.numpy()})
        np.testing.assert_allclose(output, denoised.numpy(), atol=1e-5)


def test_learns_chest_radiographs_with_masked_pixels(chests):
    """Settings of the authors' tutorial: 500 units, batches of 20, SGD with rate 0.1."""
    train, test = chests
    torch.manual_seed(0)
    network, generator = DenoisingAutoencoder(), seeded(0)
    losses = (network.pretraining_loss(batch, 0.25, generator) for _ in range(3) for batch in train.split(20))
    values = descend(network.parameters(), losses, lambda p: torch.optim.SGD(p, 0.1))
    assert np.mean(values[-50:]) < np.mean(values[:50]) - 10
    masked = corrupt(test, 0.25, seeded(1))
    with torch.no_grad():
        error = squared_error(network.reconstruct(masked), test)
    assert error < 0.3 * squared_error(masked, test)
    assert error < 0.95 * squared_error(train.mean(0), test)  # it is not just the mean radiograph


def test_a_stack_learns_layer_by_layer_and_then_as_a_whole(chests):
    train, test = chests
    torch.manual_seed(0)
    stack, generator = StackedAutoencoder((784, 200, 100)), seeded(0)

    def adam(parameters):
        return torch.optim.Adam(parameters, 3e-3)

    masked = corrupt(test, 0.25, seeded(1))
    for index, layer in enumerate(stack.layers):
        below = {k: v.clone() for k, v in stack.state_dict().items() if not k.startswith(f"layers.{index}.")}
        losses = (stack.pretraining_loss(batch, index, generator) for _ in range(2) for batch in train.split(20))
        values = descend(layer.parameters(), losses, adam)
        assert np.mean(values[-50:]) < 0.97 * np.mean(values[:50])
        assert all(torch.equal(stack.state_dict()[k], v) for k, v in below.items())  # the others stayed
    with torch.no_grad():
        greedy = squared_error(stack.reconstruct(masked), test)
    assert greedy < 0.5 * squared_error(masked, test)
    losses = (
        reconstruction_loss(stack.reconstruct(corrupt(batch, 0.25, generator)), batch)
        for _ in range(2)
        for batch in train.split(20)
    )
    descend(stack.parameters(), losses, adam)
    with torch.no_grad():
        tuned = squared_error(stack.reconstruct(masked), test)
    assert tuned < 0.9 * greedy


def test_layers_below_see_clean_examples_and_get_no_gradient():
    torch.manual_seed(0)
    stack = StackedAutoencoder((9, 5, 4, 3, 2))
    clean = torch.rand(7, 9)
    bottom, second = stack.layers[0], stack.layers[1]
    with torch.no_grad():
        representation = second.encode(bottom.encode(clean))
    # 0.3 is the third layer's corruption in the paper's settings; a fourth keeps it.
    for index, fraction in ((0, 0.1), (1, 0.2), (2, 0.3), (3, 0.3)):
        with torch.no_grad():
            below = {0: clean, 1: bottom.encode(clean), 2: representation}.get(index)
            below = stack.layers[2].encode(representation) if below is None else below
        expected = stack.layers[index].pretraining_loss(below, fraction, seeded(3))
        assert stack.pretraining_loss(clean, index, seeded(3)).item() == pytest.approx(expected.item())
    stack.pretraining_loss(clean, 2, seeded(3)).backward()
    assert [name for name, p in stack.named_parameters() if p.grad is not None] == [
        "layers.2.weight",
        "layers.2.hidden_bias",
        "layers.2.visible_bias",
    ]


def test_the_convolutional_one_learns_radiographs(radiographs):
    train, test = radiographs[:24], radiographs[32:]
    sigma, generator = 0.2, seeded(0)
    torch.manual_seed(0)
    network = ConvolutionalAutoencoder()
    losses = (
        reconstruction_loss(network(batch + sigma * torch.randn(batch.shape, generator=generator)), batch)
        for _ in range(4)
        for batch in train[torch.randperm(24, generator=generator)].split(4)
    )
    values = descend(network.parameters(), losses, lambda p: torch.optim.Adam(p, 3e-3))
    assert np.mean(values[-6:]) < np.mean(values[:6])
    noisy = test + sigma * torch.randn(test.shape, generator=seeded(1))
    with torch.no_grad():
        assert squared_error(network(noisy), test) < 0.5 * squared_error(noisy, test)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("dae", DenoisingAutoencoder(64, 7)),
        ("dae-stacked", StackedAutoencoder((64, 7, 6, 5, 4))),
        *(("cnn-dae", ConvolutionalAutoencoder(3, reduction, residual=reduction != 2)) for reduction in (1, 2, 4)),
        ("cnn-dae", ConvolutionalAutoencoder(3)),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_own_weights_of_any_width_and_depth(tmp_path, name, network, suffix):
    from safetensors.torch import save_file

    path = tmp_path / f"net.{suffix}"
    save_file(network.state_dict(), path) if suffix == "safetensors" else torch.save(network.state_dict(), path)
    loaded = METHODS[name].load(METHODS[name].nets[0], path, {})
    assert not loaded.training
    assert loaded.size_multiple == network.size_multiple
    noisy = torch.rand(2, 1, 16, 24)
    with torch.no_grad():
        assert torch.equal(loaded(noisy, 0.1), network(noisy))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("case", ["stack of convolutions", "no square", "one tensor less", "another method", "scalars"])
def test_files_of_other_networks(tmp_path, name, case):
    dense, stack, convolutional = DenoisingAutoencoder(64, 7), StackedAutoencoder((64, 7)), ConvolutionalAutoencoder(3)
    own = {"dae": dense, "dae-stacked": stack, "cnn-dae": convolutional}[name].state_dict()
    tensors = {
        "stack of convolutions": torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3)).state_dict(),
        "no square": {k: torch.cat([v, v[..., :1]], -1) for k, v in own.items()},
        "one tensor less": dict(list(own.items())[:-1]),
        "another method": (stack if name == "dae" else dense).state_dict(),
        "scalars": {k: torch.tensor(1.0) for k in own},
    }[case]
    torch.save(tensors, tmp_path / "net.pth")
    said = "holds no named tensors" if case == "scalars" else "not a "
    with pytest.raises(ValueError, match=rf"^weights .*net.pth: {said}") as caught:
        METHODS[name].load(METHODS[name].nets[0], tmp_path / "net.pth", {})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", METHODS)
def test_without_weights(name):
    (net,) = METHODS[name].nets
    with pytest.raises(ValueError, match=f"{name}: needs weights"):
        METHODS[name].load(net, None, {})
