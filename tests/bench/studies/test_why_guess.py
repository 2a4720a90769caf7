"""What crops tell of the set: on images whose errors are a formula, and in the search for pairs of inputs."""

import zlib

import numpy as np
import pytest

from bench.plan.request import Request, plan
from bench.run.settings import Settings
from bench.studies.why.guess import ALIKE, COMMON, REST, Guess
from bench.studies.why.running import Place
from bench.studies.why.search import Search
from bench.studies.why.target import Target

DETAIL = np.geomspace(0.002, 0.3, 40)
"""Of 40 images: how much of the square of the threshold a filter loses there."""

SHOWN = DETAIL[2::6] * 0.7
"""The same on crops of some of them."""


def psnr(detail, level, threshold):
    """Return the PSNR of images filtered by a threshold: some of the noise is left, some of the detail is lost."""
    left = max(level**2 - threshold**2, 0) + 0.05 * level**2
    return 10 * np.log10(255**2 / (left + detail * threshold**2))


LEVELS, THRESHOLDS = (5, 15, 25, 35, 50, 75), (5, 10, 20, 30, 45, 60)


def test_two_inputs_at_once_are_told_from_single_ones_far_better_than_by_adding_effects():
    single = [(25, 25), *((level, 25) for level in LEVELS if level != 25), *((25, t) for t in THRESHOLDS)]
    both = [(level, threshold) for level in LEVELS for threshold in THRESHOLDS if level != 25]
    guess = Guess([psnr(SHOWN, *one) for one in single], [psnr(DETAIL, *one).mean() for one in single], "psnr")
    means, deviations = guess([psnr(SHOWN, *one) for one in both])
    true = np.array([psnr(DETAIL, *one).mean() for one in both])
    plain = psnr(DETAIL, 25, 25).mean()
    added = [psnr(DETAIL, a, 25).mean() + psnr(DETAIL, 25, b).mean() - plain for a, b in both]
    error = np.sqrt(np.mean((means - true) ** 2))
    assert error < 0.3 * np.sqrt(np.mean((added - true) ** 2))
    assert 0.1 < np.sqrt(np.mean(((means - true) / deviations) ** 2)) < 2


def test_what_ran_on_both_is_known_and_what_looks_like_nothing_is_not():
    seen = [[20.0, 30.0], [21.0, 30.0], [26.0, 29.0]]
    guess = Guess(seen, [26.0, 26.4, 27.0], "psnr")
    means, deviations = guess([*seen, [-10.0, 60.0]])
    assert means[:3] == pytest.approx([26.0, 26.4, 27.0], abs=2 * REST)
    assert (deviations[:3] < 2 * REST).all()
    assert 1 < deviations[3] < 2 * COMMON * 10
    scaled = Guess(np.array(seen) * ALIKE["ssim"], [26.0 * 0.03, 26.4 * 0.03, 27.0 * 0.03], "ssim")
    assert scaled([[-0.3, 1.8]])[0] == pytest.approx(means[3:] * 0.03)


def other(choices):
    """Return what the other choices of the input add, each something of its own."""
    words = choices.images, choices.field, choices.noisy, choices.inference, *(choices.level, choices.told) * 2
    return sum(
        zlib.crc32(word.encode()) % 997 / 499 for word in words if not (word.isdigit() or word in ("own", "float"))
    )


class Formula:
    """Scores of images by the formula in place of a run; of the choices, level and told sigma count."""

    def __init__(self, detail, choices):
        self.detail, self.choices = detail, tuple(choices)

    def __contains__(self, choices):
        return choices in self.choices

    def __or__(self, other):
        return Formula(self.detail, dict.fromkeys([*self.choices, *other.choices]))

    def images(self, choices, metric):
        level, told = (float(word) if word.isdigit() else 25.0 for word in (choices.level, choices.told))
        return dict(enumerate(psnr(self.detail, level, told) + other(choices)))

    def mean(self, choices, metric):
        return float(np.mean(list(self.images(choices, metric).values())))


@pytest.mark.parametrize(("level", "told"), [(5, 75), (10, 50), (15, 70), (35, 50), (50, 15), (60, 30), (75, 75)])
def test_two_inputs_that_do_not_add_up_are_found_in_few_runs(level, told):
    (cell,) = plan(Request("wavelet", "set12", "25"))[0]
    ran = []

    def measure(place, asked, metrics, pace):
        whole = place.held is None
        ran.extend(before for before in asked if whole and before.level != "own" and before.told != "own")
        return {before: Formula(DETAIL if whole else SHOWN, views) for before, views in asked.items()}, []

    whole, crops = Place(cell, Settings("cpu")), Place(cell, Settings("cpu"), held=[], cropped=True)
    target = Target({"psnr": f"{psnr(DETAIL, level, told).mean():.5f}"})
    search = Search(whole, crops, target, 0.0, 200, measure=measure)
    search.plain()
    search.on_trial()
    search.single()
    search.double()
    assert any(one.level == str(level) and one.told == str(told) for one in ran)
    assert len(ran) <= 80
