import csv
import re
import subprocess
from collections import Counter

import pytest

from bench.judge import verified
from bench.judge.ledger import ledger
from bench.report.site.build import build, matrix
from bench.report.site.history import history

ROW = {
    "method": "DnCNN", "variant": "S", "dataset": "set12", "colour": "gray", "degradation": "gaussian:25",
    "metric": "psnr", "image": "", "paper": "P", "table": "T", "stated": "standard", "published": "30.436",
}  # fmt: skip


def measured(**words):
    return ROW | {
        "measured": "30.4361", "difference": "0.0001", "allowed": "0.0015", "verdict": "reproduced", "cause": "",
        "protocol": "matlab0", "seeds": "0",
    } | words  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return build(verified.committed(), verified.TABLE, folder)


def test_each_number_stands_there_with_its_state_and_its_source(site):
    page = site.read_text()
    body = page[page.index('id="all"') :]
    states = Counter(re.findall(r'<tr data-state="([^"]+)"', body))
    assert states == Counter(map(verified.state, verified.committed()))
    assert verified.sentence(states) in page
    rows = list(csv.DictReader((site.parent / "numbers.csv").open(newline="")))
    assert len(rows) == len(verified.committed())
    row = next(r for r in ledger() if (r.method, r.variant, r.dataset, r.degradation, r.metric, r.image)
               == ("DnCNN", "S", "set12", "gaussian:25", "psnr", ""))  # fmt: skip
    lines = [
        line
        for line in re.findall(r"<tr data-state.*?</tr>", body, re.DOTALL)
        if all(f">{text}<" in line for text in ("DnCNN S", "set12", "gaussian:25", "PSNR", row.value))
    ]
    assert any(row.address in line for line in lines)


def test_it_asks_nothing_of_the_network(site):
    assert not re.findall(r'(?:src="|<link[^>]*href="|url\(|@import)(?!data:|#)', site.read_text())


def test_a_number_that_nobody_measured_yet_has_its_row(tmp_path):
    page = build([ROW | {"method": "New<b>", "variant": ""}], verified.TABLE, tmp_path).read_text()
    assert "New&lt;b&gt;" in page
    assert "New<b>" not in page
    assert 'data-state="not measured"' in page


def test_the_matrix_has_measured_beside_published(tmp_path):
    from bench.report.site.build import Number

    rows = [
        measured(),
        measured(degradation="gaussian:5", published="38.1", measured="38.0512", verdict="below", cause="x"),
    ]
    table = matrix([Number(row, None, []) for row in rows])
    assert [board.degradation for board in table.boards] == ["gaussian:5", "gaussian:25"]
    (row,) = (row for row in table.rows if row.measured)
    shown = [row.cells[board.anchor]["psnr"] for board in table.boards]
    assert [(v.text, v.published, v.verdict) for v in shown] == [
        ("38.05", "38.1", "explained"), ("30.436", "30.436", "reproduced")
    ]  # fmt: skip


def test_the_history_of_a_number_is_that_of_its_table(tmp_path):
    table = tmp_path / "verify.csv"

    def git(*words):
        who = ("-c", "user.name=n", "-c", "user.email=e@x")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init", "-q")
    for number, verdict in (
        ("30.40", "below"),
        ("30.40", "below"),
        ("30.43604", "reproduced"),
        ("30.43602", "reproduced"),
    ):
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(measured()))
            writer.writeheader()
            writer.writerow(measured(measured=number, verdict=verdict))
        git("add", ".")
        git("commit", "-qm", "x", "--allow-empty")
    (changes,) = history(table).values()
    assert [(c.measured, c.verdict) for c in changes] == [("30.4000", "below"), ("30.4360", "reproduced")]
    assert history(tmp_path / "no" / "verify.csv") == {}
