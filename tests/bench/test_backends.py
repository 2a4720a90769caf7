import numpy as np
import pytest
import torch
from torch import nn

from bench.backends import BACKENDS, prepare
from bench.errors import BenchError
from methods.networks.dncnn import DnCNN, FDnCNN


def run(network, noisy, backend, threads=2):
    runner = prepare(network, channels=noisy.shape[1], device="cpu", backend=backend, sigma=0.1, threads=threads)
    return runner.backend, runner.run(noisy, 0.1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("backend", BACKENDS)
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
    assert run(DnCNN(4, 1, 8).eval(), noisy, "auto")[0] == "ncnn"
    flexible = FDnCNN(4, 1, 8).eval()
    name, denoised = run(flexible, noisy, "auto")
    assert name == "onnxruntime"
    with torch.no_grad():
        torch.testing.assert_close(denoised, flexible(noisy, 0.1), atol=2e-5, rtol=0)
    with pytest.raises(BenchError, match=r"BACKEND=ncnn cannot run this network: operation .*; use BACKEND=auto"):
        run(flexible, noisy, "ncnn")


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


def test_graphs_are_translated_whole():
    network, noisy = Branching().eval(), torch.randn(1, 1, 21, 19)
    with torch.no_grad():
        torch.testing.assert_close(run(network, noisy, "ncnn")[1], network(noisy, 0.1), atol=2e-5, rtol=0)


def test_no_network_runs_as_it_is():
    name, output = run(lambda noisy, sigma: noisy * sigma, torch.ones(1, 1, 4, 4), "auto")
    assert name == "plain"
    np.testing.assert_allclose(output, 0.1)


def test_mistakes():
    with pytest.raises(BenchError, match="unknown backend 'onnx': did you mean onnxruntime"):
        run(DnCNN(4, 1, 8), torch.rand(1, 1, 32, 32), "onnx")
    with pytest.raises(BenchError, match="runs on the CPU only"):
        prepare(DnCNN(4, 1, 8), channels=1, device="cuda:0", backend="ncnn", sigma=0.1, threads=1)


def test_an_image_that_would_exhaust_the_memory_is_refused():
    with pytest.raises(ValueError, match=r"2\.1 megapixels need about 8 GB in ncnn; use BACKEND=torch"):
        run(DnCNN(3, 1, 2).eval(), torch.zeros(1, 1, 1000, 2100), "auto")
