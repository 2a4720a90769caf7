import dataclasses

import pytest
import torch
from typer.testing import CliRunner

from bench.cli.app import app
from bench.common.errors import BenchError
from bench.studies.conform import study
from bench.studies.conform.checks import colours, denoised, gpu, memory, noise_level, range_of_values, receptive_field
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
    "Give each image its own result, whatever came before": (
        "seen = globals().setdefault('SEEN', {})\n    return seen.setdefault(noisy.shape, noisy * 0.9 + 0.05)"
    ),
}


def test_a_method_that_conforms(method_file):
    checks = list(conform(str(method_file(GOOD)), megapixels=0.01))
    assert {colour for colour, _ in checks} == {"gray", "rgb"}
    assert [check.name for _, check in checks if check.passed is False] == []


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_found(method_file, name):
    path = method_file(f"COLOUR = 'rgb'\ndef denoise(noisy, sigma):\n    {BAD[name]}\n")
    assert name in {check.name for _, check in conform(str(path), megapixels=0.01) if check.passed is False}


@pytest.mark.parametrize(
    ("body", "check", "remark"),
    [
        ("return blurred(noisy, 15)", denoised, "smooths away detail: "),
        ("return (blurred(noisy, 3) * 16).round() / 16", range_of_values, "only "),
        ("return 2 * blurred(noisy, 3) - noisy", denoised, "takes the noise away twice"),
        ("return blurred(noisy, 3).clamp(0.2, 0.8)", colours, "0.20 for 0.05"),
        ("x = blurred(noisy, 9)\n    x = x - x.amin()\n    return x / x.amax()", colours, " for 0.05"),
        ("global last\n    found, last = last, blurred(noisy, 3)\n    return last if found is None else found", memory,
         "the same for two images"),
        ("return blurred(noisy, 3)", denoised, ""),
        ("return blurred(noisy, 3)", range_of_values, ""),
        ("return blurred(noisy, 3)", colours, ""),
        ("return blurred(noisy, 3)", memory, ""),
    ],
)  # fmt: skip
def test_what_is_no_denoiser_does_not_conform(method_file, body, check, remark):
    blurred = (
        "def blurred(x, n):\n    return torch.nn.functional.avg_pool2d(x, n, 1, n // 2, count_include_pad=False)\n"
    )
    path = method_file(f"import torch\nlast = None\n{blurred}def denoise(noisy, sigma):\n    {body}\n")
    passed, said = check(loaded(cells_to_check(str(path), "")["gray"], 1))
    assert passed is (not remark)
    assert remark in said


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_channel_that_is_shifted_does_not_conform(method_file, place):
    body = "y = torch.nn.functional.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)"
    move = f"y[:, {place}] = y[:, {place}].roll(1, -1)"
    path = method_file(
        f"import torch\nCOLOUR = 'rgb'\ndef denoise(noisy, sigma):\n    {body}\n    {move}\n    return y\n"
    )
    passed, said = denoised(loaded(cells_to_check(str(path), "")["rgb"], 3))
    assert not passed
    assert f"the {('red', 'green', 'blue')[place]} channel alone shifts the image (1 to the right, in pixels)" in said


def test_the_command_says_no_by_its_status(method_file, tmp_path):
    path = method_file("COLOUR = 'gray'\ndef denoise(noisy, sigma):\n    return 0.9 * noisy.flip(-1) + 0.05\n")
    table = tmp_path / "checks.csv"
    words = ["conform", "--method", str(path), "--megapixels", "0.01", "--table", str(table)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "mirrors the image left to right" in result.stdout
    assert "1 checks failed" in result.stdout
    assert table.read_text().count("False") == 1


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


GPU = "Run on a GPU, which is pretended where there is none"


@pytest.mark.parametrize(
    ("body", "passed", "remark"),
    [
        ("return noisy.numpy() * 0.9", False, "write noisy.cpu().numpy(), or run it with DEVICE=cpu"),
        ("return noisy * 0.9 + torch.zeros(noisy.shape)", False, "write .to(noisy.device) where it is used"),
        ("return noisy * 0.9 + float(noisy.mean()) / 100", True, "a call waits 1 times for the GPU: __float__ at "),
        ("return noisy.cpu().numpy() * 0.9", True, "a call waits 1 times for the GPU: cpu at "),
        ("return noisy * 0.9", True, "largest difference from the CPU 0.0e+00"),
    ],
)
def test_code_for_the_cpu_alone_is_found_without_a_gpu(method_file, monkeypatch, body, passed, remark):
    monkeypatch.setattr(study, "CHECKS", (gpu,))
    path = method_file(f"import torch\nCOLOUR = 'gray'\ndef denoise(noisy, sigma):\n    {body}\n")
    (check,) = (check for _, check in conform(str(path), megapixels=0.001) if check.name == GPU)
    assert check.passed is passed, check.remark
    assert remark in check.remark


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
