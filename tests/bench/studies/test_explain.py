import csv
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import conv2d
from typer.testing import CliRunner

from bench.cli.app import app
from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.plan.request import Request
from bench.report.page.sections.build import make_sections
from bench.run.wrappers import padded
from bench.studies.explain import explanation
from bench.studies.explain.explanation import explain, rows
from bench.studies.explain.filters import Filter, filter_at, linear_part, row
from bench.studies.explain.pixels import Pixel, Window, choose, read_pixels, window_of
from bench.studies.explain.study import build
from methods.networks.dncnn import DnCNN

PIXEL = Pixel("given", 9, 13)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def whole(tensor):
    return Window(0, 0, *tensor.shape[-2:], whole=True)


@pytest.fixture
def own_weights(tmp_path):
    """Return a function that saves a small DnCNN with or without additive constants."""

    def save(*, bias: bool):
        network = DnCNN(5, 1, 8)
        for name, tensor in network.state_dict().items():
            tensor.copy_(torch.randn_like(tensor) * (0.3 if name.endswith("weight") else 0.05 * bias))
        path = tmp_path / f"{'biased' if bias else 'free'}.pth"
        torch.save(network.state_dict(), path)
        return str(path)

    return save


def test_the_row_of_a_convolution_is_its_kernel():
    layer = nn.Conv2d(1, 1, 5, padding=2)
    noisy = torch.rand(1, 1, 24, 30)
    weights, output, linear = row(layer, noisy, 9, 13)
    expected = torch.zeros(24, 30)
    expected[7:12, 11:16] = layer.weight[0, 0].detach()
    torch.testing.assert_close(weights[0, 0], expected)
    torch.testing.assert_close(output, layer(noisy)[0, 0, 9, 13].detach())
    assert linear


def test_the_net_bias_of_a_linear_net_is_its_propagated_constants():
    first, second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
    noisy = torch.rand(1, 1, 16, 18)
    output, product = linear_part(nn.Sequential(first, second), noisy)
    constants = first.bias.detach()[None, :, None, None].expand(1, 4, 16, 18)
    propagated = conv2d(constants, second.weight.detach(), second.bias.detach(), padding=1)
    torch.testing.assert_close(output - product, propagated, atol=1e-6, rtol=0)


class OnlyReverse(torch.autograd.Function):
    """Doubling without a forward-mode derivative."""

    @staticmethod
    def forward(context, x):
        return 2 * x

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


def test_an_operation_without_forward_derivative_goes_backward_twice():
    output, product = linear_part(lambda y: OnlyReverse.apply(y) + 1, torch.ones(1, 1, 3, 3))
    assert output.unique().tolist() == [3]
    assert product.unique().tolist() == [2]


def test_bias_free_is_linear_and_the_filters_give_the_pixels(photographs, own_weights, one_cell):
    for bias in (False, True):
        done = explain(one_cell("dncnn", photographs, weights=own_weights(bias=bias)), "coins")
        if bias:
            assert done.bias_to_output > 0.01
        else:
            assert done.bias_to_output < 1e-4
        for found in done.filters:
            height, width = found.weights.shape[1:]
            y, x = found.pixel.y, found.pixel.x
            seen = done.noisy[found.top : found.top + height, found.left : found.left + width, 0]
            value = float((found.weights[0] * seen).sum()) + done.bias[y, x, 0]
            assert value == pytest.approx(float(done.denoised[y, x, 0]), abs=1e-4)
            assert found.locally_linear


def test_sum_norm_and_radius_by_their_definition():
    box = Filter(Pixel("given", 5, 6), np.full((1, 3, 3), 1 / 9, np.float32), 4, 5, True)
    assert (box.total, box.norm) == (pytest.approx(1), pytest.approx(1 / 3))
    assert box.radius == pytest.approx((12 / 9) ** 0.5)  # squared distances 0, four times 1, four times 2
    identity = Filter(Pixel("given", 5, 6), np.ones((1, 1, 1), np.float32), 5, 6, True)
    assert (identity.total, identity.norm, identity.radius) == (1, 1, 0)


def test_colour_takes_the_mean_of_the_output_channels():
    mix = nn.Conv2d(3, 3, 1, bias=False)
    mix.weight.data = torch.diag(torch.tensor([1.0, 2.0, 3.0]))[:, :, None, None]
    weights, _, _ = row(mix, torch.rand(1, 3, 5, 5), 2, 2)
    torch.testing.assert_close(weights[0, :, 2, 2], torch.tensor([1 / 3, 2 / 3, 1]))


class Strided(nn.Module):
    """Down and up by 2, so that a pixel's filter depends on where it lies in its 2x2 block."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 3, 2, 1), nn.ConvTranspose2d(4, 1, 4, 2, 1)

    def forward(self, noisy, sigma=None):
        return self.up(torch.relu(self.down(noisy)))


@pytest.mark.parametrize("pixel", [(9, 13), (10, 12), (0, 0), (26, 30), (26, 3)])
def test_a_filter_from_its_receptive_field_is_that_of_the_whole_image(pixel):
    run = padded(Strided(), 2, "reflect")
    noisy = torch.rand(1, 1, 27, 31)

    def function(y):
        return run(y, None)

    found = filter_at(
        function, noisy, Pixel("given", *pixel), whole(noisy), field=9, multiple=2, whole=function(noisy).detach()
    )
    expected = row(function, noisy, *pixel)[0][0, 0]
    placed = torch.zeros_like(expected)
    height, width = found.weights.shape[1:]
    assert height <= 14
    placed[found.top : found.top + height, found.left : found.left + width] = torch.from_numpy(found.weights[0])
    torch.testing.assert_close(placed, expected)


def test_too_small_a_receptive_field_is_noticed():
    layer, noisy = nn.Conv2d(1, 1, 9, padding=4), torch.rand(1, 1, 24, 30)
    with pytest.raises(BenchError, match="declares too small a receptive field"):
        filter_at(layer, noisy, PIXEL, whole(noisy), field=3, multiple=1, whole=layer(noisy).detach())


@pytest.mark.parametrize(
    ("function", "linear"),
    [
        (lambda y: torch.relu(3 * y - 1), True),
        (torch.sigmoid, False),
        (lambda y: y * y / y.abs().sum(), False),  # homogeneous as a bias-free net, and not piecewise linear
    ],
)
def test_what_is_not_piecewise_linear_is_said(function, linear):
    assert row(function, torch.rand(1, 1, 8, 8), 3, 3)[2] is linear


class Attention(nn.Module):
    def forward(self, noisy, sigma=None):
        return nn.functional.scaled_dot_product_attention(noisy, noisy, noisy)


def test_attention_has_derivatives_too(photographs, own_weights, one_cell, monkeypatch):
    monkeypatch.setattr(explanation, "load", lambda cell, noisy: (Attention(), None, 1, []))
    done = explain(one_cell("dncnn", photographs, weights=own_weights(bias=True)))
    assert [found.locally_linear for found in done.filters] == [False] * 3


def scene():
    """Left a plain, right a step at column 130, below a random texture."""
    image = np.full((200, 200, 1), 90, np.uint8)
    image[:, 130:] = 170
    image[120:] = np.random.default_rng(0).integers(0, 255, (80, 200, 1))
    return image


def test_pixels_are_found_where_they_belong_and_always_the_same():
    flat, edge, texture = choose(scene(), top=1000, left=2000)
    assert [p.kind for p in (flat, edge, texture)] == ["flat", "edge", "texture"]
    assert flat.y < 1112
    assert abs(flat.x - 2130) > 7
    assert edge.y < 1120
    assert edge.x in (2129, 2130)
    assert texture.y >= 1120
    assert choose(scene().copy(), top=1000, left=2000) == (flat, edge, texture)


def test_large_images_are_cut():
    assert str(window_of((256, 200, 1), ())) == "whole"
    assert str(window_of((512, 300, 1), ())) == "crop 256x256 at 128,22"
    window = window_of((512, 300, 1), [(500, 0), (480, 10)])
    assert (window.top, window.left) == (256, 0)
    with pytest.raises(BenchError, match="two pixels lie 400 apart"):
        window_of((512, 300, 1), [(0, 0), (400, 0)])
    with pytest.raises(BenchError, match=r"PIXEL=300,0: outside the image of 300 rows and 512 columns"):
        window_of((300, 512, 1), [(300, 0)])


@pytest.mark.parametrize("text", ["3", "a,b", "1,2,3", "-1,2", "1,2;x"])
def test_a_pixel_that_is_none(text):
    with pytest.raises(BenchError, match="is no pixel; expected row,column from 0"):
        read_pixels(text)


def test_a_figure_and_a_table_for_each_method(tmp_path, photographs, own_weights, reported):
    request = Request("dncnn", str(photographs), "10,50", weights=own_weights(bias=True))
    (line,) = build(request, "", "20,30;5,9", tmp_path)
    (table,) = (tmp_path / "explain").glob("folder-photographs-camera-*.csv")
    assert str(table.with_suffix(".png")) in line
    found = list(csv.DictReader(table.open()))
    assert [(r["sigma"], r["kind"], r["y"], r["x"]) for r in found] == [
        (sigma, "given", *pixel) for sigma in ("10", "50") for pixel in (("20", "30"), ("5", "9"))
    ]
    assert {
        "method", "image", "sigma", "y", "x", "sum_of_weights", "effective_radius", "filter_norm",
        "net_bias_to_residual", "net_bias_to_output", "locally_linear", "crop",
    } <= set(found[0])  # fmt: skip
    with Image.open(table.with_suffix(".png")) as picture:
        assert picture.width == int(7.16 * 300)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    assert table.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    (part,) = reported(tmp_path, "explain").parts
    assert part.command.endswith("PIXEL='20,30;5,9'")
    written = json.loads(table.with_suffix(".json").read_text())["filters"]
    assert [one["noise"] for one in written["rows"]] == ["gaussian:10", "gaussian:50"]
    for shown, numbers in zip([f for one in written["rows"] for f in one["filters"]], found, strict=True):
        weights = np.array(shown["weights"])
        side = math.isqrt(len(weights))
        assert side * side == len(weights)
        # A square has 99 % of the squared weights of its filter, or all within 20 pixels.
        assert 0.99 <= (weights**2).sum() / float(numbers["filter_norm"]) ** 2 <= 1.001
        assert shown["sum"] == pytest.approx(float(numbers["sum_of_weights"]), abs=1e-4)
    # What another question about the same image adds is shown together with it.
    list(build(request, "", "7,8", tmp_path))
    parts = reported(tmp_path, "explain").parts
    (name,) = (part.filters for part in parts if part.filters)
    data = make_sections(tmp_path, (), pytest.fail).data[name]
    assert [{(f["y"], f["x"]) for f in one["filters"]} for one in data["rows"]] == [{(20, 30), (5, 9), (7, 8)}] * 2


class Rounded(nn.Module):
    def forward(self, noisy, sigma=None):
        return torch.from_numpy(noisy.detach().numpy().round())


def test_what_cannot_be_explained_is_one_line(tmp_path, photographs, own_weights, monkeypatch):
    done = CliRunner().invoke(app, ["explain", "--method", "nlm", "--data", str(photographs), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "is no network in PyTorch" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    request = Request("dncnn", str(photographs), "25", weights=own_weights(bias=True))
    (failure,) = build(request, "cameraman", "", tmp_path)
    assert isinstance(failure, Failure)
    assert "unknown image of folder photographs 'cameraman': did you mean camera?" in failure.cause
    monkeypatch.setattr(explanation, "load", lambda cell, noisy: (Rounded(), None, 1, []))
    (failure,) = build(request, "", "", tmp_path)
    assert isinstance(failure, Failure)
    assert "cannot be differentiated" in failure.cause
    assert not (tmp_path / "explain").exists()


def test_a_network_that_returns_the_noise_is_explained_as_a_denoiser(photographs, noise_predictor, one_cell):
    """The filter of a mean of 3x3 pixels is nine times 1/9; that of what it takes away has a sum of 0."""
    found = explain(one_cell(str(noise_predictor), photographs))
    assert found.notes == ("returns the noise; subtracted; OUTPUT=image keeps it",)
    for one in found.filters:
        assert one.total == pytest.approx(1, abs=1e-5)
        assert one.norm == pytest.approx(1 / 3, abs=1e-5)
    noisy = torch.from_numpy(found.noisy).permute(2, 0, 1)[None]
    expected = nn.functional.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.denoised, expected.numpy(), atol=1e-6)


def test_the_authors_bias_free_net(published_files, tmp_path, one_cell):
    """Mohan et al. 2020, section 5: no net bias, and filters whose weights sum to about one."""
    from skimage import data

    folder = tmp_path / "crop"
    folder.mkdir()
    Image.fromarray(data.camera()[60:140, 180:260]).save(folder / "camera.png")
    done = explain(one_cell("bf-dncnn@0-10", folder, "10"))
    assert done.bias_to_output < 1e-4
    flat = rows(done)[0]
    assert flat["kind"] == "flat"
    assert flat["sum_of_weights"] == pytest.approx(1, abs=0.1)
    assert flat["effective_radius"] > rows(done)[1]["effective_radius"]  # it averages more where nothing is lost


@pytest.mark.gpu
def test_a_gpu_explains_as_the_cpu_does(photographs, one_cell):
    cell = one_cell("dncnn-b@own-small", photographs)
    here, there = (explain(cell, "coins", device=device) for device in ("cpu", "cuda:0"))
    np.testing.assert_allclose(there.denoised, here.denoised, atol=1e-4)
    for one, other in zip(here.filters, there.filters, strict=True):
        np.testing.assert_allclose(other.weights, one.weights, atol=1e-3)
