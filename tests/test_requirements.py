"""The pins agree: each package has one version, and the list with hashes is made of them."""

import re

import pytest

from bench.common.paths import ROOT

HASHED = (ROOT / "requirements-hashed.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_the_list_with_hashes_has_the_pinned_versions(name):
    pinned, hashed = pins(name), pins("requirements-hashed.txt")
    wrong = {package: version for package, version in pinned.items() if hashed.get(package, version) != version}
    assert not wrong, "make requirements-hashed.txt again, as SECURITY.md says"
    assert not (pins("requirements.txt").keys() - hashed.keys())


def test_each_package_of_the_list_has_hashes():
    blocks = re.split(r"\n(?=[A-Za-z])", HASHED)[1:]
    assert len(blocks) == len(pins("requirements-hashed.txt"))
    for block in blocks:
        first, *hashes = block.rstrip().split(" \\\n")
        assert "==" in first
        assert hashes
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)
