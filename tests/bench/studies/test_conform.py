import dataclasses

import pytest
import torch

from bench.common.errors import BenchError
from bench.studies.conform.checks import denoised, noise_level, range_of_values, receptive_field
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
    path = method_file(f"COLOUR = 'rgb'\ndef denoise(noisy, sigma):\n    {BAD[name]}\n")
    assert name in {check.name for _, check in conform(str(path), megapixels=0.01) if check.passed is False}


def test_a_check_that_ends_the_process_fails_alone(method_file):
    body = "if noisy.shape[-1] == 1: os.abort()\n    return noisy * 0.9 + 0.05\n"
    path = method_file(f"import os\nCOLOUR = 'gray'\ndef denoise(noisy, sigma):\n    {body}")
    faults = {check.name: check.remark for _, check in conform(str(path), megapixels=0.01) if check.passed is False}
    assert faults == {
        "Take odd sizes, one row, one column and one pixel": "its process was ended by signal 6 (Aborted)"
    }


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("return noisy.flip(-1)", "mirrors the image left to right"),
        ("return 0 * noisy + 0.45", "returns a constant image"),
        ("return noisy.roll(1, -1) * 0.9 + 0.05", "shifts the image (1 to the right, in pixels)"),
        ("return 0.9 * noisy.flip(1) + 0.05", "swaps the colour channels (BGR for RGB)"),
        ("return noisy", "returns its input unchanged"),
        ("return 3 * noisy - 2 * smooth(noisy)", "returns more noise than it gets"),
        ("return smooth(noisy) * 255", "returns values from 0 to 255; divided by 255; OUTPUT=image keeps it"),
        ("return noisy - smooth(noisy)", "returns the noise; subtracted; OUTPUT=image keeps it"),
        ("return torch.nn.functional.dropout(noisy, 0.1)", "gives another result when it is called again"),
    ],
)
def test_faults_have_the_words_of_a_run(method_file, body, cause):
    smooth = "def smooth(x):\n    return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)\n"
    path = method_file(f"import torch\n{smooth}def denoise(noisy, sigma):\n    {body}\n")
    subject = loaded(cells_to_check(str(path), "")["rgb"], 3)
    remarks = [remark for passed, remark in (check(subject) for check in (denoised, range_of_values)) if not passed]
    assert cause in remarks[0]


def test_a_method_that_says_what_it_returns_conforms(method_file):
    path = method_file(
        "COLOUR = 'gray'\nOUTPUT = 'residual'\ndef denoise(noisy, sigma):\n    return 0.1 * noisy - 0.05\n"
    )
    assert [check for _, check in conform(str(path), megapixels=0.01) if check.passed is False] == []


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
