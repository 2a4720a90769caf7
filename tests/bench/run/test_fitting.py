"""Where memory runs out, half as much is run again, and the record says so."""

import pytest
import torch

from bench.common.errors import BenchError
from bench.run.fitting import fitted, out_of_memory
from bench.run.wrappers import Tiles
from methods.networks.dncnn import DnCNN


class Scarce:
    """A method that has memory for so many pixels, and fails beyond as the error says."""

    def __init__(self, pixels, error, run=lambda noisy, sigma: 1 - noisy):
        self.pixels, self.error, self.run, self.shapes = pixels, error, run, []

    def __call__(self, noisy, sigma):
        """Return the output."""
        self.shapes.append(tuple(noisy.shape))
        if noisy.shape[0] * noisy.shape[2] * noisy.shape[3] > self.pixels:
            raise self.error
        return self.run(noisy, sigma)


WORDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
    RuntimeError("CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
    MemoryError(),
    ValueError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", WORDS, ids=lambda error: str(error)[:20])
def test_fewer_images_at_a_time(error):
    noisy, notes = torch.rand(7, 3, 20, 30), []
    method = Scarce(2 * 600, error)
    run = fitted(method, Tiles(None), notes)
    assert torch.equal(run(noisy, None), 1 - noisy)
    assert [shape[0] for shape in method.shapes] == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert notes == ["memory ran out with 3 images of 20x30 at a time; 1 at a time were run"]
    method.shapes.clear()
    run(noisy, None)  # what was found holds
    assert {shape[0] for shape in method.shapes} == {1}


def test_an_error_that_wraps_one_and_another_error():
    error = BenchError("image x: it failed")
    error.__cause__ = MemoryError()
    assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(ZeroDivisionError):
        fitted(Scarce(0, ZeroDivisionError()), Tiles(9), [])(torch.rand(2, 1, 20, 20), None)


@pytest.mark.parametrize(("asked", "multiple", "size"), [(0, 1, (90, 70)), (64, 1, (80, 130)), (0, 2, (64, 96))])
def test_smaller_tiles_give_the_same(asked, multiple, size):
    torch.manual_seed(0)
    network = DnCNN(5, 1, 8)
    noisy, notes = torch.rand(2, 1, *size), []
    method = Scarce(2000, WORDS[0], network)
    with torch.no_grad():
        found = fitted(method, Tiles(11, multiple, asked, at_once=4), notes)(noisy, 0.1)
        torch.testing.assert_close(found, network(noisy, 0.1), rtol=0, atol=1e-6)
    assert method.shapes[-1][2] * method.shapes[-1][3] <= 2000
    images, tiles = notes
    assert "with 2 images" in images
    assert f"in tiles of {method.shapes[-1][2]}" in tiles


def test_a_method_that_looks_at_the_whole_image_is_not_cut():
    notes = []
    for tiles, words in ((Tiles(None), "TILE=32 "), (Tiles(None, 1, 64), "TILE=32 ")):
        with pytest.raises(
            MemoryError, match=rf"ran out on 80x80 pixels .*; MEMORY= is its limit, and {words}takes less"
        ):
            fitted(Scarce(100, WORDS[0]), tiles, notes)(torch.rand(1, 1, 80, 80), None)
    assert not notes


def test_what_does_not_fit_at_all_ends():
    method = Scarce(10, WORDS[0])
    with pytest.raises(MemoryError, match="the smallest tiles too; give it more memory"):
        fitted(method, Tiles(11), [])(torch.rand(3, 1, 100, 100), None)
    assert len(method.shapes) < 20


def test_a_record_says_it(one_cell, photographs, tiny_net, monkeypatch):
    from bench.run.one_cell import run_cell
    from bench.run.settings import Settings
    from methods.networks import dncnn

    settings = Settings(device="cpu", runtime="torch")
    cell = one_cell("dncnn", photographs, weights=str(tiny_net))
    whole = run_cell(cell, settings)
    forward = dncnn.DnCNN.forward

    def scarce(self, noisy, sigma=None):
        if noisy.device.type == "cpu" and noisy.shape[-1] * noisy.shape[-2] * len(noisy) > 2500:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, noisy, sigma)

    monkeypatch.setattr(dncnn.DnCNN, "forward", scarce)
    less = run_cell(cell, settings)
    assert any("memory ran out" in note and "in tiles of" in note for note in less.provenance["notes"])
    for one, other in zip(whole.images, less.images, strict=True):
        assert one["psnr"] == pytest.approx(other["psnr"], abs=1e-4)
