import pytest
import torch
from torch import nn

from bench.run.runtimes.cost import count
from methods.networks.dncnn import DnCNN


def test_dncnn_is_counted_as_by_hand():
    cost = count(DnCNN(17), 1, 0.1)
    assert cost.parameters == 555_137  # the paper's net, batch norm merged
    assert cost.macs_per_megapixel == pytest.approx(1e6 * 9 * (64 + 15 * 64 * 64 + 64))
    # A convolution of 64 channels reads one blob and writes another; activations are in place.
    assert cost.bytes_per_pixel == pytest.approx(2 * 64 * 4, rel=0.02)


def test_what_cannot_be_counted_still_runs():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, noisy, sigma=None):
            return self.layer(noisy) if noisy.mean().item() > 0 else noisy

    cost = count(Asks(), 1, 0.1)
    assert cost.parameters == 10
    assert cost.macs_per_megapixel == 0
    assert torch.is_tensor(Asks()(torch.ones(1, 1, 4, 4)))
