import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bench.common.errors import BenchError
from bench.plan.inference import Inference
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.run.wrappers import Tiles, ensembled, padded, tiled
from methods.networks.dncnn import DnCNN


class Strided(nn.Module):
    """Looks 4 pixels to the left and 5 to the right at most, in steps of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1)

    def forward(self, noisy, sigma=None):
        return noisy + self.up(self.middle(self.down(noisy)).relu())


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_self_ensemble_is_the_mean_over_the_symmetries_of_the_square():
    noisy = torch.rand(2, 1, 5, 8)

    def darker_to_the_right(image, sigma):
        return image * torch.linspace(1, 0, image.shape[-1]) + sigma

    expected = []
    for turns in range(4):
        for mirror in (False, True):
            image = np.rot90(noisy.numpy()[..., ::-1] if mirror else noisy.numpy(), turns, (2, 3))
            output = image * np.linspace(1, 0, image.shape[-1], dtype=np.float32) + 0.1
            back = np.rot90(output, -turns, (2, 3))
            expected.append(back[..., ::-1] if mirror else back)
    torch.testing.assert_close(ensembled(darker_to_the_right)(noisy, 0.1), torch.from_numpy(np.mean(expected, 0)))


@pytest.mark.parametrize(("mode", "numpy_mode"), [("reflect", "reflect"), ("replicate", "edge"), ("zero", "constant")])
def test_padding_to_the_multiple(mode, numpy_mode):
    noisy, seen = torch.rand(1, 3, 5, 8), []

    def run(image, sigma):
        seen.append(image)
        return image

    assert torch.equal(padded(run, 4, mode)(noisy, 0), noisy)
    assert np.array_equal(seen[0], np.pad(noisy, ((0, 0), (0, 0), (0, 3), (0, 0)), mode=numpy_mode))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 4)])
def test_padding_of_images_too_small_to_reflect(size):
    noisy = torch.rand(1, 1, *size)
    assert torch.equal(padded(lambda image, sigma: image, 8, "reflect")(noisy, 0), noisy)


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("size", [(64, 97), (31, 200), (90, 40), (20, 20), (128, 128)])
def test_tiles_give_the_result_of_the_whole_image(size, together):
    noisy = torch.rand(2, 1, *size)
    for network, field, multiple in ((DnCNN(5, 1, 8), 11, 1), (Strided(), 11, 2)):
        whole = padded(network, multiple, "reflect")(noisy, 0.1)
        for asked in (16, 33):
            tiles = Tiles(field, multiple, asked, at_once=together)
            parts = padded(tiled(network, tiles), multiple, "reflect")(noisy, 0.1)
            torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)
        by_memory = padded(tiled(network, Tiles(field, multiple, 0, 60 * 60, at_once=together)), multiple, "reflect")
        torch.testing.assert_close(by_memory(noisy, 0.1), whole, rtol=0, atol=1e-6)


def test_no_window_is_larger_than_memory_allows():
    shapes = []

    def run(image, sigma):
        shapes.append(image.shape)
        return image

    noisy = torch.rand(1, 1, 700, 500)
    assert torch.equal(tiled(run, Tiles(41, 1, 0, 40_000, at_once=2))(noisy, 0), noisy)
    assert len(set(shapes[:-1])) == 1
    assert max(shape.numel() for shape in shapes) <= 40_000


def test_windows_that_would_be_halo_for_the_most_part_run_one_at_a_time():
    wide = Tiles(265, 1, 0, pixels=140_000, at_once=2)
    assert wide.plan(4000, 6000) == (374 - 264, 132, 1)
    assert Tiles(41, 1, 0, pixels=140_000, at_once=2).plan(4000, 6000) == (
        264 - 40,
        20,
        2,
    )  # 264 squared is half of the pixels


def test_a_method_that_looks_at_the_whole_image_is_not_cut_in_silence():
    image = torch.rand(1, 1, 100, 100)
    tiles = Tiles(None, 1, 0, pixels=100, most=20_000)
    assert torch.equal(tiled(lambda x, s: x, tiles)(image, 0), image)
    with pytest.raises(BenchError, match=r"do not fit into memory .* TILE=512"):
        tiled(lambda x, s: x, dataclasses.replace(tiles, most=5_000))(image, 0)


def test_what_belongs_to_a_cell(one_cell, photographs, method_file):
    wavelet = one_cell("wavelet", photographs)
    plus = one_cell("wavelet", photographs, ensemble="8")
    assert plus.key != wavelet.key
    assert (wavelet.label, plus.label) == ("Wavelet", "Wavelet x8")
    # Tiles change nothing where the receptive field is known, so that such a cell is the same one.
    assert one_cell("nlm", photographs, tile=64).key == one_cell("nlm", photographs).key
    own = str(method_file("def denoise(noisy, sigma):\n    return noisy\n"))
    assert one_cell(own, photographs, tile=64).key != one_cell(own, photographs).key
    assert one_cell(own, photographs, tile=64).label == "mine tile 64"
    cells, failures = plan(Request("wavelet", str(photographs), ensemble="1,8", precision="fp32,bf16"))
    assert len({cell.key for cell in cells}) == 4
    assert not failures


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"ensemble": "4"}, "ENSEMBLE=4: expected 1, or 8"),
        ({"precision": "fp31"}, "unknown precision 'fp31': did you mean fp32"),
    ],
)
def test_words_that_mean_nothing(words, line):
    cells, (failure,) = plan(Request("wavelet", **words))
    assert not cells
    assert line in failure.cause


def test_a_tile_too_small():
    with pytest.raises(BenchError, match="TILE=3: expected 0"):
        plan(Request("wavelet", tile=3))


def scores(record):
    return [row["psnr"] for row in record.images]


@pytest.fixture
def gray_net(tmp_path):
    """Return weights of a small random DnCNN."""
    path = tmp_path / "net.pth"
    torch.save(DnCNN(5, 1, 8).state_dict(), path)
    return str(path)


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_tiles_in_every_backend(one_cell, photographs, gray_net, backend):
    whole = run_cell(one_cell("dncnn-b", photographs, weights=gray_net), Settings("cpu", backend))
    parts = run_cell(one_cell("dncnn-b", photographs, weights=gray_net, tile=20), Settings("cpu", backend))
    assert scores(parts) == pytest.approx(scores(whole), abs=1e-4)


def test_precision_and_ensemble_of_a_network(one_cell, photographs, gray_net):
    exact = run_cell(one_cell("dncnn-b", photographs, weights=gray_net), Settings("cpu", "torch"))
    cell = one_cell("dncnn-b", photographs, weights=gray_net, precision="bf16")
    half = run_cell(cell, Settings("cpu"))
    assert half.provenance["inference"]["precision"] == "bf16"
    assert scores(half) == pytest.approx(scores(exact), abs=0.05)
    assert scores(half) != scores(exact)
    plus = run_cell(one_cell("dncnn-b", photographs, weights=gray_net, ensemble="8"), Settings("cpu"))
    assert scores(plus) != scores(exact)
    for words, line in (({"precision": "tf32"}, "only NVIDIA GPUs"), ({"precision": "fp16"}, "BACKEND=onnxruntime")):
        backend = "onnxruntime" if words["precision"] == "fp16" else "auto"
        with pytest.raises(BenchError, match=line):
            run_cell(one_cell("dncnn-b", photographs, weights=gray_net, **words), Settings("cpu", backend))


@pytest.mark.parametrize("jobs", [1, 2])
def test_self_ensemble_of_a_classical_method(one_cell, photographs, jobs):
    single = run_cell(one_cell("wavelet", photographs), Settings("cpu", jobs=jobs))
    mean = run_cell(one_cell("wavelet", photographs, ensemble="8"), Settings("cpu", jobs=jobs))
    # Wavelets on a fixed grid leave block artefacts, which the mean over shifted grids takes away.
    assert all(a > b + 0.2 for a, b in zip(scores(mean), scores(single), strict=True))


def test_what_only_a_network_can_do(one_cell, photographs):
    with pytest.raises(BenchError, match="PRECISION=bf16 is for networks"):
        run_cell(one_cell("wavelet", photographs, precision="bf16"), Settings("cpu"))
    with pytest.raises(BenchError, match="COMPILE=1 is for networks"):
        run_cell(one_cell("wavelet", photographs), Settings("cpu", compile=True))


@pytest.mark.slow
def test_a_compiled_network(one_cell, photographs, gray_net):
    cell = one_cell("dncnn-b", photographs, weights=gray_net)
    record = run_cell(cell, Settings("cpu", compile=True))
    assert record.provenance["runtime"] == "torch compiled"
    assert scores(record) == pytest.approx(scores(run_cell(cell, Settings("cpu", "torch"))), abs=1e-4)


def test_defaults_are_no_part_of_a_key():
    assert Inference().changes(local=False) == {}
