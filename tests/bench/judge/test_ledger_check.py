"""Rows of the ledger as people may add them: right ones, and one fault each."""

import csv

import pytest

from bench.common.errors import BenchError
from bench.common.tables import numbered_rows
from bench.judge import ledger_check
from bench.judge.ledger_check import COLUMNS, problems
from bench.judge.tolerance import SOURCES

GOOD = {
    "method": "MyNet", "variant": "B", "dataset": "set12", "colour": "gray", "degradation": "gaussian:25",
    "protocol": "standard", "metric": "psnr", "value": "30.58", "image": "", "paper": "MyNet (X et al.)",
    "year": "2024", "table": "Table 2", "address": "https://arxiv.org/abs/2401.00001", "note": "",
}  # fmt: skip


@pytest.fixture
def with_row(tmp_path, monkeypatch):
    """Return a function that says what is wrong with a ledger of rows, given how each differs from a good one."""
    ledger, sources = tmp_path / "published.csv", tmp_path / "sources.csv"
    sources.write_text(f"{','.join(ledger_check.SOURCE_COLUMNS)}\n")
    monkeypatch.setattr(ledger_check, "LEDGER", ledger)
    monkeypatch.setattr(ledger_check, "SOURCES", sources)

    def written(*changes):
        with ledger.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(GOOD | change for change in changes)
        return problems()

    return written


def test_the_ledger_has_no_fault():
    assert problems() == []


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"image": "C.man"},
        {"dataset": "bsd68", "image": "test001"},
        {"protocol": "other", "note": "Y channel"},
        {"degradation": "poisson:30"},
        {"degradation": "gaussian niid case1", "protocol": "unstated"},
        {"metric": "params_M", "degradation": "", "dataset": "-", "value": "0.56"},
        {"dataset": "nam", "degradation": "pairs", "image": "whatever"},
        {"year": ""},
        {"metric": "ssim", "value": "-0.01"},
    ],
)
def test_what_a_row_may_say(with_row, change):
    assert with_row(change) == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"value": "30.58 dB"}, "'30.58 dB' is no number"),
        ({"value": ""}, "value is empty"),
        ({"value": "30,58"}, "'30,58' is no number"),
        ({"value": "nan"}, "'nan' is no number"),
        ({"value": "3.058e1"}, "is no number"),
        ({"value": "0.861"}, "psnr 0.861 lies outside 3 to 60"),
        ({"metric": "ssim", "value": "86.1"}, "ssim 86.1 lies outside -1 to 1"),
        ({"metric": "minutes", "value": "3"}, "unknown metric 'minutes'"),
        ({"metric": "PSNR"}, "unknown metric 'PSNR': did you mean psnr"),
        ({"protocol": "standart"}, "unknown protocol 'standart': did you mean standard"),
        ({"protocol": "clipped"}, "needs a note"),
        ({"colour": "grey"}, "unknown colour 'grey': did you mean gray"),
        ({"dataset": "Set12"}, "unknown dataset 'Set12': did you mean set12"),
        ({"dataset": "set99"}, "ELSEWHERE"),
        ({"image": "Cman"}, "unknown image of set12 'Cman'"),
        ({"image": "01"}, "unknown image of set12 '01'"),
        ({"degradation": ""}, "degradation ''"),
        ({"degradation": "25"}, "degradation '25' is written gaussian:25"),
        ({"degradation": "gausian:25"}, "degradation 'gausian:25'"),
        ({"address": "github:me/mine:README.md"}, "is no https address"),
        ({"address": "http://arxiv.org/abs/1"}, "is no https address"),
        ({"address": ""}, "address is empty"),
        ({"year": "24"}, "year '24' is none"),
        ({"method": " MyNet"}, "method begins or ends with a space"),
        ({"method": ""}, "method is empty"),
    ],
)
def test_a_fault_is_one_line_with_the_number_of_its_row(with_row, change, cause):
    (found,) = with_row({"table": "Table 3", "value": "30.6"}, change)
    assert found.startswith("published.csv, line 3: ")
    assert cause in found
    assert "\n" not in found


def test_a_number_that_stands_twice_is_found(with_row):
    assert "line 3: line 2 has a number of the same place already" in with_row({}, {"value": "30.59"})[0]
    assert "line 3: line 2 has this number already" in with_row({}, {"paper": "Copy", "address": "https://b.org"})[0]
    assert with_row({}, {"table": "Table 3", "value": "30.59"}) == []


@pytest.mark.parametrize(
    ("header", "row", "cause"),
    [
        (COLUMNS[:-1], COLUMNS[:-1], "lacks 'note'"),
        ((*COLUMNS, "psnr"), (*COLUMNS, "x"), "has unknown 'psnr'"),
        ((*COLUMNS[:-1], "method"), COLUMNS, "lacks 'note' and has twice 'method'"),
        (COLUMNS, COLUMNS[:-1], "line 2: has 13 fields, and there are 14 columns"),
        (COLUMNS, (*COLUMNS, "y"), "line 2: has 15 fields, and there are 14 columns"),
        ((), (), "lacks 'method'"),
        ((";".join(COLUMNS),), (";".join(COLUMNS),), "told apart by semicolons"),
    ],
)
def test_columns_and_fields_are_those_of_the_ledger(tmp_path, header, row, cause):
    path = tmp_path / "table.csv"
    path.write_text(f"{','.join(header)}\n{','.join(row)}\n")
    with pytest.raises(BenchError, match=r"table\.csv") as error:
        numbered_rows(path, COLUMNS)
    assert cause in str(error.value)


def test_what_is_no_csv_file_is_said(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "quotes.csv").write_text(f'{",".join(COLUMNS)}\n{",".join(COLUMNS[:-1])},""a, b""\n')
    with pytest.raises(BenchError, match=r"quotes\.csv, line 2: is no line of a CSV file"):
        numbered_rows(tmp_path / "quotes.csv", COLUMNS)
    for name in ("x.csv", "nowhere.csv", "."):
        with pytest.raises(BenchError, match="CSV file"):
            numbered_rows(tmp_path / name, COLUMNS)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"paper": "Nobody"}, "no row of published.csv is of Nobody"),
        ({"draw": "matlab"}, "unknown draw 'matlab': did you mean matlab-0"),
        ({"address": "github:x"}, "is no https address"),
        ({"evidence": ""}, "evidence is empty"),
        ({"rules": "standard,noisy=klip"}, "rules: "),
        ({"sigma": "patches:0"}, "SIGMA=patches:0: "),
    ],
)
def test_sources_are_checked_too(tmp_path, monkeypatch, change, cause):
    with SOURCES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / "sources.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows([rows[0], rows[1] | change])
    monkeypatch.setattr(ledger_check, "SOURCES", path)
    (found,) = problems()
    assert found.startswith("sources.csv, line 3: ")
    assert cause in found
