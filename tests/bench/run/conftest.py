"""Fixtures of the run room."""

import pytest
import torch


@pytest.fixture
def tiny_net(tmp_path):
    """Return weights of a small random DnCNN with batch normalisation."""
    from methods.networks.dncnn import DnCNN

    torch.manual_seed(0)
    network = DnCNN(5, 1, 8, norm=True)
    for name, tensor in network.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2)
    path = tmp_path / "tiny.pth"
    torch.save(network.state_dict(), path)
    return path
