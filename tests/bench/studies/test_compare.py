"""Paired statistics against hand counts, SciPy and simulation, and the command end to end."""

import csv
import math
import re
import sys

import numpy as np
import pytest
from scipy import stats

from bench.cli.app import main
from bench.judge.paired import Pair, average_ranks, cliques, holm, pairs, signed_rank
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.compare.study import build, printable
from bench.studies.residuals.study import build as residuals


def scores(*rows):
    """Scores of one seed, a row a method."""
    return {name: np.array([row], float) for name, row in zip("abcdef", rows, strict=False)}


def test_a_pair_is_counted_by_hand():
    # Of b minus a: +1, +2, -1, 0: mean 0.5, better on two, equal on one.
    (pair,) = pairs(scores([30, 30, 30, 30], [31, 32, 29, 30]), higher_is_better=True)
    assert (pair.method, pair.against, pair.images, pair.seeds) == ("b", "a", 4, 1)
    assert pair.difference == 0.5
    assert pair.wins == 0.625
    assert pairs(scores([30] * 4, [31, 32, 29, 30]), higher_is_better=False)[0].wins == 0.375
    assert pair.low < 0.5 < pair.high
    assert pair.tie
    assert math.isnan(pair.draw_deviation)


def test_the_p_value_is_exact_where_all_images_agree():
    """Twelve of twelve images are better: 2 of the 2^12 patterns of signs are as extreme."""
    rng = np.random.default_rng(0)
    first = rng.normal(30, 2, 12)
    (pair,) = pairs(scores(first, first + rng.uniform(0.05, 0.15, 12)), higher_is_better=True)
    assert pair.p == pytest.approx(2 / 2**12)
    assert not pair.tie
    assert pair.wins == 1


@pytest.mark.parametrize("differences", [[1, 2, -2, 0, 3, 3, -1], [0, 0, 5], [1, 1, 1, -4], [-1, 2, 3, 4, 5, 6]])
def test_the_p_value_of_few_images_is_that_of_scipy(differences):
    theirs = stats.wilcoxon(differences, zero_method="zsplit", method=stats.PermutationMethod()).pvalue
    assert signed_rank(np.array(differences, float)) == pytest.approx(theirs)


@pytest.mark.parametrize("images", [14, 33, 50, 80])
def test_the_p_value_is_exact_for_the_usual_sets_and_imports_nothing_slow(images, monkeypatch):
    differences = np.random.default_rng(images).normal(0.3, 1, images)
    theirs = stats.wilcoxon(differences, method="exact").pvalue
    monkeypatch.setitem(sys.modules, "scipy.stats", None)  # a second of each table that is printed
    assert signed_rank(differences) == pytest.approx(theirs)


def test_the_interval_covers_the_true_mean_and_the_power_is_what_it_says():
    rng, covered, found = np.random.default_rng(1), 0, 0
    for _ in range(60):
        (pair,) = pairs(scores(np.zeros(40), rng.normal(0.1, 0.2, 40)), higher_is_better=True)
        covered += pair.low <= 0.1 <= pair.high
    assert covered / 60 == pytest.approx(0.95, abs=0.06)
    detectable = (1.96 + 0.8416) * 0.2 / math.sqrt(40) * math.sqrt(math.pi / 3)
    for _ in range(400):
        sample = rng.normal(detectable, 0.2, 40)
        found += stats.wilcoxon(sample).pvalue < 0.05
    assert found / 400 == pytest.approx(0.8, abs=0.06)
    assert pair.detectable == pytest.approx(detectable, rel=0.4)


def test_holm_corrects_step_by_step():
    assert holm([0.01, 0.04, 0.03, math.nan])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])


def test_seeds_say_how_far_the_noise_moves_a_difference():
    # The differences of three seeds are 0.1, 0.2 and 0.3: standard deviation 0.1.
    by_seed = {"a": np.full((3, 2), 30.0), "b": 30 + np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])}
    (pair,) = pairs(by_seed, higher_is_better=True)
    assert pair.draw_deviation == pytest.approx(0.1)
    assert pair.seeds_for(0.1) == 4  # (1.96 x 0.1 / 0.1)^2 = 3.84


def test_equal_methods_tie_and_share_their_ranks():
    table = scores([30, 31, 32], [30, 31, 32], [29, 30, 33])
    found = pairs(table, higher_is_better=True)
    assert found[0].p == 1
    assert found[0].tie
    assert average_ranks(table, higher_is_better=True) == pytest.approx({"a": 11 / 6, "b": 11 / 6, "c": 7 / 3})
    assert average_ranks(table, higher_is_better=False)["c"] == pytest.approx(5 / 3)


def pair_of(method, against, *, p):
    return Pair(method, against, 9, 1, 0.1, 0, 0.2, 0.5, p, p, 0.1, math.nan)


def test_bars_join_the_longest_runs_of_ties():
    ties = {("b", "a"): 0.5, ("c", "a"): 0.01, ("c", "b"): 0.3, ("d", "a"): 0.01, ("d", "b"): 0.2, ("d", "c"): 0.6}
    found = [pair_of(*names, p=p) for names, p in ties.items()]
    assert cliques(["a", "b", "c", "d"], found) == [("a", "b"), ("b", "c", "d")]


def test_the_command_compares_what_ran_on_the_same_noisy_images(photographs, tmp_path, capsys, reported):
    out, table = tmp_path / "out", tmp_path / "all.csv"
    words = ["compare", "--method", "gaussian,median,tv", "--data", str(photographs), "--noise", "15,50"]
    assert main([*words, "--seed", "0,1", "--table", str(table), "--out", str(out), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    rows = list(csv.DictReader(table.open()))
    assert {(row["method"], row["against"]) for row in rows} == {
        ("Median", "Gaussian"), ("TV", "Gaussian"), ("TV", "Median"),
    }  # fmt: skip
    assert len(rows) == 6
    assert {row["seeds"] for row in rows} == {"2"}
    assert "mean rank of each method" in said
    assert "minus Gaussian" in said
    assert len(list((out / "compare").glob("*.png"))) == 2
    shown = {(f"{part.title}"): part.tables[0].rows for part in reported(out, "compare").parts}
    for row in rows:
        (title,) = (title for title in shown if f", {row['degradation']}, protocol {row['protocol']}" in title)
        (pair,) = (p for p in shown[title] if p[:2] == (row["method"], row["against"]))
        assert float(pair[2]) == pytest.approx(float(row["difference"]), rel=1e-3)
        assert (pair[-1] == "tie") == (row["tie"] == "True")


def test_one_image_shows_no_difference_and_gives_no_test():
    """The table said `+nan to +nan` and `nan  tie`."""
    table = {"a": np.array([[24.0]]), "b": np.array([[29.0]])}
    found = pairs(table, higher_is_better=True)
    said = printable(table, average_ranks(table, higher_is_better=True), found, "psnr")
    assert "nan" not in said
    assert re.search(r"^b +29\.00  1\.00 +\+5\.000 +100%  one image$", said, re.MULTILINE)
    assert "b: one image shows no difference between methods" in said


def test_what_cannot_be_compared_is_one_line(photographs, tmp_path):
    settings = Settings("cpu")
    (failure,) = build(Request("median", str(photographs), "25"), tmp_path, settings=settings)
    assert "compare needs two" in failure.cause
    (failure,) = build(Request("median,gaussian", str(photographs), "pairs"), tmp_path, settings=settings)
    assert "no reference" in failure.cause


@pytest.mark.parametrize("study", [build, residuals])
def test_what_is_wrong_with_a_result_is_said_also_where_it_was_finished_before(photographs, tmp_path, study):
    request, store = Request("median,gaussian", str(photographs), "25"), Store(tmp_path / "runs")
    cells = plan(request)[0]
    run_campaign(cells, store, Settings("cpu", jobs=1))
    record = store.get(cells[0])
    record.provenance["warnings"].append("opens the clean images")
    store.put(cells[0], record)
    said = "\n".join(study(request, tmp_path, settings=Settings("cpu", jobs=1)))
    assert said.count("\nWARNING: Median: opens the clean images\n") == 1
