import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import CubicHermiteSpline

from bench.common.files import fetch
from bench.degradation import degrade, parse
from bench.degradation.resize import contributions, imresize, kernel
from bench.studies.conform import resizing
from datasets.description import listed

SET5 = "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/Set5"


def bicubic(clean, words):
    image = degrade(clean, parse(words), dataset="set5", image="a", seed=0)
    return image.clean, image.noisy.astype(np.float64) * 255


def hermite(values):
    """Return the curve through `values` whose slopes are central differences: Keys' interpolation, by another way."""
    return CubicHermiteSpline(np.arange(len(values)), values, np.gradient(values.astype(float)))


def response(where):
    """Return Keys' kernel as what `hermite` makes of one impulse."""
    return np.where(np.abs(where) < 2, hermite(np.eye(9)[4])(np.clip(where, -2, 2) + 4), 0)


def by_matrix(image, size):
    """Resize by the definition: a dense matrix for each axis, over an image that is mirrored without end."""
    for axis, new in enumerate(size):
        old = image.shape[axis]
        scale = new / old
        places = np.arange(-old, 2 * old)
        centres = (np.arange(new) + 0.5) / scale - 0.5
        weights = response(min(scale, 1) * (centres[:, None] - places))
        weights = weights[:, :old][:, ::-1] + weights[:, old : 2 * old] + weights[:, 2 * old :][:, ::-1]
        image = np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), image, (1, axis)), 0, axis)
    return image


@pytest.mark.parametrize("size", [(32, 40), (21, 26), (16, 20), (50, 33), (64, 80), (97, 161), (128, 240)])
def test_every_pixel_is_that_of_the_definition(size):
    image = np.random.default_rng(3).integers(0, 256, (64, 80, 3))
    np.testing.assert_allclose(imresize(image, size=size), by_matrix(image, size), atol=1e-10)


def test_the_kernel_is_the_response_to_one_impulse():
    where = np.linspace(-2, 2, 101)
    np.testing.assert_allclose(kernel(where), response(where), atol=1e-12)
    assert not kernel(np.array([-3, -2, 2, 2.5])).any()


@pytest.mark.parametrize(
    ("length", "new", "pixel", "first", "numerators", "denominator"),
    [
        (16, 8, 3, 3, [-3, -9, 29, 111, 111, 29, -9, -3], 256),  # h(x / 2) / 2 at +-0.5, 1.5, 2.5 and 3.5
        (8, 16, 6, 1, [-3, 29, 111, -9], 128),  # h(x) at 1.75, 0.75, 0.25 and 1.25
        (8, 16, 7, 2, [-9, 111, 29, -3], 128),
    ],
)
def test_weights_by_the_definition(length, new, pixel, first, numerators, denominator):
    indices, weights = contributions(length, new, new / length)
    line, expected = np.zeros(length), np.zeros(length)
    np.add.at(line, indices[pixel], weights[pixel])
    expected[first : first + len(numerators)] = np.array(numerators) / denominator
    np.testing.assert_allclose(line, expected, atol=1e-15)


@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 0.7, 1, 1.5, 3])
def test_a_constant_stays_constant_and_mirrored_images_stay_mirrored(scale):
    size = (max(round(12 * scale), 1), max(round(20 * scale), 1))
    np.testing.assert_allclose(imresize(np.full((13, 20, 3), 77, np.uint8), size), 77, atol=1e-12)
    image = np.random.default_rng(0).random((12, 20, 3))
    resized = imresize(image, size=size)
    for turn in (lambda x: x[::-1], lambda x: x[:, ::-1]):
        np.testing.assert_allclose(imresize(turn(image), size=size), turn(resized), atol=1e-12)
    turned = imresize(image.transpose(1, 0, 2), size=size[::-1])
    np.testing.assert_allclose(turned.transpose(1, 0, 2), resized, atol=1e-12)


def test_the_same_size_changes_nothing(gray):
    np.testing.assert_array_equal(imresize(gray, gray.shape[:2]), gray)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarging_is_keys_interpolation_and_exact_on_parabolas(factor):
    line = np.random.default_rng(1).random(30)
    where = (np.arange(30 * factor) + 0.5) / factor - 0.5
    inside = slice(3 * factor, -3 * factor)
    enlarged = imresize(line[None, :, None], size=(1, 30 * factor))[0, :, 0]
    np.testing.assert_allclose(enlarged[inside], hermite(line)(where)[inside], atol=1e-12)
    parabola = imresize((np.arange(30) ** 2)[None, :, None], size=(1, 30 * factor))[0, :, 0]
    np.testing.assert_allclose(parabola[inside], (where**2)[inside], atol=1e-10)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_keeps_ramps_and_filters_with_the_stretched_kernel(factor):
    line = np.random.default_rng(2).random(20 * factor)
    shrunk = imresize(line[:, None, None], size=(20, 1))[:, 0, 0]
    weights = response((np.arange(line.size) - ((9 + 0.5) * factor - 0.5)) / factor)
    assert shrunk[9] == pytest.approx(weights @ line / weights.sum(), abs=1e-12)
    ramp = imresize(np.arange(20.0 * factor)[:, None, None], size=(20, 1))[:, 0, 0]
    np.testing.assert_allclose(np.diff(ramp[3:-3]), factor, atol=1e-12)


@pytest.mark.parametrize("size", [(32, 40), (21, 26), (50, 33), (128, 240)])
def test_inside_it_is_pillows_bicubic(size, gray):
    pillow = Image.fromarray(gray[..., 0].astype(np.float32)).resize(size[::-1], Image.Resampling.BICUBIC)
    rows, columns = (slice(n // 5, -(n // 5)) for n in size)
    np.testing.assert_allclose(
        imresize(gray, size=size)[rows, columns, 0], np.asarray(pillow)[rows, columns], atol=1e-3
    )


@pytest.mark.parametrize("scale", [1 / 2, 1 / 4, 2])
def test_outside_the_image_is_mirrored_at_its_edge(scale, gray):
    border = round(16 * scale)
    wide = np.pad(gray, ((16, 16), (16, 16), (0, 0)), mode="symmetric")
    size, wider = ((int(image.shape[0] * scale), int(image.shape[1] * scale)) for image in (gray, wide))
    padded = imresize(wide, wider)
    np.testing.assert_allclose(imresize(gray, size), padded[border:-border, border:-border], atol=1e-10)


def test_downscale_is_down_and_up(gray):
    clean, result = bicubic(gray, "downscale:3")
    assert clean.shape == (63, 78, 1)
    small = by_matrix(clean, (21, 26))
    np.testing.assert_allclose(result, by_matrix(small, (63, 78)), atol=1e-4)


def test_the_small_image_may_be_of_8_bit_before_it_is_enlarged():
    edges = np.kron(np.random.default_rng(4).integers(0, 2, (16, 20)) * 255, np.ones((4, 4)))[..., None]
    half = by_matrix(edges, (32, 80))
    assert half.min() < -2  # the kernel overshoots at edges
    assert half.max() > 257
    small = eight_bit(by_matrix(eight_bit(half), (32, 40)))
    result = bicubic(edges.astype(np.uint8), "downscale:2,rounded=1")[1]
    np.testing.assert_allclose(result, by_matrix(small, (64, 80)), atol=1e-4)


def eight_bit(levels):
    return np.clip(np.floor(levels + 0.5), 0, 255)


def test_an_image_of_8_bit_is_halved_as_matlab_does_to_the_last_level():
    levels = resizing.LEVELS.astype(float)[..., None]
    np.testing.assert_array_equal(imresize(levels, (4, 5), eight_bit=True)[..., 0], resizing.HALVED)


def test_what_cannot_be_resized_is_refused(gray):
    with pytest.raises(ValueError, match="imresize"):
        imresize(gray, (0, 3))


@pytest.mark.parametrize(("factor", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_of_set5_has_the_published_psnr(factor, published, published_files):
    # The column Bicubic of the tables for super-resolution: luma of MATLAB's rgb2ycbcr, a border of `factor` left out.
    scores = []
    for path in fetch("data", "dataset set5", listed("Set5", SET5)):
        rgb = np.asarray(Image.open(path)) / 255
        luma = np.rint(16 + rgb @ [65.481, 128.553, 24.966]).astype(np.uint8)[..., None]
        clean, result = bicubic(luma, f"downscale:{factor}")
        error = np.clip(np.rint(result), 0, 255) - clean
        scores.append(10 * np.log10(255**2 / np.mean(error[factor:-factor, factor:-factor] ** 2)))
    assert len(scores) == 5
    assert np.mean(scores) == pytest.approx(published, abs=0.005)
