import csv
import io
import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from bench.common.errors import BenchError
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.report.build import build
from bench.report.columns import published_value
from bench.report.figures import comparison
from bench.report.figures.charts import make_charts
from bench.report.figures.comparison import comparison_figure
from bench.report.figures.generalisation import Point, cut_at_range, generalisation_figure
from bench.report.figures.styles import styles
from bench.report.leaderboard import TEXTS, leaderboards
from bench.report.page.pictures import pictures
from bench.run.engine import run_all
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Record, Store
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


def test_charts_are_saved_for_a_paper(made):
    names = {path.name for path in (made.parent / "charts").iterdir()}
    for chart in ("folder-photographs-standard-psnr", "folder-photographs-standard-images"):
        assert {f"{chart}.svg", f"{chart}.pdf"} <= names
        # Publishers refuse fonts of Type 3, which are matplotlib's default.
        assert b"/Type3" not in (made.parent / "charts" / f"{chart}.pdf").read_bytes()


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
    assert "<img" not in page
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


@pytest.fixture(scope="module")
def measured(crops):
    """Return the records of two filters at three noise levels; the record says that Wavelet was trained on 0-20."""
    cells, _ = plan(Request("wavelet,gaussian", str(crops), "15,25,50", protocol="float"))
    found = []
    for _, record in run_all(cells, Settings("cpu", jobs=1)):
        about = record.provenance
        if about["label"] == "Wavelet":
            about = about | {"net": about["net"] | {"trained": [0, 20]}}
        found.append(Record(record.images, about))
    return found


def labels_of(boards):
    return [entry.result.label for board in boards for entry in board.entries]


def test_one_picture_is_shown_where_one_is_asked_for(runs):
    boards = leaderboards(gather(Store(runs / "runs").scores()))
    for each, shown in ((1, [1, 1]), (0, [2, 2])):
        made = pictures(Store(runs / "runs"), boards, each, runs)
        assert [len(of_board.strips) for of_board in made.values()] == shown


def test_charts_are_saved_in_the_format_that_is_asked_for(tmp_path, measured):
    boards = leaderboards(gather(measured[:1]))
    make_charts(boards, tmp_path, ("png",))
    with Image.open(next(tmp_path.glob("*-metrics.png"))) as image:
        assert image.format == "PNG"
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".pdf", ".png"}
    with pytest.raises(BenchError, match="FORMAT=gif: charts are saved as svg, pdf, png"):
        make_charts(boards, tmp_path, ("gif",))


def test_charts_drawn_twice_are_equal(tmp_path, measured):
    boards = leaderboards(gather(measured))
    for folder in ("first", "second"):
        make_charts(boards, tmp_path / folder)
    files = sorted((tmp_path / "first").iterdir())
    assert files
    for file in files:
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_the_comparison_shows_mean_interval_and_noisy_input(measured):
    boards = leaderboards(gather(measured))[1:2]
    figure = comparison_figure(boards, styles(labels_of(boards)))
    for axes, metric, form in zip(figure.axes, ("psnr", "ssim", "mse"), (".2f", ".4f", ".1f"), strict=True):
        rows = {r.provenance["label"]: [i[metric] for i in r.images] for r in measured if r.provenance["sigma"] == 25}
        means = {label: np.mean(values) for label, values in rows.items()}
        best = sorted(means, key=lambda label: -np.mean([i["psnr"] for i in by_label(measured, label)]))
        noisy = np.mean([i[f"noisy_{metric}"] for i in by_label(measured, "Wavelet")])
        printed = [text.get_text() for text in axes.texts]
        assert printed == [format(value, form) for value in (*(means[label] for label in best), noisy)]
        points = [container.lines[0].get_xydata()[0] for container in axes.containers]
        assert [x for x, _ in points] == pytest.approx([means[label] for label in best])
        assert [y for _, y in points] == sorted(y for _, y in points)  # the axis goes down
        for container, label in zip(axes.containers, best, strict=True):
            (low, _), (high, _) = container.lines[2][0].get_segments()[0]
            # Two images: t = 12.7062 for one degree of freedom, and the deviation of the mean is half their distance.
            assert (high - low) / 2 == pytest.approx(12.7062 * abs(np.subtract(*rows[label])) / 2, rel=1e-4)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[-1] == "noisy input"


def by_label(records, label, sigma=25):
    return next(r.images for r in records if (r.provenance["label"], r.provenance["sigma"]) == (label, sigma))


def test_the_noisy_input_is_a_line_where_it_is_near():
    import matplotlib.pyplot as plt

    for noisy, inside in ((29.0, True), (20.0, False), (float("nan"), False)):
        figure, axes = plt.subplots()
        comparison._limits(axes, [30.0, 34.0], noisy, 1.0, logarithmic=False)
        low, high = axes.get_xlim()
        assert (low < noisy < high) == inside
        assert any(line.get_linestyle() == "--" for line in axes.lines) == inside
        assert (high - low) < 1.6 * 4
        plt.close(figure)


def test_only_what_was_published_in_the_unit_of_the_chart_is_a_ring():
    rows = {
        "psnr": SimpleNamespace(metric="psnr_noise_255", number=60.0),
        "ssim": SimpleNamespace(metric="ssim", number=0.91),
    }
    verdicts = {metric: SimpleNamespace(published=row, is_of_a_claim=False) for metric, row in rows.items()}
    entry = SimpleNamespace(verdicts=verdicts)
    assert published_value(entry, "psnr") is None
    rows["psnr"].metric = "psnr"
    assert [published_value(entry, metric) for metric in ("psnr", "ssim", "mse")] == [60.0, 0.91, None]


def test_generalisation_is_open_and_dashed_outside_the_range(measured):
    boards = leaderboards(gather(measured))
    looks = styles(labels_of(boards))
    (axes,) = generalisation_figure(boards, looks).axes
    colour = looks["Wavelet"].colour
    mine = [line for line in axes.lines if line.get_color() == colour]
    faces = {line.get_xdata()[0]: line.get_markerfacecolor() for line in mine if line.get_marker() != "None"}
    assert faces == {15: colour, 25: "white", 50: "white"}
    pieces = {tuple(line.get_xdata()): line.get_linestyle() for line in mine if line.get_marker() == "None"}
    assert pieces == {(15, 20): "-", (20, 25): "--", (25, 50): "--"}
    others = [line for line in axes.lines if line.get_color() == looks["Gaussian"].colour]
    assert {line.get_linestyle() for line in others if line.get_marker() == "None"} == {"-"}
    (noisy,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    # The noisy image is what was drawn: PSNR 20 log10(255 / sigma);
    # three deviations of 3072 pixels are 0.33 dB.
    assert noisy.get_ydata() == pytest.approx([20 * np.log10(255 / sigma) for sigma in (15, 25, 50)], abs=0.33)


def test_generalisation_needs_three_levels_and_one_outside(measured):
    looks = styles(labels_of(leaderboards(gather(measured))))
    two = [record for record in measured if record.provenance["sigma"] != 50]
    untrained = [record for record in measured if record.provenance["label"] == "Gaussian"]
    for records in (two, untrained):
        assert generalisation_figure(leaderboards(gather(records)), looks) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Point(5, 30, (10, 20)), Point(15, 20, (10, 20)), [((5, 10), (30, 25), False), ((10, 15), (25, 20), True)]),
        (Point(25, 30, (25, 25)), Point(50, 20, (50, 50)), [((25, 50), (30, 20), True)]),  # a net for each sigma
        (Point(10, 30, (0, 10)), Point(50, 20, (0, 10)), [((10, 50), (30, 20), False)]),  # the range ends at the point
        (Point(10, 30, None), Point(50, 20, None), [((10, 50), (30, 20), True)]),
    ],
)
def test_lines_are_cut_where_the_range_ends(first, second, expected):
    assert cut_at_range(first, second) == expected
