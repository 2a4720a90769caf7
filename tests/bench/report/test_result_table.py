"""The table of results in the terminal: order, marks, and names that are long or hostile."""

import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.common.interruption import CURRENT
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.report.live import Live
from bench.report.result_table import print_results, two_lines
from bench.run import campaign
from bench.run.campaign import run_campaign
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import Result


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Return the record of a small cell."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("one") / "photographs"
    folder.mkdir()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(folder / "a.png")
    ((cell,), _) = plan(Request("gaussian", str(folder), "25"))
    return run_cell(cell, Settings("cpu", jobs=1))


@pytest.fixture
def result(template):
    """Return a function that makes a result of any name and scores."""

    def make(label, psnr, *, dataset="set", noise=25):
        rows = [template.images[0] | {"image": f"{i}", "psnr": float(value)} for i, value in enumerate(psnr)]
        about = template.provenance | {
            "label": label, "dataset": template.provenance["dataset"] | {"name": dataset}, "sigma": float(noise),
            "degradation": f"gaussian:{noise}", "strength": float(noise),
        }  # fmt: skip
        return Result((replace(template, images=rows, provenance=about),))

    return make


def printed(results, width=None):
    text = StringIO()
    print_results(Console(file=text, width=width or 400, force_terminal=width is not None, highlight=False), results)
    return re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).splitlines()


EIGHT = np.linspace(25, 32, 8)
STEP = np.linspace(0.1, 0.2, 8)


def test_rows_stand_best_first_by_set_and_noise(result):
    some = [
        result(label, EIGHT + by, dataset=name, noise=noise)
        for name, noise, label, by in [
            ("zoo", 50, "low", 0), ("zoo", 15, "low", 1), ("zoo", 15, "high", 3), ("ant", 15, "low", 2),
            ("zoo", 50, "high", 2), ("ant", 15, "high", 4),
        ]
    ]  # fmt: skip
    rows = [line.split()[:3] for line in printed(some) if line.startswith(("low", "high"))]
    assert rows == [
        ["high", "zoo", "15"], ["low", "zoo", "15"], ["high", "zoo", "50"], ["low", "zoo", "50"],
        ["high", "ant", "15"], ["low", "ant", "15"],
    ]  # fmt: skip


def test_the_best_is_marked_only_where_the_images_tell_it_from_the_rest(result):
    mixed = STEP * [1, -1, 1, -1, 1, -1, 1, -1]
    lines = printed([result("worst", EIGHT - STEP), result("best", EIGHT + STEP), result("middle", EIGHT)])
    assert [line.split()[4] for line in lines if line.startswith("best")] == ["*"]
    assert any("* best" in line and "= not told" not in line for line in lines)
    lines = printed([result("one", EIGHT + mixed), result("other", EIGHT), result("worst", EIGHT - 5 * STEP)])
    assert [line.split()[4] == "=" for line in lines if line.startswith(("one", "other", "worst"))] == [
        True,
        True,
        False,
    ]
    assert any("= not told" in line and "* best" not in line for line in lines)
    assert not any("* best" in line for line in printed([result("alone", EIGHT)]))


LONG = ["my_network-trained-on-everything-v2-final-really-final", "BM3D (lambda_thr3d=2.7, profile=lc) x8", "网络" * 20]


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_long_name_has_two_lines_at_most_and_the_table_its_width(result, width):
    sets = ["folder photographs of the trip to the mountains, 2024-05", "set12"]
    lines = printed([result(name, EIGHT + i, dataset=data) for i, name in enumerate(LONG) for data in sets], width)
    assert max(map(cell_len, lines)) <= width
    head = next(number for number, line in enumerate(lines) if line.startswith("Method"))
    end = next(number for number, line in enumerate(lines) if line.startswith("protocol"))
    scores = [number for number in range(head, end) if re.search(r" \d\d\.\d\d ", lines[number])]
    assert len(scores) == 6
    following = np.diff([*scores, end])
    assert max(following) <= 3  # its two lines, and that of the next group
    together = "".join(line.split("  ")[0] for line in lines[head:end]).replace(" ", "")
    if width >= 100:
        assert all(name.replace(" ", "") in together for name in LONG)


def test_a_file_or_pipe_has_each_name_on_one_line(result):
    lines = printed([result(name, EIGHT) for name in LONG])
    assert sum(line.startswith(tuple(LONG)) for line in lines if "," not in line[-20:]) >= 2
    assert all(any(name in line and "28.50" in line for line in lines) for name in LONG)


@pytest.mark.parametrize(
    "name", ["[/b]", "[red]x", "a\x1b[2Jb", "a\nb", "a\tb", "\u202eabc", ":smile:", "caf\udce9", "<b>&amp;", "=1+1"]
)
def test_a_name_is_printed_as_it_stands_and_moves_no_cursor(result, name):
    for width in (None, 80):
        lines = printed([result(name, EIGHT), result("other", EIGHT + STEP)], width)
        shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
        (row,) = (line for line in lines if line.startswith(shown))
        assert "28.50" in row
        assert all(line.isprintable() for line in lines)


def test_two_lines_part_between_words_where_there_is_room():
    assert two_lines("one two three", 13) == "one two three"
    assert two_lines("one two three", 8) == "one two\nthree"
    assert two_lines("x" * 10, 5) == "xxxxx\nxxxxx"
    assert two_lines("abcdefghijkl", 4) == "abcd\n…jkl"
    for width in range(3, 30):
        for name in LONG:
            lines = two_lines(name, width).split("\n")
            assert len(lines) <= 2
            assert max(map(cell_len, lines)) <= width


def test_progress_counts_all_cells_and_says_what_is_left(tmp_path, photographs, monkeypatch):
    def some_fail(cells, settings, begin):
        for cell in cells:
            failed = cell.method.name == "gaussian"
            yield cell, Failure(cell.request, "no") if failed else run_cell(cell, settings)

    monkeypatch.setattr(campaign, "run_all", some_fail)
    screen = StringIO()
    cells, failures = plan(Request("median,gaussian", str(photographs), "15,25,50"))
    out = Console(file=screen, width=300)
    run_campaign(cells, Store(tmp_path / "runs"), Settings("cpu", jobs=1), Live(out, failures=False), failures)
    done = re.findall(r"done  Median.*; (\d) of 6(, about [\d.]+ s left)?$", screen.getvalue(), re.MULTILINE)
    assert len(done) == 3
    assert all(left for number, left in done if number != "6")
    again = StringIO()
    one = plan(Request("median", str(photographs), "10"))[0]
    run_campaign(one, Store(tmp_path / "runs"), Settings("cpu", jobs=1), Live(Console(file=again, width=300)))
    assert re.search(r"done  Median.*: [\d.]+ s$", again.getvalue(), re.MULTILINE)


def test_the_first_cell_of_several_is_forecast_by_earlier_records(tmp_path, photographs):
    store, screen = Store(tmp_path / "runs"), StringIO()
    run_campaign(plan(Request("median", str(photographs), "25"))[0], store, Settings("cpu", jobs=1))
    live = Live(Console(file=screen, width=300))
    cells = plan(Request("median", str(photographs), "15,50"))[0]
    live.waiting(cells, store, Settings("cpu", jobs=1))
    (record,) = store.scores()
    assert live.left.seconds() == pytest.approx(2 * record.provenance["seconds"]["total"], abs=0.05)
    assert live.remaining().startswith(", about ")


def test_an_interrupted_campaign_says_nothing_of_its_own(monkeypatch):
    for number, lines in ((0, ["2 cells in 3 s"]), (2, [])):
        screen = StringIO()
        monkeypatch.setattr(CURRENT, "number", number)
        Live(Console(file=screen, width=80)).ended(2, 3.0)
        assert screen.getvalue().splitlines() == lines
