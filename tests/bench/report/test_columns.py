"""One list of columns feeds every table: what it says in one place it says in all."""

import csv
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from bench.judge import verified
from bench.plan.request import Request, plan
from bench.report.build import build
from bench.report.columns import columns, stored
from bench.report.columns import text as cell_text
from bench.report.console import console
from bench.report.leaderboard import images_csv, leaderboards, to_csv, to_markdown
from bench.report.page.html import html
from bench.report.terminal import Live, print_results
from bench.run.campaign import run_campaign
from bench.run.engine import run_all
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.score import metrics
from bench.score.metrics import METRICS, SHOWN, Shown
from bench.store.records import Store, read
from bench.store.results import gather


class Tables(HTMLParser):
    """The tables of a page that are of its records: for each the heading above it, and its rows of cells."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.title, self.place = [], "", ""
        boards = page.partition('<h2 id="published-numbers"')[0]
        self.feed(boards[boards.index("<h3") :])  # without the matrix of all

    def handle_starttag(self, tag, attrs):
        if tag == "h3":
            self.title, self.place = "", "h3"
        if tag == "table":
            self.tables.append((self.title, []))
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("th", "td"):
            self.tables[-1][1][-1].append("")
            self.place = "cell"

    def handle_endtag(self, tag):
        if tag in ("h3", "th", "td"):
            self.place = ""

    def handle_data(self, data):
        if self.place == "h3":
            self.title += data
        if self.place == "cell":
            self.tables[-1][1][-1][-1] += data.strip()


def run(folder, photographs, methods, noise, change=lambda about: about):
    """Run methods on photographs, and return the store and the page; `change` is made to what records say."""
    store = Store(folder / "runs")
    cells, failures = plan(Request(methods, str(photographs), noise))
    assert not failures
    for cell, record in run_all(cells, Settings("cpu", jobs=1)):
        store.put(cell, replace(record, provenance=change(record.provenance)))
    return store, build(folder, pictures_each=1)


def rows_of(path):
    return list(csv.DictReader(path.open()))


def markdown_rows(page):
    lines = (page.parent / "report.md").read_text().splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]


def mean_absolute_error(reference, image):
    return (reference.double() - image.double()).abs().mean(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("shown", "form", "axis"),
    [({}, ".4f", "MAE"), ({"mae": Shown("MAE", "grey levels", ".3f", "low")}, ".3f", "MAE (grey levels)")],
)
def test_a_metric_that_is_added_is_in_records_tables_files_and_charts(
    tmp_path, photographs, monkeypatch, shown, form, axis
):
    monkeypatch.setitem(METRICS, "mae", mean_absolute_error)
    monkeypatch.setattr(metrics, "SHOWN", SHOWN | shown)
    store, page = run(tmp_path, photographs, "median,wavelet", "25")
    expected = {}
    for path in store.paths():
        record = read(path)
        for row in record.images:
            clean = np.array(Image.open(next(photographs.glob(f"{row['image']}.*"))), float)
            output = np.frombuffer(row["denoised"], np.uint8).reshape(clean.shape)
            expected[record.provenance["label"], row["image"]] = np.abs(output - clean).mean()
            assert row["mae"] == pytest.approx(expected[record.provenance["label"], row["image"]])
            # The mean of the absolute value of a normal variable is sqrt(2 / pi) times its deviation.
            assert row["noisy_mae"] == pytest.approx(25 * np.sqrt(2 / np.pi), rel=0.03)
    assert {(r["method"], r["image"]): float(r["mae"]) for r in rows_of(page.parent / "images.csv")} == pytest.approx(
        expected
    )
    means = {
        label: np.mean([value for (method, _), value in expected.items() if method == label])
        for label in ("Median", "Wavelet")
    }
    board = {row["method"]: row for row in rows_of(page.parent / "leaderboard.csv")}
    assert {label: float(board[label]["mae"]) for label in means} == pytest.approx(means, abs=1e-4)
    assert all(float(row["noisy_mae"]) == pytest.approx(19.95, rel=0.03) for row in board.values())

    printed = {label: format(value, form) for label, value in means.items()}
    ((_, (head, *rows)),) = Tables(page.read_text()).tables
    assert {cells[0]: cells[head.index("MAE")] for cells in rows} == printed
    head, _, *rows = markdown_rows(page)
    assert {cells[0]: cells[head.index("MAE")] for cells in rows} == printed
    screen = StringIO()
    print_results(Console(file=screen, width=160), gather(store.scores()))
    head, *lines = screen.getvalue().splitlines()[1:4]
    assert "MAE" in head.split()
    for line, (label, value) in zip(lines, printed.items(), strict=True):
        assert line.split()[0] == label
        assert value in line.split()
    drawn = next(page.parent.glob("charts/*-metrics.svg")).read_text()
    assert all(text in drawn for text in (axis, *printed.values()))
    assert "PSNR, SSIM, MSE and MAE" in page.read_text()


def test_the_page_says_what_the_file_says(tmp_path, photographs):
    def of_bsd68(about):
        published = ["DnCNN", "S"] if about["label"] == "Wavelet" else None
        return about | {
            "method": "",  # of a registered one the registry says what was published
            "net": about["net"] | {"published": published},
            "dataset": about["dataset"] | {"ledger": ["bsd68", "gray"]},
        }

    _, page = run(tmp_path, photographs, "wavelet,median", "15,25,gaussian:mean=0.1,std=0.1", of_bsd68)
    rows = {(r["method"], r["degradation"]): r for r in rows_of(page.parent / "leaderboard.csv")}
    names = {
        "PSNR (dB)": "psnr", "difference": "psnr_difference", "allowed ±": "psnr_allowed", "SSIM": "ssim",
        "MSE": "mse", "noisy PSNR (dB)": "noisy_psnr", "noise (dB)": "noise_psnr",
        "noise, peak 255 (dB)": "noise_psnr_peak_255_of_white_1", "seeds": "seeds",
    }  # fmt: skip
    seen = set()
    for title, (head, *shown) in Tables(page.read_text()).tables:
        noise = title.partition(", protocol")[0].replace("σ = ", "gaussian:")
        for cells in shown:
            row = rows[cells[0], noise]
            for name, cell in zip(head, cells, strict=True):
                if name in names and cell != "–":
                    decimals = len(cell.partition(".")[2])
                    assert float(cell) == pytest.approx(float(row[names[name]]), abs=0.5 * 10**-decimals + 1e-4)
                    seen.add(name)
                elif name in names:
                    assert row[names[name]] == ""
            assert cells[head.index("verdict")] == row["verdict"]
            papers = [cell for name, cell in zip(head, cells, strict=True) if name == "paper"]
            assert [c.replace("–", "") for c in papers] == [row["psnr_published"], row["ssim_published"]][: len(papers)]
    assert seen == set(names)
    assert {r["verdict"] for r in rows.values()} >= {"below", "not published"}


def test_the_runtime_stands_beside_the_seconds(tmp_path, photographs):
    """Two results that differ in nothing but what computed them look different wherever seconds stand."""
    ran = {
        "Median": {"runtime": "Python", "device": "cpu", "jobs": 4, "threads": 1},
        "Wavelet": {"runtime": "torch compiled", "device": "cuda:0 (NVIDIA H100)", "jobs": 1, "threads": 2},
        "NLM": {"runtime": "torch", "device": "cpu", "jobs": 1, "threads": 1, "fallback": "it cannot be exported"},
    }
    expected = {
        "Median": "Python ×4", "Wavelet": "torch compiled, cuda:0 (NVIDIA H100)", "NLM": "torch ×1"
    }  # fmt: skip
    store, page = run(tmp_path, photographs, "median,wavelet,nlm", "25", lambda about: about | ran[about["label"]])
    results = gather(store.scores())
    seconds = {result.label: np.mean([row["seconds"] for row in result.records[0].images]) for result in results}

    files = rows_of(page.parent / "leaderboard.csv"), rows_of(page.parent / "images.csv")
    for rows in files:
        assert {row["method"]: row["runtime"] for row in rows} == expected
    assert {row["method"]: float(row["seconds"]) for row in files[0]} == pytest.approx(seconds, rel=1e-3)
    ((_, (head, *shown)),) = Tables(page.read_text()).tables
    markdown_head, _, *markdown_shown = markdown_rows(page)
    for names, rows in ((head, shown), (markdown_head, markdown_shown)):
        place = names.index("s/image")
        assert names[place + 1] == "runtime"
        assert {row[0]: row[place + 1] for row in rows} == expected
        assert {row[0]: float(row[place]) for row in rows} == pytest.approx(seconds, rel=1e-2)
    screen = StringIO()
    print_results(Console(file=screen, width=240), results)
    assert all(word in screen.getvalue() for text in expected.values() for word in text.split())  # folded where long
    notes = {row["method"]: row["notes"] for row in files[0]}
    footnote = "NLM ran in PyTorch, since onnxruntime cannot: it cannot be exported"
    assert all(footnote in said for said in (screen.getvalue(), page.read_text(), notes["NLM"]))


def test_what_is_to_be_known_of_a_result_stands_under_every_table(tmp_path, photographs):
    """A note of how a model was understood and a warning of a false number, in terminal, page, Markdown and CSV."""
    said = {
        "Median": {"notes": ["returns the noise; subtracted"], "warnings": []},
        "NLM": {"notes": [], "warnings": ["lies farther from the clean image than the noisy one"]},
    }
    store, page = run(tmp_path, photographs, "median,nlm", "25", lambda about: about | said[about["label"]])
    screen = StringIO()
    print_results(Console(file=screen, width=240), gather(store.scores()))
    rows = {row["method"]: row for row in rows_of(page.parent / "leaderboard.csv")}
    markdown = next(page.parent.glob("*.md")).read_text()
    whole = (screen.getvalue(), page.read_text(), markdown)
    for text in (*whole, rows["Median"]["notes"]):
        assert re.search("Median on folder [^:]*: returns the noise; subtracted", text)
    for text in (*whole, rows["NLM"]["notes"]):
        assert re.search("WARNING: NLM on folder [^:]*: lies farther from the clean image than the noisy one", text)
    assert "NLM" not in rows["Median"]["notes"]
    assert rows["NLM"]["warnings"] == said["NLM"]["warnings"][0]
    assert rows["Median"]["warnings"] == ""


def test_a_note_is_printed_when_a_cell_is_done(tmp_path, photographs):
    method = tmp_path / "mine.py"
    method.write_text(
        "def denoise(noisy, sigma):\n    return noisy\n\ndenoise.notes = ('takes the image as it is',)\n"
    )  # fmt: skip
    screen = StringIO()
    cells, _ = plan(Request(str(method), str(photographs), "25"))
    done = run_campaign(cells, Store(tmp_path / "runs"), Settings("cpu", jobs=1), Live(Console(file=screen, width=240)))
    assert "note: mine: takes the image as it is" in screen.getvalue()
    assert done.records()[0].provenance["notes"] == ["takes the image as it is"]


def test_the_spread_over_seeds_stands_in_every_table(tmp_path, photographs):
    """Held against pandas, from the table of images that has each seed."""
    store = Store(tmp_path / "runs")
    cells, _ = plan(Request("wavelet", str(photographs), "25,50", seed="0-2"))
    cells += plan(Request("gaussian", str(photographs), "25"))[0]
    for cell, record in run_all(cells, Settings("cpu", jobs=1)):
        store.put(cell, record)
    results = gather(store.scores())
    boards = leaderboards(results)
    page, markdown = html(boards, [], {}, []), to_markdown(boards)
    images = pd.read_csv(StringIO(images_csv(results)))
    means = images.groupby(["method", "degradation", "seed"])[["psnr", "ssim", "mse"]].mean()
    spread = means.groupby(["method", "degradation"]).std(ddof=1)
    table = pd.read_csv(StringIO(to_csv(boards))).set_index(["method", "degradation"])
    for metric in ("psnr", "ssim", "mse"):
        assert spread.loc[("Wavelet", "gaussian:25"), metric] > 0
        for noise in ("gaussian:25", "gaussian:50"):
            expected = spread.loc[("Wavelet", noise), metric]
            assert table.loc[("Wavelet", noise), f"{metric}_deviation"] == pytest.approx(expected, rel=1e-3)
    assert np.isnan(table.loc[("Gaussian", "gaussian:25"), "psnr_deviation"])

    shown = f"{spread.loc[('Wavelet', 'gaussian:25'), 'psnr']:.2g}"
    explained = "over seeds 0, 1, 2 of Wavelet; ± is the standard deviation over them"
    text = StringIO()
    print_results(Console(file=text, width=120), results)
    head, *lines = (line.split() for line in text.getvalue().splitlines() if line)
    assert head.count("±") == 1
    (wavelet,) = (line for line in lines if line[0] == "Wavelet" and "25" in line)
    assert shown in wavelet
    assert explained in " ".join(text.getvalue().split())
    assert f"| {shown} |" in markdown
    assert explained in markdown
    assert explained in page
    cells = {cell for _, rows in Tables(page).tables for row in rows for cell in row}
    assert shown in cells


def test_names_are_printed_as_they_stand(capsys):
    live = Live(console())
    live.note("pairs.zip:b: [red] :smile:")
    live.begin(SimpleNamespace(label="[red]", data_label="set[/]:b:", degradation="25"))
    live.bar.console.print(live.bar.make_tasks_table(live.bar.tasks))
    printed = capsys.readouterr().out
    assert "note: pairs.zip:b: [red] :smile:" in printed
    assert "[red], set[/]:b:, 25" in printed


def test_a_table_fits_the_terminal_and_names_what_it_leaves_out(tmp_path, photographs):
    store = Store(tmp_path / "runs")
    for cell, record in run_all(plan(Request("wavelet,gaussian", str(photographs), "25"))[0], Settings("cpu", jobs=1)):
        store.put(cell, record)
    results = gather(store.scores())
    for width in (70, 80, 100, 120, 200):
        text = StringIO()
        print_results(Console(file=text, width=width, force_terminal=True), results)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).splitlines()
        assert max(map(len, lines)) <= width
        head = next(line for line in lines if line.startswith("Method"))
        said = " ".join(lines)
        for heading in ("SSIM", "MSE", "noisy dB", "s/image", "Runtime"):
            assert (heading in head) != (f"{heading}," in said or f"{heading};" in said), (width, heading)
        for heading in ("Method", "Data", "Noise", "PSNR dB", "Verdict"):
            assert heading in head
        assert ("s/image" in head) == ("Runtime" in head)
        assert ("Runtime" in head) == (width >= 120)
        (row,) = (line for line in lines if line.startswith("Wavelet"))
        assert re.search(r" \d\d\.\d\d ", row)
        assert row.rstrip().endswith("not published")


def test_the_page_has_the_states_of_the_published_numbers(one_cell, photographs):
    page = html(leaderboards(gather([run_cell(one_cell("median", photographs))])), (), {}, ())
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition('<h2 id="published-numbers"')[2], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows if "<td" in row]
    with verified.TABLE.open(newline="", encoding="utf-8") as table:
        lines = [line for line in csv.DictReader(table) if line["dataset"] == "set12" and line["method"] == "ADNet"]
    for variant in ("", "B"):
        of_it = [line["verdict"] for line in lines if line["variant"] == variant]
        (shown,) = (row for row in cells if row[:2] == [f"ADNet {variant}".strip(), "set12"])
        assert shown[2:4] == [str(len(of_it)), str(of_it.count("reproduced"))]


@pytest.mark.parametrize("value", ["32.859", "32.86", "32.9", "33", "32.8501", "-0.004", "32.85"])
@pytest.mark.parametrize("measured", [32.8546, 32.855, 32.845, 32.8499999, 32.8501, -0.0049, 100.004])
def test_the_difference_is_that_of_the_numbers_as_they_are_shown(value, measured):
    published = SimpleNamespace(metric="psnr", value=value, number=float(value))
    verdict = SimpleNamespace(published=published, difference=measured - float(value), is_of_a_claim=False, allowed=0.1)
    row = SimpleNamespace(verdicts={"psnr": verdict}, result=SimpleNamespace(mean=lambda name: measured))
    names = ("psnr", "psnr_published", "psnr_difference")
    by_name = {column.name: column for column in columns("file", [])}
    texts = [cell_text(by_name[name], row, "") for name in names]
    shown, paper, difference = map(Decimal, texts)
    assert texts[1] == value
    assert shown - paper == difference
    assert abs(shown - Decimal(measured)) <= Decimal(10) ** shown.as_tuple().exponent / 2
    assert -shown.as_tuple().exponent == max(2, -paper.as_tuple().exponent)
    assert texts[2] != "-0.00"
    assert stored(by_name["psnr_difference"], row) == pytest.approx(measured - float(value), abs=5e-5)


def test_the_difference_of_a_published_noise_is_to_the_column_of_that_convention():
    published = SimpleNamespace(metric="psnr_noise_255", value="60.123", number=60.123)
    verdict = SimpleNamespace(published=published, difference=0.0006, is_of_a_claim=False)
    row = SimpleNamespace(verdicts={"psnr": verdict}, result=SimpleNamespace(mean=lambda name: 60.1236 - 48.1308))
    by_name = {column.name: column for column in columns("file", [])}
    assert cell_text(by_name["psnr"], row, "") == "11.99"
    assert cell_text(by_name["noise_psnr_peak_255_of_white_1"], row, "") == "60.124"
    assert cell_text(by_name["psnr_difference"], row, "") == "+0.001"
