import pytest

import methods
from bench.adapters.elsewhere import unknown_method


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("drunet", "spandrel brings it: METHOD=spandrel WEIGHTS=drunet_gray.pth"),
        ("DRUNet", "METHOD=spandrel WEIGHTS=drunet_gray.pth"),
        ("swinir", "WEIGHTS=004_grayDN_DFWB_s128w8_SwinIR-M_noise25.pth"),
        ("restormer", "WEIGHTS=gaussian_gray_denoising_blind.pth"),
        ("nafnet", "WEIGHTS=NAFNet-SIDD-width64.pth"),
        ("scunet", "WEIGHTS=scunet_gray_25.pth"),
        ("swinir@spandrel", "METHOD=spandrel WEIGHTS="),
        ("dncnn@deepinv", "deepinv brings it: METHOD=deepinv:model=dncnn,weights=FILE"),
        ("drunet@deepinv", "METHOD=deepinv:model=drunet,weights=FILE"),
        ("mynet@deepinv", "see make list"),
        ("spandrell", "did you mean spandrel: or"),
        ("deepinf", "did you mean deepinv:?"),
        ("output", "did you mean outputs:?"),
        ("dncn", "did you mean dncnn"),
    ],
)
def test_what_brings_a_method_or_the_nearest_name(name, words):
    cause = str(unknown_method(name, methods.available()))
    assert cause.startswith(f"unknown method {name!r}: ")
    assert words in cause
    assert "\n" not in cause
    if "brings it" in cause:
        assert name != "mynet@deepinv"
        assert "pip install -r requirements-extras.txt" in cause


def test_a_folder_and_an_address_are_no_methods_and_say_what_to_type(tmp_path):
    assert f"METHOD=outputs:{tmp_path} scores the images in it" in str(unknown_method(str(tmp_path), ["dncnn"]))
    assert "download the file, and give its path" in str(unknown_method("https", ["dncnn"]))


@pytest.mark.parametrize("name", ["runs/best.pth", "net.safetensors", "last.CKPT", "checkpoint.pth.tar"])
def test_a_file_of_weights_is_no_method_and_says_what_to_type(name):
    cause = str(unknown_method(name, methods.available()))
    assert cause.startswith(f"METHOD={name}: is a file of weights; ")
    assert f"METHOD=dncnn WEIGHTS={name}, or spandrel" in cause
