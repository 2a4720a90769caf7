import csv
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

import datasets
from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.run.settings import Settings
from bench.store.records import Record, Store
from bench.studies.groups import unusable
from bench.studies.where.errors import by_part, error_maps
from bench.studies.where.study import build
from bench.studies.where.table import NOISY, interval, summary
from bench.studies.where.zones import DISTANCES, activity, boundaries, distances, partitions, totals
from datasets.description import Dataset, File, Image, Part

ONE = Settings(jobs=1, threads=1)


def halves(height=6, width=100, edge=40):
    """Return a label map (1, H, W) whose one boundary runs between the columns `edge` - 1 and `edge`."""
    labels = np.zeros((1, height, width), np.int32)
    labels[:, :, edge:] = 1
    return labels


def parts(labels, kind, **words):
    (found,) = [p for p in partitions(labels, **words) if p.kind == kind]
    return found


def share(partition):
    pixels = totals(partition, np.ones(partition.index.shape[1:]))
    return dict(zip(partition.names, (pixels / pixels.sum()).tolist(), strict=True))


def test_both_sides_of_a_boundary_are_marked():
    labels = np.array([[[0, 0, 1], [0, 0, 1], [2, 2, 2]]])
    assert boundaries(labels)[0].astype(int).tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]


def test_distances_of_a_map_made_by_hand():
    labels = np.zeros((1, 5, 6), np.int32)
    labels[0, 0, 0] = 1  # boundary pixels: (0, 0), (0, 1) and (1, 0)
    nearest, least = distances(labels)
    np.testing.assert_array_equal(nearest, least)
    assert nearest[0, 0, :4].tolist() == [0, 0, 1, 2]
    assert nearest[0, 1, 1] == 1
    assert nearest[0, 2, 2] == pytest.approx(5**0.5)  # (1, 0) and (0, 1) are each one row or column and two away
    assert nearest[0, 4, 5] == pytest.approx((4**2 + 4**2) ** 0.5)  # (0, 1)
    assert np.isinf(distances(np.zeros((1, 3, 3), int))[0]).all()


def test_zones_of_distance_begin_at_their_edges():
    found = share(parts(halves(), "distance"))
    # Columns at distance 0, 1, 2-3, 4-7, 8-15, 16-31, 32 and more, on the left (40 columns) and the right (60).
    expected = [2, 2, 4, 8, 16, 32, 8 + 28]
    assert list(found) == list(DISTANCES)
    assert [100 * value for value in found.values()] == pytest.approx(expected)


def test_near_is_a_vote_of_the_annotators():
    one, other = halves(edge=40), halves(edge=42)
    # An annotator marks the columns at most 2 from its two boundary pixels: 37-42, and 39-44.
    assert share(parts(np.concatenate([one, other]), "zone")) == pytest.approx({"near": 0.08, "inside": 0.92})
    three = np.concatenate([one, other, other])  # the first is outvoted where it stands alone
    assert share(parts(three, "zone")) == pytest.approx({"near": 0.06, "inside": 0.94})
    # Distances are the mean of both: each has 2 columns of 100 at 0.
    assert share(parts(np.concatenate([one, other]), "distance"))["0-1"] == pytest.approx(0.02)


def test_a_boundary_with_void_is_none_and_pixels_beside_void_are_left_out():
    labels = halves(height=1, width=100, edge=40)
    labels[:, :, 60:62] = 9
    assert np.flatnonzero(boundaries(labels, 9)).tolist() == [39, 40]
    index = parts(labels, "distance", void=9).index[0, 0]
    assert (index[60:62] == -1).all()
    assert index[41:44].tolist() == [1, 2, 2]
    # Column 52 is 12 from the boundary and 8 from void: a boundary there would be 7 away, in another zone.
    assert index[[51, 52]].tolist() == [4, -1]
    assert (index[62:93] == -1).all()  # void may have a boundary less than 32 away
    assert (index[94:] == 6).all()
    zone = parts(labels, "zone", void=9).index[0, 0]
    assert (zone[57:65] == -1).all()
    assert zone[[42, 43, 56, 65]].tolist() == [0, 1, 1, 1]
    assert (parts(labels, "all", void=9).index[0, 0] == -1).nonzero()[0].tolist() == [60, 61]


def test_a_border_that_the_protocol_leaves_out_does_not_count():
    for partition in partitions(halves(), {0: "a", 1: "b"}, crop=2):
        assert (partition.index[:, 2:-2, 2:-2] >= 0).all()
        assert totals(partition, np.ones((6, 100))).sum() == 2 * 96


def test_gradient_energy_of_a_ramp_and_of_noise():
    ramp = np.add.outer(3.0 * np.arange(20), 4.0 * np.arange(30))[..., None]
    np.testing.assert_allclose(activity(ramp), 25)
    noise = np.random.default_rng(0).normal(0, 10, (400, 400, 3))
    assert activity(noise)[1:-1, 1:-1].mean() == pytest.approx(100, rel=0.02)


def test_interval_is_that_of_the_t_table():
    # Mean 0.35, squared deviations 0.61, t = 3.1824 at 3 degrees of freedom.
    reach = 3.1824 * (0.61 / 3 / 4) ** 0.5
    assert interval([0.3, -0.2, 0.9, 0.4]) == pytest.approx((0.35 - reach, 0.35 + reach), abs=1e-4)
    assert np.isnan(interval([1.0])).all()


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Register a set of two gray images with the label maps of `halves`, with classes; return it."""
    rng = np.random.default_rng(0)
    found = []
    for name in ("one", "two"):
        Picture.fromarray(rng.integers(60, 180, (24, 100), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        np.save(tmp_path / f"{name}.npy", halves(height=24))
        clean, labels = (tmp_path / f"{name}.{end}" for end in ("png", "npy"))
        files = [File(path.name, sha256(path.read_bytes()).hexdigest(), local=str(path)) for path in (clean, labels)]
        found.append(Image(name, Part(files[0]), labels=Part(files[1])))
    dataset = Dataset(
        name="drawn", title="Drawn", colour="gray", images=tuple(found), source="made here", licence="none",
        label_reader=lambda path, at: np.load(path), classes={0: "left", 1: "right"},
    )  # fmt: skip
    known = {**datasets.available(), "drawn": dataset}
    monkeypatch.setattr(datasets, "available", lambda: known)
    return dataset


@pytest.fixture
def stored(labelled, one_cell, tmp_path):
    """Return a function that stores a record whose pictures are wrong by `error` (H, W), and measures it."""
    store = Store(tmp_path / "runs")
    cell = one_cell("median", "drawn")

    def measure(*errors):
        rows = []
        for image, error in zip(labelled.images, errors, strict=True):
            clean = np.asarray(Picture.open(image.clean.file.local)).astype(int)
            rows.append({"image": image.name, "denoised": (clean + error).astype(np.uint8).tobytes()})
        store.put(cell, Record(rows, {}))
        return by_part({cell.label: [cell]}, store)

    return measure


def of(table, kind, part, method="Median"):
    return table[(table["kind"] == kind) & (table["part"] == part) & (table["method"] == method)].iloc[0]


def test_uniform_error_has_the_share_of_the_pixels(stored):
    table = summary(stored(np.full((24, 100), 10), np.full((24, 100), -10)))
    mine = table[table["method"] == "Median"]
    np.testing.assert_allclose(mine["error_share"], mine["pixels_share"])
    np.testing.assert_allclose(mine["mse"], 100)
    np.testing.assert_allclose(mine["psnr"], 10 * np.log10(255**2 / 100))
    assert of(table, "zone", "near")["pixels_share"] == pytest.approx(0.06)
    assert of(table, "all", "all", NOISY)["mse"] == pytest.approx(625, rel=0.1)


def test_an_error_at_the_boundary_lies_there(stored):
    at = np.zeros((24, 100), int)
    at[:, 39:41] = 20
    found = stored(at, at // 2)
    table = summary(found)
    assert of(table, "distance", "0-1")["error_share"] == 1
    assert of(table, "distance", "1-2")["error_share"] == 0
    assert of(table, "zone", "near")["error_share"] == 1
    # 2 of the 6 near columns are wrong, by 20 in one image and by 10 in the other.
    assert found[(found["part"] == "near") & (found["method"] == "Median")]["mse"].tolist() == pytest.approx(
        [400 / 3, 100 / 3]
    )
    expected = np.mean([10 * np.log10(255**2 / (400 / 3)), 10 * np.log10(255**2 / (100 / 3))])
    assert of(table, "zone", "near")["psnr"] == pytest.approx(expected)
    assert of(table, "zone", "inside")["psnr"] == pytest.approx(58.92, abs=0.005)  # exact: what a perfect image counts


def test_class_scores_by_hand(stored):
    wrong = np.full((24, 100), 3)
    wrong[:, 40:] = 6
    table = summary(stored(wrong, wrong))
    left, right = (of(table, "class", name) for name in ("left", "right"))
    assert (left["mse"], right["mse"]) == pytest.approx((9, 36))
    assert (left["pixels_share"], right["pixels_share"]) == pytest.approx((0.4, 0.6))
    assert left["error_share"] == pytest.approx(0.4 * 9 / (0.4 * 9 + 0.6 * 36))


def test_a_method_is_held_against_the_first_in_the_same_images(stored):
    mine = stored(np.full((24, 100), 10), np.full((24, 100), 20)).query("method == 'Median'")
    gain = mine["image"].map({"one": 6.0, "two": 8.0})
    found = pd.concat([mine, mine.assign(method="half", psnr=mine["psnr"] + gain)])
    row = of(summary(found), "zone", "near", "half")
    assert (row["against"], row["psnr_difference"]) == ("Median", pytest.approx(7))
    # Two values, one degree of freedom: the t table says 12.706, and the standard error is 1.
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((7 - 12.706, 7 + 12.706), abs=1e-3)


def test_missing_cells_run_and_tables_and_a_figure_are_written(labelled, tmp_path, reported):
    request = Request("median,gaussian", "drawn", "25", seed="0,1")
    tables, files = build(request, tmp_path, ONE)
    assert "near: at least half of the annotators have a boundary within 2 px" in tables
    assert len(list((tmp_path / "runs" / "drawn").glob("*.parquet"))) == 4
    (path,) = (p for p in (tmp_path / "where").glob("drawn-gaussian-25-standard-*.csv") if "images" not in p.name)
    assert str(path) in files
    rows = list(csv.DictReader(path.open()))
    assert {row["method"] for row in rows} == {NOISY, "Median", "Gaussian"}
    assert {row["part"] for row in rows} == {"all", "near", "inside", "left", "right", *DISTANCES}
    assert {row["against"] for row in rows if row["method"] == "Gaussian"} == {"Median"}
    # The whole image's error is what the records say.
    cells, _ = plan(request)
    mse = np.mean([Store(tmp_path / "runs").get(cell).mean("mse") for cell in cells if cell.label == "Median"])
    (whole,) = [row for row in rows if row["part"] == "all" and row["method"] == "Median"]
    assert float(whole["mse"]) == pytest.approx(mse, rel=1e-5)
    with Picture.open(path.with_suffix(".png")) as picture:
        assert picture.width == int(7.16 * 300)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    by_image = Path(f"{path.with_suffix('')}-images.csv").read_text().splitlines()
    assert len(by_image) == 1 + 2 * 12 * 3
    (part,) = reported(tmp_path, "where").parts
    assert f"{float(whole['psnr']):.2f}" in next(r for r in part.tables[0].rows if r[:2] == ("all", "Median"))
    assert part.command.startswith("make where METHOD=median,gaussian DATA=")
    assert part.command.endswith(" NOISE=25 SEED=0,1")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")}
    assert len(list(build(request, tmp_path, ONE))) == 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")} == before


def test_another_question_has_files_of_its_own_and_all_go_into_the_table(labelled, tmp_path):
    questions = [
        Request("median", "drawn", "25"),
        Request("gaussian", "drawn", "25"),
        Request("median", "drawn", "25", seed="1"),
        Request("median", "drawn", "25", "clipped"),
        Request("median", "drawn", "25", ensemble="8"),
        Request("median", "drawn", "15,50"),
    ]
    for count, request in zip((1, 2, 3, 4, 5, 7), questions, strict=True):
        found = list(build(request, tmp_path, ONE, tmp_path / "t.csv"))
        assert not [one for one in found if isinstance(one, Failure)]
        assert len(list((tmp_path / "where").glob("*-images.csv"))) == count
        assert len(list((tmp_path / "where").glob("*.png"))) == count
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert {(row["dataset"], row["degradation"], row["protocol"]) for row in rows} == {
        ("drawn", "gaussian:15", "standard"), ("drawn", "gaussian:50", "standard"),
    }  # fmt: skip


def test_what_cannot_be_said_is_one_line(labelled, tmp_path, monkeypatch):
    failures = list(build(Request("median,gaussian,no-such", "builtin,drawn", "15"), tmp_path, ONE))[:2]
    assert all(isinstance(failure, Failure) for failure in failures)
    assert "unknown method 'no-such'" in failures[0].cause
    assert "dataset builtin has no label maps, which make where needs; these have: " in failures[1].cause
    assert "drawn" in failures[1].cause
    known = datasets.available()
    few = {name: known[name] for name in ("builtin", "set12", "drawn")}
    monkeypatch.setattr(datasets, "available", lambda: few)
    found = list(build(Request("median", "all", "15"), tmp_path, ONE))
    assert found[0] == "left out, since they lack what this needs (2): builtin, set12"
    assert not [one for one in found if isinstance(one, Failure)]
    assert any(str(one).startswith("drawn, gaussian:15: ") for one in found)
    named = list(unusable({"set12": "no maps", "builtin": "none"}, "set12,all"))
    assert named == [Failure({"dataset": "set12"}, "no maps"), "left out, since they lack what this needs (1): builtin"]
    parts = list(unusable({"set12:01-02": "no maps", "builtin": "none"}, "set12:01,02,all"))
    assert parts == [
        Failure({"dataset": "set12:01-02"}, "no maps"),
        "left out, since they lack what this needs (1): builtin",
    ]
    for word in ("channel=y", "crop=4"):
        strange = replace(labelled, colour="rgb") if word == "channel=y" else labelled
        monkeypatch.setattr(datasets, "available", lambda strange=strange: {"drawn": strange})
        with pytest.raises(BenchError, match="make where measures every channel and pixel; leave channel and crop out"):
            list(build(Request("median", "drawn", "15", f"standard,{word}"), tmp_path, ONE))
    strange = replace(labelled, classes={0: "left"})
    monkeypatch.setattr(datasets, "available", lambda: {"drawn": strange})
    (failure,) = build(Request("median", "drawn", "15"), tmp_path, ONE)
    assert failure.cause.startswith("dataset drawn: label map one.npy has the value 1")


def test_dncnn_errs_more_where_people_saw_boundaries(published_files, tmp_path, monkeypatch):
    """Three images of BSD68 with the segmentations of the Berkeley dataset."""
    bsd = datasets.available()["bsd68"]
    some = bsd.images[:3]
    few = replace(bsd, images=some)
    monkeypatch.setattr(datasets, "available", lambda: {"bsd68": few})
    request = Request("dncnn", "bsd68", "25")
    _, files = build(request, tmp_path, Settings(jobs=1))
    assert "bsd68" in files
    rows = list(csv.DictReader(next((tmp_path / "where").glob("bsd68-*-images.csv")).open()))
    mse = {(row["image"], row["part"]): float(row["mse"]) for row in rows if row["method"] == "DnCNN-S"}
    for image in some:
        assert mse[image.name, "near"] > mse[image.name, "inside"]
    (cell,) = plan(request)[0]
    record = Store(tmp_path / "runs").get(cell)
    assert record.mean("mse") == pytest.approx(np.mean([mse[image.name, "all"] for image in some]), rel=1e-5)
    (maps,) = error_maps({"DnCNN-S": [cell]}, Store(tmp_path / "runs"), [some[0].name])
    assert maps.labels.shape[0] >= 4  # the Berkeley images were segmented by several people
