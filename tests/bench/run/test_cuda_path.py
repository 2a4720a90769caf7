"""Cells on a pretended CUDA device: no mixed devices, the numbers of the CPU, and few waits for the device a batch."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from bench.common import provenance
from bench.common.errors import BenchError
from bench.degradation import parse
from bench.plan.request import Request, plan
from bench.run import isolated, one_cell, scoring, wrappers
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.score import scorer
from bench.studies.conform.pretended_cuda import pretended_cuda
from tests.small_networks import small_nets

A_BATCH = 7
"""Waits that the first batch may cost: two to time it, two to look for NaN (in what warms up as well), one for all
scores, one for the pictures and one for what is looked at for faults."""

COLOUR = ("dncnn-3-luma", "mwrcanet", "ding-liu", "msbf-resnet", "rdn", "rdn-small")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(provenance, "cores", lambda: 1)
    torch.set_num_threads(1)


@pytest.fixture
def weights(tmp_path):
    """Return a function that writes the weights of a small network."""

    def write(name):
        torch.manual_seed(0)
        torch.save(small_nets()[name].state_dict(), tmp_path / f"{name}.pth")
        return str(tmp_path / f"{name}.pth")

    return write


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes images of 24x32 pixels."""

    def write(colour="gray", count=2):
        image = data.camera() if colour == "gray" else data.astronaut()
        (tmp_path / colour).mkdir()
        for i in range(count):
            Image.fromarray(image[100 + 40 * i : 124 + 40 * i, 200:232]).save(tmp_path / colour / f"{i}.png")
        return str(tmp_path / colour)

    return write


def cell_of(method, images, noise="25", **words):
    cells, failures = plan(Request(method, images, noise, **words))
    assert not failures, failures
    return cells[0]


def on_both(cell, **how):
    """Return the record of a cell on the pretended device, the one of PyTorch on the CPU, and what was seen."""
    with pretended_cuda() as seen:
        record = run_cell(cell, Settings("cuda", threads=1, jobs=1, **how))
    assert record.provenance["device"].startswith("cuda:0")
    return record, run_cell(cell, Settings("cpu", "torch", threads=1, jobs=1)), seen


def waits(seen):
    """Return how often the device was waited for, but for what recognises a person's own weights on the first image."""
    return sum(count for (_, place), count in seen.waits.items() if not place.startswith("bench/run/conventions.py"))


def assert_same(record, expected):
    """The same pixels, and scores that differ by rounding at most: the order of sums, and the layout of images."""
    assert [row["denoised"] for row in record.images] == [row["denoised"] for row in expected.images]
    for name in scorer.scored():
        found, wanted = ([row[name] for row in one.images] for one in (record, expected))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", sorted(small_nets()))
def test_a_network_of_each_family_gives_what_it_gives_on_the_cpu(name, weights, folder):
    cell = cell_of(name, folder("rgb" if name in COLOUR else "gray"), weights=weights(name))
    record, expected, seen = on_both(cell)
    assert_same(record, expected)
    assert waits(seen) <= A_BATCH, seen.waits


WAYS = {
    "ensemble": ("mwcnn", "25", {"ensemble": "8"}, A_BATCH + 14),  # each of eight runs is looked at, also to warm it up
    "tiles": ("mwcnn", "25", {"tile": 16}, A_BATCH + 4),
    "half precision": ("dncnn", "25", {"precision": "bf16"}, A_BATCH),
    "photons": ("dncnn", "poisson:30", {}, A_BATCH),
    "a level for each image": ("ffdnet", "gaussian:5-50", {}, 2 * A_BATCH),
    "the noise of most code": ("dncnn", "25", {"protocol": "seed0"}, A_BATCH),
    "Y alone": ("ding-liu", "25", {"protocol": "standard,channel=y,crop=1"}, A_BATCH),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_harness_puts_around_runs_on_the_device(way, weights, folder):
    name, noise, words, most = WAYS[way]
    cell = cell_of(name, folder("rgb" if name in COLOUR else "gray"), noise, weights=weights(name), **words)
    record, expected, seen = on_both(cell)
    assert_same(record, expected)
    assert waits(seen) <= most, seen.waits


def test_waits_grow_with_batches_and_not_with_images(weights, folder):
    cell = cell_of("dncnn", folder(count=5), weights=weights("dncnn"))
    assert waits(on_both(cell)[2]) <= A_BATCH


def test_plain_functions_score_as_on_the_cpu(folder):
    record, expected, _ = on_both(cell_of("median", folder()))
    assert_same(record, expected)


def test_the_score_without_a_reference_copies_an_image_once_a_run_of_the_method(weights, folder):
    cell = cell_of("dncnn", folder(count=1), weights=weights("dncnn"))
    image = cell.dataset.images[0]
    pair = replace(image, clean=None, noisy=image.clean)
    alone = replace(cell, degradation=parse("pairs"), dataset=replace(cell.dataset, images=(pair,)))
    record, expected, seen = on_both(alone)
    assert record.images[0]["self_mse"] == pytest.approx(expected.images[0]["self_mse"], rel=1e-6)
    assert record.images[0]["self_mse"] > 0
    copies = Counter(place.partition(":")[0] for _, place in seen.uploads.elements())
    assert copies["bench/run/batches.py"] == 1 + 4  # the image, and the four in which pixels are held out
    # Each of four runs is looked at and comes back; so do the image and its output.
    assert waits(seen) <= A_BATCH + 4 * 2 + 2, seen.waits


OWN = {
    "a network": "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x * 0.9\nmodel = Net()",
    "a function of tensors": "def denoise(noisy, sigma):\n    return noisy * 0.9 + sigma",
    "a function that says its array": "def denoise(noisy, sigma):\n    return noisy.cpu().numpy() * 0.9",
    "a function that moves what it holds": (
        "KERNEL = torch.ones(1, 1, 3, 3) / 9\ndef denoise(noisy, sigma):\n"
        "    return torch.nn.functional.conv2d(noisy, KERNEL.to(noisy.device), padding=1)"
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_a_persons_own_method_runs_on_the_device(kind, folder, method_file, monkeypatch):
    monkeypatch.setattr(isolated, "foreign", lambda cell: False)  # its process would not be pretended
    cell = cell_of(str(method_file(f"import torch\nCOLOUR = 'gray'\n{OWN[kind]}\n")), folder())
    record, expected, _ = on_both(cell)
    assert_same(record, expected)


CPU_ONLY = {
    "def denoise(noisy, sigma):\n    return noisy.numpy()": r"makes an array of a tensor, .*noisy\.cpu\(\)\.numpy\(\)",
    "import numpy\ndef denoise(noisy, sigma):\n    return numpy.asarray(noisy) * 0.9": "makes an array of a tensor",
    "KERNEL = torch.ones(1, 1, 3, 3) / 9\ndef denoise(noisy, sigma):\n"
    "    return torch.nn.functional.conv2d(noisy, KERNEL, padding=1)": r"holds a tensor .*write \.to\(noisy\.device\)",
    "NET = torch.nn.Conv2d(1, 1, 3, padding=1)\n"
    "def denoise(noisy, sigma):\n    return NET(noisy)": "network on the CPU",
    "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.mean = torch.ones(1, 1, 1, 1)\n"
    "    def forward(self, x):\n        return x - self.mean\nmodel = Net()": "register_buffer",
    "G = torch.Generator()\ndef denoise(noisy, sigma):\n"
    "    return noisy + torch.rand(1, device=noisy.device, generator=G)": r"torch\.Generator\(noisy\.device\)",
}


@pytest.mark.parametrize("code", CPU_ONLY)
def test_own_code_for_the_cpu_alone_is_told_what_to_write(code, folder, method_file, monkeypatch):
    monkeypatch.setattr(isolated, "foreign", lambda cell: False)
    cell = cell_of(str(method_file(f"import torch\nCOLOUR = 'gray'\n{code}\n")), folder())
    run_cell(cell, Settings("cpu", "torch", threads=1))
    with pretended_cuda(), pytest.raises(BenchError, match=CPU_ONLY[code]) as raised:
        run_cell(cell, Settings("cuda", threads=1))
    assert "its input lies on cuda:0; write " in str(raised.value)
    assert str(raised.value).endswith("or run it with DEVICE=cpu")


@pytest.fixture
def onnx_file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "net.onnx"
    axes = {"noisy": {2: "h", 3: "w"}, "denoised": {2: "h", 3: "w"}}
    torch.onnx.export(
        small_nets()["dncnn"].eval(), (torch.zeros(1, 1, 16, 16),), path, input_names=["noisy"],
        output_names=["denoised"], dynamic_axes=axes, dynamo=False,
    )  # fmt: skip
    return str(path)


def test_an_onnx_model_on_a_machine_whose_onnxruntime_has_no_cuda_says_so(onnx_file, folder, monkeypatch):
    monkeypatch.setattr(isolated, "foreign", lambda cell: False)
    cell = cell_of(onnx_file, folder())
    with pretended_cuda():
        record = run_cell(cell, Settings("cuda", threads=1))
    expected = run_cell(cell, Settings("cpu", threads=1))
    assert_same(record, expected)
    assert [note for note in record.provenance["notes"] if "CUDA" in note] == [
        "cuda:0: the model runs on the CPU, since this onnxruntime has no CUDA (pip install onnxruntime-gpu)"
    ]
    assert not any("CUDA" in note for note in expected.provenance["notes"])


def test_an_onnx_model_follows_the_device(onnx_file, folder, monkeypatch):
    import onnxruntime

    asked, real = [], onnxruntime.InferenceSession

    class Session(real):
        def __init__(self, model, settings, providers):
            asked.append(providers)
            super().__init__(model, settings, providers=["CPUExecutionProvider"])

        def get_providers(self):
            return [name if isinstance(name, str) else name[0] for name in asked[-1]]

    monkeypatch.setattr(isolated, "foreign", lambda cell: False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pretended_cuda():
        record = run_cell(cell_of(onnx_file, folder()), Settings("cuda:1", threads=1))
    assert asked[-1][0] == ("CUDAExecutionProvider", {"use_tf32": "0", "device_id": "1"})
    assert not any("CUDA" in note for note in record.provenance["notes"])


def planted(monkeypatch, change):
    """Change what is around every method."""
    checked = wrappers.checked
    monkeypatch.setattr("bench.run.loading.checked", lambda run: checked(lambda x, sigma: run(change(x), sigma)))


def test_a_planted_constant_of_the_cpu_is_found(weights, folder, monkeypatch):
    planted(monkeypatch, lambda x: x + torch.zeros(x.shape[-1]))
    cell = cell_of("dncnn", folder(), weights=weights("dncnn"))
    run_cell(cell, Settings("cpu", "torch", threads=1))
    with pretended_cuda(), pytest.raises(BenchError, match="same device"):
        run_cell(cell, Settings("cuda", threads=1))


def test_a_planted_generator_of_the_cpu_is_found(weights, folder, monkeypatch):
    planted(monkeypatch, lambda x: x + 0 * torch.randn(1, device=x.device, generator=torch.Generator()))
    with pretended_cuda(), pytest.raises(BenchError, match="'cuda' device type for generator but found 'cpu'"):
        run_cell(cell_of("dncnn", folder(), weights=weights("dncnn")), Settings("cuda", threads=1))


def test_a_planted_wait_is_counted(weights, folder, monkeypatch):
    cell = cell_of("dncnn", folder(), weights=weights("dncnn"))
    before = waits(on_both(cell)[2])
    planted(monkeypatch, lambda x: x + 0 * float(x.max()))
    seen = on_both(cell)[2]
    assert waits(seen) == before + 2  # to warm up, and for the batch
    here = [name for name, place in seen.waits if place.startswith("tests/bench/run/test_cuda_path.py:")]
    assert here == ["__float__"]


def test_devices_that_are_not_there_are_one_line(weights, folder):
    cell = cell_of("dncnn", folder(), weights=weights("dncnn"))
    with pretended_cuda(), pytest.raises(BenchError, match=r"^DEVICE=cuda:2: this machine has 2 CUDA devices"):
        one_cell.run_cell(cell, Settings("cuda:2"))
    with pretended_cuda():
        second = run_cell(cell, Settings("cuda:1", threads=1))
    assert second.provenance["device"].startswith("cuda:1")


def test_fewer_images_go_to_a_device_that_has_no_memory_for_all(weights, folder, monkeypatch):
    cell = cell_of("dncnn", folder(count=5), weights=weights("dncnn"))
    real, tried = torch.Tensor.to, []

    def to(tensor, *given, **more):
        if given and str(given[0]).startswith("cuda") and tensor.dim() == 4 and tensor.shape[2:] == (24, 32):
            tried.append(len(tensor))
            if len(tensor) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(tensor, *given, **more)

    with pretended_cuda():
        monkeypatch.setattr(torch.Tensor, "to", to)
        record = run_cell(cell, Settings("cuda", threads=1))
    assert tried[:2] == [5, 2]
    expected = run_cell(cell, Settings("cpu", "torch", threads=1))  # other batches, another order of sums
    assert [row["psnr"] for row in record.images] == pytest.approx([row["psnr"] for row in expected.images], rel=1e-6)
    assert record.provenance["notes"][:2] == [
        "memory ran out with 5 images of 24x32 at a time; 2 at a time were run",
        "memory ran out with 3 images of 24x32 at a time; 1 at a time were run",
    ]


def test_a_device_without_memory_for_one_image_is_one_line(weights, folder, monkeypatch):
    cell = cell_of("dncnn", folder(), weights=weights("dncnn"))

    class Full:
        def to(self, device):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    with pretended_cuda():
        monkeypatch.setattr(torch, "stack", lambda tensors: Full())
        with pytest.raises(BenchError, match=r"image 0: memory ran out on cuda:0 before .*MiB\); use DEVICE=cpu$"):
            run_cell(cell, Settings("cuda", threads=1))


@pytest.mark.parametrize("most", [2, 0])
def test_scores_for_which_a_device_has_no_memory_are_made_of_fewer_images_or_on_the_cpu(
    most, weights, folder, monkeypatch
):
    cell = cell_of("dncnn", folder(count=5), weights=weights("dncnn"))
    real, tried = scoring.scores, []

    def scores(cell, clean, noisy, denoised, device, known):
        tried.append((len(noisy), device))
        if device != "cpu" and len(noisy) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(cell, clean, noisy, denoised, device, known)

    monkeypatch.setattr(scoring, "scores", scores)
    with pretended_cuda():
        record = run_cell(cell, Settings("cuda", threads=1))
    assert_same(record, run_cell(cell, Settings("cpu", "torch", threads=1)))
    first = "memory ran out with 5 images of 24x32 to score at a time; 2 at a time were run"
    assert record.provenance["notes"][0] == first
    assert ((5, "cpu") in tried[:-1]) == (most == 0)
    assert any("computed on the CPU" in note for note in record.provenance["notes"]) == (most == 0)
