"""A person's Python file is called as its method takes it, whatever that is."""

import pytest
import torch

from bench.adapters import method_of
from bench.common.errors import BenchError

SIGMA = 0.1

NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, channels=1):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.8))
    def forward(self, {parameters}):
        return {result}
"""


def noisy(batch=2, channels=1):
    return torch.rand(batch, channels, 20, 31, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2


def made(path, **options):
    method, given = method_of(str(path))
    return method.load(method.nets[0], None, {**method.options, **given, **options}), method


@pytest.mark.parametrize(
    ("given", "factor"), [("sigma=0.5", 0.5), ("sigma=0.5, scale=2", 1.0), ("scale=2", 2 * SIGMA), ("", SIGMA)]
)
def test_what_a_partial_function_settles_is_not_the_noise_level(method_file, given, factor):
    head = "from functools import partial\ndef filtered(x, sigma, scale=1):\n    return x * sigma * scale\n"
    run, _ = made(method_file(f"{head}denoise = partial(filtered, {given})\n"))
    torch.testing.assert_close(run(noisy(), SIGMA), noisy() * factor)


@pytest.mark.parametrize(
    ("signature", "result", "factor"),
    [
        ("x", "x * 2", 2),
        ("noisy", "noisy * 2", 2),
        ("x, clip=True", "x * (3 if clip is True else 0)", 3),
        ("x, *, clip=True", "x * (3 if clip is True else 0)", 3),
        ("x, sigma=0.5", "x * sigma", SIGMA),
        ("x, sigma=25", "x * sigma", 255 * SIGMA),
        ("x, *, noise_level=15.0", "x * noise_level", 255 * SIGMA),
        ("x, noise_level=None", "x * noise_level", SIGMA),
        ("x, scale=3, noise_std=None", "x * scale * noise_std", 3 * SIGMA),
        ("x, *, sigma", "x * sigma", SIGMA),
        ("x, s", "x * s", SIGMA),
        ("x, sigma, strength=4.0", "x * strength * sigma", 4 * SIGMA),
        ("*arguments", "arguments[0] * arguments[1]", SIGMA),
        ("x, sigma_map", "x * sigma_map if sigma_map.shape == (2, 1, 20, 31) else None", SIGMA),
        ("x, noise_level_map", "x * noise_level_map if noise_level_map.shape == (2, 1, 20, 31) else None", SIGMA),
    ],
)
@pytest.mark.parametrize("kind", ["function", "network", "lambda"])
def test_parameters_of_any_kind(method_file, signature, result, factor, kind):
    if kind == "lambda":
        body = f"net = lambda {signature}: {result}\n"
    elif kind == "function":
        body = f"def denoise({signature}):\n    return {result}\n"
    else:
        body = NET.format(parameters=signature, result=result) + "model = Net().eval()\n"
    run, method = made(method_file(body))
    assert method.nets[0].given_sigma == (factor not in (2, 3))
    torch.testing.assert_close(run(noisy(), SIGMA), noisy() * factor)
    assert isinstance(run, torch.nn.Module) == (kind == "network")


@pytest.mark.parametrize("kind", ["function", "network"])
def test_a_default_from_0_to_255_is_said(method_file, kind):
    function = "def denoise(x, sigma=25):\n    return x * sigma\n"
    network = NET.format(parameters="x, sigma=25", result="x * sigma") + "model = Net().eval()\n"
    body = {"function": function, "network": network}[kind]
    run, _ = made(method_file(body))
    assert run.notes == ("gets sigma from 0 to 255, as its default of 25 is; SIGMA = '0..1' changes that",)
    run, _ = made(method_file(body + "SIGMA = '0..1'\n", "other"))
    assert not getattr(run, "notes", ())
    torch.testing.assert_close(run(noisy(), SIGMA), noisy() * SIGMA)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("form", ["trace", "script", "saved"])
def test_torchscript(method_file, tmp_path, form):
    """It says its parameters in a way of its own, also where a file loads it."""
    net = "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x * 2\n"
    calls = {"trace": "torch.jit.trace(Net(), torch.rand(1, 1, 8, 8))", "script": "torch.jit.script(Net())"}
    body = f"import torch\n{net}model = {calls.get(form, 'torch.jit.load(PATH)')}\n"
    if form == "saved":
        torch.jit.trace(lambda x: x * 2, torch.rand(1, 1, 8, 8)).save(str(tmp_path / "net.pt"))
        body = body.replace("PATH", repr(str(tmp_path / "net.pt")))
    run, _ = made(method_file(body))
    torch.testing.assert_close(run(noisy(), SIGMA), noisy() * 2)


@pytest.mark.parametrize(
    ("said", "result", "expected"),
    [
        ("SIGMA = 255", "x * sigma", lambda x: x * 25.5),
        ("SIGMA = 'map'", "x * sigma if sigma.shape == (2, 1, 20, 31) else None", lambda x: x * 0.1),
        ("SIGMA = 'vector'", "x * sigma.view(2, 1, 1, 1)", lambda x: x * 0.1),
        ("SIGMA = 'map 0..255'", "x * sigma[:, :, :1, :1]", lambda x: x * 25.5),
        ("INPUT = 255", "x + sigma", lambda x: x + 0.1),
        ("INPUT = '0..255'\nSIGMA = '0..1'", "x + 255 * sigma", lambda x: x + 0.1),
        ("INPUT = 255\nOUTPUT = 255", "x.clamp(0, 255)", lambda x: 255 * x.clamp(0, 1)),  # and divided once, later
        ("INPUT = '-1..1'", "x * 0.5", lambda x: 0.5 * x + 0.25),
        ("INPUT = '-1..1'\nOUTPUT = 'residual'", "x * 0 + sigma", lambda x: x * 0 + 0.1),
    ],
)
@pytest.mark.parametrize("network", [False, True])
def test_what_a_file_says_of_its_input(method_file, said, result, expected, network):
    body = f"def denoise(x, sigma):\n    return {result}\n"
    if network:
        body = NET.format(parameters="x, sigma", result=result) + "denoise = Net()\n"
    run, _ = made(method_file(f"{said}\n{body}"))
    torch.testing.assert_close(run(noisy(), SIGMA), expected(noisy()), rtol=1e-5, atol=1e-6)


ARRAYS = """
import numpy as np
def denoise(x, sigma):
    assert type(x) is np.ndarray and x.dtype == np.float32
    assert x.flags.c_contiguous and x.shape in ((20, 31), (20, 31, 3))
    return {}
"""


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("said", "result", "expected"),
    [
        ("INPUT = 'array'", "x * sigma", lambda x: x * 0.1),
        ("INPUT = 'array'", "x.astype('float64')[None] * 0.5", lambda x: x * 0.5),
        ("INPUT = 'array'", "np.moveaxis(x, -1, 0) * 0.5 if x.ndim == 3 else x * 0.5", lambda x: x * 0.5),
        ("INPUT = 'array 255'", "x + sigma", lambda x: x + 0.1),
        ("INPUT = '0..255 array'\nOUTPUT = 255", "x.clip(0, 255).astype(int)", lambda x: (255 * x.clamp(0, 1)).floor()),
        ("INPUT = 'array -1..1'\nOUTPUT = 'residual'", "x * 0 + sigma", lambda x: x * 0 + 0.1),
        ("INPUT = 'array'\nSIGMA = 'map'", "x * (sigma if x.ndim == 2 else sigma[..., None])", lambda x: x * 0.1),
        ("INPUT = 'array'\nSIGMA = 'vector 255'", "x * sigma[0]", lambda x: x * 25.5),
        ("INPUT = 'array'", "(x * 0, x * 2)", lambda x: torch.cat([x * 0, x * 2], 1)),
    ],
)
def test_a_function_of_arrays_gets_one_image_after_the_other(method_file, said, result, expected, channels):
    run, _ = made(method_file(f"{said}\n{ARRAYS.format(result)}"))
    given = noisy(channels=channels)
    torch.testing.assert_close(run(given, SIGMA).float(), expected(given), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ("x[:7]", r"returned shape \(7, 31\); expected \(20, 31\), that of its input"),
        ("None", "returned a NoneType; expected an array like its input"),
    ],
)
def test_what_a_function_of_arrays_may_not_return(method_file, result, cause):
    run, _ = made(method_file("INPUT = 'array'\n" + ARRAYS.format(result)))
    with pytest.raises(BenchError, match=cause):
        run(noisy(), SIGMA)


def test_a_network_takes_no_arrays(method_file):
    body = NET.format(parameters="x, sigma", result="x * sigma") + "model = Net().eval()\nINPUT = 'array'\n"
    with pytest.raises(BenchError, match="INPUT = 'array' is of a function; a network gets tensors"):
        made(method_file(body))


def test_options_beside_the_noise_level(method_file):
    run, method = made(method_file("def denoise(x, sigma=None, gain=2.0):\n    return x * gain * sigma\n"), gain="3")
    assert method.options == {"gain": "2.0"}
    torch.testing.assert_close(run(noisy(), SIGMA), noisy() * 3 * SIGMA)


def test_a_network_with_several_outputs_stays_a_network(method_file, one_cell, photographs):
    """And runs in onnxruntime: the parts that are images are told apart there."""
    from bench.run.one_cell import run_cell
    from bench.run.settings import Settings

    body = NET.format(parameters="x, sigma", result="x * 0 + 0.3, {'image': x * self.scale + 0.1}")
    record = run_cell(one_cell(str(method_file(body + "denoise = Net()\n")), photographs), Settings(device="cpu"))
    assert record.provenance["runtime"].startswith("onnxruntime")
    assert record.provenance["notes"] == ["returns 2 images; number 2 is taken"]
    assert all(row["psnr"] > 15 for row in record.images)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (NET.format(parameters="x", result="x"), r"write denoise = Net\(...\) below the class, with its weights"),
        ("def clean(x):\n    return x\n", "has no function denoise.noisy, sigma.; it has clean: write denoise = clean"),
        ("x = 1\n", r"has no function denoise\(noisy, sigma\)$"),
        ("def denoise():\n    pass\n", "its method takes no image"),
        ("def denoise(x, sigma, mask):\n    pass\n", "must be given x, sigma, mask; expected denoise"),
        ("def denoise(a, b, c):\n    pass\n", "must be given a, b, c"),
        ("INPUT = 'uint8'\ndef denoise(x):\n    pass\n", "INPUT is 'uint8'; expected one of 0..1, 0..255, -1..1, arr"),
        ("INPUT = 'array array'\ndef denoise(x):\n    pass\n", "INPUT is 'array array'; expected one of"),
        ("INPUT = '0..1 255'\ndef denoise(x):\n    pass\n", "INPUT is '0..1 255'; expected one of"),
        ("SIGMA = 'mapp'\ndef denoise(x, s):\n    pass\n", "SIGMA is 'mapp'; expected number, vector or map"),
        ("OUTPUT = 'noisy'\ndef denoise(x):\n    pass\n", "OUTPUT is 'noisy'; expected one of image, residual"),
        ("def net(x):\n    pass\n", "it has net: write denoise = net"),
    ],
)
def test_what_is_no_method_says_what_to_write(method_file, body, cause):
    with pytest.raises(BenchError, match=cause) as caught:
        method_of(str(method_file(body)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (NET.format(parameters="x", result="x") + "denoise = Net\n", "denoise is a class; expected a function"),
        ("model = {'a': 1}\n", "model is a dict; expected a function or a network"),
    ],
)
def test_what_turns_out_to_be_no_method(method_file, body, cause):
    with pytest.raises(BenchError, match=cause):
        made(method_file(body))
