"""Results in Python are those of the files of a report."""

import math

import pandas as pd
import pytest

import bench
from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.report.leaderboard import images_csv, leaderboards, to_csv
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import current, gather


@pytest.fixture
def out(tmp_path, photographs):
    """Return an output folder with the results of two methods at two noise levels, one with two seeds."""
    store = Store(tmp_path / "out" / "runs")
    for noise, seed in (("15", "0"), ("25", "0-1")):
        cells = plan(Request("median,gaussian", str(photographs), noise, seed=seed))[0]
        assert not run_campaign(cells, store, Settings("cpu", jobs=1)).failures
    return tmp_path / "out"


def test_a_frame_has_the_names_and_values_of_the_files(out, tmp_path):
    results = current(gather(Store(out / "runs").scores()))
    for text, frame in (
        (to_csv(leaderboards(results)), bench.load_results(out)),
        (images_csv(results), bench.load_results(str(out / "runs"), images=True)),
    ):
        (tmp_path / "t.csv").write_text(text)
        pd.testing.assert_frame_equal(frame, pd.read_csv(tmp_path / "t.csv"), check_dtype=False)
        assert all(frame[name].dtype.kind in "fi" for name in frame.columns if name.startswith(("psnr", "seconds")))
    assert len(bench.load_results(out)) == 4
    assert len(bench.load_results(out, images=True)) == 2 * 2 * 3


def test_means_are_those_of_the_images(out):
    frame, images = bench.load_results(out), bench.load_results(out, images=True)
    keys = ["method", "dataset", "degradation", "protocol"]
    means = images.groupby(keys).psnr.mean()
    for row in frame.itertuples():
        assert row.psnr == pytest.approx(means[tuple(getattr(row, key) for key in keys)], abs=1e-4)
    assert frame.seeds.tolist() == [1, 1, 2, 2]
    deviation = images[images.degradation == "gaussian:25"].groupby(["method", "seed"]).psnr.mean()
    expected = {method: deviation[method].std(ddof=1) for method in ("Median", "Gaussian")}
    for row in frame[frame.seeds == 2].itertuples():
        assert row.psnr_deviation == pytest.approx(expected[row.method], abs=1e-4)
    assert all(map(math.isnan, frame[frame.seeds == 1].psnr_deviation))


def test_names_stand_as_they_are_and_what_is_damaged_is_said(out, photographs):
    named = photographs.rename(photographs.with_name("=NA"))
    run_campaign(plan(Request("median", str(named), "15"))[0], Store(out / "runs"), Settings("cpu", jobs=1))
    (out / "runs" / "other").mkdir()
    (out / "runs" / "other" / "a.parquet").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"left out .*a\.parquet: it is empty"):
        frame = bench.load_results(out)
    assert "folder =NA" in set(frame.dataset)


def test_without_results_it_says_what_to_run(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BenchError, match=r"has no finished cell; run make bench first"):
            bench.load_results(folder)


def test_the_columns_are_documented(out):
    said = bench.load_results.__doc__
    for name in (*bench.load_results(out), *bench.load_results(out, images=True)):
        metric, _, what = name.partition("_")
        alike = (f"psnr_{what}", f"ssim_{what}", f"{metric}_psnr")
        assert name in said or any(other in said for other in alike) or "peak" in name, name
