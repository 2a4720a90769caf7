import csv
import json
import math
import random
import re
import struct
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.judge.audit_findings import OVERLAP, Finding, write
from bench.report.build import build
from bench.report.figures.styles import style
from bench.report.images import BoardImage
from bench.report.leaderboard import leaderboards
from bench.report.page.html import html
from bench.report.page.sections.boards import grid, real_noise
from bench.report.page.sections.build import make_sections
from bench.report.page.sections.chest import chest
from bench.report.page.sections.colours import shade
from bench.report.page.sections.files import LONG, Answer, StudyFiles
from bench.report.page.sections.plot import Axis, Series, plot
from bench.report.page.sections.search import pareto_front
from bench.report.page.sections.training import curve_of
from bench.store.records import Record, described
from bench.store.results import gather
from bench.store.study_files import About, read_about, table_of, write_about
from methods import trained_here
from methods.sealed_json import sealed

HOSTILE = '</script><b onclick="x">\'a$_{$b`[/b]\u2028=1+1'
SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg):
    """Return the places of the marks of a plot, and its texts."""
    root = ElementTree.fromstring(str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    moved = [group.get("transform", "") for group in root.iter(f"{SVG}g")]
    places = [tuple(map(float, re.findall(r"-?[\d.]+", text))) for text in moved if text]
    return places, [text.text for text in root.iter() if text.text]


@pytest.mark.parametrize(
    ("log", "values"), [(False, (1.0, 2.0, 4.0)), (True, (1.0, 10.0, 1000.0)), (False, (-3e6, 0.0, 6e6))]
)
def test_points_lie_where_their_axis_says(log, values):
    points = [(value, value, "") for value in values]
    axis = Axis("a", log=log)
    places, _ = drawn(plot("t", axis, axis, [Series("s", style(0), points)]))
    on = [math.log10(value) if log else value for value in values]
    for along, sign in ((0, 1), (1, -1)):
        (a, b, c) = (place[along] for place in places)
        assert (c - b) / (b - a) == pytest.approx((on[2] - on[1]) / (on[1] - on[0]), rel=0.01)
        assert (b - a) * sign > 0  # up is more, and so is right
        assert all(0 < place[along] < (440, 280)[along] for place in places)


def test_what_has_no_place_is_left_out():
    points = [(math.nan, 1, ""), (1, math.inf, ""), (-1, 1, ""), (0, 1, ""), (5, 2, "")]
    log = Axis("a", log=True)
    assert len(drawn(plot("t", log, Axis("b"), [Series("s", style(0), points)]))[0]) == 1
    assert plot("t", log, Axis("b"), [Series("s", style(0), points[:4])]) == ""
    assert plot("t", log, Axis("b"), []) == ""


def test_any_label_is_text_in_a_plot():
    axes = Axis(HOSTILE, names=[HOSTILE]), Axis(HOSTILE)
    svg = plot(HOSTILE, *axes, [Series(HOSTILE, style(0), [(0, 1, HOSTILE)])])
    _, texts = drawn(svg)  # it is well-formed
    assert texts.count(HOSTILE) == 6
    assert "<b " not in svg


def relative_luminance(colour):
    """As WCAG 2.1 defines it, of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    levels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_numbers_are_read_on_every_colour_and_more_is_lighter():
    pairs = [[relative_luminance(colour) for colour in shade(i / 200)] for i in range(201)]
    assert all((max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5 for pair in pairs)
    assert all(a[0] <= b[0] for a, b in pairwise(pairs))


def test_none_beats_a_candidate_on_the_front():
    chance = random.Random(0)
    for _ in range(50):
        costs, scores = ([chance.randint(0, 6) for _ in range(12)] for _ in range(2))
        beaten = {
            i
            for i in range(12)
            for j in range(12)
            if costs[j] <= costs[i] and scores[j] >= scores[i] and (costs[j], scores[j]) != (costs[i], scores[i])
        }
        front = pareto_front(costs, scores)
        assert {(costs[i], scores[i]) for i in front} == {(costs[i], scores[i]) for i in range(12) if i not in beaten}
        assert [costs[i] for i in front] == sorted({costs[i] for i in front})


COLUMNS = {
    "where": ("kind,part,method,images,pixels_share,error_share,mse,psnr", "all,all,{},3,1,1,99.5,28.25"),
    "residuals": (
        "method,patches,of,mean,deviation,skewness,kurtosis,statistic,p,normal,patches_normal,noise_distance",
        "{},9,residual,0.5,24.5,0.01,-0.02,2.5,0.3,yes,0.95,1.25",
    ),
    "segment": ("input,psnr,mean_iou,accuracy,iou sky", "{},28.25,0.5,0.75,"),
    "compare": (
        "method,against,metric,tie,images,difference,low,high,wins,p_corrected",
        "{},NLM,psnr,False,3,0.5,0.25,0.75,1,0.01",
    ),
    "selfscore": (
        "dataset,degradation,method,images,self_score,standard_error,self_rank,behind,behind_error,psnr,rank",
        "cc15,pairs,{},3,12.5,1,1,0,0,,",
    ),
    "explain": (
        "method,dataset,image,degradation,kind,locally_linear,y,x,sum_of_weights,effective_radius,filter_norm,"
        "net_bias_to_residual",
        "{},builtin,camera,gaussian:25,flat,yes,3,4,1,2,0.5,0.1",
    ),
}
"""Of each study the columns that its section needs, and a row for a method."""


def leave(out, study, label="Median", name="one", rows=1):
    """Leave a table of a study in an output folder."""
    heads, row = COLUMNS[study]
    (out / study).mkdir(parents=True, exist_ok=True)
    quoted = '"' + label.replace('"', '""') + '"'
    (out / study / f"{name}.csv").write_text("\n".join([heads, *[row.replace("{}", quoted)] * rows]) + "\n")


def page(out, boards=(), **how):
    said = []
    made = make_sections(out, boards, said.append, **how)
    return html(boards, (), {}, (), made.data if how else None, sections=made.sections), said


@pytest.mark.parametrize("study", COLUMNS)
def test_a_table_stands_on_the_page_with_its_labels_as_text(tmp_path, study):
    leave(tmp_path, study, HOSTILE)
    write_about(tmp_path / study / "one", HOSTILE, f"make {study} METHOD={HOSTILE}")
    text, said = page(tmp_path)
    assert not said
    assert f'<h2 id="{study}">' in text
    assert "<b onclick" not in text
    assert "&lt;/script&gt;&lt;b onclick=" in text
    assert (tmp_path / "report" / "studies" / study / "one.csv").read_bytes() == (
        tmp_path / study / "one.csv"
    ).read_bytes()


@pytest.mark.parametrize("study", COLUMNS)
@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "it lacks the columns"),
        (b"a,b\n1,2\n", "it lacks the columns"),
        (b"\x89PNG\xff\xfe\x00\x01", "it cannot be read as a table"),
        ("no row", "it has no row"),
        ("number", "line 2: could not convert string to float"),
        ("short", "line 2 lacks"),
    ],
)
def test_a_table_that_is_none_is_named_and_the_others_stay(tmp_path, study, content, cause):
    leave(tmp_path, study, "Median")
    heads, row = COLUMNS[study]
    broken = {"no row": heads, "number": f"{heads}\n{re.sub('[0-9]', 'x', row)}", "short": f"{heads}\nx"}
    text = broken[content].encode() if isinstance(content, str) else content
    (tmp_path / study / "two.csv").write_bytes(text)
    shown, (line,) = page(tmp_path)
    assert line.startswith(f"left out {tmp_path / study / 'two.csv'}: {cause}")
    assert shown.count("<h3>one</h3>") == 1
    assert not (tmp_path / "report" / "studies" / study / "two.csv").exists()


def test_foreign_files_beside_a_table_are_named(tmp_path):
    leave(tmp_path, "where")
    folder = tmp_path / "where"
    (folder / "one.png").write_bytes(b"GIF89a")
    (folder / "one.pdf").write_bytes(b"%PDF")
    (folder / "lone.png").write_bytes(b"")
    (folder / "list.json").write_text("[1]")
    (folder / "notes.txt").write_text("mine")
    (folder / "x.csv").mkdir()
    leave(tmp_path, "where", name="two")
    (folder / "two.json").write_text('{"title": 3}')
    leave(tmp_path, "where", name="three")
    (folder / "three.json").write_bytes(b"\xff{")
    shown, said = page(tmp_path)
    names = [line.removeprefix(f"left out {folder}/").partition(":")[0] for line in said]
    assert names == ["list.json", "lone.png", "notes.txt", "one.png", "three.csv", "two.csv"]
    assert all("\n" not in line for line in said)
    assert shown.count("<h3>one</h3>") == 1


def test_a_picture_is_copied_with_its_size_and_what_is_gone_is_removed(tmp_path):
    leave(tmp_path, "compare")
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / "compare" / "one.png")
    text, said = page(tmp_path)
    assert not said
    assert 'src="studies/compare/one.png" width="30" height="20"' in text
    (tmp_path / "compare" / "one.png").unlink()
    mine = tmp_path / "report" / "studies" / "compare" / "mine.txt"
    mine.write_text("")
    assert "one.png" not in page(tmp_path)[0]
    assert sorted(path.name for path in mine.parent.iterdir()) == ["mine.txt", "one.csv"]


def test_a_long_table_is_loaded_when_it_is_opened(tmp_path):
    leave(tmp_path, "where", rows=LONG + 1)
    leave(tmp_path, "compare", rows=LONG)
    text, _ = page(tmp_path)
    assert text.count("<td>28.25</td>") == 0
    assert text.count('<td class="left">NLM</td>') == LONG
    (later,) = (tmp_path / "report" / "data").glob("*.js")
    content = json.loads(later.read_text().partition(",")[2].removesuffix(");\n"))
    assert len(content["rows"]) == LONG + 1
    assert {row[6] for row in content["rows"]} == {"28.25"}


def test_a_page_in_one_file_has_all_within_it(tmp_path):
    leave(tmp_path, "where", HOSTILE, rows=LONG + 1)
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "where" / "one.png")
    text, _ = page(tmp_path, one_file=True)
    assert not (tmp_path / "report").exists()
    assert 'src="data:image/png;base64,' in text
    inside = dict(re.findall(r'<script type="application/json" data-name="([^"]+)">(.*?)</script>', text, re.DOTALL))
    (content,) = (json.loads(code) for name, code in inside.items() if name.startswith("data/table-"))
    assert content["rows"][0][1] == HOSTILE


def test_the_same_files_give_the_same_page(tmp_path):
    for study in COLUMNS:
        for name in ("b", "a"):
            leave(tmp_path, study, name=name)
    first, again = page(tmp_path), page(tmp_path)
    assert first == again
    assert str(tmp_path) not in first[0]


def test_nothing_is_there_where_nothing_was_left(tmp_path):
    assert make_sections(tmp_path, (), pytest.fail).sections == ()
    assert not (tmp_path / "report").exists()


def test_studies_alone_make_a_report(tmp_path):
    with pytest.raises(BenchError, match="nothing to report"):
        build(tmp_path)
    leave(tmp_path, "compare")
    text = build(tmp_path).read_text()
    assert '<h2 id="compare">' in text
    assert "make bench METHOD=" in text  # what a person types to measure


def test_what_was_asked_comes_back(tmp_path):
    write_about(tmp_path / "x-7.5-a", "σ \udcff", "make where", filters={"a": 1})
    assert read_about(tmp_path / "x-7.5-a").content["filters"] == {"a": 1}
    assert read_about(tmp_path / "of-before").title == "of-before"
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(BenchError, match="it lacks the columns psnr"):
        table_of(tmp_path / "t.csv", ("a",), ("psnr",))


def test_the_audit_says_what_it_found_or_that_it_found_nothing(tmp_path):
    found = Finding(OVERLAP, "set12", "04", "train400", "test_020", "crop", 0.29, 0.99, 3.0, 0.5, "at 1,2")
    write([found], tmp_path / "audit" / "one.csv")
    write([], tmp_path / "audit" / "two.csv")
    write([replace(found, problem="unheard of")], tmp_path / "audit" / "three.csv")
    text, (line,) = page(tmp_path)
    assert "04 shares 29 % of its pixels with train400/test_020" in text
    assert "No test image of these sets was found in another one." in text
    assert "three.csv: it has a problem that make audit does not know" in line


FILTER = {"kind": "flat", "y": 3, "x": 4, "sum": 1.0, "radius": 1.0, "weights": [0.0, 1.0, 0.0, 0.0]}
ROW = {"noise": "gaussian:25", "psnr": 30.0, "noisy": "aGk=", "denoised": "aGk=", "filters": [FILTER]}
FILTERS = {"ask": "make explain METHOD=a", "image": "camera", "window": [0, 0, 8, 8], "rows": [ROW]}


@pytest.mark.parametrize(
    ("changed", "usable"),
    [
        ({}, True),
        ({"rows": [ROW | {"psnr": None}]}, True),
        ({"rows": [ROW | {"noisy": "javascript:alert(1)//"}]}, False),
        ({"rows": [ROW | {"filters": [FILTER | {"weights": [1, 2, 3]}]}]}, False),
        ({"rows": [ROW | {"filters": [FILTER | {"weights": []}]}]}, False),
        ({"rows": [ROW | {"filters": [FILTER | {"sum": math.inf}]}]}, False),
        ({"rows": 3}, False),
        ({"window": "here"}, False),
        ({"window": [1, 2]}, False),
    ],
)
def test_filters_are_shown_where_they_are_filters(tmp_path, changed, usable):
    leave(tmp_path, "explain")
    text = json.dumps({"title": "t", "command": "make explain", "filters": FILTERS | changed})
    (tmp_path / "explain" / "one.json").write_text(text)
    shown, said = page(tmp_path)
    assert ("Choose a pixel" in shown, len(said)) == (usable, not usable)
    assert '<h2 id="explain">' in shown  # the table stays


RAN = {
    "started": "2026-01-01",
    "seconds": 1.0,
    "device": "cpu",
    "runtime": "x",
    "jobs": 1,
    "threads": 1,
    "fallback": "",
}
SCORES = {
    "noisy_psnr": 20.0,
    "noisy_ssim": 0.3,
    "noisy_mse": 625.0,
    "noise_psnr": 30.0,
    "self_mse": None,
    "seconds": 1.0,
}


@pytest.fixture
def of_method(one_cell, photographs):
    """Return a function that makes a record of a method, of drawn scores, as if its images had other names."""
    chance = random.Random(3)

    def record(method, noise="25", **about):
        images = [
            {"image": name, "height": 48, "width": 64, "told_sigma": None, "psnr": chance.uniform(25, 35),
             "ssim": chance.uniform(0.5, 1), "mse": chance.uniform(10, 90), **SCORES}
            for name in ("camera", "coins")
        ]  # fmt: skip
        known = described(one_cell(method, photographs, noise)) | RAN
        return Record(images, known | {"dataset": known["dataset"] | about.pop("dataset", {})} | about)

    return record


def test_grids_of_all_methods_have_one_scale(of_method):
    one, chance = of_method("median", "gaussian:mean=0.1,std=0.1"), random.Random(1)
    places = [(mean, std) for mean in ("0.01", "0.3") for std in ("0.1", "0.5")]
    scores = {
        (m, *place): (chance.uniform(9, 40), chance.uniform(9, 40)) for m in ("Median", "NLM") for place in places
    }
    records = []
    for (label, mean, std), (psnr, noise) in scores.items():
        rows = [row | {"psnr": psnr, "noise_psnr": noise, "noisy_psnr": 20.0} for row in one.images]
        degradation = f"gaussian:mean={mean},std={std}"
        identity = one.provenance["identity"] | {"net": label, "degradation": degradation}
        about = one.provenance | {"label": label, "degradation": degradation, "identity": identity}
        records.append(Record(rows, about))
    boards = leaderboards(gather(records))
    (part,) = grid(boards).parts
    tables = {table.caption: table for table in part.tables}
    assert part.command.startswith("make bench METHOD=median")
    assert set(tables) == {"noisy input: image", *(f"{m}: {w}" for m in ("Median", "NLM") for w in ("image", "noise"))}
    for (label, mean, std), numbers in scores.items():
        for expected, what in zip(numbers, ("image", "noise"), strict=True):
            table = tables[f"{label}: {what}"]
            (row,) = (row for row in table.rows if row[0] == mean)
            assert row[table.heads.index(std)].text == f"{expected:.2f}"
    for what in ("image", "noise"):
        cells = [c for caption, t in tables.items() if caption.endswith(what) for row in t.rows for c in row[1:]]
        by_number = sorted(cells, key=lambda cell: float(cell.text))
        assert (by_number[0].colour, by_number[-1].colour) == (shade(0)[0], shade(1)[0])
    assert grid(boards[:1]) is None


def test_real_noise_has_the_score_without_reference_beside_it(of_method):
    records = [of_method(method, degradation="pairs", dataset={"name": "cc15"}) for method in ("median", "gaussian")]
    boards = leaderboards(gather(records))
    rows = [
        {"method": "Median", "self_score": 9.5, "self_rank": 2.0},
        {"method": "agreement", "kendall": "-0.33", "clear_alike": "0.5", "regret": "1.25"},
    ]  # fmt: skip
    rows = [{"dataset": "cc15", "degradation": "pairs", "images": 2.0} | row for row in rows]
    other = [row | {"dataset": "polyu", "self_score": 1.0} for row in rows]
    fewer = [row | {"images": 1.0, "self_score": 2.0} for row in rows]
    answers = [Answer("x", About("t"), found) for found in (fewer, rows, other)]
    (part,) = real_noise(boards, answers).parts
    (table,) = part.tables
    shown = {row[0]: dict(zip(table.heads[1:], row[1:], strict=True)) for row in table.rows}
    median = shown["Median"]
    psnr = np.mean([image["psnr"] for image in records[0].images])
    assert list(median.values()) == [f"{psnr:.2f}", "9.50", "2"]
    assert list(shown["Gaussian"].values())[1:] == ["–", "–"]
    (remark,) = part.remarks
    assert "self-score of 2 images" in remark
    assert "tau -0.33" in remark
    assert "same order: 50.0 %" in remark
    assert real_noise(leaderboards(gather([of_method("median")])), answers) is None


def test_radiographs_have_a_chart_of_each_metric_and_one_image_in_every_version(of_method, tmp_path, monkeypatch):
    one = of_method("median", dataset={"name": "pneumonia-mnist", "noise_name": "pneumonia-mnist"})
    records = []
    for sigma in (15, 25):
        about = {"degradation": f"gaussian:{sigma}", "strength": float(sigma)}
        identity = one.provenance["identity"] | {"degradation": about["degradation"]}
        records.append(Record(one.images, one.provenance | about | {"identity": identity}))
    boards = leaderboards(gather(records))
    clean, noisy, denoised = np.random.default_rng(0).uniform(-20, 275, (3, 28, 30, 1)).astype(np.float32)
    clean, denoised = (np.clip(image, 0, 255).astype(np.uint8) for image in (clean, denoised))
    given = BoardImage("0001", clean, noisy, (denoised,))
    monkeypatch.setattr(
        "bench.report.page.sections.chest.board_images", lambda store, of, each: {b.anchor: [given] for b in of}
    )
    charts, *versions = chest(StudyFiles(tmp_path, pytest.fail), boards).parts
    assert [figure.caption for figure in charts.figures] == ["PSNR.", "SSIM.", "MSE."]
    places, texts = drawn(charts.figures[0].svg)
    assert len([place for place in places if len(place) == 2]) == 2
    assert {"48 px, σ = 15", "48 px, σ = 25"} <= set(texts)
    for part in versions:
        assert [figure.caption for figure in part.figures] == ["clean", "noisy", "Median"]
        seen = [np.array(Image.open(tmp_path / "report" / figure.address)) for figure in part.figures]
        expected = (clean, np.clip(noisy, 0, 255), denoised)
        assert all(np.abs(a - b[..., 0].astype(float)).max() <= 0.5 for a, b in zip(seen, expected, strict=True))
    assert chest(StudyFiles(tmp_path, pytest.fail), leaderboards(gather([of_method("median")]))) is None


def test_every_training_record_of_this_project_is_a_curve():
    known, problems = trained_here.records()
    assert not problems
    for path, record in known.items():
        curve = curve_of(record, path.name)
        for stage in curve.stages:
            assert list(stage) == sorted(stage, key=lambda row: row[0])
            assert all(a[1] <= b[1] for a, b in pairwise(stage))
        steps, seconds, *_ = curve.stages[-1][-1]
        assert steps <= record["steps"], path
        assert seconds == pytest.approx(record["seconds"], rel=0.15), path
        for stage in record.get("stages", [record]):
            scores = [row["psnr"] for row in stage["history"]]
            drawn_scores = [[row[3] for row in one] for one in curve.stages]
            if stage.get("unit", curve.unit) == curve.unit and "stage" not in stage["history"][0]:
                assert scores in drawn_scores


def test_networks_of_the_leaderboards_have_their_training(of_method, tmp_path):
    path, record = next((p, r) for p, r in trained_here.records()[0].items() if p.name.startswith("dncnn@own-small"))
    weights = {"path": "x", "sha256": record["sha256"], "record": path.name}
    boards = leaderboards(gather([of_method("median", weights=weights)]))
    (section,) = make_sections(tmp_path, boards, pytest.fail).sections
    (row,) = section.parts[0].tables[0].rows
    assert row[0] == record["label"]
    assert row[2:5] == (str(record["steps"]), f"{record['seconds'] / 60:.1f}", f"{record['held_out_psnr']:.2f}")
    assert path.name in row[5]
    # The same record in the output folder is no second curve; what is none is named.
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "copy.json").write_text(json.dumps(record))
    (tmp_path / "training" / "none.json").write_text(sealed({}))
    bare = record | {"held_out_psnr": 60.0}
    del bare["checksum"]
    (tmp_path / "training" / "no-checksum.json").write_text(json.dumps(bare))
    by_hand = record | {"sha256": "0" * 64, "checksum": "none"}
    (tmp_path / "training" / "other.json").write_text(json.dumps(by_hand))
    said = []
    (section,) = make_sections(tmp_path, boards, said.append).sections
    assert [row[0] for row in section.parts[0].tables[0].rows] == [
        record["label"],
        f"{record['label']}, by a record changed by hand",
    ]
    assert [line.split(": ", 1)[1].partition(" (")[::2] for line in said] == [
        ("it tells of no training", "it cannot be read as JSON (it has no checksum "
         '(write "checksum": "none" in it if you changed it yourself)))'),
        ("it tells of no training", "KeyError: 'recipe')"),
    ]  # fmt: skip


def test_a_training_that_is_not_over_shows_how_far_it_came(tmp_path):
    torch = pytest.importorskip("torch")
    folder = tmp_path / "training"
    folder.mkdir()
    rows = [
        {"step": 10, "loss": 2.0, "psnr": 25.5, "seconds": 60.0},
        {"step": 20, "loss": 1.0, "psnr": 26.5, "seconds": 150},
    ]
    state = {"history": rows, "step": 23, "steps": 90, "best_score": 26.5, "seconds": 180.0}
    torch.save(state, folder / "net-7.5.ckpt")
    torch.save(state | {"history": []}, folder / "begun.ckpt")
    torch.save([1], folder / "list.ckpt")
    content = (folder / "net-7.5.ckpt").read_bytes()
    place = content.index(struct.pack(">d", 26.5))  # as pickle writes a float
    (folder / "flipped.ckpt").write_bytes(content[:place] + b"\x41" + content[place + 1 :])
    shipped = next(trained_here.FOLDER.glob("dncnn@own-small*.json")).read_text()
    (folder / "flip.json").write_text(shipped.replace('"held_out_psnr": 2', '"held_out_psnr": 6'))
    (folder / "torn.ckpt").write_bytes(b"PK")
    (folder / "mwr.siamese.sealed").write_bytes(b"")
    said = []
    (section,) = make_sections(tmp_path, (), said.append).sections
    ((label, _, steps, minutes, score, _),) = section.parts[0].tables[0].rows
    assert (label, steps, minutes, score) == ("net-7.5, 23 of 90 steps", "23", "3.0", "26.50")
    assert [line.removeprefix(f"left out {folder}/").partition(":")[0] for line in said] == [
        "flip.json", "flipped.ckpt", "list.ckpt", "torn.ckpt",
    ]  # fmt: skip
    record = next(r for p, r in trained_here.records()[0].items() if p.name.startswith("dncnn@own-small"))
    (folder / "net-7.5.json").write_text(json.dumps(record))  # it is over now
    (section,) = make_sections(tmp_path, (), said.append).sections
    assert [row[0] for row in section.parts[0].tables[0].rows] == [record["label"]]


def test_files_beside_a_page_are_tables(tmp_path):
    leave(tmp_path, "segment")
    page(tmp_path)
    rows = list(csv.DictReader((tmp_path / "report" / "studies" / "segment" / "one.csv").open()))
    assert rows[0]["mean_iou"] == "0.5"
