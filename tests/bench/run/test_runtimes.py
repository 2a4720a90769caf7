import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.run.runtimes.choice import prepare
from bench.run.settings import RUNTIMES
from methods.networks.dncnn import DnCNN, FDnCNN


def run(network, noisy, backend, threads=2):
    runner = prepare(network, channels=noisy.shape[1], device="cpu", runtime=backend, sigma=0.1, threads=threads)
    return runner.runtime, runner.run(noisy, 0.1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize(("channels", "shape"), [(1, (33, 47)), (3, (31, 45)), (3, (8, 8))])
@pytest.mark.parametrize("batch", [1, 3])
def test_every_backend_gives_the_networks_output(backend, channels, shape, batch):
    network = DnCNN(6, channels, 16).eval()
    noisy = torch.randn(batch, channels, *shape)
    _, denoised = run(network, noisy, backend)
    with torch.no_grad():
        torch.testing.assert_close(denoised, network(noisy), atol=2e-5, rtol=0)


def test_the_fastest_that_can_run_it_is_taken():
    noisy = torch.rand(1, 1, 32, 32)
    assert run(DnCNN(4, 1, 32).eval(), noisy, "auto")[0] == "onnxruntime"
    assert run(FDnCNN(4, 1, 8).eval(), noisy, "auto")[0] == "onnxruntime"


def test_pytorch_runs_what_cannot_be_exported_and_says_why():
    noisy, network = torch.rand(1, 1, 32, 32), SlicedByValue().eval()
    runner = prepare(network, channels=1, device="cpu", runtime="auto", sigma=0.1, threads=1)
    assert runner.runtime == "torch"
    assert "result differs from PyTorch's" in runner.fallback
    with torch.no_grad():
        torch.testing.assert_close(runner.run(noisy, 0.1), network(noisy, 0.1))
    with pytest.raises(BenchError, match=r"BACKEND=onnxruntime cannot run this network: .*; use BACKEND=auto"):
        run(network, noisy, "onnxruntime")


def test_without_onnxruntime_pytorch_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    runner = prepare(DnCNN(4, 1, 8).eval(), channels=1, device="cpu", runtime="auto", sigma=0.1, threads=1)
    assert (runner.runtime, runner.fallback) == ("torch", "the package onnxruntime is not installed")


class SlicedByValue(nn.Module):
    """What tracing gets wrong: a branch on the pixels."""

    def forward(self, noisy, sigma):
        return noisy * 2 if float(noisy.sum()) > 10 else noisy


class Branching(nn.Module):
    """Blobs that several layers read, strides, dilation, no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.point = nn.Conv2d(8, 8, 1)
        self.down = nn.Conv2d(8, 1, 5, stride=2, padding=2)
        self.relu = nn.ReLU()

    def forward(self, noisy, sigma):
        features = self.relu(self.first(noisy))
        features = self.wide(features) + self.point(features) - features
        return self.down(features + features)


def test_graphs_are_exported_whole():
    network, noisy = Branching().eval(), torch.randn(1, 1, 21, 19)
    with torch.no_grad():
        torch.testing.assert_close(run(network, noisy, "onnxruntime")[1], network(noisy, 0.1), atol=2e-5, rtol=0)


def test_no_network_runs_as_it_is():
    name, output = run(lambda noisy, sigma: noisy * sigma, torch.ones(1, 1, 4, 4), "auto")
    assert name == "Python"
    np.testing.assert_allclose(output, 0.1)


def test_mistakes():
    with pytest.raises(BenchError, match="unknown backend 'onnx': did you mean onnxruntime"):
        run(DnCNN(4, 1, 8), torch.rand(1, 1, 32, 32), "onnx")
    with pytest.raises(BenchError, match="runs on the CPU only"):
        prepare(DnCNN(4, 1, 8), channels=1, device="cuda:0", runtime="onnxruntime", sigma=0.1, threads=1)


def test_the_memory_of_a_gpu_is_that_of_the_cells_own_and_of_pytorchs_cache(monkeypatch):
    from bench.run.runtimes.memory import SCORING, WORKSPACE, pixel_limits

    gib, asked = 2**30, []
    numbers = {"mem_get_info": (3 * gib, 80 * gib), "memory_reserved": 9 * gib, "memory_allocated": 2 * gib}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, number=number: asked.append(device) or number)
    monkeypatch.setattr("bench.run.runtimes.memory.MOST_PIXELS", {"cuda": 10**12})
    _, most = pixel_limits("cuda", 1000, 0, "cuda:1")  # 3 GiB of nobody and 7 GiB that PyTorch keeps
    assert most == int((0.9 * 10 - SCORING) * gib / (1000 * WORKSPACE))
    assert pixel_limits("cuda", 1000, 4, "cuda:1")[1] == int((0.9 * 4 - SCORING) * gib / (1000 * WORKSPACE))
    assert set(asked) == {"cuda:1"}


def test_no_runtime_reports_what_is_run_to_its_maker(tmp_path):
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", "import bench, onnxruntime"]  # which else leaves a number of the machine there
    environment = kept | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment)
    assert not list(tmp_path.rglob("*"))
