import csv
import math

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from typer.testing import CliRunner

from bench.cli.app import app
from bench.studies.conform import bm3d_packages, copies, definitions, quality, resizing, tables
from bench.studies.conform.measured import Row, Way, rows


@pytest.fixture(scope="module")
def pair():
    from skimage import data

    clean = data.camera()[100:157, 200:270]
    noisy = clean + 20 * np.random.default_rng(0).normal(size=clean.shape)
    return clean, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def by_formula(a, b, mean, correction=1.0):
    """Return the map of SSIM from means of products, which the definitions do not use."""
    x, y = a.astype(float), b.astype(float)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (correction * (mean(p) - q) for p, q in ((x * x, mx * mx), (y * y, my * my), (x * y, mx * my)))
    c1, c2 = 2.55**2, 7.65**2
    return (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_definitions_are_those_of_other_code(pair):
    found = [call(*pair) for call in definitions.PSNR_AND_SSIMS.values()]
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    thirteen = by_formula(*pair, lambda x: gaussian_filter(x, 1.5, radius=6))[6:-6, 6:-6].mean()
    inside = structural_similarity(*pair, data_range=255, **wang)
    expected = [
        peak_signal_noise_ratio(*pair, data_range=255),
        inside,
        by_formula(*pair, lambda x: cv2.GaussianBlur(x, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)).mean(),
        structural_similarity(*pair, data_range=255),
        thirteen,
        inside,  # small images are not reduced
    ]
    assert found == pytest.approx(expected, abs=1e-9)
    assert len({round(value, 5) for value in found}) == 5


@pytest.mark.parametrize(("shape", "factor", "origin"), [((401, 512), 2, -1), ((768, 900), 3, 0)])
def test_images_are_reduced_as_wang_does(shape, factor, origin):
    image = np.random.default_rng(1).random(shape)
    expected = uniform_filter(image, factor, mode="reflect", origin=origin)[::factor, ::factor]
    np.testing.assert_allclose(definitions.reduce_by_mean(image), expected, atol=1e-12)


def test_quality_of_what_is_installed(pair):
    found = {(row.what, row.implementation): row for row in quality.measured([pair, pair], "two")}
    exact = [row for (what, name), row in found.items() if name.startswith("this benchmark")]
    assert [row.what for row in exact] == [quality.PSNR, quality.INSIDE, quality.REDUCED]
    assert max(abs(row.difference) for row in exact) < 1e-9
    assert abs(found[quality.MEAN7, "scikit-image, by default"].difference) < 1e-9
    assert abs(found[quality.INSIDE, "scikit-image, gaussian_weights alone"].difference) > 1e-4
    assert found["SSIM, wrong", "scikit-image, range 1 for grey levels"].difference < -0.01


def test_resizing_is_held_against_matlab():
    found = {(row.images, row.implementation): row.value for row in resizing.measured([])}
    assert found["8x10 pixels to 4x5", "this benchmark"] <= 1
    assert found["10, 6 to 3 pixels", "this benchmark"] < 1e-13
    assert found["8x10 pixels to 4x5", "OpenCV, INTER_CUBIC"] > 10
    assert len(found) == 2 * len(resizing.WAYS)


def test_what_cannot_run_says_so_and_the_others_go_on():
    def absent():
        raise ImportError("No module named 'no_such_package'")

    ways = [
        Way("a", "no-such-package", absent),
        Way("b", "numpy", lambda: lambda x: x / 0),
        Way("c", "", lambda: lambda x: x + 1.0),
    ]
    first, second, third = rows("what", "images", 3.0, ways, [(1,), (2,)])
    assert (first.version, first.remark) == ("not installed", "cannot be imported: pip install no-such-package")
    assert second.remark == "failed: ZeroDivisionError: division by zero"
    assert math.isnan(first.value)
    assert math.isnan(second.difference)
    assert (third.value, third.difference, third.version) == (2.5, -0.5, "")


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch):
    made = [
        Row("PSNR, dB", "one", "a", "1.0", 30.25, 30.0, 0.25, 0.5, "why"),
        Row("x", "one", "b", "", *[math.nan] * 4),
    ]
    monkeypatch.setattr(tables, "_measured", lambda known: iter(made))
    monkeypatch.setattr(tables, "_is_here", lambda dataset: dataset.name == "set12")
    table = tmp_path / "all.csv"
    result = CliRunner().invoke(app, ["conform", "--out", str(tmp_path), "--table", str(table)])
    assert result.exit_code == 0
    assert "PSNR, dB, one; right is 30" in result.stdout
    assert "+0.25" in result.stdout
    assert "what needs bsd68: its files are not on this machine" in result.stdout
    assert "what needs set12" not in result.stdout
    with table.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["value"] for row in read] == ["30.25", ""]
    assert (tmp_path / "conform" / "conformance.csv").read_text() == table.read_text()


def test_copies_of_one_set_get_one_noise(tmp_path, monkeypatch):
    from datasets import available

    known = available()
    builtin = known["builtin"]
    monkeypatch.setattr(copies, "COUNT", 1)
    monkeypatch.setattr(copies, "copies", lambda known: [("B", "builtin", {"builtin": builtin, "same": builtin})])
    first, second = copies.measured(known, lambda dataset: True)
    assert first.value == second.value > 20
    assert (second.reference, second.difference) == (first.value, 0)
    assert second.remark == "1 of 1 images equal, pixel by pixel"
    assert list(copies.measured(known, lambda dataset: False)) == []


def test_bm3d_on_an_image_without_a_published_number(pair, monkeypatch):
    from bench.run.images import Picture

    monkeypatch.setattr(bm3d_packages, "PROFILES", {"lc": ""})
    found = list(bm3d_packages.measured({"camera": Picture("camera", pair[0][:32, :32, None])}))
    assert found[0].images == "builtin/camera, gaussian:25"
    assert found[0].value > 24
    assert math.isnan(found[0].reference)
