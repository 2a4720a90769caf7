"""Files of figures: what a page can hold, what publishers take, the same bytes each time, whatever names say."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.judge import verified
from bench.report.figures.charts import GROUPS, drawings, make_charts, paper_figures, without_charts
from tests.bench.report.synthetic import boards_of, record

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"

HOSTILE = (
    "a$_{$b",
    "$\\foo{",
    "_net",
    "<b>&amp;",
    "\udc80\udcff",
    "x\x00\x1b[1m\ny",
    "[/b]",
    "=1+1",
    "id=\"x\" 'y'",
    "網",
)


@pytest.fixture(scope="module")
def boards():
    """Return two noise levels of methods with names that are no names."""
    records = [
        record(label, sigma, [40 - sigma / 2 - place / 9, 38 - sigma / 2], 40 - sigma, seconds=1 + place)
        for sigma in (15, 25)
        for place, label in enumerate(HOSTILE)
    ]
    return [replace(board, title="set $_{$ <i>") for board in boards_of(*records)]


@pytest.fixture(scope="module")
def made(boards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("charts")
    return make_charts(boards, folder, ("png",)), folder


@pytest.fixture(scope="module")
def roots(made):
    return [ElementTree.fromstring(chart.svg) for chart in made[0]]


def test_a_page_with_all_figures_has_each_id_once_and_every_link_ends(roots):
    ids = [element.get("id") for root in roots for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 40
    for root in roots:
        mine = {element.get("id") for element in root.iter()}
        links = [element.get(HREF).removeprefix("#") for element in root.iter() if element.get(HREF)]
        links += re.findall(r"url\(#([^)]*)\)", " ".join(v for e in root.iter() for v in e.attrib.values()))
        links += root.get("aria-labelledby").split()
        assert set(links) <= mine
        assert len(links) > 2


def test_a_figure_says_what_it_is(made, roots):
    charts, _ = made
    assert [chart.kind for chart in charts] == ["committed", "levels", "paired", "metrics", "cost"]
    for chart, root in zip(charts, roots, strict=True):
        title, description = root[0], root[1]
        assert (root.get("role"), title.tag, description.tag) == ("img", f"{SVG}title", f"{SVG}desc")
        assert title.text == chart.title
        assert description.text == chart.description
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert charts[1].title == "set $_{$ <i>: PSNR against noise"


def test_a_figure_takes_the_colours_and_the_font_of_the_page_and_leaves_its_rules_alone(roots):
    for root in roots:
        assert not list(root.iter(f"{SVG}style"))
        assert not list(root.iter(f"{SVG}metadata"))
        styles = [element.get("style", "") for element in root.iter()]
        assert not re.search(r"(?<!, )#(1c1e21|62676d|dcdfe3|ffffff|000000)", " ".join(styles))
        assert "var(--ink, #1c1e21)" in " ".join(styles)
        texts = list(root.iter(f"{SVG}text"))
        assert len(texts) > 5
        fonts = {re.search(r"font-family: ([^;]*)", text.get("style"))[1] for text in texts}
        assert fonts == {"sans-serif"}
        assert {re.search(r"font-size: ([^;]*)", text.get("style"))[1] for text in texts} == {"8px"}


def test_names_are_shown_letter_by_letter(roots):
    shown = ["".join(text.itertext()) for root in roots[1:] for text in root.iter(f"{SVG}text")]
    for name in ("a$_{$b", "$\\foo{", "_net", "<b>&amp;", "\\udc80\\udcff", "[/b]", "=1+1", "id=\"x\" 'y'", "網"):
        assert shown.count(name) >= 6, name
    assert "x\ufffd\ufffd[1m y" in shown


def test_figures_drawn_twice_are_equal(made, boards, tmp_path, monkeypatch):
    monkeypatch.setattr(verified, "committed", tuple)
    make_charts(boards, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2 * (len(made[0]) - 1)
    for file in files:
        assert file.read_bytes() == (made[1] / file.name).read_bytes(), file.name


def test_a_further_format_is_saved_and_an_unknown_one_named(made, boards, tmp_path):
    with Image.open(next(made[1].glob("*-metrics.png"))) as image:
        assert image.format == "PNG"
    assert {path.suffix for path in made[1].iterdir()} == {".svg", ".pdf", ".png"}
    with pytest.raises(BenchError, match="FORMAT=gif: charts are saved as svg, pdf, png"):
        make_charts(boards, tmp_path, ("gif",))


def test_a_paper_gets_each_figure_in_both_widths_with_letters_of_eight_points_and_truetype(made, boards, tmp_path):
    charts, drawn = made
    pdfs = paper_figures(boards, tmp_path, drawn)
    assert len(pdfs) == 2 * len(charts)
    for kind in ("committed", "levels", "paired", "metrics", "cost"):
        assert len([path for path in pdfs if f"-{kind}-" in path.name]) == 2
    for path in pdfs:
        content = path.read_bytes()
        inches = 3.5 if "one-column" in path.name else 7.16
        (box,) = re.findall(rb"/MediaBox \[ 0 0 (\S+) ", content)
        assert float(box) == pytest.approx(72 * inches, abs=0.01)
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        svg = path.with_suffix(".svg").read_text()
        assert f'width="{72 * inches:g}pt"' in svg
        assert set(re.findall(r"font-size: (\w+)", svg)) == {"8px"}


def test_datasets_of_the_most_results_have_charts_and_the_others_are_named():
    boards = [
        replace(board, dataset=f"set {place}", title=f"Set {place}")
        for place in range(GROUPS + 2)
        for board in boards_of(record("a", 25, [30.0]), *[record("b", 25, [29.0])] * (place >= 2))
    ]
    assert without_charts(boards) == ["Set 0", "Set 1"]
    assert {drawing.dataset for drawing in drawings(boards)} == {"", *(f"set {i}" for i in range(2, GROUPS + 2))}


def test_groups_of_many_results_have_charts_until_all_have_their_number(monkeypatch):
    monkeypatch.setattr("bench.report.figures.charts.RESULTS", 4)
    boards = [
        replace(board, dataset=f"set {place}", title=f"Set {place}")
        for place, methods in enumerate(["ab", "abc", "a", "abcde"])
        for board in boards_of(*(record(name, 25, [30.0]) for name in methods))
    ]
    assert without_charts(boards) == ["Set 0", "Set 1", "Set 2"]  # the largest has its charts, however large
    assert without_charts(boards[:3]) == ["Set 0"]  # three, then what still fits: one
