"""Every method of the registry keeps the contract of `make conform`.

A small random net of every architecture is held to all of it, and one with its authors' weights, where they can be had,
to what training and depth have a part in.
"""

import pytest
import torch

import methods
from bench.studies.conform import checks
from bench.studies.conform.study import conform
from tests.small_networks import small_nets

CLASSICAL = ("bm3d:profile=lc", "bm3d-2007", "nlm", "wavelet", "tv", "gaussian", "median", "bilateral")

PUBLISHED = (
    "dncnn-s", "dncnn-b@saoyan", "fdncnn", "bf-dncnn@0-10", "biased-dncnn@0-10", "bf-unet", "bf-rcnn", "ffdnet",
    "adnet-b", "bfcnn-resnet-1x6", "bfcnn-laplacian-3x5", "bfcnn-unet", "resnet_5x5_bn_3x3",
)  # fmt: skip


OF_WEIGHTS = (
    checks.shape_and_type, checks.range_of_values, checks.denoised, checks.colours, checks.noise_level,
    checks.receptive_field,
)  # fmt: skip
"""The checks that another net of the same code could pass."""


def covers(names):
    """Return the functions that load some methods or build their networks: each architecture has one."""
    loads = (methods.available()[name.partition(":")[0]].load for name in names)
    return {getattr(load, "build", load) for load in loads}


def test_no_architecture_is_left_out():
    everything = covers(methods.available())
    tested = covers([*CLASSICAL, *PUBLISHED, *small_nets()])
    assert {f"{load.__module__}.{load.__qualname__}" for load in everything - tested} == set()


def failures(name, weights=""):
    return [
        f"{colour}: {check.name}: {check.remark}"
        for colour, check in conform(name, weights, 0.01)
        if check.passed is False
    ]


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical(name):
    assert failures(name) == []


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize("name", PUBLISHED)
def test_with_the_authors_weights(name, monkeypatch):
    if covers([name]) <= covers(small_nets()):
        monkeypatch.setattr("bench.studies.conform.study.CHECKS", OF_WEIGHTS)
    assert failures(name) == []


@pytest.mark.parametrize("name", sorted(small_nets()))
def test_with_a_small_net_of_our_own(name, tmp_path):
    torch.manual_seed(0)
    network = small_nets()[name]
    path = tmp_path / "net.pth"
    torch.save(network.state_dict(), path)
    learned = ("Keep red", "Give images on the scale", "Give the image denoised")  # what only a trained net can do
    assert [line for line in failures(name, str(path)) if not any(check in line for check in learned)] == []
