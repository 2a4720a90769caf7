import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from bench.judge.ledger import ledger
from bench.plan.request import Request, plan
from bench.report.leaderboard import leaderboards
from bench.report.page.again import again, again_of
from bench.report.page.details import board_data
from bench.report.page.html import html, later, script_json
from bench.report.page.matrix import UNSTATED, matrix
from bench.run.one_cell import run_cell
from bench.store.records import Record, described
from bench.store.results import Result, gather


def as_dataset(record, name, **about):
    """A record as if it were of a registered dataset."""
    of = record.provenance["dataset"] | {"name": name, "ledger": [name, "gray"], "title": name}
    return replace(record, provenance=record.provenance | {"dataset": of} | about)


@pytest.fixture
def records(one_cell, photographs):
    return [
        run_cell(one_cell(method, photographs, noise))
        for method in ("median", "wavelet", "gaussian")
        for noise in ("25", "50")
    ]


@pytest.mark.parametrize(
    "words",
    [
        {"method": "median", "data": "builtin"},
        {"method": "bm3d:profile=lc,mu2=1.0", "data": "builtin", "noise": "12.5"},
        {"method": "tv:strength=0.2", "data": "builtin", "noise": "poisson:30", "protocol": "clipped", "seed": "3"},
        {"method": "nlm", "data": "builtin", "noise": "gaussian:mean=0.1,std=0.1", "sigma": "10", "ensemble": "8"},
        {"method": "wavelet", "data": "builtin", "noise": "jpeg:10+15", "protocol": "float,crop=4"},
        {"method": "gaussian:std=2", "data": "builtin", "tile": 64, "protocol": "matlab0"},
    ],
)
def test_what_is_typed_again_is_the_same_cell(words):
    (cell, *_), failures = plan(Request(**words))
    assert not failures
    line = again(Result((Record([], described(cell)),)))
    typed = dict(word.split("=", 1) for word in shlex.split(line.removeprefix("make bench ")))
    typed = {name.lower(): word for name, word in typed.items()}
    cells, _ = plan(Request(**typed | {"tile": int(typed.get("tile", 0))}))
    assert cell.key in {one.key for one in cells}


def test_all_noises_of_a_group_are_one_word():
    cells, _ = plan(Request("median", "builtin", "rdn-grid"))
    results = [Result((Record([], described(cell)),)) for cell in cells]
    assert again_of("bench", results) == "make bench METHOD=median DATA=builtin NOISE=rdn-grid"
    several = again_of("where", results[:2])
    typed = dict(word.split("=", 1) for word in shlex.split(several)[2:])
    assert {c.key for c in plan(Request("median", "builtin", typed["NOISE"]))[0]} == {c.key for c in cells[:2]}


def test_the_matrix_has_each_mean_its_place_and_each_published_number(records):
    boards = leaderboards(gather(as_dataset(record, "bsd68") for record in records))
    table = matrix(boards)
    assert table.metrics == ("psnr", "ssim", "mse")
    run = {row.label: row for row in table.rows if row.measured}
    for board in boards:
        for metric, sign in (("psnr", -1), ("ssim", -1), ("mse", 1)):
            means = {r.result.label: np.mean(list(r.result.images(metric).values())) for r in board.entries}
            order = sorted(means, key=lambda label: sign * means[label])
            assert sorted(run, key=lambda label: run[label].cells[board.anchor][metric].rank) == order
            assert all(run[k].cells[board.anchor][metric].number == pytest.approx(v) for k, v in means.items())
    away = {row.label: row for row in table.rows if not row.measured}
    paper = next(r for r in ledger() if (r.method, r.dataset, r.degradation, r.metric, r.image, r.protocol)
                 == ("BM3D", "bsd68", "gaussian:25", "psnr", "", "standard"))  # fmt: skip
    shown = away["BM3D"].cells[boards[0].anchor]["psnr"]
    assert (shown.text, shown.verdict, shown.rank) == (paper.value, "", 0)
    assert any(v.verdict == UNSTATED for row in away.values() for cell in row.cells.values() for v in cell.values())
    clipped = [r for r in ledger() if (r.dataset, r.degradation, r.protocol) == ("bsd68", "gaussian:25", "clipped")]
    assert clipped
    stated = {(r.method, r.variant) for r in ledger() if r.dataset == "bsd68" and r.protocol != "clipped"}
    only_clipped = {f"{r.method} {r.variant}".strip() for r in clipped if (r.method, r.variant) not in stated}
    assert not only_clipped & away.keys()  # no number of another protocol stands on this board


def test_a_method_that_ran_on_one_set_only_has_its_published_number_on_the_other(records):
    median = [r for r in records if r.provenance["label"] == "Median"]
    as_bm3d = [as_dataset(r, "bsd68", net=r.provenance["net"] | {"published": ["BM3D", ""]}) for r in median]
    others = [as_dataset(r, "set12") for r in records if r.provenance["label"] != "Median"]
    boards = {board.anchor: board.dataset for board in leaderboards(gather([*as_bm3d, *others]))}
    (row,) = (r for r in matrix(leaderboards(gather([*as_bm3d, *others]))).rows if r.label == "BM3D")
    assert {boards[anchor] for anchor in row.cells} == {"set12"}
    assert row.colours == ("gray",)


def test_a_method_that_ran_is_no_row_of_the_ledger(records):
    as_bm3d = [
        as_dataset(r, "bsd68", net=r.provenance["net"] | {"published": ["BM3D", ""]})
        for r in records
        if r.provenance["label"] == "Median"
    ]
    rows = matrix(leaderboards(gather(as_bm3d))).rows
    assert "BM3D" not in {row.label for row in rows if not row.measured}


def test_the_data_of_a_board_are_the_scores_of_its_images(records):
    board = leaderboards(gather(records))[0]
    found = board_data(board)
    assert found["images"] == ["camera", "coins"]
    for entry, scores in zip(board.entries, found["scores"]["psnr"], strict=True):
        assert scores == pytest.approx(list(entry.result.images("psnr").values()), abs=1e-4)
    for entry, details in zip(board.entries, found["details"], strict=True):
        assert dict(details)["Measure it again"].startswith("make bench METHOD=" + entry.result.about["method"])


HOSTILE = "</script><script>alert(1)</script><!--<b a=\"'`&amp;\u2028"


def test_labels_stay_text(records):
    hostile = [replace(r, provenance=r.provenance | {"label": HOSTILE}) for r in records[:2]]
    boards = leaderboards(gather([*hostile, *records[2:]]))
    page = html(boards, (), {}, (), {f"data/{b.anchor}": board_data(b) for b in boards})
    assert "<script>alert" not in page
    assert "<b a=" not in page
    assert json.loads(script_json(HOSTILE)) == HOSTILE
    for code in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL):
        assert "alert(1)</" not in code
    written = later(HOSTILE, {HOSTILE: HOSTILE})
    assert "</" not in written
    assert "\u2028" not in written


def test_a_page_of_nothing_says_what_to_run():
    assert "make bench METHOD=" in html((), (), {}, ())
