"""float32 means float32: every switch of PyTorch is off while something runs, and as it was afterwards."""

from typing import ClassVar

import pytest
import torch

from bench.common.float32 import exact
from bench.run.runtimes.choice import prepare
from bench.train.validation import held_out_psnr


def switches():
    """Read what decides the precision, in the older and in the newer words."""
    backends = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul)
    older = (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, torch.get_float32_matmul_precision())
    return (*older, *(place.fp32_precision for place in places))


EXACT = (False, False, "highest", *["ieee"] * 4)


def allow(name):
    """Set switches as code does that wants to be quick."""
    if name == "matmul":
        torch.backends.cuda.matmul.allow_tf32 = True
    elif name == "cudnn":
        torch.backends.cudnn.allow_tf32 = True
    else:
        torch.set_float32_matmul_precision(name)


@pytest.fixture(autouse=True)
def _as_it_was():
    with exact():
        yield


@pytest.mark.parametrize("name", ["matmul", "cudnn", "high", "medium"])
def test_whatever_was_set_is_off_inside_and_back_afterwards(name):
    allow(name)
    before = switches()
    assert before != EXACT
    with exact():
        assert switches() == EXACT
        with exact(tf32=True):
            assert switches()[:3] == (True, True, "high")
        assert switches() == EXACT
    assert switches() == before
    with pytest.raises(KeyError), exact():
        raise KeyError
    assert switches() == before


def test_newer_words_that_contradict_the_older_ones_are_kept():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    torch.backends.cudnn.rnn.fp32_precision = "tf32"
    with exact():
        assert switches() == EXACT
    assert torch.backends.cudnn.rnn.fp32_precision == torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cudnn.conv.fp32_precision == "ieee"


class Reading(torch.nn.Module):
    """A network that notes what is set when it runs."""

    seen: ClassVar[list] = []

    def forward(self, noisy, sigma=None):
        """Return the image."""
        self.seen.append(switches())
        return noisy * 1.0


def test_networks_functions_and_validation_run_in_it():
    network = Reading()
    how = {"channels": 1, "device": "cpu", "runtime": "torch", "sigma": 0.1, "threads": 1}
    image = torch.rand(1, 1, 16, 16)
    for name in ("matmul", "cudnn", "medium"):
        allow(name)
    network.seen.clear()
    prepare(network, **how).run(image, 0.1)
    prepare(lambda noisy, sigma: network(noisy), **how).run(image, 0.1)
    assert network.seen[-2:] == [EXACT, EXACT]
    held_out_psnr(network.eval(), [(image, image)])
    assert network.seen[-1] == EXACT
    assert torch.backends.cudnn.allow_tf32
