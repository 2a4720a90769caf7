"""The version stands in one place, and the project is run where it lies."""

import re
import subprocess
import sys

from bench.common.paths import ROOT
from bench.common.version import version


def test_the_version_stands_in_one_place():
    assert f"\nversion: {version()}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version()


def test_it_is_not_installed_and_says_so_in_one_line():
    done = subprocess.run(
        [sys.executable, "-c", "import no_wheel; no_wheel.build_wheel('.')"],
        cwd=ROOT / "bench" / "common", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "is not installed" in line
    assert "requirements.txt" in line
