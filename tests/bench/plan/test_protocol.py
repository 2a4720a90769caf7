"""Each choice of a protocol moves a number, and is in its hash."""

from dataclasses import fields, replace

import pytest

from bench.plan.protocol import PROTOCOLS, Protocol
from bench.run.one_cell import Settings, run_cell

OTHER = {"noise_draw": "reset", "noisy": "uint8", "output": "float", "crop": 4}
"""For each choice a value that is not that of `standard`."""


@pytest.fixture
def scores(one_cell, photographs):
    """Return a function that gives PSNR and SSIM of two images under a protocol."""

    def run(protocol: Protocol) -> list[float]:
        cell = replace(one_cell("wavelet", photographs, "50"), protocol=protocol)
        return [row[name] for row in run_cell(cell, Settings("cpu", jobs=1)).images for name in ("psnr", "ssim")]

    return run


def test_every_choice_has_a_test_here():
    assert {field.name for field in fields(Protocol)} == {"name", *OTHER}


@pytest.mark.parametrize("choice", OTHER)
def test_each_choice_moves_the_numbers(choice, scores):
    standard = PROTOCOLS["standard"]
    changed = replace(standard, **{choice: OTHER[choice]})
    assert changed.digest != standard.digest
    assert all(a != b for a, b in zip(scores(changed), scores(standard), strict=True))


def test_a_name_moves_none(scores):
    standard = PROTOCOLS["standard"]
    renamed = replace(standard, name="mine")
    assert renamed.digest == standard.digest
    assert scores(renamed) == scores(standard)


def test_each_protocol_says_what_it_fixes():
    assert PROTOCOLS["standard"].summary() == (
        "noise not clipped, one field an image; output clipped and rounded to 8 bit; "
        "mean of per-image PSNR, peak 255, at most 58.92 dB an image; SSIM Wang 2004"
    )
    assert PROTOCOLS["seed0"].summary().startswith("noise not clipped, RandomState reset for each image;")
    assert PROTOCOLS["clipped"].summary().startswith("noise clipped and rounded to 8 bit,")
    assert PROTOCOLS["float"].summary(drawn=False).startswith("output clipped, not rounded;")
    assert "a border of scale left out" in PROTOCOLS["sr"].summary()
    assert len({protocol.digest for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
