"""What is typed for a number or for what is written is looked at by every command before it begins."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.exceptions import TyperException

from bench.cli.app import app, main
from bench.cli.typed import WRITTEN, kind
from bench.common.errors import BenchError

PROGRAMS = typer.main.get_command(app).commands
OPTIONS = [(name, parameter) for name, program in PROGRAMS.items() for parameter in program.params]
NUMBERS = [(name, parameter) for name, parameter in OPTIONS if kind(parameter) in ("int", "float")]
OUTPUTS = [(name, parameter) for name, parameter in OPTIONS if parameter.name in WRITTEN]
READ = {"a", "b", "from_"}
"""Paths that are read."""


def refusal(command, word):
    """Read a word as the command does before it begins, and return why it does not."""
    with pytest.raises((BenchError, TyperException)) as error:
        PROGRAMS[command].make_context(command, [word])
    return getattr(error.value, "message", str(error.value))


def test_every_path_and_number_of_a_command_is_among_those():
    paths = {parameter.name for _, parameter in OPTIONS if "path" in kind(parameter).lower()}
    assert {"out", "to", "table", "save", "from_"} <= paths <= {*WRITTEN, *READ}
    assert {p.opts[0] for _, p in NUMBERS} >= {"--jobs", "--tile", "--memory", "--timeout", "--seed", "--pictures"}


@pytest.mark.parametrize("text", ["1_0", " 1", "1\n", "٣", "１", "0x10", "nan", "inf", "1e999", "--1", "", "²", "1,5"])
def test_what_is_no_plain_number_is_refused(text):
    for command, parameter in NUMBERS:
        said = refusal(command, f"{parameter.opts[0]}={text}")
        assert said.startswith(f"{parameter.name.upper()}={text}: expected a "), (command, parameter)


@pytest.mark.parametrize("text", ["1e3", "1.0", "+1", "9" * 19])
def test_a_whole_number_has_nothing_but_digits(text):
    for command, parameter in NUMBERS:
        if kind(parameter) == "int":
            assert refusal(command, f"{parameter.opts[0]}={text}").endswith(f"={text}: expected a whole number")


def test_plain_numbers_are_read():
    words = ["--memory", "1.5e-1", "--timeout=.5", "--tile=0064", "--jobs", "1"]
    read = PROGRAMS["run"].make_context("run", words).params
    assert (read["memory"], read["timeout"], read["tile"], read["jobs"]) == (0.15, 0.5, 64, 1)


@pytest.mark.parametrize("place", ["/proc/self", "/proc/x/y", "/sys/x", "/dev/null/x", "file/x", "link/x"])
def test_what_cannot_be_written_is_said_before_a_command_begins(place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("a")
    Path("link").symlink_to("/proc/self")
    for command, parameter in OUTPUTS:
        path = f"{place}.csv" if parameter.name == "table" else place
        said = refusal(command, f"{parameter.opts[0]}={path}")
        assert said.startswith(f"cannot write {path} ("), (command, parameter, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_file_is_no_folder_and_a_folder_no_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("file.csv").write_text("a")
    Path("folder.csv").mkdir()
    for command, parameter in OUTPUTS:
        kind = "folder" if parameter.name == "table" else "file"
        if (command, parameter.name) != ("export", "to"):  # which is either
            assert f"'{kind}.csv' is a " in refusal(command, f"{parameter.opts[0]}={kind}.csv"), (command, parameter)


def test_what_lies_in_a_folder_of_results_may_block_a_command(tmp_path):
    for command, parameter in OUTPUTS:
        if parameter.name == "out":
            for name in ("runs", "training", command):
                (tmp_path / name).write_text("a")
                assert f"cannot write {tmp_path / name}" in refusal(command, f"--out={tmp_path}")
                (tmp_path / name).unlink()


def test_export_goes_into_a_folder_or_a_file_of_its_format(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("a")
    Path("folder.onnx").mkdir()
    for place in ("file", "folder.onnx"):
        assert main(["export", "--method=dncnn-b@own-small", "--to", place]) == 2
        assert f"error: TO={place}: expected a folder, or a file that ends in .onnx" in capsys.readouterr().err


def test_what_is_said_of_a_typed_word_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["run", "--jobs=1_0"], ["train", "--to=/proc/self"], ["verify", "--table=/sys/x.csv"]):
        assert main(words) == 2
        (said,) = capsys.readouterr().err.strip().splitlines()
        assert said.startswith(("error: JOBS=1_0: expected a whole number", "error: cannot write /"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("integer", "int"),
        ("integer range", "int"),
        ("int", "int"),
        ("int range", "int"),
        ("float", "float"),
        ("float range", "float"),
        ("text", "text"),
    ],
)
def test_the_kinds_of_an_older_typer_are_known(name, expected):
    assert kind(SimpleNamespace(type=SimpleNamespace(name=name))) == expected
