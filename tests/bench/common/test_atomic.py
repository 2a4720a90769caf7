import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from bench.common import atomic
from bench.common.atomic import check_writable, whole, write_whole
from bench.common.errors import BenchError
from bench.common.tables import csv_text, latex_text, markdown_escaped, markdown_text, write_csv, write_table

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from pathlib import Path
from bench.common.atomic import write_whole
path, n = Path(sys.argv[1]), 0
while True:
    write_whole(path / f"{n}.parquet", bytes([n % 251]) * 3_000_000)
    n += 1
"""


def full(*arguments):
    raise OSError(28, "No space left on device")


def test_killed_at_any_moment_a_file_is_whole_or_absent(tmp_path):
    for delay in (0.3, 0.45, 0.61):
        folder = tmp_path / str(delay)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT)
        while not folder.exists():
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        files = list(folder.glob("*.parquet"))
        assert files
        for file in files:
            content = file.read_bytes()
            assert content == bytes([int(file.stem) % 251]) * 3_000_000


def test_what_a_killed_process_left_is_deleted_by_the_next_and_what_is_being_written_is_not(tmp_path):
    left = tmp_path / ".abcdefgh.part"
    left.mkdir()
    (left / "a.csv").write_text("half")
    with whole(tmp_path / "long.csv") as beside:
        beside.write_text("whole")
        next_process = f"from bench.common.atomic import *; write_whole(Path({str(tmp_path / 'other.csv')!r}), 'b')"
        subprocess.run([sys.executable, "-c", next_process], cwd=ROOT, check=True)
        assert not left.exists()
        assert beside.read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.csv", "other.csv"]


def test_without_locks_nothing_of_others_is_deleted(tmp_path, monkeypatch):
    (tmp_path / ".abcdefgh.part").mkdir()
    for lock in (None, type("Locks", (), {"LOCK_EX": 2, "LOCK_NB": 4, "flock": full})):
        atomic._sweep.cache_clear()
        monkeypatch.setattr(atomic, "fcntl", lock)
        write_whole(tmp_path / "a.csv", "a")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".abcdefgh.part", "a.csv"]


def test_a_folder_that_is_swept_away_at_its_birth_is_made_again(tmp_path, monkeypatch):
    made, first = [], tempfile.mkdtemp

    def swept(*arguments, **words):
        made.append(first(*arguments, **words))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", swept)
    write_whole(tmp_path / "a.csv", "a")
    assert len(made) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_whole(path, "before")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(BenchError, match=r"^cannot write .*table\.csv \(No space left on device\); give TABLE=other$"):
        write_whole(path, "after", advice="give TABLE=other")
    with pytest.raises(BenchError, match="make room there"):
        write_whole(tmp_path / "new.csv", "after")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["file/below.csv", "folder", "folder/"])
def test_a_place_that_takes_no_file(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BenchError, match=r"cannot write .*(file|folder).* \((File exists|Is|Not) ?.*\); make room"):
        write_whole(tmp_path / name, "a")
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder"}


@pytest.mark.parametrize("error", [RuntimeError("unexpected pos 5"), BenchError("it differs"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_nothing(tmp_path, error):
    def write():
        with whole(tmp_path / "x.onnx", errors=(OSError, RuntimeError)) as beside:
            assert beside.suffix == ".onnx"
            beside.write_bytes(b"half")
            raise error

    with pytest.raises(BenchError if type(error) is RuntimeError else type(error)):
        write()
    assert list(tmp_path.iterdir()) == []


def test_new_files_may_be_read_by_whom_the_person_wants(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_and_a_pipe_stay_what_they_are(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    write_whole(target, "before")
    link.symlink_to(target)
    write_whole(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"
    command = (
        "from pathlib import Path; from bench.common.atomic import write_whole; write_whole(Path('/dev/stdout'), 'a')"
    )
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "a"


@dataclass
class Row:
    name: str
    psnr: float
    count: int | None = None


def test_a_table_comes_back_from_pandas(tmp_path):
    """The reader of most people is the independent one."""
    rows = [Row('a, "b"', float("nan")), {"name": "c", "psnr": 1 / 3, "more": True}]
    write_csv(tmp_path / "t.csv", rows)
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table) == ["name", "psnr", "count", "more"]
    assert list(table["name"]) == ['a, "b"', "c"]
    assert table["psnr"].isna().tolist() == [True, False]
    assert table["psnr"][1] == pytest.approx(1 / 3, rel=1e-15)
    assert table["count"].isna().all()
    assert csv_text([{"a": 123456.789, "b": 12, "c": float("inf")}], digits=4) == "a,b,c\n1.235e+05,12,inf\n"
    assert csv_text([], columns=("a", "b")) == "a,b\n"


def test_a_table_is_as_pandas_writes_it():
    rows = [{"what": "x", "ratio": 0.1 + 0.2, "images": 3, "same": True}, {"what": "y;", "ratio": 1e-7, "images": 4}]
    for digits, floats in ((None, None), (6, "%.6g")):
        assert csv_text(rows, digits=digits) == pd.DataFrame(rows).to_csv(index=False, float_format=floats)


ROWS = [{"method": "a|b", "psnr": 1 / 3, "images": 3}, {"method": "5 % of x_1 & {y} $2 #3", "psnr": float("nan")}]


def test_the_name_of_a_table_says_its_format(tmp_path):
    """Each is read by another program than wrote it."""
    for ending in ("csv", "CSV", "json", "md", "tex"):
        write_table(tmp_path / f"t.{ending}", ROWS, digits=4)
    table = pd.read_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.CSV").read_text() == (tmp_path / "t.csv").read_text()
    pd.testing.assert_frame_equal(pd.read_json(tmp_path / "t.json"), table)
    assert json.loads((tmp_path / "t.json").read_text())[1]["psnr"] is None
    head, rule, *lines = (tmp_path / "t.md").read_text().splitlines()
    assert re.split(r"(?<!\\)\|", head)[1:-1] == [" method ", " psnr ", " images "]
    assert rule == "|---|---:|---:|"
    assert [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines] == [
        [r" a\|b ", " 0.3333 ", " 3 "], [" 5 % of x_1 & {y} $2 #3 ", "  ", "  "],
    ]  # fmt: skip


def test_latex_is_as_pandas_writes_it():
    names, rows = ["x_1", "b"], [["5 % & {y} $2 #3", "1"], ["c", ""]]
    theirs = pd.DataFrame(rows, columns=names).to_latex(index=False, escape=True, column_format="lr")
    assert latex_text(names, rows, [False, True]) == theirs


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.csv.gz", ".csv", "t.", "t.html"])
def test_a_table_of_another_ending_is_refused(tmp_path, name):
    with pytest.raises(BenchError, match=r"expected a name that ends in \.csv, \.md, \.tex or \.json$"):
        write_table(tmp_path / name, ROWS)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_known_before(tmp_path):
    (tmp_path / "file").write_text("a")
    for path in (tmp_path / "file" / "t.csv", tmp_path / "file" / "new" / "t.csv", Path("/proc/none/t.csv")):
        with pytest.raises(BenchError, match=f"^cannot write {path} "):
            check_writable(path)
    for path in (tmp_path / "new" / "deep" / "t.csv", tmp_path / "file", tmp_path, Path("/dev/null")):
        check_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


FORMULAS = ["=1+2", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", " =1", '=HYPERLINK("http://x","y")', "-a", "＝1"]


def test_no_field_of_a_csv_file_is_a_formula():
    text = csv_text([{"=name": formula} for formula in FORMULAS])
    fields = [field for (field,) in csv.reader(io.StringIO(text, newline=""))]
    assert fields == ["'=name", *(f"'{formula}" for formula in FORMULAS)]
    assert csv_text([{"a": "x\r=1", "b": 2}]) == "a,b\nx\\r=1,2\n"  # one row, for whoever ends lines there
    numbers = ["-0.5", "+0.01", "-1e-5", "-", "a=b", "", "29.23"]
    assert csv_text([{"a": number} for number in numbers]).splitlines()[1:] == [n or '""' for n in numbers]


ODD = ("a\x1b[2J\x1b]0;x\x07b", "\x9b31mc", "d\x7f\x08", "e\u202egnp.exe", "f\x00", "g\udcff", "café\t\n木")


def test_no_table_moves_the_cursor_of_a_terminal_that_shows_it(tmp_path):
    """Names of files have such letters; read back by pandas, a row is a row and a plain name is itself."""
    rows = [{"name": name, ODD[0]: i} for i, name in enumerate(ODD)]
    for ending in ("csv", "md", "tex", "json"):
        write_table(tmp_path / f"t.{ending}", rows)
        shown = (tmp_path / f"t.{ending}").read_bytes().decode()
        kept = {letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cf", "Cs")}
        assert kept <= set("\t\n"), ending
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns) == ["name", r"a\x1b[2J\x1b]0;x\x07b"]
    assert table.iloc[:, 1].tolist() == list(range(len(ODD)))
    assert table["name"][3:].tolist() == [r"e\u202egnp.exe", r"f\x00", r"g\udcff", ODD[-1]]
    assert [row["name"] for row in json.loads((tmp_path / "t.json").read_text())] == list(ODD)


@pytest.mark.parametrize(
    "label",
    ["<script>alert(1)</script>", "[a](javascript:x)", "`x`", "**b** __c__", "a|b", "&lt;", "~~x~~", "_x_", "# x",
     "- x", "1. x", "\\", "a\\|b", "![x](y)", "a*b*c", "my_net_2", "x\ny", "été 中文"],
)  # fmt: skip
def test_markdown_shows_each_letter_as_it_stands(label):
    """By another program's reading of Markdown, in a table and in a list."""
    from html import unescape

    from markdown_it import MarkdownIt

    shown = " ".join(label.split())
    reader = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    page = reader.render(markdown_text(["method"], [[label]], [False]))
    (cell,) = re.findall(r"<td>(.*)</td>", page)
    assert unescape(cell) == shown
    assert "<" not in cell
    assert unescape(reader.render(f"- {markdown_escaped(label)}\n")) == f"<ul>\n<li>{shown}</li>\n</ul>\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_said_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(BenchError, match=r"cannot write .*t\.csv \(No space left on device\); make room there"):
        check_writable(tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())
