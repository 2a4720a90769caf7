"""Images that go to another program and come back, as a person types it."""

import shlex
import shutil

import pytest

from bench.cli.app import main


def test_noisy_images_go_out_and_results_come_back(capsys, tmp_path, photographs):
    assert main(["noisy", "--data", str(photographs), "--noise", "25", "--to", str(tmp_path / "work")]) == 0
    (noisy,) = tmp_path.glob("work/*/*/*/*/noisy")
    shutil.copytree(noisy, noisy.parent / "mynet")  # a program that changes nothing
    advice = shlex.split(capsys.readouterr().out.partition("score it: make bench ")[2])
    options = [f"--{word.partition('=')[0].lower()}={word.partition('=')[2]}" for word in advice]
    assert main(["run", *options, "--out", str(tmp_path / "results")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "mynet folder photographs 25 20." in printed
    assert "returns its input unchanged" in printed


def test_what_a_run_saves_is_read_back(capsys, tmp_path, photographs):
    words = ["--data", str(photographs), "--noise", "25", "--jobs", "1", "--out", str(tmp_path / "results")]
    assert main(["run", "--method", "median", "--save", str(tmp_path / "saved"), *words]) == 0
    first = capsys.readouterr().out
    assert main(["run", "--method", first.partition('METHOD="')[2].partition('"')[0], *words]) == 0

    def scores(text):
        return [line.split("25  ")[1].split()[:3] for line in text.splitlines() if line.startswith("Median")]

    assert scores(first) == scores(capsys.readouterr().out) != []


def test_how_images_were_understood_is_said_before_anything_runs(capsys, tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / "set" / "noisy")
    data = ["--data", str(tmp_path / "set")]
    for words in (
        ["noisy", "--to", str(tmp_path / "n"), "--seed", "0,1"],
        ["run", "--dry-run", "--out", str(tmp_path)],
    ):
        assert main([*words, *data]) == 0
        printed = capsys.readouterr().out
        assert printed.count("note: folder set: 2 images of 2 from subfolders") == 1
        assert printed.count("note: WARNING: folder set: the names of all images say noisy") == 1


@pytest.mark.parametrize("words", [["run", "--save"], ["noisy", "--to"]])
def test_a_folder_that_cannot_be_written_is_said_first(capsys, tmp_path, photographs, words):
    (tmp_path / "file").touch()
    assert main([*words, str(tmp_path / "file" / "x"), "--data", str(photographs)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_format_that_there_is_not_is_said(capsys, tmp_path, photographs):
    assert main(["noisy", "--data", str(photographs), "--format", "jpg", "--to", str(tmp_path)]) == 2
    assert "unknown format 'jpg'" in capsys.readouterr().err
