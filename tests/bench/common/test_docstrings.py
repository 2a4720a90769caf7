import subprocess
import sys

import pytest

from bench.cli import run, train
from bench.common.docstrings import docstring
from bench.common.paths import ROOT
from bench.studies.conform.checks import CHECKS


@pytest.mark.parametrize("thing", [run, train, train.command, *CHECKS])
def test_a_docstring_that_python_left_out_is_read_from_the_source(monkeypatch, thing):
    stands = thing.__doc__.strip().splitlines()[0]
    monkeypatch.setattr(thing, "__doc__", None)
    assert docstring(thing).splitlines()[0] == stands


def test_help_is_the_same_where_python_leaves_docstrings_out():
    first, second = (
        subprocess.run(
            [sys.executable, *flag, "-m", "bench", "help", "audit"], cwd=ROOT, capture_output=True, check=True
        )
        for flag in ([], ["-OO"])
    )
    assert first.stdout == second.stdout
    assert b"Find test images" in first.stdout
