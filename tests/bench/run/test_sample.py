"""Images on their way to a method: made once for all methods, ahead of time, in batches, warmed up."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.run import batches, sample
from bench.run.one_cell import run_cell
from bench.run.runtimes.choice import Runner
from bench.run.sample import samples
from bench.run.settings import Settings
from bench.score import metrics
from bench.studies.conform.pretended_cuda import pretended_cuda

CPU = Settings("cpu")


@pytest.fixture(autouse=True)
def _afresh():
    sample.forget()


@pytest.fixture
def folder(tmp_path):
    """Return a folder of six gray images of two shapes, one of them upright."""
    numbers = np.random.default_rng(1)
    for i in range(6):
        height, width = (40, 56) if i % 3 else (56, 40)
        Image.fromarray(numbers.integers(0, 255, (height, width), np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_threads_give_the_same_in_the_same_order(one_cell, folder):
    cell = one_cell("nlm", folder)
    alone = list(samples(cell))
    for threads in (1, 3):
        sample.forget()
        made = list(samples(cell, threads=threads))
        assert [one.name for one in made] == [one.name for one in alone]
        for one, other in zip(made, alone, strict=True):
            assert np.array_equal(one.noisy, other.noisy)
            assert np.array_equal(one.clean, other.clean)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_of_a_thread_is_raised(one_cell, folder, monkeypatch, threads):
    def fails(cell, picture):
        raise ZeroDivisionError

    monkeypatch.setattr(sample, "degraded", fails)
    with pytest.raises(ZeroDivisionError):
        list(samples(one_cell("nlm", folder), threads=threads))
    ends_early = samples(one_cell("nlm", folder), threads=threads)
    ends_early.close()


def test_noise_is_made_once_for_all_methods_and_again_for_another(one_cell, folder, monkeypatch):
    made = []
    degraded = sample.degraded
    monkeypatch.setattr(sample, "degraded", lambda cell, picture: made.append(picture.name) or degraded(cell, picture))
    first = [one.noisy for one in samples(one_cell("nlm", folder))]
    second = [one.noisy for one in samples(one_cell("wavelet", folder))]
    assert len(made) == 6
    assert all(map(np.array_equal, first, second))
    for words in ({"noise": "gaussian:15"}, {"seed": "1"}, {"protocol": "clipped"}):
        before = len(made)
        other = [one.noisy for one in samples(one_cell("nlm", folder, **words))]
        assert len(made) == before + 6
        assert not np.array_equal(other[0], first[0])
    Image.fromarray(np.zeros((40, 56), np.uint8)).save(folder / "1.png")
    assert not np.array_equal(list(samples(one_cell("nlm", folder)))[1].noisy, first[1])


def test_no_more_bytes_are_kept_than_are_allowed(one_cell, folder, monkeypatch):
    one_set = 6 * 40 * 56 * (4 + 1)
    monkeypatch.setattr(sample, "KEPT_BYTES", 2 * one_set)
    for seed in "012":
        list(samples(one_cell("nlm", folder, seed=seed)))
    assert [inputs[5] for inputs in sample._KEPT] == [1, 2]
    monkeypatch.setattr(sample, "KEPT_BYTES", one_set - 1)
    list(samples(one_cell("nlm", folder, seed="3")))
    assert [inputs[5] for inputs in sample._KEPT] == [1, 2]


def test_the_noisy_image_is_scored_once_for_all_methods(one_cell, folder, monkeypatch):
    counted = []
    psnr = metrics.METRICS["psnr"]
    monkeypatch.setitem(metrics.METRICS, "psnr", lambda a, b: counted.append(len(a)) or psnr(a, b))
    cells = [one_cell(method, folder) for method in ("nlm", "wavelet")]
    records = [run_cell(cell, Settings("cpu", jobs=1)) for cell in cells]
    assert sum(counted) == 6 + 2 * 6
    for one, other in zip(records[0].images, records[1].images, strict=True):
        clean = np.asarray(Image.open(folder / one["image"] if "." in one["image"] else folder / f"{one['image']}.png"))
        assert one["noisy_psnr"] == other["noisy_psnr"] == pytest.approx(20.17, abs=0.4)
        assert clean.shape == (one["height"], one["width"])


class Shapes:
    """A method that notes the shape and the sigma of each call."""

    def __init__(self):
        self.calls = []

    def __call__(self, noisy, sigma):
        """Return the image."""
        self.calls.append((tuple(noisy.shape), sigma))
        return noisy.clone()


def test_each_shape_is_warmed_up_where_kernels_are_made_for_it(one_cell, folder):
    cell, method = one_cell("nlm", folder), Shapes()
    list(batches.in_batches(cell, samples(cell), Runner(method, "torch compiled", 2, 10**6), "cpu", {}))
    shapes = [shape for shape, _ in method.calls]
    upright, lying = (2, 1, 56, 40), (2, 1, 40, 56)
    assert sorted(shapes) == sorted([upright] * 2 + [lying] * 3)  # two and four images, two at a time, and a first call
    for shape in (upright, lying):
        first = shapes.index(shape)
        assert shapes[first + 1] == shape
    method.calls.clear()
    list(batches.in_batches(cell, samples(cell), Runner(method, "torch", 2, 10**6), "cpu", {}))
    assert len(method.calls) == 4


def test_a_gpu_runs_no_later_shape_twice_that_takes_long(one_cell, folder):
    """The first call has the start-up in it whatever it takes, and a quick one may have the choice of kernels."""
    for seconds, calls in ((1.0, 4), (0.1, 5)):
        method, now = Shapes(), iter(np.arange(100) * seconds)
        runner = Runner(method, "torch", 2, 10**6, clock=lambda now=now: next(now))
        cell = one_cell("nlm", folder)
        with pretended_cuda():
            found = list(batches.in_batches(cell, samples(cell), runner, "cuda:0", {}))
        assert len(method.calls) == calls
        assert [output.seconds for output in found] == pytest.approx([seconds / 2] * 3)


def test_blind_networks_take_images_of_different_sigma_together(one_cell, folder):
    for name, together in (("dncnn-b", True), ("ffdnet", False)):
        cell, method = one_cell(name, folder, noise="gaussian:5-50"), Shapes()
        found = list(batches.in_batches(cell, samples(cell), Runner(method, "torch", 8, 10**6), "cpu", {}))
        assert len(found) == (2 if together else 6)
        assert {sigma is None for shape, sigma in method.calls[1:]} == {together}
        assert len({one.sigma for output in found for one in output.samples}) == 6


def test_the_number_of_compiled_graphs_is_in_the_record(one_cell, folder, tiny_net, monkeypatch):
    from torch._dynamo.utils import counters

    def compiled(network, dynamic):
        assert dynamic

        def run(noisy, sigma):
            counters["stats"]["unique_graphs"] += noisy.shape[-2:] == (40, 56)
            return noisy * 1

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    record = run_cell(one_cell("dncnn-b", folder, weights=str(tiny_net)), Settings("cpu", compile=True))
    assert record.provenance["compiled_graphs"] == 2  # of a batch that lies, and of its warm-up
