"""The published numbers, measured again with the authors' weights on the real images.

`make test` measures whole sets with nets that are quick, and some images of a set with others, whose images all lie in
results/measured/verify-images.csv; `make test TESTS="tests/reproduce --all-published"` measures the whole table. Where
a committed table has the same cell, it must have the same number.
"""

import csv
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from bench.judge.ledger import ledger
from bench.judge.verdict import judge
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.memory import Memory
from bench.studies.verify.confirm import differences
from datasets.choosing import chosen

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"

# Method, dataset, sigma, the number of the paper, the largest difference of one noise draw. On BSD68 and
# CBSD68 one draw of independent fields moves the mean by 0.006 dB; on the twelve images of Set12 by up to 0.03.
NUMBERS = [
    ("dncnn", "set12", 25, 30.436, 0.03),
    # The weights of FFDNet are those that IPOL trained, the number is its authors'.
    ("ffdnet", "set12", 25, 30.43, 0.06),
    ("ffdnet", "bsd68", 25, 29.19, 0.02),
]
MORE = [
    ("bm3d", "set12", 25, 29.97, 0.06),
    ("dncnn", "bsd68", 25, 29.23, 0.02),
    ("dncnn-b", "set12", 50, 27.206, 0.04),
    ("dncnn-s@saoyan", "set12", 25, 30.404, 0.04),
    # Real noise: the table does not say which CDnCNN, the number does.
    ("dncnn-b", "cc15", "pairs", 33.86, 0.01),
    # At five times the sigma of training, without biases: two minutes of two cores, and tests/methods/test_bias_free.py
    # holds the same weights on one image.
    ("bf-dncnn@0-10", "bsd68", 50, 25.80, 0.05),
    ("dncnn", "set12", 15, 32.859, 0.03),
    ("dncnn", "set12", 50, 27.178, 0.03),
    ("dncnn-b", "set12", 15, 32.680, 0.03),
    ("dncnn-b", "set12", 25, 30.362, 0.03),
    ("dncnn", "bsd68", 15, 31.73, 0.02),
    ("dncnn", "bsd68", 50, 26.23, 0.02),
    ("dncnn-b", "bsd68", 25, 29.16, 0.02),
    ("dncnn-b", "cbsd68", 25, 31.23, 0.02),
    ("biased-dncnn@0-10", "bsd68", 50, 15.29, 0.05),
    ("bf-unet@0-55", "bsd68", 50, 26.11, 0.05),
    ("bf-rcnn@0-55", "bsd68", 50, 25.99, 0.05),
    ("bf-unet@0-10", "bsd68", 50, 25.08, 0.05),
    ("bf-dncnn@0-10", "bsd68", 10, 33.84, 0.05),
    ("bf-dncnn@0-10", "bsd68", 100, 22.83, 0.05),
    ("bf-dncnn@0-55", "bsd68", 50, 26.18, 0.05),
    ("bf-dncnn@0-100", "bsd68", 50, 26.20, 0.05),
    ("biased-dncnn@0-10", "bsd68", 100, 10.45, 0.05),
    ("ffdnet", "bsd68", 15, 31.63, 0.02),
    ("ffdnet", "bsd68", 50, 26.29, 0.02),
    ("ffdnet", "cbsd68", 25, 31.21, 0.03),
    ("dncnn-b", "bsd68", 15, 31.61, 0.02),
    ("dncnn-b", "bsd68", 50, 26.23, 0.02),
    ("dncnn-b", "cbsd68", 15, 33.89, 0.02),
    ("dncnn-b", "cbsd68", 50, 27.92, 0.02),
    ("bm3d", "set12", 15, 32.37, 0.06),
    ("bm3d", "set12", 50, 26.72, 0.06),
    ("bm3d", "bsd68", 25, 28.57, 0.06),
    ("dncnn-s@saoyan", "bsd68", 25, 29.21, 0.02),
    ("dncnn-b@saoyan", "bsd68", 25, 29.15, 0.02),
    ("fdncnn", "bsd68", 25, 29.22, 0.02),
]

IMAGES = ["C.man", "House", "Peppers", "Starfish", "Monarch", "Airplane", "Parrot", "Lena", "Barbara", "Boat", "Man",
          "Couple"]  # fmt: skip
PER_IMAGE = [("dncnn-s", 25)]
MORE_PER_IMAGE = [("dncnn-s", 15), ("dncnn-s", 50), ("dncnn-b", 15), ("dncnn-b", 25), ("dncnn-b", 50)]

# Method, dataset, noise, protocol, images, the published mean of the whole set (of BM3D of the package the SSIM).
SOME = [
    ("bm3d", "set12", "25", "matlab0", "01,02", 0.8505),
    ("dncnn-s", "bsd68", "25", "matlab0", "test001,test004,test017,test068", 29.23),
    ("dncnn-b", "set12", "50", "matlab0", "01,08", 27.206),
    ("dncnn-s@saoyan", "set12", "25", "float", "01,08", 30.404),
    ("dncnn-b", "cc15", "pairs", "standard", "5dmark3_iso3200_2,d800_iso6400_1", 33.86),
]

CELL = ("method", "net", "dataset", "degradation", "protocol", "seeds")
"""Columns of a table that say which cell a row is of."""


def pytest_generate_tests(metafunc):
    everything = metafunc.config.getoption("--all-published")
    if "gap" in metafunc.fixturenames:
        metafunc.parametrize(("method", "data", "sigma", "value", "gap"), NUMBERS + MORE * everything)
    elif "sigma" in metafunc.fixturenames:
        metafunc.parametrize(("method", "sigma"), PER_IMAGE + MORE_PER_IMAGE * everything)


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
def test_the_published_number_is_reproduced(measured, row_of, method, data, sigma, value, gap):
    result = measured(method, data, str(sigma))
    found = judge(result)
    assert found is not None
    assert found.published.number == pytest.approx(value, abs=0.005)
    assert found.word == "reproduced", found.reason
    assert result.mean("psnr") == pytest.approx(value, abs=gap)
    row = row_of(result)
    for committed in committed_rows(row):
        assert float(row["psnr"]) == pytest.approx(float(committed["psnr"]), abs=1e-3)
        assert float(row["ssim"]) == pytest.approx(float(committed["ssim"]), abs=1e-4)
        assert float(row["noisy_psnr"]) == pytest.approx(float(committed["noisy_psnr"]), abs=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(("method", "data", "noise", "protocol", "images", "value"), SOME)
def test_images_score_as_those_whose_mean_is_the_published_number(
    method, data, noise, protocol, images, value, tmp_path
):
    (cell,), _ = plan(Request(method, data, noise, protocol=protocol))
    memory = Memory(MEASURED / "verify.csv", tmp_path / "runs")
    known = {row["image"]: row for row in memory.get(cell).images}
    (judged,) = (
        row for row in rows_of("verify.csv")
        if row["key"] == memory.earlier(cell) and not row["image"] and float(row["published"]) == value
    )  # fmt: skip
    assert judged["verdict"] == "reproduced"
    assert fmean(row[judged["metric"]] for row in known.values()) == pytest.approx(float(judged["measured"]), abs=1e-4)
    record = run_cell(replace(cell, dataset=chosen(cell.dataset, images)), Settings(jobs=1))
    assert [row["image"] for row in record.images] == images.split(",")
    assert [line for row in record.images for line in differences(known[row["image"]], row)] == []


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
def test_each_image_is_met_to_the_last_printed_digit_under_the_authors_noise(measured, method, sigma):
    result = measured(method, "set12", str(sigma), protocol="matlab0")
    found = judge(result)
    assert found.word == "reproduced"
    assert found.allowed == pytest.approx(0.0015)
    printed = {
        row.image: row.number
        for row in ledger()
        if (row.method, row.variant, row.dataset) == ("DnCNN", method[-1].upper(), "set12")
        and row.image
        and (row.degradation, row.metric) == (f"gaussian:{sigma}", "psnr")
    }
    assert list(result.images("psnr").values()) == pytest.approx([printed[name] for name in IMAGES], abs=0.0051)


def committed_rows(row):
    """Yield the rows of committed tables that are of the same cell."""
    for path in MEASURED.glob("*.csv"):
        yield from (other for other in rows_of(path.name) if all(other.get(key) == row[key] for key in CELL))


def rows_of(name):
    with (MEASURED / name).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))
