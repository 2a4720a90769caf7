"""`make top`: the table of a dataset, held against the ledger, the committed table and the records themselves."""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from bench.cli.app import main
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.records import Store

RESULTS = Path(__file__).resolve().parents[3] / "results"


def rows_of(table, **wanted):
    rows = csv.DictReader(table.open(newline="", encoding="utf-8"))
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_each_number_is_there_with_its_place_what_it_is_and_its_source(tmp_path, capsys):
    table = tmp_path / "t.csv"
    assert main(["top", "--data", "set12", "--noise", "25", "--table", str(table), "--out", str(tmp_path)]) == 0
    found = rows_of(table)
    of_set = {"dataset": "set12", "colour": "gray", "degradation": "gaussian:25", "metric": "psnr", "image": ""}
    published, verified = (rows_of(RESULTS / name, **of_set) for name in ("published.csv", "measured/verify.csv"))
    assert {(row["method"], row["value"]) for row in found if row["origin"] == "published"} == {
        (f"{row['method']} {row['variant']}".strip(), row["value"]) for row in published
    }
    measured = {row["key"]: row for row in verified if row["measured"]}.values()  # a cell, however many papers print it
    assert [row["value"] for row in found if row["origin"] == "measured"] == sorted(
        (f"{float(row['measured']):.2f}" for row in measured), key=float, reverse=True
    )
    values = [float(row["value"]) for row in found]
    assert values == sorted(values, reverse=True)
    assert [int(row["place"]) for row in found] == [1 + sum(other > value for other in values) for value in values]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "set12, gray, gaussian:25: PSNR dB"
    printed = [line.split() for line in lines[3 : 3 + len(found)]]
    assert [line[:2] for line in printed] == [[row["place"], row["value"]] for row in found]
    assert all(row["source"] and row["protocol"] for row in found)


def test_own_records_stand_among_them(tmp_path, photographs, capsys):
    out, table = tmp_path / "out", tmp_path / "t.json"
    run_campaign(
        plan(Request("median,gaussian", str(photographs), "15,25"))[0], Store(out / "runs"), Settings("cpu", jobs=1)
    )
    for name in (str(photographs), "photographs", "folder photographs"):
        assert main(["top", "--data", name, "--noise", "25", "--out", str(out), "--table", str(table)]) == 0
        printed = capsys.readouterr().out
        assert "your record, seed 0" in printed
        assert "Median" in printed
        assert "gaussian:15" not in printed
    (record,) = (
        r for r in Store(out / "runs").scores() if (r.provenance["label"], r.provenance["sigma"]) == ("Median", 25)
    )
    assert f'"value": "{record.mean("psnr"):.2f}"' in table.read_text()


def test_a_part_of_a_dataset_is_named_as_it_was_measured(tmp_path, photographs, capsys):
    out, part = tmp_path / "out", f"{photographs}:camera,coins"
    run_campaign(plan(Request("median", part, "25"))[0], Store(out / "runs"), Settings("cpu", jobs=1))
    for words in (part, f"{photographs}:0,1", f"{photographs}:0-1,{part}"):
        assert main(["top", "--data", words, "--out", str(out), "--table", str(tmp_path / "t.csv")]) == 0
        assert {row["origin"] for row in rows_of(tmp_path / "t.csv")} == {"measured"}
    other = f"{photographs}:camera"
    assert main(["top", "--data", other, "--out", str(out)]) == 2
    assert f"DATA={other}: no PSNR was measured or published" in capsys.readouterr().err


@pytest.mark.usefixtures("published_files")
def test_a_part_is_understood_by_other_commands_that_name_datasets(capsys):
    assert main(["list", "--data", "set12:01,02"]) == 0
    printed = capsys.readouterr().out
    assert "set of 2 images" in printed
    assert "none known" in printed
    assert main(["verify", "--data", "set12:01,02"]) == 2
    assert "published numbers are of whole datasets; give DATA=set12" in capsys.readouterr().err
    assert main(["verify-measured", "--data", "set12:01,02"]) == 2
    assert "no committed result of set12:01-02 is in results/measured/" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["set12", "urban100"])
def test_a_folder_that_is_named_as_a_published_set_does_not_stand_among_its_numbers(
    tmp_path, photographs, capsys, name
):
    out, folder = tmp_path / "out", photographs.rename(tmp_path / name)
    run_campaign(plan(Request("median", str(folder), "25"))[0], Store(out / "runs"), Settings("cpu", jobs=1))
    assert main(["top", "--data", name, "--noise", "25", "--out", str(out)]) == 0
    assert "your record" not in capsys.readouterr().out
    for own in (str(folder), f"folder {name}"):
        assert main(["top", "--data", own, "--noise", "25", "--out", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "your record" in printed
        assert "published" not in printed.partition("published numbers are")[0].replace("not published", "")


def test_a_number_of_some_images_or_with_a_warning_is_not_ranked_without_a_word(tmp_path, photographs, capsys):
    out, table = tmp_path / "out", tmp_path / "t.csv"
    store = Store(out / "runs")
    shutil.copyfile(photographs / "camera.png", photographs / "tiny.png")
    Image.open(photographs / "tiny.png").crop((0, 0, 9, 9)).save(photographs / "tiny.png")
    (cell,) = plan(Request("median", str(photographs), "25"))[0]
    run_campaign([cell], store, Settings("cpu", jobs=1))
    record = store.get(cell)
    record.provenance["warnings"].append("opens the clean images")
    store.put(cell, record)
    assert main(["top", "--data", str(photographs), "--noise", "25", "--out", str(out), "--table", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "your record, seed 0, 2 of 3 images\n" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("WARNING: Median, standard: 2 of 3 images; "))
    assert line.endswith("; opens the clean images")
    (row,) = rows_of(table)
    assert row["warnings"].endswith("; opens the clean images")


def test_numbers_of_other_images_in_a_folder_of_that_name_are_not_ranked_together(tmp_path, photographs, capsys):
    out, table = tmp_path / "out", tmp_path / "t.csv"
    for turned in (False, True):
        if turned:
            Image.open(photographs / "coins.png").transpose(Image.Transpose.ROTATE_180).save(photographs / "coins.png")
        run_campaign(
            plan(Request("median,gaussian", str(photographs), "25"))[0], Store(out / "runs"), Settings("cpu", jobs=1)
        )
    assert main(["top", "--data", str(photographs), "--noise", "25", "--out", str(out), "--table", str(table)]) == 0
    rows = rows_of(table)
    assert [row["place"] for row in rows] == ["1", "2", "1", "2"]
    assert len({row["dataset"] for row in rows}) == 2
    assert capsys.readouterr().out.count("PSNR dB\n") == 2


def test_colour_images_made_gray_do_not_stand_among_colour_images(tmp_path, capsys):
    out, table = tmp_path / "out", tmp_path / "t.csv"
    cells = plan(Request("median", "builtin-rgb", "25", "standard,standard,gray=bt601"))[0]
    run_campaign(cells, Store(out / "runs"), Settings("cpu", jobs=1))
    assert main(["top", "--data", "builtin-rgb", "--noise", "25", "--out", str(out), "--table", str(table)]) == 0
    mine = {row["protocol"]: row["colour"] for row in rows_of(table) if row["source"].startswith("your record")}
    assert mine == {"standard": "rgb", "standard+gray=bt601": "gray"}
    assert "builtin-rgb, gray, gaussian:25: PSNR dB\n" in capsys.readouterr().out


def test_the_lowest_mse_is_first(tmp_path, photographs, capsys):
    out, table = tmp_path / "out", tmp_path / "t.csv"
    run_campaign(
        plan(Request("median,gaussian", str(photographs), "25"))[0], Store(out / "runs"), Settings("cpu", jobs=1)
    )
    assert main(["top", "--data", str(photographs), "--metric", "mse", "--out", str(out), "--table", str(table)]) == 0
    values = [float(row["value"]) for row in rows_of(table)]
    assert values == sorted(values)
    assert len(values) == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--data", "bsd86"], "unknown dataset 'bsd86': did you mean bsd68"),
        (["--data", "set12", "--noise", "77"], "DATA=set12: no number at gaussian:77; there are "),
        (["--data", "set12", "--metric", "psnrr"], "unknown metric 'psnrr': did you mean psnr"),
        (["--data", "camvid"], "DATA=camvid: no PSNR was measured or published; run make bench DATA=camvid"),
        (["--data", "set12", "--table", "t.xls"], "TABLE=t.xls: expected a name that ends in"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, words, line):
    assert main(["top", *words, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


@pytest.fixture
def two(tmp_path, photographs):
    """Return two folders of results: of six cells one is only in A, one only in B, and of the others two changed."""
    a, b = tmp_path / "a", tmp_path / "b"
    store = Store(a / "runs")
    cells = plan(Request("median,gaussian", str(photographs), "15,25,50"))[0]
    run_campaign(cells, store, Settings("cpu", jobs=1))
    shutil.copytree(a, b)
    by_name = {path.name.partition("-standard")[0]: path for path in store.paths()}
    head = "median-on-folder-photographs-gaussian"
    by_name[f"{head}-50"].unlink()
    other, bigger, smaller = (Store(b / "runs") for _ in range(3))
    (b / "runs" / by_name[f"{head}-15"].relative_to(a / "runs")).unlink()
    for noise, change in (("25", 0.5), ("15", 0.125)):
        (cell,) = plan(Request("gaussian", str(photographs), noise))[0]
        record = bigger.get(cell)
        record.images[0]["psnr"] -= change
        record.provenance["versions"]["numpy"] = "9.9"
        smaller.put(cell, record)
    assert len(other.paths()) == 5
    return a, b


def test_what_changed_between_two_folders(two, tmp_path, capsys):
    a, b = two
    assert main(["compare-runs", "--a", str(a), "--b", str(b), "--table", str(tmp_path / "t.csv")]) == 0
    printed = capsys.readouterr().out
    assert "only in A: Median on folder photographs, gaussian:15, standard, seed 0\n" in printed
    assert "only in B: Median on folder photographs, gaussian:50, standard, seed 0\n" in printed
    assert "4 cells in both, of which 2 changed, 0 in their verdict; 1 only in A, 1 only in B" in printed
    largest = printed.splitlines()[-1]  # one of two images lost half a decibel
    assert largest.startswith("largest change: PSNR ")
    assert largest.endswith(" dB (-0.2500), Gaussian on folder photographs, gaussian:25, standard, seed 0")
    assert "-0.0625" in printed
    assert "numpy: A " in printed
    assert printed.count("1 differ") == 2
    rows = {(row["method"], row["degradation"]): row for row in rows_of(tmp_path / "t.csv")}
    assert len(rows) == 6
    changed = rows["Gaussian", "gaussian:25"]
    shown = float(changed["psnr_b"]) - float(changed["psnr_a"])
    assert float(changed["psnr_difference"]) == pytest.approx(shown, abs=1e-9) == pytest.approx(-0.25, abs=1e-4)
    assert rows["Median", "gaussian:50"]["only_in"] == "B"


def test_a_folder_is_as_itself(two, capsys):
    for a, b in ((two[0], two[0]), (two[0] / "runs", two[0])):
        assert main(["compare-runs", "--a", str(a), "--b", str(b)]) == 0
        printed = capsys.readouterr().out
        assert "5 cells in both, of which 0 changed" in printed
        assert printed.endswith("largest change: none\n")


def test_a_folder_without_results_is_one_line_and_damaged_records_are_named(two, tmp_path, capsys):
    a, b = two
    assert main(["compare-runs", "--a", str(a)]) == 2
    assert capsys.readouterr().err == "error: B is missing: expected make compare-runs A=folder B=folder\n"
    assert main(["compare-runs", "--a", str(a), "--b", str(tmp_path / "none")]) == 2
    assert f"{tmp_path / 'none' / 'runs'}: has no finished cell" in capsys.readouterr().err
    path = Store(b / "runs").paths()[0]
    path.write_bytes(b"PAR1")
    assert main(["compare-runs", "--a", str(a), "--b", str(b)]) == 0
    assert f"left out {path}: it is no whole Parquet file" in capsys.readouterr().err


def test_what_bears_one_name_in_two_folders_of_results_and_is_not_the_same_is_said(tmp_path, photographs, capsys):
    a, b, method = tmp_path / "a", tmp_path / "b", tmp_path / "mine.py"
    for out, factor in ((a, 0.9), (b, 0.8)):
        method.write_text(f"def denoise(noisy, sigma):\n    return {factor} * noisy\n")
        if out == b:
            Image.open(photographs / "coins.png").transpose(Image.Transpose.ROTATE_180).save(photographs / "coins.png")
        cells = plan(Request(f"median,{method}", str(photographs), "25"))[0]
        run_campaign(cells, Store(out / "runs"), Settings("cpu", jobs=1))
    assert main(["compare-runs", "--a", str(a), "--b", str(b), "--table", str(tmp_path / "t.csv")]) == 0
    rows = {row["method"]: row["inputs_changed"] for row in rows_of(tmp_path / "t.csv")}
    assert rows == {"Median": "contents of the images", "mine": "contents of the images, code of the method"}
    printed = capsys.readouterr().out
    assert printed.count(" contents of the images\n") == 1
    assert printed.count(" contents of the images, code of the method\n") == 1
