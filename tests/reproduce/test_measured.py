"""Committed tables of results/measured: cells of them are measured again, and each says how it was made."""

import csv
from pathlib import Path

import pytest

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"


def table(name):
    with (MEASURED / name).open(encoding="utf-8", newline="") as file:
        return {(row["method"], row["dataset"], row["degradation"]): row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(
    ("name", "method", "data", "noise", "protocol"),
    [
        ("own-small.csv", "dncnn@own-small", "set12", "25", "standard"),
        ("bias-free-small-set12.csv", "bf-dncnn@own-small-0-10", "set12", "55", "float"),
        ("bias-free-small-set12.csv", "biased-dncnn@own-small-0-10", "set12", "55", "float"),
        ("classical-set12.csv", "tv", "set12", "25", "standard"),
        ("real-noise.csv", "median", "cc15", "pairs", "standard"),
        ("chest.csv", "dncnn@own-chest5", "pneumonia-mnist", "25", "standard"),
    ],
)
def test_the_tables_are_measured_again(measured, row_of, name, method, data, noise, protocol):
    row = row_of(measured(method, data, noise, protocol=protocol))
    committed = table(name)[row["method"], row["dataset"], row["degradation"]]
    for metric, close in (("psnr", 0.001), ("ssim", 0.0001), ("noisy_psnr", 0.001)):
        assert float(row[metric]) == pytest.approx(float(committed[metric]), abs=close)


def test_every_table_says_how_it_was_made():
    said = (MEASURED / "README.md").read_text()
    for path in MEASURED.glob("*.csv"):
        assert f"`{path.name}`" in said
