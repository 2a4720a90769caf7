import base64
import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.degradation import degrade, parse
from bench.engine import run_all
from bench.errors import BenchError
from bench.plan import Request, plan
from bench.protocol import PROTOCOLS
from bench.report import build
from bench.run import Settings, run_cell
from bench.store import Store


@pytest.fixture
def made(tmp_path, photographs):
    cells, _ = plan(Request("wavelet,nlm", str(photographs), "15,25"))
    store = Store(tmp_path / "runs")
    for cell, record in run_all(cells, "serial", Settings("cpu")):
        store.put(cell, record)
    return build(tmp_path)


def test_the_page_needs_no_other_file(made):
    page = made.read_text()
    outside = re.findall(r'(?:src|href)="(?!data:|#|https://github\.com)([^"]+)"', page)
    assert outside == []
    assert "<script" not in page
    assert page.count("<svg") == 3


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


def test_charts_are_saved_for_a_paper(made):
    names = {path.name for path in (made.parent / "charts").iterdir()}
    for chart in ("folder-photographs-standard-psnr", "folder-photographs-standard-images"):
        assert {f"{chart}.svg", f"{chart}.pdf"} <= names


def test_the_pictures_show_what_was_scored(made, photographs):
    sources = re.findall(r'alt="camera, (clean|noisy)" src="data:image/webp;base64,([^"]+)"', made.read_text())
    pictures = {kind: np.array(Image.open(io.BytesIO(base64.b64decode(code))).convert("L")) for kind, code in sources}
    clean = np.array(Image.open(photographs / "camera.png"))
    noisy = degrade(
        clean[..., None], parse("25"), PROTOCOLS["standard"], dataset="folder photographs", image="camera", seed=0
    ).noisy
    assert pictures["clean"].shape == clean.shape
    assert np.abs(pictures["clean"] - clean.astype(float)).mean() < 4  # lossy, but this picture
    shown = np.clip(noisy[..., 0], 0, 1) * 255
    assert np.corrcoef(pictures["noisy"].ravel(), shown.ravel())[0, 1] > 0.95


def test_numbers_stand_without_the_pictures(tmp_path, made, photographs):
    for path in photographs.iterdir():
        path.unlink()
    page = build(tmp_path).read_text()
    assert "image/webp" not in page
    assert "Wavelet" in page


def test_what_was_measured_again_shows_once(tmp_path, photographs):
    (cell,), _ = plan(Request("wavelet", str(photographs)))
    store = Store(tmp_path / "runs")
    for code, started in (("old", "2026-01-01T00:00:00+00:00"), ("new", "2026-01-02T00:00:00+00:00")):
        version = replace(cell, code=code)
        record = run_cell(version, Settings("cpu"))
        store.put(version, replace(record, provenance=record.provenance | {"started": started}))
    rows = list(csv.DictReader((build(tmp_path).parent / "images.csv").open()))
    assert len(rows) == 2


def test_a_damaged_record_says_so(tmp_path, made):
    path = next((tmp_path / "runs").glob("*/*.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BenchError, match=r"record .* cannot be read .* delete it and its cell runs again"):
        build(tmp_path)
