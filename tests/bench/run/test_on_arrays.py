"""`bench.load_method`: a method as a call on arrays and tensors."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from bench import load_method
from bench.common.errors import BenchError

BOX = """
from torch.nn.functional import avg_pool2d

def denoise(noisy):
    return avg_pool2d(noisy, 3, stride=1, padding=1, count_include_pad=False)
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    path = tmp_path_factory.mktemp("methods") / "box.py"
    path.write_text(BOX)
    return load_method(str(path))


def photograph(*shape: int) -> np.ndarray:
    from skimage import data

    image = data.astronaut()[: shape[0], 100 : 100 + shape[1]]
    return image if len(shape) == 3 else image[..., 0]


def boxed(image: np.ndarray) -> np.ndarray:
    """Mean of 3x3 pixels inside, of each channel of (H, W, C)."""
    return ndimage.uniform_filter(image.astype(float), (3, 3, 1))[1:-1, 1:-1]


FORMS = {
    "uint8": (lambda x: x, lambda y: y, 0.5),
    "uint16": (lambda x: x.astype("uint16") * 257, lambda y: y / 257, 0.01),
    "float32": (lambda x: (x / 255).astype("float32"), lambda y: y * 255, 1e-4),
    "float64": (lambda x: x / 255, lambda y: y * 255, 1e-4),
    "float16": (lambda x: (x / 255).astype("float16"), lambda y: y.astype(float) * 255, 0.2),
}
LAYOUTS = {
    "HW": (lambda x: x[..., 0], lambda y: y[..., None]),
    "HW1": (lambda x: x[..., :1], lambda y: y),
    "HWC": (lambda x: x, lambda y: y),
    "CHW": (lambda x: x.transpose(2, 0, 1), lambda y: y.transpose(1, 2, 0)),
    "1HW": (lambda x: x[None, ..., 0], lambda y: y.transpose(1, 2, 0)),
    "BCHW": (lambda x: x.transpose(2, 0, 1)[None].repeat(2, 0), lambda y: y[1].transpose(1, 2, 0)),
    "not contiguous": (lambda x: x[:, ::-1][:, ::-1], lambda y: y),
}


@pytest.mark.parametrize("tensor", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize("form", FORMS)
def test_what_comes_goes_back_of_the_same_kind(box, form, tensor):
    image = photograph(12, 17, 3)
    to_form, from_form, close = FORMS[form]
    for to_layout, from_layout in LAYOUTS.values():
        given = to_layout(to_form(image))
        given = torch.from_numpy(given.copy()) if tensor else given
        before = given.clone() if tensor else given.copy()
        got = box(given)
        assert (type(got), got.dtype, got.shape) == (type(given), given.dtype, given.shape)
        assert (given == before).all()
        channels = from_layout(from_form(got.numpy() if tensor else got))
        expected = boxed(image)[..., : channels.shape[2]]
        assert np.abs(channels[1:-1, 1:-1] - expected).max() <= close + 1e-6


@pytest.mark.filterwarnings("error")
def test_arrays_as_libraries_give_them(box):
    from PIL import Image

    image = photograph(12, 17, 3)
    expected = boxed(image)
    read_only = np.asarray(Image.fromarray(image))
    assert not read_only.flags.writeable
    assert np.abs(box(read_only)[1:-1, 1:-1] - expected).max() <= 0.5
    for kind, white in ((">u2", 257), (">f4", 1 / 255)):  # the byte order of some TIFF files
        got = box((image.astype(float) * white).astype(kind))
        assert got.dtype == np.dtype(kind)
        assert np.abs(got[1:-1, 1:-1] / white - expected).max() <= 0.01


def test_a_method_may_be_a_path(tmp_path):
    (tmp_path / "box.py").write_text(BOX)
    assert load_method(tmp_path / "box.py")(np.zeros((4, 4))).shape == (4, 4)


def test_another_white_is_said():
    image = photograph(12, 17, 3).astype("float32")
    method = load_method("median")
    with pytest.raises(BenchError, match=r"load_method\('median'\): floats with white 1.0 .*; give white=255"):
        method(image, sigma=25)
    np.testing.assert_allclose(method(image, sigma=25, white=255), method(image / 255, sigma=25) * 255, atol=1e-3)
    noise = np.random.default_rng(0).normal(0.5, 1, (16, 16))  # as loud as noise is, and on the unit scale
    assert method(noise, sigma=255).shape == (16, 16)


@pytest.mark.usefixtures("published_files")
def test_a_network_is_the_benchmarks():
    from bench.common.files import fetch
    from methods import available

    method = available()["bfcnn-laplacian-2x5"]
    (net,) = method.nets
    network = method.load(net, fetch("weights", "net", [net.weights, *net.weights.beside])[0], {})
    image = photograph(25, 33, 3)
    got = load_method("bfcnn-laplacian-2x5")(image / 255)
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge") / 255
    with torch.inference_mode():
        expected = network(torch.from_numpy(padded).permute(2, 0, 1)[None].float())
    np.testing.assert_allclose(got, expected[0].permute(1, 2, 0).numpy()[:25, :33], atol=1e-4)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2], [3, 4]], "got a list; expected a NumPy array or a tensor"),
        (np.zeros((8, 8), "int64"), "values of type int64; expected uint8, uint16 or floating point"),
        (np.zeros((8, 8), bool), "values of type bool"),
        (torch.zeros(8, 8, dtype=torch.complex64), "values of type complex64"),
        (np.zeros((8, 8, 4), "uint8"), "drop the alpha channel"),
        (np.zeros((8, 8, 5), "uint8"), r"got shape \(8, 8, 5\)"),
        (np.zeros(8), r"got shape \(8,\)"),
        (np.zeros((2, 8, 8, 3)), r"got shape \(2, 8, 8, 3\); expected .*a batch \(B, C, H, W\)"),
        (np.zeros((1, 1, 1, 8, 8)), "got shape"),
        (np.zeros((3, 8, 3)), r"give a batch \(1, C, H, W\)"),
        (np.zeros((0, 8)), "is empty"),
        (np.full((8, 8), np.nan), "NaN or infinite"),
        (torch.full((8, 8), torch.inf), "NaN or infinite"),
        (torch.zeros(3, 8, 8).to_sparse(), "expected a dense one"),
        (torch.zeros(3, 8, 8, device="meta"), "expected a dense one"),
    ],
)
def test_what_is_no_image_is_said_in_a_line(box, image, message):
    with pytest.raises(BenchError, match=rf"^load_method\('.*box.py'\): .*{message}") as caught:
        box(image)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("ffdnet", {}, "needs sigma"),
        ("median", {}, "needs sigma"),
        ("dncnn-s", {}, "has a net for each sigma; say which one.*; there are 10, 15, 20, 25, .*75$"),
        ("dncnn@own-fast", {}, "there are 25, 50$"),
        ("dncnn-s", {"sigma": 26}, "no gray net was trained for sigma 26"),
        ("bfcnn-unet", {}, "has rgb nets only, and the images are gray"),
        ("median", {"sigma": 0}, "sigma=0; expected a number above 0"),
        ("median", {"sigma": float("nan")}, "sigma=nan; expected"),
        ("median", {"sigma": "25"}, "sigma='25'; expected"),
        ("median", {"sigma": True}, "sigma=True; expected"),
        ("median", {"sigma": 25, "white": -1}, "white=-1; expected"),
        ("median", {"sigma": 25, "white": "255"}, "white='255'; expected"),
        ("median", {"sigma": 25, "white": True}, "white=True; expected"),
        ("msbf-gated", {}, "WEIGHTS"),
    ],
)
def test_what_a_method_lacks_is_said_in_a_line(name, words, message):
    with pytest.raises((BenchError, ValueError), match=message) as caught:
        load_method(name)(np.zeros((16, 16), "uint8"), **words)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"method": "dncn"}, "unknown method 'dncn'"),
        ({"method": "median", "device": "gpu"}, "expected auto, cpu, cuda or cuda:N"),
        ({"method": "dncnn", "weights": "nowhere.pth"}, "nowhere.pth"),
    ],
)
def test_what_is_no_method_is_said_before_any_image(words, message):
    with pytest.raises((BenchError, ValueError), match=message):
        load_method(**words)
