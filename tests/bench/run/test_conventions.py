"""Whatever a method returns instead of the image is recognised and brought to it; the image itself is left alone."""

import itertools
from dataclasses import dataclass
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_tv_chambolle
from torch.nn.functional import avg_pool2d, conv2d

from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.run.array_code import HINT
from bench.run.conventions import UNSTEADY, understood
from bench.run.loading import load
from bench.run.one_cell import run_cell
from bench.run.settings import Settings

CPU = Settings(device="cpu")


def smooth(noisy, sigma):
    """Denoise well enough: the mean of 3x3 pixels."""
    return avg_pool2d(noisy, 3, stride=1, padding=1, count_include_pad=False)


def weak(noisy, sigma):
    return 0.5 * noisy + 0.5 * smooth(noisy, sigma)


def strong(noisy, sigma):
    return avg_pool2d(smooth(noisy, sigma), 7, stride=1, padding=3, count_include_pad=False)


RETURNED = {
    "image": lambda noisy, out: out,
    "residual": lambda noisy, out: noisy - out,
    "-residual": lambda noisy, out: out - noisy,
    "255": lambda noisy, out: out * 255,
    "-1..1": lambda noisy, out: 2 * out - 1,
}


def image(name, sigma, channels=1, size=(64, 80)):
    from skimage import data

    if name in ("black", "gray", "white"):
        clean = np.full((*size, channels), {"black": 0.0, "gray": 0.5, "white": 1.0}[name])
    else:
        clean = getattr(data, name)()
        clean = clean[..., None] if clean.ndim == 2 else clean
        clean = clean[100 : 100 + size[0], 100 : 100 + size[1], :channels] / 255
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    return torch.from_numpy((clean + noise).astype(np.float32)).permute(2, 0, 1)[None]


IMAGES = [
    ("camera", 25, 1), ("coins", 5, 1), ("camera", 75, 1), ("astronaut", 50, 3), ("coffee", 15, 3), ("grass", 25, 1),
    ("moon", 10, 1), ("black", 25, 1), ("white", 25, 3), ("gray", 50, 1),
]  # fmt: skip


@pytest.mark.parametrize("case", IMAGES, ids=str)
def test_recognised_on_the_first_image_for_all(case):
    """Also on a flat image, and on one of the few pixels that start-up runs."""
    name, sigma, channels = case
    sigma /= 255
    first, second = image(name, sigma, channels), image("astronaut", sigma, channels, (30, 41))
    orders = ((first, second), (second, first))
    for kind, denoise, images in itertools.product(RETURNED, (smooth, weak, strong), orders):
        notes, warnings = [], []
        run = understood(lambda n, s, k=kind, d=denoise: RETURNED[k](n, d(n, s)), "", notes, warnings)
        for noisy in images:
            before = noisy.clone()
            torch.testing.assert_close(run(noisy, sigma), denoise(noisy, sigma), rtol=0, atol=2e-5)
            assert torch.equal(noisy, before)
        assert len(notes) == (kind != "image")
        assert all(line.endswith("; OUTPUT=image keeps it") for line in notes)
        assert warnings == []


@pytest.mark.parametrize("kind", RETURNED)
def test_what_is_said_holds_whatever_it_looks_like(kind):
    noisy = image("camera", 0.1)
    run = understood(lambda n, s: RETURNED[kind](n, n), kind, notes := [], [])
    torch.testing.assert_close(run(noisy, 0.1), noisy, rtol=0, atol=1e-5)
    kept = understood(lambda n, s: RETURNED[kind](n, smooth(n, s)), "image", notes, [])
    assert torch.equal(kept(noisy, 0.1), RETURNED[kind](noisy, smooth(noisy, 0.1)))
    assert notes == []


def edges(noisy, sigma):
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return conv2d(noisy, kernel, padding=1)


@pytest.mark.parametrize(
    "body",
    [
        lambda n, s: n * 0,
        lambda n, s: n * 0 + 0.5,
        lambda n, s: torch.randn(n.shape, generator=torch.Generator().manual_seed(1)) * s,
        lambda n, s: n.flip(-1),
        lambda n, s: n * 0.01,
        lambda n, s: 1 - n,
        lambda n, s: n - n.mean(),
        lambda n, s: n.clamp(0, 1) ** 2,
        lambda n, s: 20 * edges(n, s),
        lambda n, s: n.amax(dim=(-2, -1), keepdim=True) - n * 0,
    ],
)
def test_what_is_none_of_these_is_left_as_it_is(body):
    for name, sigma in (("camera", 25 / 255), ("coins", 50 / 255), ("gray", 25 / 255)):
        noisy, notes = image(name, sigma), []
        assert torch.equal(understood(body, "", notes, [])(noisy, sigma), body(noisy, sigma))
        assert notes == []


def test_an_image_that_misleads_is_not_trusted_alone():
    """A method that returns an image, and on a certain one looks as if it returned its noise."""
    misleading = image("camera", 0.1)

    def denoise(noisy, sigma):
        out = smooth(noisy, sigma)
        return noisy - out if noisy.shape == misleading.shape else out

    run = understood(denoise, "", notes := [], warnings := [])
    other = image("coins", 0.1, size=(40, 40))
    assert torch.equal(run(misleading, 0.1), denoise(misleading, 0.1))
    assert torch.equal(run(other, 0.1), smooth(other, 0.1))
    assert notes == []
    assert "seems to return the noise on the first image" in warnings[0]


@pytest.mark.parametrize(
    "body",
    [
        lambda n, s: n.astype(np.float64),
        lambda n, s: denoise_tv_chambolle(n),
        lambda n, s: cv2.medianBlur(n, 3),
    ],
)
def test_code_for_arrays_is_told_that_it_gets_a_tensor(body):
    with pytest.raises(BenchError) as caught:
        understood(body, "", [], [])(image("camera", 0.1), 0.1)
    assert str(caught.value).endswith(f"; {HINT}")


@pytest.mark.parametrize(
    ("body", "libraries"),
    [
        (lambda n, s: gaussian_filter(n, 1), "scipy"),
        (lambda n, s: denoise_tv_chambolle(gaussian_filter(n, 1)), "scipy"),
        (lambda n, s: gaussian_filter(n.numpy()[0], (0, 1, 1)), ""),
        (lambda n, s: gaussian_filter(np.asarray(n), (0, 0, 1, 1)), ""),
        (lambda n, s: np.clip(n, 0, 1), ""),
        (lambda n, s: np.stack([gaussian_filter(plane, 1) for plane in n[0]]), ""),  # an image of one channel
        (smooth, ""),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_library_that_is_handed_the_tensor_takes_its_channels_for_rows(body, libraries, channels):
    """A filter of scipy went over the colours too, and the low number stood there without a word."""
    warnings = []
    understood(body, "image", [], warnings)(image("astronaut", 0.1, channels), 0.1)
    said = [f"hands its input to {libraries}, which filters along all of its axes: {HINT}"]
    assert warnings == (said if libraries and channels == 3 else [])


@dataclass
class Restored:
    """What some methods return: their input beside the image."""

    noisy: torch.Tensor
    image: torch.Tensor


@pytest.mark.parametrize(
    ("pack", "place"),
    [
        (lambda n, out: (out, n * 0), 1),
        (lambda n, out: (n * 0 + 0.1, out), 2),  # noise level first, as CBDNet
        (lambda n, out: [n - out, out], 2),
        (lambda n, out: {"aux": [n.new_zeros(3), n.mean()], "restored": out, "noise": n - out}, 1),
        (lambda n, out: torch.cat([out, n * 0], 1), 1),  # mean and variance in one, as VDN
        (lambda n, out: (out, n.mean()), 0),
        (lambda n, out: (n - out, n.mean()), 0),
        (lambda n, out: [[out[:, :, ::2, ::2]], out], 0),
        (lambda n, out: Restored(n, out), 2),
        (lambda n, out: SimpleNamespace(image=out, psnr=31.2, steps=[1, 2]), 0),
        (lambda n, out: {"input": n.clone(), "noise": n - out}, 2),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_several_outputs(pack, place, channels):
    noisy = image("astronaut", 0.1, channels)
    run = understood(lambda n, s: pack(n, smooth(n, s)), "", notes := [], [])
    torch.testing.assert_close(run(noisy, 0.1), smooth(noisy, 0.1), rtol=0, atol=1e-6)
    assert [line for line in notes if "number" in line] == (
        [f"returns 2 images; number {place} is taken"] * (place > 0)
    )


@pytest.mark.parametrize(
    "shape",
    [lambda o: o.numpy(), lambda o: o[0], lambda o: o[0].permute(1, 2, 0), lambda o: o[0].permute(1, 2, 0).numpy(),
     lambda o: o.permute(0, 2, 3, 1), lambda o: o.double(), lambda o: o.squeeze(),
     lambda o: o.flip(-1).numpy()[..., ::-1], lambda o: o.numpy().astype(">f4")],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_types_that_mean_the_same(shape, channels):
    noisy = image("astronaut", 0.1, channels)
    run = understood(lambda n, s: shape(smooth(n, s)), "", [], [])
    torch.testing.assert_close(run(noisy, 0.1).float(), smooth(noisy, 0.1), rtol=0, atol=1e-6)


def test_eight_bit_images():
    noisy = image("camera", 0.1)
    run = understood(lambda n, s: (smooth(n, s).clamp(0, 1) * 255).round().byte().numpy(), "", notes := [], [])
    torch.testing.assert_close(run(noisy, 0.1), smooth(noisy, 0.1).clamp(0, 1), rtol=0, atol=0.51 / 255)
    assert notes == ["returns values from 0 to 255; divided by 255; OUTPUT=image keeps it"]


@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_images_of_pillow(name):
    noisy = image(name, 0.1, 1 + 2 * (name == "astronaut"))

    def denoise(noisy, sigma):
        pixels = (smooth(noisy, sigma)[0].permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8)
        return Image.fromarray(pixels.squeeze())

    run = understood(denoise, "", notes := [], [])
    torch.testing.assert_close(run(noisy, 0.1), smooth(noisy, 0.1).clamp(0, 1), rtol=0, atol=0.51 / 255)
    assert notes == ["returns values from 0 to 255; divided by 255; OUTPUT=image keeps it"]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (lambda n, s: n[..., :56, :80], r"expected \(1, 1, 63, 85\).*multiples of 8 only, say SIZE_MULTIPLE = 8"),
        (lambda n, s: torch.zeros(1, 1, 64, 88), "multiples of 8 only, say SIZE_MULTIPLE = 8"),
        (lambda n, s: n[..., ::2, ::2], r"shape \(1, 1, 32, 43\); expected \(1, 1, 63, 85\), that of its input$"),
        (lambda n, s: n + torch.zeros(1, 1, 64, 88), "fails on 63x85 pixels .*size of tensor.*SIZE_MULTIPLE"),
        (lambda n, s: n.numpy() + np.zeros((1, 1, 64, 88)), "could not be broadcast.*; where it takes multiples"),
        (lambda n, s: (n.mean(), n.std()), "returned a tuple; expected a tensor like its input"),
        (lambda n, s: n.to(torch.complex64), "returned numbers of type torch.complex64; expected float32, 1.0 = white"),
        (lambda n, s: n > 0.5, "returned numbers of type torch.bool; expected float32"),
        (lambda n, s: "done", "returned a str"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_one_line(body, cause):
    with pytest.raises(BenchError, match=cause) as caught:
        understood(body, "", [], [])(image("camera", 0.1, size=(63, 85)), 0.1)
    assert "\n" not in str(caught.value)


NETS = """
import torch
class Late:
    def __call__(self, noisy, sigma):
        self.net = getattr(self, "net", None) or torch.nn.Sequential({layer})
        return self.net(noisy)
{method}
"""


@pytest.mark.parametrize(
    ("layer", "lines"),
    [
        ("torch.nn.Dropout(0.2)", ["runs Dropout in training mode", UNSTEADY]),
        ("torch.nn.BatchNorm2d(1)", ["runs BatchNorm2d in training mode"]),
        ("torch.nn.InstanceNorm2d(1, track_running_stats=True)", ["runs InstanceNorm2d in training mode"]),
        ("torch.nn.Dropout(0.0)", []),
        ("torch.nn.InstanceNorm2d(1)", []),
    ],
)
@pytest.mark.parametrize("place", ["net", "nets['a']", "late"])
def test_networks_in_training_mode(one_cell, photographs, method_file, layer, lines, place):
    """Wherever a method keeps them, and whenever it makes them; batch normalisation does not show in two calls."""
    made = {
        "net": f"net = {layer}\ndef denoise(noisy, sigma):\n    return net(noisy)",
        "nets['a']": f"nets = dict(a={layer})\ndef denoise(noisy, sigma):\n    return nets['a'](noisy)",
        "late": "denoise = Late()",
    }[place]
    runner = load(one_cell(str(method_file(NETS.format(layer=layer, method=made))), photographs), "cpu", CPU, 1)
    runner.run(image("camera", 0.1), 0.1)
    assert len(runner.warnings) == len(lines)
    assert all(line.startswith(start) for line, start in zip(runner.warnings, lines, strict=True))


def test_a_network_in_evaluation_mode(one_cell, photographs, method_file):
    body = "import torch\nnet = torch.nn.Dropout(0.2).eval()\ndef denoise(noisy, sigma):\n    return net(noisy)"
    runner = load(one_cell(str(method_file(body)), photographs), "cpu", CPU, 1)
    runner.run(image("camera", 0.1), 0.1)
    assert runner.warnings == []


def test_a_cell_with_a_method_that_returns_the_noise(one_cell, photographs, method_file):
    """The number is that of the image, under another key where a person says what it returns; the record says it."""
    body = (
        "from torch.nn.functional import avg_pool2d\ndef denoise(noisy, sigma):\n"
        "    out = avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)\n"
    )
    right = run_cell(one_cell(str(method_file(body + "    return out\n", "a")), photographs), CPU)
    path = str(method_file(body + "    return noisy - out\n", "b"))
    cells = {word: one_cell(path, photographs, output=word) for word in ("", "residual", "image")}
    assert len({cell.key for cell in cells.values()}) == 3
    assert [cell.label for cell in cells.values()] == ["b", "b output residual", "b output image"]
    for word, cell in cells.items():
        record = run_cell(cell, CPU)
        same = np.allclose([r["psnr"] for r in record.images], [r["psnr"] for r in right.images], atol=1e-3)
        assert same == (word != "image")
        assert len(record.provenance["notes"]) == (word == "")
        assert bool(record.provenance["warnings"]) == (word == "image")
    registered, _ = plan(Request(f"wavelet,{path}", str(photographs), "25", output="residual"))[0]
    assert registered.key == one_cell("wavelet", photographs).key
