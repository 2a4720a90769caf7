"""Which rules of a published number are other than here, and how far two numbers under the same rules may differ."""

import math
from dataclasses import replace

import pytest

from bench.judge.ledger import Published
from bench.judge.tolerance import Tolerance
from bench.judge.verdict import other_protocol
from bench.plan.protocol import protocol

ROW = Published("DnCNN", "S", "bsd68", "gray", "gaussian:25", "", "psnr", "29.23", "", "P", "2017", "T", "", "on Y")
LUMA = "the luma of colour images is scored in one of the two only (PROTOCOL=sr-rgb)"
BORDER = "a border as wide as the scale is left out in one of the two only (PROTOCOL=sr)"
UNCLIPPED = "here the output is not clipped before it is scored, as far as is known there it is"
WORTH = "(worth 0.3 dB at sigma 15, 2 dB at sigma 50)"


@pytest.mark.parametrize(
    ("here", "there", "reason"),
    [
        ("standard", "standard", ""),
        ("standard", "float", ""),
        ("float", "standard", ""),
        ("seed0", "torch0", ""),
        ("standard", "unstated", ""),
        ("standard", "derived", "the published value is derived or was read off a chart"),
        ("clipped", "derived", "the published value is derived or was read off a chart"),
        ("standard", "other", "published under another protocol (on Y)"),
        ("sr", "sr", ""),
        ("sr", "unstated", ""),
        ("sr", "standard", BORDER),
        ("standard", "sr", BORDER),
        ("standard+crop=3", "sr", BORDER),
        ("sr-rgb", "sr-rgb", ""),
        ("sr-rgb", "sr", LUMA),
        ("sr", "sr-rgb", LUMA),
        ("standard", "sr-rgb", LUMA),
        ("clipped", "clipped", ""),
        ("clipped", "unstated", "here the noisy image is clipped, and the source does not state its protocol"),
        ("clipped", "standard", f"here the noisy image is clipped, there not {WORTH}"),
        ("standard+noisy=clip", "float", f"here the noisy image is clipped, there not {WORTH}"),
        ("standard", "clipped", f"there the noisy image is clipped, here not {WORTH}"),
        ("float", "clipped", f"there the noisy image is clipped, here not {WORTH}"),
        ("standard+output=unclipped", "standard", UNCLIPPED),
        ("float+output=unclipped", "unstated", UNCLIPPED),
    ],
)
def test_what_is_other_in_the_rules_of_a_published_number(here, there, reason):
    assert other_protocol(protocol(here), replace(ROW, protocol=there)) == reason


def test_outputs_that_are_not_clipped_are_held_against_a_source_that_did_not():
    source = replace(ROW, method="CBM3D", paper="BRDNet (Tian et al.)", protocol="float")
    assert other_protocol(protocol("float+output=unclipped"), source) == ""
    assert other_protocol(protocol("float+output=unclipped"), replace(source, method="CDnCNN")) == UNCLIPPED


@pytest.mark.parametrize(
    ("here", "there", "comparable"),
    [
        ("standard", "standard", True),
        ("float", "standard", False),
        ("standard", "float", False),
        ("float", "torch0", True),
        ("clipped", "clipped", False),
        ("clipped+output=float", "clipped", True),
        ("float", "unstated", True),
    ],
)
def test_what_rounding_of_outputs_moves_is_known_of_psnr_alone(here, there, comparable):
    """FFDNet has an SSIM of 0.8644 on Set12 at sigma 25 with rounded outputs, 0.8649 without; 7e-5 may be allowed."""
    entry = replace(ROW, protocol=there)
    assert other_protocol(protocol(here), entry) == ""
    said = other_protocol(protocol(here), replace(entry, metric="ssim", value="0.8278"))
    assert said.startswith("outputs are rounded to 8 bit in one of the two only") != comparable
    assert other_protocol(protocol(here), replace(entry, metric="ssim", method="noisy input")) == ""


LIMITS = Tolerance(rounding=0.005, theirs=0.02, ours=0.08, shift=0.01, margin=0.1)


@pytest.mark.parametrize("difference", [-0.03, 0.0, 0.01, 0.04])
@pytest.mark.parametrize("seeds", [1, 3])
def test_so_many_seeds_and_no_fewer_rule_the_margin_out(difference, seeds):
    def excluded(count):  # the deviation of a mean falls with the root of how many draws it is of
        return replace(LIMITS, ours=LIMITS.ours * math.sqrt(seeds / count)).excludes(difference)

    needed = LIMITS.seeds_needed(difference, seeds)
    assert needed == next(count for count in range(1, 1000) if excluded(count))
    assert needed > 1


def test_no_number_of_seeds_helps_where_the_published_draw_alone_is_too_wide():
    assert replace(LIMITS, theirs=0.06).seeds_needed(0.01, 1) is None
    # 1.645 deviations of the published draw are just the margin: ours would have to be without any.
    assert Tolerance(rounding=0.0, theirs=1.0, ours=1.0, shift=0.0, margin=1.645).seeds_needed(0.0, 1) is None


def test_the_terms_of_a_tolerance_are_said():
    drawn = Tolerance(rounding=0.005, theirs=0.003, ours=0.004, shift=0.0, margin=0.1)
    assert drawn.terms == "0.0179 = rounding 0.005 + noise draws 0.0129"  # 2.576 times 0.005
    same = Tolerance(rounding=0.005, theirs=0.0, ours=0.0, shift=-0.012, margin=0.1, arithmetic=0.001)
    assert same.terms == "0.0060 = rounding 0.005 + arithmetic 0.001, around -0.0120 for the rounding of outputs"


@pytest.mark.parametrize(("end", "outwards"), [(0.03, 1), (-0.01, -1)])
def test_both_ends_of_what_agrees_lie_around_the_shift(end, outwards):
    limits = Tolerance(rounding=0.005, theirs=0.0, ours=0.0, shift=0.01, margin=0.025, arithmetic=0.015)
    assert limits.allowed == pytest.approx(0.02)
    whole = Tolerance(rounding=0.5, theirs=0.0, ours=0.0, shift=0.0, margin=1.0)
    assert whole.agrees(0.5)
    assert whole.excludes(0.5)
    for holds in (limits.agrees, limits.excludes):  # arithmetic is no part of what must be ruled out
        assert holds(end - outwards * 1e-9)
        assert not holds(end + outwards * 1e-9)


def test_the_nearest_of_several_must_rule_out_the_margin_more_clearly():
    """One-sided 5 % for four together is 1.27 % for each: 2.234 standard deviations (tables of Sidak's correction)."""
    limits = Tolerance(rounding=0.0, theirs=0.015, ours=0.02, shift=0.0, margin=0.1)  # of the difference: 0.025
    assert limits.excludes(0.1 - 1.65 * 0.025)
    assert not limits.excludes(0.1 - 1.65 * 0.025, 2)
    assert limits.excludes(0.1 - 1.96 * 0.025, 2)
    assert not limits.excludes(0.1 - 1.95 * 0.025, 2)
    assert not limits.excludes(-0.1 + 2.23 * 0.025, 4)
    assert limits.excludes(-0.1 + 2.24 * 0.025, 4)
