"""The time that is left, by hand: seconds that cells were likely to take, set right by what the clock says."""

import math

import pytest

from bench.run.time_left import TimeLeft


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_before_any_cell_ends_it_is_what_records_say(clock):
    left = TimeLeft({"a": 10, "b": 30}, clock)
    assert left.seconds() == 40
    clock.now = 4
    assert left.seconds() == 36
    clock.now = 100
    assert left.seconds() == 0


def test_a_slower_machine_takes_longer_for_the_others_too(clock):
    left = TimeLeft({"a": 10, "b": 30, "c": 20}, clock)
    clock.now = 20  # twice as long
    left.end("a", 20)
    assert (left.over, left.total) == (1, 3)
    assert left.seconds() == 100
    clock.now = 30
    assert left.seconds() == 90


def test_cells_beside_each_other_take_less_of_the_clock(clock):
    left = TimeLeft(dict.fromkeys("abcd", 10), clock)
    clock.now = 10
    left.end("a", 10)
    left.end("b", 10)
    assert left.seconds() == 10


def test_of_unknown_cells_it_is_known_when_one_has_ended(clock):
    left = TimeLeft({"a": math.nan, "b": math.nan, "c": 6}, clock)
    assert math.isnan(left.seconds())
    clock.now = 4
    left.end("a", 4)
    assert left.seconds() == 4 + 6


def test_a_cell_that_fails_is_over_and_says_nothing_of_time(clock):
    left = TimeLeft({"a": 10, "b": 10}, clock)
    clock.now = 1
    left.end("a")
    assert left.over == 1
    assert left.seconds() == 10
    left.end("unknown", 3)
    assert left.over == 1
