import math

import pytest
import torch
from torch import nn

from bench.train.muon import MOMENTUM, Muon, orthogonal


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 5, 3), nn.Conv2d(5, 1, 3))


def loss_of(net, seed=0):
    images = torch.randn(3, 2, 12, 12, generator=torch.Generator().manual_seed(seed))
    return (net(images) - images[:, :1, 3:-3, 3:-3]).square().mean()


@pytest.mark.parametrize("size", [(6, 20), (20, 6), (1, 9)])
def test_singular_values_are_near_one(size):
    torch.manual_seed(0)
    given = torch.randn(2, *size, dtype=torch.float64) * 1e-3
    found = orthogonal(given)
    assert torch.linalg.svdvals(found).sub(0.95).abs().max() < 0.3
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    aligned = left.mT @ found @ right.mT  # the singular vectors stay
    assert (aligned - torch.diag_embed(aligned.diagonal(dim1=1, dim2=2))).abs().max() < 1e-9


def test_a_step_is_that_of_pytorch_where_there_are_matrices_only():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(8, 20)), nn.Parameter(torch.randn(30, 8))]
    theirs = [nn.Parameter(one.detach().clone()) for one in ours]
    optimiser = Muon(ours, 0.01, 0.1)
    reference = torch.optim.Muon(theirs, 0.01, 0.1, MOMENTUM, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        optimiser.step()
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=4e-4)  # theirs computes in bfloat16


def test_convolutions_step_as_matrices_and_the_rest_as_adamw(net):
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    optimiser = Muon(net.parameters(), 0.01)
    loss_of(net).backward()
    optimiser.step()
    for name, one in net.named_parameters():
        step = (one - before[name]).detach().flatten(1) if one.dim() > 1 else one - before[name]
        if one.dim() > 1:
            sizes = torch.linalg.svdvals(step) / (0.01 * 0.2 * math.sqrt(max(step.shape)))
            assert 0.6 < sizes.min() <= sizes.max() < 1.25, name
        elif one.grad.abs().min() > 1e-5:  # the bias of a convolution before batch normalisation has no gradient
            torch.testing.assert_close(step.abs(), torch.full_like(step, 0.01), rtol=1e-2, atol=0)


def test_it_learns_and_goes_on_from_its_state(net):
    import copy

    optimiser = Muon(net.parameters(), 0.01, 1e-4)

    def steps(net, optimiser, seeds):
        for seed in seeds:
            optimiser.zero_grad()
            loss = loss_of(net, seed)
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    first = float(loss_of(net, 9).detach())
    steps(net, optimiser, range(20))
    other = copy.deepcopy(net)
    again = Muon(other.parameters(), 0.01, 1e-4)
    again.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert steps(net, optimiser, range(20, 60)) == steps(other, again, range(20, 60))
    assert float(loss_of(net, 9).detach()) < 0.5 * first


def test_a_network_without_vectors_or_without_matrices():
    weight, bias = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(3))
    for parameters in ([weight], [bias]):
        optimiser = Muon(parameters, 0.1)
        parameters[0].grad = torch.ones_like(parameters[0])
        optimiser.step()
        assert float(parameters[0].detach().max()) < 1
        assert len(optimiser.param_groups) == 1
