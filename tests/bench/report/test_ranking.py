"""Marks of best and second against p-values by hand: n of n images better has p = 2 / 2^n."""

import numpy as np

from bench.report.columns import Entry
from bench.report.leaderboard import Leaderboard
from bench.report.ranking import marks
from bench.store.records import Record
from bench.store.results import Result


def result(label, values, *, seed=0, names=None, failed=(), metric="psnr"):
    names = names or [f"image {i}" for i in range(len(values))]
    rows = [{"image": name, metric: float(value)} for name, value in zip(names, values, strict=True)]
    return Result((Record(rows, {"label": label, "seed": seed, "failed_images": list(failed)}),))


def board(*results):
    return Leaderboard(
        "set12", "Set12", "gaussian:25", "gaussian", 25, "standard", tuple(Entry(r, {}) for r in results)
    )


# Twelve images, and steps that differ from image to image, so that no two differences are equal.
BASE = np.linspace(25, 35, 12)
STEP = np.linspace(0.11, 0.2, 12)
MIXED = STEP * np.array([1, -1] * 6)


def test_best_and_second_where_each_image_says_so():
    found = marks(board(result("third", BASE), result("first", BASE + 2 * STEP), result("second", BASE + STEP)))
    assert found == {"first": "best", "second": "second"}


def test_who_cannot_be_told_from_the_first_is_tied_with_it():
    third = result("third", BASE - 3 * STEP)
    found = marks(board(result("a", BASE + 0.01), result("b", BASE + MIXED), third))
    assert found == {"a": "tied", "b": "tied"}


def test_a_tied_second_has_no_mark():
    first, third = result("first", BASE + 3 * STEP), result("third", BASE + MIXED)
    assert marks(board(first, result("second", BASE + 0.01), third)) == {"first": "best"}


def test_few_images_show_nothing_and_many_methods_need_more():
    # Five of five: p = 2/32 = 0.0625. Seven of seven: p = 1/64, by Holm times two 0.031, times four 0.0625.
    five = [result(name, BASE[:5] + i * STEP[:5]) for i, name in enumerate("cba")]
    assert marks(board(*five)) == {}  # whatever the gap, so that nobody is called tied
    seven = [result(name, BASE[:7] + i * STEP[:7]) for i, name in enumerate("edcba")]
    assert marks(board(*seven[:3])) == {"c": "best", "d": "second"}
    assert marks(board(*seven)) == {}


def test_the_lowest_mse_is_the_best():
    results = [result("worse", BASE + STEP, metric="mse"), result("better", BASE, metric="mse")]
    assert marks(board(*results), "mse") == {"better": "best"}


def test_who_lacks_images_or_values_takes_no_part():
    one = result("one", BASE)
    two = result("two", BASE + STEP)
    lacking = result("lacking", (BASE + 9)[:11])
    failed = result("failed", (BASE + 9)[:11], failed=["image 11"])
    unscored = result("unscored", np.where(BASE > 30, np.nan, BASE + 9))
    assert marks(board(one, lacking, failed, unscored, two)) == {"two": "best"}
    assert marks(board(one)) == {}
    assert marks(board(result("blind", [np.nan] * 3), result("deaf", [np.nan] * 3))) == {}


def test_images_are_paired_by_name_and_seeds_that_both_have():
    names = [f"image {i}" for i in range(12)]
    order = list(reversed(range(12)))
    turned = result("b", (BASE + STEP)[order], names=[names[i] for i in order])
    assert marks(board(result("a", BASE), turned)) == {"b": "best"}
    # Seed 1 adds 0.05 to each score of a; of seed 0, which both have, b is better, and by the means too.
    a = Result((*result("a", BASE).records, *result("a", BASE + 0.05, seed=1).records))
    assert marks(board(a, result("b", BASE + STEP))) == {"b": "best"}
    assert marks(board(a, result("b", BASE + STEP, seed=7))) == {"b": "best"}


def test_a_mean_that_the_images_contradict_is_no_best():
    # By one image a has the higher mean; on the other eleven it is worse: p = 0.0342 by SciPy, against it.
    a = BASE - STEP
    a[0] += 9
    assert marks(board(result("a", a), result("b", BASE))) == {"a": "tied", "b": "tied"}
    # Seed 1 alone lifts a above b, which did not run with it: of the seed that both have, b is better.
    lifted = Result((*result("a", BASE).records, *result("a", BASE + 5, seed=1).records))
    assert marks(board(lifted, result("b", BASE + STEP))) == {"a": "tied", "b": "tied"}
