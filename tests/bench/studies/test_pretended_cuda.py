"""The pretended CUDA device refuses what CUDA does and counts its waits; a real GPU is held to the same cases."""

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from bench.common import devices
from bench.studies.conform.pretended_cuda import pretended_cuda


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def device(request):
    with pretended_cuda() if request.param == "pretended" else nullcontext():
        yield "cuda"


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))


def there(*shape):
    return torch.ones(shape).to("cuda")


REFUSED = {
    "tensors of two devices": (lambda: there(3) + torch.ones(3), RuntimeError, "same device"),
    "a number of the device with a tensor of the CPU": (lambda: there() * torch.ones(3), RuntimeError, "same device"),
    "joined tensors": (lambda: torch.cat([there(3), torch.ones(3)]), RuntimeError, "same device"),
    "a constant of the CPU": (lambda: torch.where(there(3) > 0, torch.zeros(3), there(3)), RuntimeError, "same device"),
    "two GPUs": (lambda: there(3) + torch.ones(3).to("cuda:1"), RuntimeError, "same device"),
    "a network that stayed": (lambda: network()(there(1, 1, 8, 8)), RuntimeError, "same|type"),
    "in place": (lambda: torch.ones(3).add_(there(3)), RuntimeError, "same device"),
    "an array": (lambda: there(3).numpy(), TypeError, r"can't convert cuda:0 .*Tensor\.cpu\(\)"),
    "an array by NumPy": (lambda: np.asarray(there(3)), TypeError, "can't convert cuda:0"),
    "a CPU generator": (lambda: torch.randn(3, device="cuda", generator=torch.Generator()), RuntimeError, "generator"),
    "a generator of the device": (lambda: torch.randn(3, generator=torch.Generator("cuda")), RuntimeError, "generator"),
    "in place, a CPU generator": (lambda: there(3).normal_(generator=torch.Generator()), RuntimeError, "generator"),
    "counts, a CPU generator": (
        lambda: torch.poisson(there(3), generator=torch.Generator()),
        RuntimeError,
        "generator",
    ),
    "an index of the device": (lambda: torch.ones(3)[there(2).long()], RuntimeError, "indices should be"),
    "a gradient of another device": (lambda: setattr(there(3), "grad", torch.ones(3)), RuntimeError, "device"),
    "a GPU that is not there": (lambda: torch.ones(3).to("cuda:64"), RuntimeError, "invalid device ordinal"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cuda_refuses(device, case):
    if case == "two GPUs" and torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    act, kind, text = REFUSED[case]
    with pytest.raises(kind, match=text):
        act()


TAKEN = {
    "a number": lambda: there(3) * 2,
    "a number of the CPU": lambda: there(3) * torch.tensor(2.0),
    "an index of the CPU": lambda: there(3)[torch.tensor([0, 2])],
    "a copy over": lambda: there(3).copy_(torch.ones(3)),
    "a generator of its own": lambda: torch.rand(3, device="cuda", generator=torch.Generator("cuda").manual_seed(1)),
    "new tensors of its kind": lambda: there(3).new_zeros(2) + torch.zeros_like(there(2)),
    "tensors made there": lambda: torch.arange(3, device="cuda") + torch.tensor([1, 2, 3], device="cuda:0"),
    "views": lambda: there(4).view(2, 2)[0] + there(2),
    "by the type of another": lambda: torch.ones(3).to(there(3)),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_cuda_takes(device, case):
    found = TAKEN[case]()
    assert (found.device.type, found.device.index, found.is_cuda) == ("cuda", 0, True)


WAITS = {
    "item": lambda x: x[0].item(),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x[0]),
    "if": lambda x: 1 if x[0] > 0 else 2,
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "tolist": lambda x: x.tolist(),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "a mask": lambda x: x[x > 0],
    "a mask that is written": lambda x: x.__setitem__(x > 0, 2 * x),
    "unique": lambda x: x.unique(),
    "text": lambda x: f"{x.mean():.1f}",
    "maximum of Python": lambda x: max(x[0], x[1]),
    "an index": lambda x: range(3)[x[0].long()],
    "copied down": lambda x: torch.empty(3).copy_(x),
    "the clock": lambda x: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("case", WAITS)
def test_what_waits_for_the_device_is_counted_with_its_place(case):
    with pretended_cuda() as seen:
        x = there(3)
        assert not seen.waits
        WAITS[case](x)
        assert sum(seen.waits.values()) == 1
        assert next(iter(seen.waits))[1].startswith("tests/bench/studies/test_pretended_cuda.py:")


def test_what_does_not_wait_is_not_counted():
    with pretended_cuda() as seen:
        x = there(3, 3)
        seen.clear()
        x[x > 2] = 0.0
        x[0] = x[1] * 2
        x.masked_fill_(x > 1, 0.5).clamp_(0, 1)
        x.sum().to("cpu", non_blocking=True)
        assert (x.shape, x.device.type, len(x), x.dim(), x.is_floating_point()) == ((3, 3), "cuda", 3, 2, True)
        assert not seen.waits
        assert not seen.uploads
        torch.tensor([1.0]).to("cuda"), torch.tensor([1.0], device="cuda"), x.copy_(torch.ones(3, 3))
        assert sum(seen.uploads.values()) == 3


def test_a_training_step_is_that_of_the_cpu_to_the_bit_and_waits_for_nothing():
    x, y = torch.rand(2, 1, 8, 12), torch.rand(2, 1, 8, 12)

    def step(device):
        net = network().to(device)
        optimiser = torch.optim.AdamW(net.parameters(), 1e-2, fused=True)
        noisy, clean = x.to(device), y.to(device)
        for _ in range(2):
            loss = (net(noisy) - clean).square().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimiser.step()
        return net

    expected = step("cpu").state_dict()
    with pretended_cuda() as seen:
        net = step("cuda")
        assert not seen.waits
        assert {value.device.type for value in (*net.parameters(), *net.buffers(), net[0].weight.grad)} == {"cuda"}
        assert {value.device.type for value in copy.deepcopy(net).parameters()} == {"cuda"}
        found = {name: value.cpu() for name, value in net.state_dict().items()}
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_threads_and_checkpoints_are_on_the_device_too(tmp_path):
    with pretended_cuda(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: torch.ones(2).to("cuda").device).result().type == "cuda"
        torch.save({"a": there(2)}, tmp_path / "x.pt")
        assert torch.load(tmp_path / "x.pt", map_location="cuda", weights_only=True)["a"].device.type == "cuda"


def test_autocast_has_the_types_of_cuda(device):
    with torch.autocast("cuda", torch.bfloat16):
        half = network().to(device)(there(1, 1, 8, 8))
        assert (half.dtype, (half**2).dtype, half.sum().dtype) == (torch.bfloat16, torch.float32, torch.float32)


def test_nothing_is_pretended_afterwards():
    made = torch.Generator, torch.autocast, torch.load, torch.compile, torch.cuda.is_available
    with pretended_cuda():
        assert torch.cuda.is_available()
    assert made == (torch.Generator, torch.autocast, torch.load, torch.compile, torch.cuda.is_available)
    assert nn.Parameter(torch.ones(1)).device.type == torch.ones(1).device.type == "cpu"


def test_memory_is_asked_for_before_anything_ran_there():
    with pretended_cuda():
        with pytest.raises(RuntimeError, match="Invalid device argument"):
            torch.cuda.reset_peak_memory_stats("cuda:0")
        devices.reset_peak_memory("cuda:0")
        torch.cuda.reset_peak_memory_stats("cuda:0")
