"""The page in Chromium: what is chosen, sorted, opened and copied. Numbers come from the table images.csv and SciPy."""

import re

import numpy as np
import pytest
from scipy import stats

from bench.report.site.build import build as build_site
from tests.bench.report.browser.conftest import HOSTILE

pytestmark = pytest.mark.xdist_group("browser")


def column(page, place: int, table: str = "#matrix table") -> list[str]:
    """The texts of a column of the rows that are seen, without what stands below a number."""
    script = r"""([table, place]) => [...document.querySelector(table).tBodies[0].rows].filter((row) => !row.hidden)
        .map((row) => row.cells[place])
        .map((cell) => [...cell.querySelectorAll("b")].find((one) => one.offsetParent) || cell)
        .map((shown) => shown.textContent.trim().replace(/in \d of \d$/, ""))"""
    return page.evaluate(script, [table, place])


def test_the_matrix_sorts_by_mouse_and_by_keyboard(opened):
    page = opened()
    head = page.locator("#matrix thead th[data-board]").first
    place = int(head.get_attribute("data-place"))
    assert page.locator('#matrix th[aria-sort="ascending"]').inner_text().startswith("Rank")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"  # PSNR: the best first
    falling = [float(text) for text in column(page, place) if text]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 1
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(page, place) if text] == falling[::-1]
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator('#matrix th[aria-sort]:not([aria-sort="none"])').count() == 1


def test_the_matrix_is_filtered_and_says_how_much_is_left(opened, until):
    page = opened()
    names, form = column(page, 0), page.locator("#filters")
    assert HOSTILE in names
    assert len(names) == 3
    form.get_by_label("Method", exact=True).fill("wave")
    assert column(page, 0) == ["Wavelet"]
    assert page.locator("#shown").inner_text().startswith("1 of ")
    form.get_by_label("Method", exact=True).fill("a$_{$b`")
    assert column(page, 0) == [HOSTILE]
    form.get_by_role("button", name="Clear").click()
    until(page, "document.querySelector('#shown').textContent.startsWith('3 of')")

    heads = page.locator("#matrix thead th[data-board]:visible")
    assert heads.count() == 3
    form.get_by_label("Images").select_option(label="BSD68")
    assert heads.count() == 1
    assert page.locator("#matrix th.group:visible").all_inner_texts() == ["BSD68"]
    form.get_by_label("Images").select_option("")
    form.locator("[name=noise]").select_option(label="σ = 50")
    assert heads.all_inner_texts() == ["σ = 50"]
    form.locator("[name=noise]").select_option("")

    form.get_by_label("published numbers of").check()
    everything = column(page, 0)
    assert "DnCNN S" in everything
    form.get_by_label("Family").select_option("published")
    assert set(column(page, 0)) == set(everything) - set(names)


def test_another_metric_has_its_own_numbers_and_its_own_order(opened, numbers):
    page = opened()
    page.get_by_label("Metric").first.select_option("mse")
    head = page.locator('#matrix thead th[data-board]:not([data-dataset="bsd68"])', has_text="σ = 50")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"  # of errors the least is the best
    mse = {label: np.mean(list(numbers(label, "gaussian:50", "mse").values())) for label in column(page, 0)}
    assert column(page, 0) == sorted(mse, key=mse.get)
    place = int(head.get_attribute("data-place"))
    assert [float(text) for text in column(page, place)] == pytest.approx(sorted(mse.values()), abs=0.05)
    ranks = column(page, 1)
    assert all(re.fullmatch(r"[1-3]\.\d", rank) for rank in ranks)


def test_a_row_has_its_details_and_its_command_is_copied(opened):
    page = opened()
    row = page.locator("table.sortable tbody tr", has=page.get_by_role("button", name="All about Wavelet")).first
    button = row.get_by_role("button", name="All about Wavelet")
    button.focus()
    page.keyboard.press("Enter")
    detail = page.locator("tr.detail").first
    detail.get_by_role("button", name="Copy").click()
    (line,) = page.evaluate("copied")
    assert re.match(r"make bench METHOD=wavelet DATA=", line)
    assert line in detail.inner_text()
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    button.click()
    assert not detail.is_visible()


def test_tables_are_copied_as_a_paper_takes_them(opened, until):
    page = opened()
    page.get_by_role("button", name="Copy all tables as LaTeX").click()
    page.get_by_role("button", name="Copy this table as Markdown").first.click()
    until(page, "copied.length === 2")
    latex, markdown = page.evaluate("copied")
    assert "\\toprule" in latex
    assert "Wavelet" in latex
    assert "\\$" in latex  # the label with markup, escaped
    assert markdown.count("|") > 10


def test_paired_differences_are_those_of_scipy(opened, numbers):
    page = opened()
    box = page.locator('details.compare[data-board*="50"]')
    box.locator("summary").click()
    box.get_by_label("Baseline").select_option(label="Wavelet")
    box.get_by_label("Against it").select_option(label=HOSTILE)
    base, other = numbers("Wavelet", "gaussian:50"), numbers(HOSTILE, "gaussian:50")
    difference = np.array([other[image] - base[image] for image in base])
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)

    row = box.locator("tbody tr", has=page.locator("th, td", has_text=HOSTILE)).first
    _, mean, interval, wins, worst = [text.replace("−", "-") for text in row.locator("th, td").all_inner_texts()]
    assert float(mean) == pytest.approx(difference.mean(), abs=0.0006)
    assert [float(end) for end in interval.split(" to ")] == pytest.approx([low, high], abs=0.0006)
    assert wins == f"{round(100 * np.mean(difference > 0))} %"
    assert worst.startswith(list(base)[int(difference.argmin())])

    images = box.locator("table").last.locator("tbody tr")
    listed = [line.split("\t") for line in images.all_inner_texts()]
    assert [cells[0].strip() for cells in listed] == sorted(base, key=lambda image: other[image] - base[image])
    shown = [float(cells[-1].replace("−", "-")) for cells in listed]
    assert shown == pytest.approx(sorted(difference), abs=0.0006)


@pytest.mark.parametrize("width", [1280, 400])
def test_names_beside_the_intervals_are_not_cut_off(opened, width):
    page = opened(width=width)
    box = page.locator('details.compare[data-board*="50"]')
    box.locator("summary").click()
    lefts = box.locator("svg.plot").first.evaluate(
        """plot => [...plot.querySelectorAll("text[text-anchor=end]")].map(
            text => text.getBoundingClientRect().left - plot.getBoundingClientRect().left)"""
    )
    assert len(lefts) == 2
    assert min(lefts) >= 0
    table = box.locator(".stacked .wide").first
    assert width < 1280 or table.evaluate("table => table.scrollWidth <= table.clientWidth")


def test_intervals_are_those_of_students_t_for_every_number_of_images(opened):
    page = opened()
    freedom = [1, 2, 5, 9, 10, 11, 23, 67, 1000]
    assert page.evaluate("(all) => all.map(report.student)", freedom) == pytest.approx(
        [stats.t.ppf(0.975, n) for n in freedom], rel=1e-3
    )
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30))
    a[0] = b[0]  # a tie is half a win
    found = page.evaluate("([a, b]) => report.paired(a, b, 'low')", [a.tolist(), b.tolist()])
    assert found["wins"] == pytest.approx((np.sum(a < b) + 0.5) / 30)
    assert found["mean"] == pytest.approx(np.mean(a - b))


def test_the_theme_changes_and_is_kept(opened):
    page = opened()
    back = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light, button = back(), page.locator("#theme")
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert back() != light
    page.reload()
    assert page.locator("#theme").inner_text() == "Theme: dark"
    assert back() != light


def test_a_filter_of_a_study_is_shown_at_the_chosen_pixel(opened):
    page = opened()
    page.locator("details.filters summary").click()
    box = page.locator("details.filters")
    box.get_by_text("filter at 3,4: sum 1.000").wait_for()
    box.get_by_label("Row", exact=True).fill("7")
    box.get_by_role("button", name="Show").click()
    assert "Pixel 7,4 is not stored; the nearest is 3,4, 4 px away" in box.inner_text()
    box.get_by_role("button", name="Copy").click()
    assert page.evaluate("copied") == ["make explain METHOD=bf PIXEL=7,4"]


def test_a_page_of_one_file_works_alone(opened, alone, until):
    page = opened(alone)
    page.get_by_role("button", name="All about Wavelet").first.click()
    assert "METHOD=wavelet" in page.locator("tr.detail").first.inner_text()
    page.locator("details.compare summary").first.click()
    page.locator("details.compare .compared table").first.wait_for()
    page.locator("button.view").first.click()
    until(page, "document.querySelectorAll('#viewer canvas').length === 5")
    broken = "[...document.images].filter((one) => one.complete && !one.naturalWidth).map((one) => one.alt)"
    assert page.evaluate(broken) == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The leaderboard of made-up rows, of two methods on two sets."""
    from bench.judge import verified

    rows = [row for row in verified.committed() if row["dataset"] in ("set12", "bsd68")]
    rows = [row for row in rows if row["method"] in ("DnCNN", "FFDNet", "BM3D")]
    return build_site(rows, verified.TABLE, tmp_path_factory.mktemp("site"))


def test_the_leaderboard_shows_the_numbers_of_a_cell(opened, site, findings):
    page = opened(site)
    total = page.locator("#all tbody tr").count()
    seen = page.locator("#all tbody tr:visible")
    assert 0 < seen.count() < total  # those of single images are asked for
    page.get_by_label("numbers of single images").check()
    assert seen.count() == total
    page.get_by_label("numbers of single images").uncheck()
    page.get_by_label("State").select_option("reproduced")
    assert set(page.locator("#all tbody tr:visible").evaluate_all("rows => rows.map(r => r.dataset.state)")) == {
        "reproduced"
    }
    page.locator("#choose").get_by_role("button", name="Clear").click()
    label = page.locator("#matrix tbody tr:visible").first.get_attribute("data-label")
    page.locator("#matrix tbody tr:visible").first.locator("td a:visible").first.click()
    assert {text.strip() for text in page.locator("#all tbody tr:visible th").all_inner_texts()} == {label}
    assert not findings(page)
