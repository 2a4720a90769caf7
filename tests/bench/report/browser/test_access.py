"""Who reads the page otherwise: by a screen reader, on a phone, in the dark, on paper."""

import pytest

from bench.report.page.html import html
from tests.bench.report.synthetic import boards_of, record

pytestmark = pytest.mark.xdist_group("browser")

OUTSIDE = """(scrolled) => { const wide = document.documentElement.clientWidth;
    return [...document.body.querySelectorAll("*")].filter((one) => one.getClientRects().length
        && one.getBoundingClientRect().right > wide + 1 && !one.parentElement.closest(scrolled))
        .map((one) => one.outerHTML.slice(0, 120)); }"""
UNSEEN = ".unseen"
SCROLLED = ".unseen, .wide, .matrix, .panels, .chart, .scroll, .plotted"


@pytest.mark.parametrize(("width", "theme"), [(400, "dark"), (1280, "light"), (2560, "dark")])
def test_no_serious_finding_and_nothing_wider_than_the_page(opened, findings, width, theme):
    page = opened(width=width, theme=theme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.get_by_role("button", name="All about Wavelet").first.click()
    page.locator("details.compare .compared table").last.wait_for()
    page.get_by_label("published numbers of").check()
    assert not findings(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE, SCROLLED) == []


def test_marks_of_methods_stand_out_on_both_backgrounds(opened):
    page = opened()
    luminance = """(colour) => { const c = document.createElement("canvas").getContext("2d");
        c.fillStyle = colour; c.fillRect(0, 0, 1, 1);
        return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0); }"""
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        colours = page.locator("#matrix .mark").evaluate_all("all => all.map((one) => getComputedStyle(one).color)")
        back = page.evaluate(luminance, page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert colours
        for colour in colours:
            light, dark = sorted((page.evaluate(luminance, colour), back), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3, (theme, colour)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_paper_is_white_and_cuts_nothing(opened, theme):
    page = opened(width=688, theme=theme)  # A4 less its margins, at 96 dots an inch
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    page.emulate_media(media="print", color_scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.evaluate(OUTSIDE, UNSEEN) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    heads = page.locator("thead th:visible", has_text="verdict")
    assert heads.count() >= 1
    assert all(box["x"] + box["width"] <= 688 for box in (head.bounding_box() for head in heads.all()))
    assert not page.locator("#filters").is_visible()


def test_a_matrix_of_thirty_columns_fits_on_paper_laid_across(opened, tmp_path):
    numbers = [record(f"Method {m}", sigma, [30.0, 31.0 + m]) for m in range(4) for sigma in range(1, 31)]
    for one in numbers:
        one.provenance["net"]["given_sigma"] = False
    (tmp_path / "wide.html").write_text(html(boards_of(*numbers), (), {}, ()), encoding="utf-8")
    page = opened(tmp_path / "wide.html", width=1017)  # the long side of A4 less its margins
    page.emulate_media(media="print")
    assert page.locator("#matrix").evaluate("(box) => getComputedStyle(box).page") == "many"
    head = page.locator("#matrix thead th[data-board]")
    assert head.count() == 30
    box = head.last.bounding_box()
    assert box["x"] + box["width"] <= 1017
    size = page.locator("#matrix td b:visible").last.evaluate("(text) => parseFloat(getComputedStyle(text).fontSize)")
    assert size >= 5  # 3.75 pt
