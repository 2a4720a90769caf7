"""A person's things are known by their contents: those of one name stay apart in tables, reports and files."""

import csv
import io
import itertools
import re
import sys
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data, metrics

from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.report.changes import _by_cell
from bench.report.leaderboard import images_csv, leaderboards, to_csv
from bench.report.page.html import html
from bench.report.page.pictures import pictures
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Record, Store
from bench.store.results import _by_seed, current, gather
from methods.networks.dncnn import DnCNN

HALF = "def denoise(noisy, sigma):\n    return noisy * {}\n"


def photograph(path, top, height=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(data.camera()[top : top + height, 200:240]).save(path)
    return path.parent


def run(out, method, folder, **more):
    """Run a request and return the names in its table."""
    cells, failures = plan(Request(method, str(folder), "25", **more))
    assert not failures
    done = run_campaign(cells, Store(out / "runs"), Settings("cpu", jobs=1))
    assert not done.failures
    return [(result.label, result.dataset) for result in gather(done.records())]


def report(out):
    """Return the PSNR of each method and dataset of the report, which the table of images has too."""
    results = current(gather(Store(out / "runs").scores()))
    board, images = (
        list(csv.DictReader(io.StringIO(text))) for text in (to_csv(leaderboards(results)), images_csv(results))
    )
    rows = {(row["method"], row["dataset"]): float(row["psnr"]) for row in board}
    assert len(rows) == len(board)
    assert {(row["method"], row["dataset"]) for row in images} == rows.keys()
    return rows


@pytest.fixture
def days(monkeypatch):
    """Let each record be of a day of its own."""
    count = itertools.count(1)

    class Day(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 11, next(count), tzinfo=tz)

    monkeypatch.setattr("bench.run.one_cell.datetime", Day)


def psnr(path, factor):
    """Return the PSNR of a factor times the noisy image, by its definition in scikit-image."""
    clean = np.array(Image.open(path))
    noisy = degrade(clean[..., None], parse("25"), dataset="folder test", image=path.stem, seed=0).noisy[..., 0]
    output = np.clip(np.rint(noisy * factor * 255), 0, 255)
    return metrics.peak_signal_noise_ratio(clean.astype(float), output, data_range=255)


def test_two_folders_of_one_name_are_two_sets(tmp_path, method_file):
    a, b = photograph(tmp_path / "a/test/x.png", 100), photograph(tmp_path / "b/test/x.png", 300)
    one, other = method_file(HALF.format(0.9), "one"), method_file(HALF.format(0.8), "other")
    out = tmp_path / "out"
    assert run(out, str(one), a) == [("one", "folder test")]  # alone, the name is enough
    assert run(out, f"{one},{other}", b) == [("one", "folder test"), ("other", "folder test")]
    assert report(out) == pytest.approx(
        {
            ("one", "folder test (a/test)"): psnr(a / "x.png", 0.9),
            ("one", "folder test (b/test)"): psnr(b / "x.png", 0.9),
            ("other", "folder test (b/test)"): psnr(b / "x.png", 0.8),
        },
        abs=1e-3,
    )
    assert run(out, str(one), f"{a},{b}") == [("one", "folder test (a/test)"), ("one", "folder test (b/test)")]


def test_a_folder_that_changed_between_two_runs_is_two_sets(tmp_path, method_file, days):
    folder, method, out = photograph(tmp_path / "test/x.png", 100), method_file(HALF.format(0.9)), tmp_path / "out"
    run(out, str(method), folder)
    photograph(folder / "y.png", 300)
    run(out, str(method), folder)
    assert run(out, f"{method},median", folder) == [("mine", "folder test"), ("Median", "folder test")]
    rows = report(out)
    before, after = "folder test (measured 2026-11-01 00:00:00)", "folder test (measured 2026-11-02 00:00:00)"
    assert rows.keys() == {("mine", before), ("mine", after), ("Median", after)}
    expected = [psnr(folder / "x.png", 0.9), psnr(folder / "y.png", 0.9)]
    assert rows["mine", before] == pytest.approx(expected[0], abs=1e-3)
    assert rows["mine", after] == pytest.approx(np.mean(expected), abs=1e-3)
    store = Store(out / "runs")
    boards = leaderboards(current(gather(store.scores())))
    page = html(boards, (), pictures(store, boards, 1, out), ())  # with the pictures of the images that lie there now
    assert page.count('alt="x, clean"') + page.count('alt="y, clean"') == 1
    assert len(set(re.findall(r'<h2 id="(folder[^"]+)"', page))) == 2


def test_files_of_one_name_are_methods_of_their_own(tmp_path, days):
    folder, out = photograph(tmp_path / "test/x.png", 100), tmp_path / "out"
    files = [tmp_path / parent / "model.py" for parent in ("run1", "run2")]
    for file, factor in zip(files, (0.9, 0.8), strict=True):
        file.parent.mkdir()
        file.write_text(HALF.format(factor))
    names = ["model (run1/model.py)", "model (run2/model.py)"]
    assert run(out, ",".join(map(str, files)), folder) == [(name, "folder test") for name in names]
    assert report(out) == pytest.approx(
        {(name, "folder test"): psnr(folder / "x.png", f) for name, f in zip(names, (0.9, 0.8), strict=True)}, abs=1e-3
    )
    files[1].write_text(HALF.format(0.7))  # the same file, which a person has worked on
    assert run(out, str(files[1]), folder) == [("model", "folder test")]
    rows = {name: value for (name, _), value in report(out).items()}
    assert len(rows) == 3
    assert rows[names[0]] == pytest.approx(psnr(folder / "x.png", 0.9), abs=1e-3)
    assert rows["model (run2/model.py, measured 2026-11-02 00:00:00)"] == pytest.approx(
        psnr(folder / "x.png", 0.8), abs=1e-3
    )
    assert rows["model (run2/model.py, measured 2026-11-03 00:00:00)"] == pytest.approx(
        psnr(folder / "x.png", 0.7), abs=1e-3
    )


def test_weights_of_one_name_are_methods_of_their_own(tmp_path):
    folder, out = photograph(tmp_path / "test/x.png", 100), tmp_path / "out"
    files = [tmp_path / parent / "best.pth" for parent in ("run1", "run2")]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        file.parent.mkdir()
        torch.save(DnCNN(5, 1, 8, norm=True).state_dict(), file)
        assert run(out, "dncnn-b", folder, weights=str(file)) == [("dncnn-b (best.pth)", "folder test")]
    rows = {name: value for (name, _), value in report(out).items()}
    assert rows.keys() == {"dncnn-b (run1/best.pth)", "dncnn-b (run2/best.pth)"}
    assert len(set(rows.values())) == 2


def test_programs_of_one_name_are_told_apart_by_their_words(tmp_path):
    script = tmp_path / "scale.py"
    script.write_text("import sys, numpy\nnumpy.save(sys.argv[2], numpy.load(sys.argv[1]) * float(sys.argv[3]))\n")
    folder, out = photograph(tmp_path / "test/x.png", 100), tmp_path / "out"
    words = [f"cmd:{sys.executable} {script} {{noisy}} {{out}} {factor}" for factor in (0.9, 0.8)]
    names = [name for name, _ in run(out, ",".join(words), folder)]
    assert names == ["scale (0.9)", "scale (0.8)"]
    assert report(out) == pytest.approx(
        {(name, "folder test"): psnr(folder / "x.png", f) for name, f in zip(names, (0.9, 0.8), strict=True)}, abs=1e-3
    )


def test_nobody_has_the_name_of_a_registered_method(tmp_path, method_file):
    folder, out = photograph(tmp_path / "test/x.png", 100), tmp_path / "out"
    mine = method_file("LABEL = 'Median'\n" + HALF.format(0.9))
    assert run(out, str(mine), folder) == [("Median (mine.py)", "folder test")]
    run(out, "median", folder)
    assert {name for name, _ in report(out)} == {"Median (mine.py)", "Median"}


def test_failures_of_one_name_are_kept_apart_until_they_are_mended(tmp_path):
    store, folder = Store(tmp_path / "runs"), photograph(tmp_path / "test/x.png", 100)
    files = [tmp_path / parent / "model.py" for parent in ("run1", "run2")]
    for file in files:
        file.parent.mkdir()
        file.write_text(f"def denoise(noisy, sigma):\n    raise ValueError('no {file.parent.name}')\n")
    cells, _ = plan(Request(",".join(map(str, files)), str(folder), "25"))
    assert len(run_campaign(cells, store, Settings("cpu", jobs=1)).failures) == len(store.failures()) == 2
    files[0].write_text(HALF.format(0.9))
    cells, _ = plan(Request(str(files[0]), str(folder), "25"))
    run_campaign(cells, store, Settings("cpu", jobs=1))
    (left,) = store.failures()
    assert "no run2" in left.cause
    assert left.request["method"] == "model (run2/model.py)"


def test_seeds_and_newer_code_of_the_harness_are_no_other_thing(tmp_path, method_file):
    """What differs in nothing that a person brings keeps its name, and the last one stays."""
    folder, method, store = photograph(tmp_path / "test/x.png", 100), method_file(HALF.format(0.9)), Store(tmp_path)
    cells, _ = plan(Request(str(method), str(folder), "25", seed="0,1"))
    records = run_campaign(cells, store, Settings("cpu", jobs=1)).records()
    (result,) = gather(records)
    assert (result.label, result.seeds) == ("mine", [0, 1])
    older = [_changed(record, "2020-01-01T00:00:00+00:00", harness={"scorer": "old"}) for record in records]
    for order in itertools.permutations([*records, *older]):
        (kept,) = current(gather(order))
        assert kept.label == "mine"
        assert kept.records == tuple(records)


def _changed(record, started, **identity):
    about = record.provenance
    return replace(record, provenance=about | {"started": started, "identity": about["identity"] | identity})


@pytest.mark.parametrize(
    ("came", "belong"),
    [
        (["a0 10 0", "a1 11 0", "b0 20 1", "b1 21 1"], ["a0 a1", "b0 b1"]),  # a clock that goes right
        (["a0 10 0", "a1 30 0", "b0 20 1", "b1 40 1"], ["a0 a1", "b0 b1"]),  # set back by less than there was between
        (["a0 30 0", "a1 40 0", "b0 10 1", "b1 20 1"], ["a0 a1", "b0 b1"]),  # set back by more
        (["a0 10 0", "b0 20 1", "b1 30 0"], ["a0", "b0 b1"]),  # a seed that only the later ones have
    ],
)
def test_outputs_that_changed_keep_their_seeds_together_whatever_the_clock_says(came, belong):
    def record(text):
        (outputs, seed), clock, order = text.split()[0], *text.split()[1:]
        about = {"seed": int(seed), "started": f"2026-01-01T00:00:{clock}", "order": int(order)}
        return Record([], about | {"identity": {"outputs": outputs}, "name": outputs + seed})

    for records in itertools.permutations(map(record, came)):
        groups = [seeds.values() for seeds in _by_seed(records)]
        assert [" ".join(sorted(r.provenance["name"] for r in group)) for group in groups] == belong


def test_the_last_of_two_results_is_compared_whatever_the_clock_says():
    about = {"label": "a", "dataset": {"name": "b"}, "degradation": "25", "protocol": {"name": "standard"}, "seed": 0}
    first, last = (
        Record([], about | {"started": clock, "order": order}) for clock, order in (("2027", 0), ("2026", 1))
    )
    for records in ([first, last], [last, first]):
        assert list(_by_cell(records).values()) == [last]
