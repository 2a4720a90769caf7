"""Moments by their definitions, patches by hand, and the command against what the scorer says of the same pixels."""

import csv
import math

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.plan.request import Request
from bench.report.images import BoardImage
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.residuals.patches import SIDE, places
from bench.studies.residuals.study import build
from bench.studies.residuals.table import measured, rows

ONE = Settings(jobs=1, threads=1)


@pytest.mark.parametrize(
    ("draw", "skewness", "kurtosis", "normal"),
    [
        (lambda rng: rng.normal(3, 25, 100_000), 0, 0, "yes"),
        (lambda rng: rng.uniform(-1, 1, 100_000), 0, -1.2, "no"),
        (lambda rng: rng.laplace(0, 5, 100_000), 0, 3, "no"),
        (lambda rng: rng.exponential(9, 100_000), 2, 6, "no"),
        (lambda rng: rng.standard_t(100, 400_000), 0, 6 / 96, "nearly"),  # seen by the test, and by nobody else
    ],
)
def test_moments_are_those_of_the_distribution(draw, skewness, kurtosis, normal):
    values = draw(np.random.default_rng(1))
    found = measured(values)
    assert found["normal"] == normal
    assert found["skewness"] == pytest.approx(skewness, abs=0.05)
    assert found["kurtosis"] == pytest.approx(kurtosis, abs=0.5 if kurtosis > 1 else 0.03)
    assert (found["mean"], found["deviation"]) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    # Two squared normal scores: chi-squared of two degrees of freedom. Of many values the scores are nearly these.
    assert found["p"] == pytest.approx(math.exp(-found["statistic"] / 2))
    if normal != "no":
        scores = skewness_score(values) ** 2 + kurtosis_score(values) ** 2
        assert found["statistic"] == pytest.approx(scores, rel=0.1, abs=0.1)


def standardised(values):
    return (values - values.mean()) / values.std()


def skewness_score(values):
    return (standardised(values) ** 3).mean() / math.sqrt(6 / values.size)


def kurtosis_score(values):
    return ((standardised(values) ** 4).mean() - 3) / math.sqrt(24 / values.size)


@pytest.mark.parametrize("values", [np.zeros(1600), np.full(1600, 7.3), np.arange(1600) % 2 * 1e-6, np.arange(9.0)])
def test_of_a_constant_or_of_few_values_nothing_is_said(values):
    found = measured(values)
    assert found["normal"] == "no"
    assert [math.isnan(found[name]) for name in ("skewness", "kurtosis", "statistic", "p")] == [True] * 4
    assert found["mean"] == pytest.approx(values.mean())


def batch_of(outputs, count=12, channels=1):
    rng = np.random.default_rng(2)
    made = []
    for _ in range(count):
        clean = rng.integers(60, 190, (40, 40, channels)).astype(np.uint8)
        noisy = clean + rng.normal(0, 20, clean.shape).astype(np.float32)
        made.append(BoardImage("one", clean, noisy, tuple(output(clean, noisy) for output in outputs)))
    return made


@pytest.mark.parametrize("channels", [1, 3])
def test_what_a_method_took_away_is_held_against_the_noise(channels):
    outputs = (
        lambda clean, noisy: clean,
        lambda clean, noisy: clean + np.uint8(5),
        lambda clean, noisy: np.rint(noisy.clip(0, 255)).astype(np.uint8),
    )
    found = rows(("perfect", "brighter", "nothing"), batch_of(outputs, channels=channels))
    assert [(row["method"], row["of"]) for row in found] == [
        ("", "noise"), ("", "noisy"), ("", "clean"),
        *((name, of) for name in ("perfect", "brighter", "nothing") for of in ("residual", "error")),
    ]  # fmt: skip
    assert {row["patches"] for row in found} == {12}
    noise, noisy, clean, perfect, no_error, brighter, shift, nothing, whole = found
    assert noise["normal"] == "yes"
    assert (noise["mean"], noise["deviation"]) == (pytest.approx(0, abs=0.6), pytest.approx(20, rel=0.02))
    assert clean["deviation"] == pytest.approx(math.sqrt((130**2 - 1) / 12), rel=0.02)  # even over 130 grey levels
    assert noisy["deviation"] == pytest.approx(math.hypot(clean["deviation"], 20), rel=0.02)
    assert perfect["noise_distance"] == 0
    assert [perfect[k] for k in ("mean", "deviation", "kurtosis", "p")] == [
        noise[k] for k in ("mean", "deviation", "kurtosis", "p")
    ]
    assert (no_error["deviation"], no_error["normal"]) == (0, "no")
    assert (shift["mean"], shift["deviation"]) == (5, 0)
    assert brighter["noise_distance"] == pytest.approx(5)
    assert brighter["mean"] == pytest.approx(noise["mean"] - 5)
    # From nothing but rounding to a normal distribution: the mean of |n|.
    assert nothing["noise_distance"] == pytest.approx(20 * math.sqrt(2 / math.pi), rel=0.03)
    assert whole["deviation"] == pytest.approx(noise["deviation"], rel=0.01)
    assert all(math.isnan(row["noise_distance"]) for row in found if row["of"] != "residual")


def test_the_share_of_normal_patches_is_that_of_the_level():
    (noise, *_) = rows((), batch_of((), count=150))
    assert noise["patches_normal"] == pytest.approx(0.95, abs=0.06)
    laplace = batch_of((), count=20)
    for one in laplace:
        one.noisy[:] = one.clean + np.random.default_rng(3).laplace(0, 20, one.clean.shape)
    assert rows((), laplace)[0]["patches_normal"] == 0


SIZES = {"large": (131, 97), "exact": (80, 40), "small": (28, 28), "flat": (20, 100)}


def test_patches_lie_within_their_images_and_no_pixel_is_in_two():
    found = places(SIZES, 10_000, "0")
    seen = {name: np.zeros(size, int) for name, size in SIZES.items()}
    for name, y, x, tall, wide in found:
        assert 0 <= y <= SIZES[name][0] - tall
        assert 0 <= x <= SIZES[name][1] - wide
        assert (tall, wide) == tuple(min(SIDE, side) for side in SIZES[name])
        seen[name][y : y + tall, x : x + wide] += 1
    assert max(of_it.max() for of_it in seen.values()) == 1
    assert (seen["exact"] == 1).all()
    assert (seen["small"] == 1).all()
    assert len(found) >= 4 + 2 + 1 + 1


def test_a_batch_is_that_of_its_seed_and_every_pixel_can_be_in_one():
    assert places(SIZES, 3, "a", "0") == places(SIZES, 3, "a", "0")
    batches = [tuple(places(SIZES, 3, "a", str(seed))) for seed in range(60)]
    assert all(len(set(of_it)) == 3 for of_it in batches)
    assert len(set(batches)) > 50
    seen = np.zeros((86, 43), bool)  # with 7 x 4 grids
    for seed in range(300):
        for _, y, x, tall, wide in places({"one": seen.shape}, 9, str(seed)):
            seen[y : y + tall, x : x + wide] = True
    assert seen.all()


@pytest.fixture
def folder(tmp_path):
    """Three images of whole patches, so that a batch holds all their pixels: 4 + 4 + 4."""
    made = tmp_path / "whole"
    made.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a", (80, 80)), ("b", (40, 160)), ("c", (160, 40))):
        coarse = rng.integers(40, 216, tuple(side // 20 for side in shape)).astype(np.uint8)
        Image.fromarray(np.kron(coarse, np.ones((20, 20), np.uint8))).save(made / f"{name}.png")
    return made


def test_the_error_of_the_patches_is_that_of_the_records(folder, tmp_path, reported):
    request = Request("median,gaussian", str(folder), "25", seed="0,1")
    text, files = build(request, tmp_path, table=tmp_path / "t.csv", settings=ONE)
    (path,) = (tmp_path / "residuals").glob("*.csv")
    assert files == f"{path} (and .png, .pdf)"
    found = list(csv.DictReader(path.open()))
    assert found == list(csv.DictReader((tmp_path / "t.csv").open()))
    assert {row["patches"] for row in found} == {"24"}  # 12 a seed, all that there are
    assert "whole, gaussian:25, protocol standard, 24 patches of 40x40\n" in text
    records = Store(tmp_path / "runs").scores()
    assert len(records) == 4
    for label in ("Median", "Gaussian"):
        (error,) = (row for row in found if (row["method"], row["of"]) == (label, "error"))
        scored = [record.mean("mse") for record in records if record.provenance["label"] == label]
        assert float(error["mean"]) ** 2 + float(error["deviation"]) ** 2 == pytest.approx(np.mean(scored), rel=1e-4)
    (noise,) = (row for row in found if row["of"] == "noise")
    assert noise["normal"] == "yes"
    noisy_mse = np.mean([record.mean("noisy_mse") for record in records])
    assert float(noise["mean"]) ** 2 + float(noise["deviation"]) ** 2 == pytest.approx(noisy_mse, rel=1e-4)
    assert found[0]["statistic"] != found[3]["statistic"]
    with Image.open(path.with_suffix(".png")) as picture:
        assert picture.width == int(7.16 * 300)
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    (part,) = reported(tmp_path, "residuals").parts
    assert part.command.endswith(" NOISE=25 SEED=0,1")
    assert part.tables[0].rows[0][:2] == ("–", "noise")
    assert part.tables[0].rows[0][3] == f"{float(noise['deviation']):.2f}"


def test_few_images_and_patches_have_files_of_their_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.studies.residuals.figure.save", lambda *_: None)
    request = Request("median", str(folder), "20")
    text, _ = build(request, tmp_path, images=1, patches=3, settings=ONE)
    assert ", 3 patches of 40x40\n" in text
    assert not (tmp_path / "runs").exists()
    assert len(list((tmp_path / "residuals").glob("*.csv"))) == 1
    assert next(iter(build(request, tmp_path, images=1, patches=4, settings=ONE))) != text
    assert len(list((tmp_path / "residuals").glob("*.csv"))) == 2


def test_images_without_noise_have_a_table_without_a_test(folder, tmp_path):
    text, _ = build(Request("median", f"pairs:{folder},{folder}", "pairs"), tmp_path, settings=ONE)
    (noise,) = (line.split() for line in text.splitlines() if " noise " in line and line.startswith("–"))
    assert noise[2:8] == ["0.00", "0.00", "–", "–", "–", "–"]


def test_what_cannot_be_measured_is_one_line(folder, tmp_path):
    (failure,) = build(Request("median", str(folder), "pairs"), tmp_path, settings=ONE)
    assert isinstance(failure, Failure)
    assert "no clean images, which noise is measured against" in failure.cause
    with pytest.raises(BenchError, match="make residuals measures every channel and pixel"):
        list(build(Request("median", str(folder), "20", "standard,crop=4"), tmp_path, settings=ONE))
