"""Planning is quick, and imports nothing heavy."""

import pickle
import subprocess
import sys
import time

import pytest

from bench.common.paths import ROOT
from bench.plan import fingerprint
from bench.plan.request import Request, plan

HEAVY = {
    "torch", "numpy", "scipy", "skimage", "pandas", "matplotlib", "seaborn", "bm3d", "jinja2", "pyarrow", "onnxruntime",
    "onnx", "cv2", "rich",
}  # fmt: skip


def test_ten_thousand_cells_in_three_seconds():
    fingerprint.forget()
    sigmas, seeds = ",".join(map(str, range(1, 51))), ",".join(map(str, range(40)))
    start = time.process_time()  # of this process alone, whatever else the machine does
    cells, failures = plan(Request("nlm,wavelet,bm3d,dncnn-b,ffdnet", "builtin", sigmas, "standard", seeds))
    assert len({cell.key for cell in cells}) == 10_000
    assert time.process_time() - start < 3
    assert not failures


def test_a_large_archive_costs_nothing_where_it_is_not_asked_for(monkeypatch):
    from datasets.description import Entries

    def asked(self, place):
        raise AssertionError("an image was made")

    monkeypatch.setattr(Entries, "__getitem__", asked)
    cells, failures = plan(Request("nlm", "builtin"))
    assert len(cells) == 1
    assert not failures


def test_a_cell_travels_small(one_cell):
    cell = one_cell("dncnn", "bsd68")
    assert cell.key  # once known, it travels too
    there = pickle.loads(pickle.dumps(cell))
    assert there == cell
    assert there.key == cell.key
    assert len(pickle.dumps(one_cell("nlm", "builtin"))) < 10_000


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("--help", set()),
        ("list", {"rich"}),
        ("list nlmm", {"rich"}),
        ("run --method nlmm", {"rich"}),
        ("run --tile x", set()),
    ],
)
def test_a_list_or_an_error_imports_nothing_heavy(words, allowed, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "bench", *words.split()]
    report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr
    imported = {line.split("|")[-1].strip().partition(".")[0] for line in report.splitlines() if "|" in line}
    assert "typer" in imported
    assert not HEAVY & imported - allowed
