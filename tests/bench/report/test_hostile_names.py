"""Names with markup, formulas and control characters: each output shows them letter by letter, and loses no row."""

import csv
import json
import re
from dataclasses import replace

import pytest
import typer

import bench
from bench.cli.app import main
from bench.cli.printing import print_outcomes
from bench.common.tables import json_text
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.report.console import plain
from bench.report.leaderboard import images_csv, leaderboards, rows_of_results, to_csv, to_json, to_markdown
from bench.report.live import Live
from bench.report.page.html import html
from bench.report.paper.files import texts
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import current, gather
from bench.studies.text_table import as_text, grid

NAMES = [
    "<script>alert(1)</script>", "a$_{$b$", "[/b][red]", "=HYPERLINK(1)", "+1+2", "-x", "@a", "\tx", "caf\udce9",
    "a\x1b[2J\nb", "\\input{x} & % #", "| x |", "[a](b) `c` *d* __e__", "\u202eabc", "\u200fa\u061cb\u200b\ufeff",
]  # fmt: skip


@pytest.fixture
def store(tmp_path, photographs):
    """Return a store with a record for each name, of a method, a dataset and an image of that name."""
    ((cell,), _) = plan(Request("gaussian", str(photographs), "25"))
    record, store = run_cell(cell, Settings("cpu", jobs=1)), Store(tmp_path / "out" / "runs")
    for number, name in enumerate(NAMES):
        about = record.provenance
        identity = about["identity"] | {"net": f"n{number}", "data": f"d{number}"}
        about = about | {
            "key": f"k{number}", "label": name, "identity": identity,
            "dataset": about["dataset"] | {"name": name, "title": name, "ledger": None},
        }  # fmt: skip
        image = name.encode(errors="backslashreplace").decode()
        rows = [{**record.images[0], "image": image}, *record.images[1:]]
        store.put(replace(cell, seed=number), replace(record, images=rows, provenance=about))
    return store


def test_every_output_has_every_name_and_none_takes_it_for_its_own(store, tmp_path, capsys):
    results = current(gather(store.scores()))
    assert len(results) == len(NAMES)
    boards = leaderboards(results)
    for text, count in ((to_csv(boards), len(NAMES)), (images_csv(results), 2 * len(NAMES))):
        (tmp_path / "t.csv").write_text(text, newline="")
        with (tmp_path / "t.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
        assert not [field for row in rows for field in row.values() if re.match(r"[=+@\t\r]|-[^0-9]", field)]
    labels = sorted(name.encode(errors="backslashreplace").decode() for name in NAMES)
    assert sorted(row["method"] for row in json.loads(to_json(boards))) == labels
    assert sorted(bench.load_results(store.folder).method) == labels

    from markdown_it import MarkdownIt

    page = MarkdownIt("commonmark").enable("table").render(to_markdown(boards))
    assert set(re.findall(r"</?(\w+)", page)) <= {
        "h1", "h2", "p", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"
    }  # fmt: skip
    assert page.count("<tr>") == 2 * len(NAMES)

    copied = [*texts(boards).values(), json_text(rows_of_results(boards))]
    assert all(line.isprintable() for text in copied for line in re.split(r"[\t\n]", text))

    shown = html(boards, (), {}, ())
    assert all(letter.isprintable() for letter in shown if letter != "\n")
    assert shown.count("\\u202eabc") >= 2  # of the dataset and of the method

    for words in (["compare-runs", "--a", str(store.folder), "--b", str(store.folder)], ["top", "--data", "[/b][red]"]):
        assert main([*words, *(["--out", str(store.folder.parent)] if words[0] == "top" else [])]) == 0
    printed = capsys.readouterr().out
    assert "[/b][red], gray, gaussian:25: PSNR dB" in printed
    assert all(line.isprintable() for line in printed.splitlines())


def test_what_a_study_says_shows_each_letter(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    made = grid(["method"], ["PSNR"])
    made.add_row("a\x1b[1mb", "30.00")
    with pytest.raises(typer.Exit):
        print_outcomes([*NAMES, Failure({"method": NAMES[-1]}, NAMES[-2]), as_text(made).rstrip(), "a\x9b2J"])
    said = capsys.readouterr()
    assert all(line.isprintable() for line in (said.out + said.err).split("\n"))
    shown = [line.split() for line in said.out.splitlines()[-3:]]
    assert shown == [["method", "PSNR"], ["a\\x1b[1mb", "30.00"], ["a\\x9b2J"]]


def test_no_name_begins_a_line_of_a_run_or_turns_it(photographs, capsys):
    ((cell,), _) = plan(Request("gaussian", str(photographs), "25"))
    name = "a\ndone  DnCNN\u202e"
    named = replace(cell, dataset=replace(cell.dataset, name=name, title=name))
    live = Live(plain(width=400))
    live.done(named, {"fallback": name, "seconds": {"total": 1.0}, "notes": [name], "warnings": [name]})
    live.note(name)
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == ["done", "note:", "warning:", "note:"]
    assert all(line.isprintable() for line in printed.splitlines())
