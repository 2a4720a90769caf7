import dataclasses

import pytest
import torch

from bench.common.errors import BenchError
from bench.studies.conform.checks import noise_level, receptive_field
from bench.studies.conform.study import conform
from bench.studies.conform.subject import cells_to_check, loaded

GOOD = "def denoise(noisy, sigma):\n    return noisy * 0.9 + 0.05\n"

BAD = {
    "Give float32 of the shape of the input, for one image and for several": "return noisy.double()",
    "Give images on the scale of the input, 1.0 = white": "return noisy * 255",
    "Take odd sizes, one row, one column and one pixel": (
        "if noisy.shape[-1] % 2: raise ValueError('even sizes only')\n    return noisy"
    ),
    "Give the same result twice, bit by bit": "return noisy + 1e-3 * noisy.new_empty(noisy.shape).normal_()",
    "Leave the input as it is": "noisy += 1e-3\n    return noisy.clone()",
    "Treat each image of a batch as if it were alone": "return noisy - noisy.mean() + 0.45",
    "Keep red, green and blue where they are, and gray levels": "return noisy.flip(1)",
}


def test_a_method_that_conforms(method_file):
    checks = list(conform(str(method_file(GOOD)), megapixels=0.01))
    assert {colour for colour, _ in checks} == {"gray", "rgb"}
    assert [check.name for _, check in checks if check.passed is False] == []


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_found(method_file, name):
    path = method_file(f"def denoise(noisy, sigma):\n    {BAD[name]}\n")
    found = {
        check.name for colour, check in conform(str(path), megapixels=0.01) if check.passed is False and colour == "rgb"
    }
    assert name in found


def test_a_check_that_ends_the_process_fails_alone(method_file):
    body = "if noisy.shape[-1] == 1: os.abort()\n    return noisy\n"
    path = method_file(f"import os\nCOLOUR = 'gray'\ndef denoise(noisy, sigma):\n    {body}")
    faults = {check.name: check.remark for _, check in conform(str(path), megapixels=0.01) if check.passed is False}
    assert faults == {
        "Take odd sizes, one row, one column and one pixel": "its process was ended by signal 6 (Aborted)"
    }


def test_a_network_that_looks_farther_than_it_says(tmp_path):
    from methods.networks.dncnn import DnCNN

    path = tmp_path / "net.pth"
    torch.save(DnCNN(6, 1, 4).state_dict(), path)
    cell = cells_to_check("dncnn-b", str(path))["gray"]
    subject = loaded(cell, 1)
    assert receptive_field(subject) == (True, "declared 13, found 13")
    subject.denoise.receptive_field = 11
    assert receptive_field(subject) == (False, "declared 11, found 13")


def test_a_blind_method_that_uses_sigma(method_file):
    (cell, _) = cells_to_check(
        str(method_file("def denoise(noisy, sigma):\n    return noisy * (1 - sigma)\n")), ""
    ).values()
    blind = dataclasses.replace(cell, net=dataclasses.replace(cell.net, given_sigma=False))
    passed, remark = noise_level(loaded(blind, 1))
    assert not passed
    assert "says it is blind" in remark


def test_a_method_that_is_not_there():
    with pytest.raises(BenchError, match="unknown method 'dncnnn': did you mean"):
        list(conform("dncnnn"))


@pytest.mark.gpu
def test_a_network_conforms_on_a_gpu():
    checks = list(conform("dncnn-b@own-small", megapixels=0.01, device="cuda"))
    assert [check.name for _, check in checks if check.passed is False] == []
