"""Which members of the trainable multi-scale family are homogeneous, f(a x) = a f(x), as their table says."""

import csv

import numpy as np
import pytest
from skimage import data

import bench
from bench.common.paths import ROOT

TABLE = ROOT / "results" / "measured" / "msbf-family.csv"
FACTORS = (0.1, 0.5, 3.7)


def measured():
    with TABLE.open(encoding="utf-8", newline="") as table:
        return {row["net"].removesuffix("-gaussian-1-40"): float(row["inhomogeneity"]) for row in csv.DictReader(table)}


@pytest.mark.parametrize("net", sorted(measured()))
def test_the_largest_error_of_homogeneity_is_what_the_table_says(net):
    """Over the largest |a f(x)|, of one photograph with noise of sigma 25."""
    clean = data.astronaut()[:256, 100:356].astype(np.float32) / 255
    noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape).astype(np.float32)
    denoise = bench.load_method(net)
    plain = denoise(noisy, white=1.0)
    errors = [
        np.abs(denoise(np.float32(a) * noisy, white=1.0) - a * plain).max() / np.abs(a * plain).max() for a in FACTORS
    ]
    if net.startswith("msbf-resnet"):
        assert max(errors) < 1e-4  # rounding
    else:
        assert max(errors) == pytest.approx(measured()[net], rel=0.05)
