import csv
import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.report.build import build
from bench.report.leaderboard import TEXTS, leaderboards
from bench.report.page.pictures import pictures
from bench.run.engine import run_all
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import gather


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Return a folder as `photographs`, one for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("report") / "photographs"
    folder.mkdir()
    Image.fromarray(data.camera()[100:148, 200:264]).save(folder / "camera.png")
    Image.fromarray(data.coins()[50:98, 60:124]).save(folder / "coins.png")
    return folder


@pytest.fixture(scope="module")
def made(crops):
    cells, _ = plan(Request("wavelet,nlm", str(crops), "15,25"))
    store = Store(crops.parent / "runs")
    for cell, record in run_all(cells, Settings("cpu", jobs=1)):
        store.put(cell, record)
    return build(crops.parent)


@pytest.fixture
def runs(made, tmp_path):
    """Return an output folder with a copy of the records that `made` is made of."""
    shutil.copytree(made.parent.parent / "runs", tmp_path / "runs")
    return tmp_path


def test_each_format_has_every_result(made):
    boards = leaderboards(gather(Store(made.parent.parent / "runs").scores()))
    written = {ending: text(boards) for ending, text in TEXTS.items()}
    rows = list(csv.DictReader(io.StringIO(written[".csv"])))
    as_json = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in json.loads(written[".json"])
    ]
    assert as_json == rows
    assert len(rows) == 4
    shown = sorted(f"{float(row['psnr']):.2f}" for row in rows)
    assert sorted(re.findall(r"^\| (?:NLM|Wavelet) \| (\d+\.\d\d) \|", written[".md"], re.M)) == shown
    assert sorted(re.findall(r"^(?:NLM|Wavelet) & (\d+\.\d\d) &", written[".tex"], re.M)) == shown
    assert written[".tex"].count(r"\begin{tabular}") == written[".tex"].count(r"\toprule") == len(boards) == 2


def test_the_page_asks_nothing_of_the_network(made):
    page = made.read_text()
    loaded = re.findall(r'(?:src="|<link[^>]*href="|url\(|import )(?!data:|#)([^"]+)', page)
    assert [path for path in loaded if not (made.parent / path).is_file()] == []
    assert "connect-src" not in page
    assert "default-src 'none'" in page


def test_the_tables_agree_with_the_records(made):
    rows = list(csv.DictReader((made.parent / "leaderboard.csv").open()))
    images = list(csv.DictReader((made.parent / "images.csv").open()))
    assert (len(rows), len(images)) == (4, 8)
    page, markdown = made.read_text(), (made.parent / "report.md").read_text()
    for row in rows:
        mine = [
            float(i["psnr"]) for i in images if (i["method"], i["degradation"]) == (row["method"], row["degradation"])
        ]
        assert float(row["psnr"]) == pytest.approx(np.mean(mine), abs=1e-4)
        assert f"<td>{float(row['psnr']):.2f}</td>" in page
        assert f"| {row['method']} | {float(row['psnr']):.2f} |" in markdown
    by_noise = [[float(r["psnr"]) for r in rows if r["degradation"] == f"gaussian:{s}"] for s in (15, 25)]
    assert all(scores == sorted(scores, reverse=True) for scores in by_noise)


def test_the_pictures_show_what_was_scored(made, crops):
    sources = dict(re.findall(r'alt="camera, (clean|noisy)" src="(pictures/[^"]*25[^"]+)"', made.read_text()))
    pictures = {kind: np.array(Image.open(made.parent / address)) for kind, address in sources.items()}
    clean = np.array(Image.open(crops / "camera.png"))
    noisy = degrade(clean[..., None], parse("25"), dataset="folder photographs", image="camera", seed=0).noisy
    assert np.array_equal(pictures["clean"], clean)
    assert np.array_equal(pictures["noisy"], np.rint(np.clip(noisy[..., 0] * 255, 0, 255)))


def test_numbers_stand_without_the_pictures(runs, crops):
    away = crops.rename(crops.with_name("away"))
    try:
        page = build(runs).read_text()
    finally:
        away.rename(crops)
    assert 'src="pictures/' not in page
    assert "The images are not to be had any more" in page
    assert "Wavelet" in page


def test_what_was_measured_again_shows_once(tmp_path, photographs):
    (cell,), _ = plan(Request("wavelet", str(photographs)))
    store = Store(tmp_path / "runs")
    for code, started in (("old", "2026-01-01T00:00:00+00:00"), ("new", "2026-01-02T00:00:00+00:00")):
        version = replace(cell, code=code)
        record = run_cell(version, Settings("cpu", jobs=1))
        store.put(version, replace(record, provenance=record.provenance | {"started": started}))
    rows = list(csv.DictReader((build(tmp_path).parent / "images.csv").open()))
    assert len(rows) == 2


def test_one_picture_is_shown_where_one_is_asked_for(runs):
    boards = leaderboards(gather(Store(runs / "runs").scores()))
    for each, shown in ((1, [1, 1]), (0, [2, 2])):
        made = pictures(Store(runs / "runs"), boards, each, runs)
        assert [len(of_board.strips) for of_board in made.values()] == shown
