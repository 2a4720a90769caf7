"""No command ends in a traceback: what a person can mend is one line and status 2, a fault of ours one line and 70."""

import errno
import io
import os
import re
from functools import partial
from pathlib import Path

import pytest

import datasets
from bench.cli import app, options
from bench.cli.app import main
from bench.common import provenance
from bench.common.errors import BenchError
from datasets.images import read

COMMANDS = {
    "run": ["--method", "median"],
    "selfscore": ["--method", "median", "--noise", "25"],
    "where": ["--method", "median"],
    "segment": ["--method", "median"],
    "explain": ["--method", "dncnn"],
    "export": ["--method", "dncnn"],
    "speed": ["--method", "dncnn"],
    "draws": ["--method", "median", "--count", "2"],
    "audit": [],
    "train": ["--method", "dncnn-small", "--budget", "1s"],
    "search": ["--budget", "1s"],
}


@pytest.fixture
def bad(tmp_path, photographs):
    """Return what a person may take for a dataset, by what is wrong with it."""
    from PIL import Image

    with Image.open(photographs / "camera.png") as photograph:
        folders = {name: tmp_path / name for name in ("empty", "broken", "alpha", "mixed")}
        for folder in folders.values():
            folder.mkdir()
        for name in ("broken", "mixed"):
            photograph.save(folders[name] / "a.png")
        content = (photographs / "camera.png").read_bytes()
        (folders["broken"] / "b.png").write_bytes(content[: len(content) // 2])
        photograph.convert("RGB").save(folders["mixed"] / "b.png")
        transparent = photograph.convert("RGBA")
        transparent.putalpha(128)
        transparent.save(folders["alpha"] / "a.png")
    text = tmp_path / "photos.zip"
    text.write_text("no archive")
    return {**folders, "no archive": text, "absent": tmp_path / "absent"}


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_images_are_one_line_and_status_2(command, bad, tmp_path, capsys):
    for kind, path in bad.items():
        place = [] if command == "speed" else ["--out", str(tmp_path / "out")]
        status = main([command, *COMMANDS[command], "--data", str(path), *place])
        screen = capsys.readouterr()
        said = screen.err.strip().splitlines()
        if command == "run" and kind in ("broken", "mixed"):  # one of two images fails alone
            assert (status, said) == (1, [])
            assert "1 of 2 images; failed: b: " in " ".join(screen.out.split())
            continue
        assert (status, len(said)) == (2, 1), (kind, said)
        assert said[0].startswith(("error: ", "failed  "))
        assert "unexpected" not in said[0]


@pytest.fixture
def shut(monkeypatch, tmp_path):
    """Return a folder that none may enter, as a folder without permission is for all but the administrator."""
    folder = tmp_path / "shut"
    folder.mkdir()

    def refused(allowed, path, *rest, **options):
        if isinstance(path, str | os.PathLike) and folder in Path(path).parents:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return allowed(path, *rest, **options)

    for module, name in ((os, "stat"), (os, "open"), (io, "open")):
        monkeypatch.setattr(module, name, partial(refused, getattr(module, name)))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        *(["run", "--data", "builtin", "--method", f"{{}}/{name}"] for name in ("x.py", "x.onnx", "x.tflite", "x")),
        *(["run", "--data", "builtin", "--method", f"outputs:{{}}/x{name}"] for name in ("", "/{{name}}.png")),
        ["run", "--data", "builtin", "--method", "dncnn", "--weights", "{}/x.pth"],
        ["run", "--data", "builtin", "--method", "nlm", "--table", "{}/x.csv"],
        ["run", "--data", "builtin", "--method", "nlm", "--claim", "{}/x.csv"],
        *(["run", "--method", "nlm", "--data", f"{word}{{}}/x"] for word in ("", "pairs:", "images:")),
        ["run", "--method", "nlm", "--data", "{}/x:01"],
        ["run", "--method", "nlm", "--data", "{}/{{name}}.png"],
        ["explain", "--method", "dncnn", "--data", "{}/x"],
        *(["audit", "--data", f"{word}{{}}/x"] for word in ("", "train:")),
        ["conform", "--method", "{}/x.py"],
        ["train", "--method", "{}/x.toml"],
        ["train", "--record", "{}/x.json"],
        ["train", "--method", "dncnn-small", "--name", "new", "--start", "{}/x.safetensors"],
        ["merge", "--from", "{}/x"],
        ["compare-runs", "--a", "{}/x", "--b", "{}/x"],
        ["segment", "--method", "nlm", "--segmenter", "{}/x.safetensors"],
    ],
    ids=" ".join,
)
def test_what_may_not_be_looked_at_is_named_in_one_line(words, shut, tmp_path, capsys):
    out = [] if words[0] in ("conform", "compare-runs") else ["--out", str(tmp_path / "out")]
    status = main([*(word.format(shut) for word in words), *out])
    said = capsys.readouterr().err.strip().splitlines()
    assert (status, len(said)) == (2, 1), said
    assert str(shut) in said[0]
    assert "Permission denied" in said[0]
    assert not {"PermissionError", "Errno", "nothing", "TRACEBACK"} & set(re.findall(r"\w+", said[0]))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("speed", "where", "segment")])
def test_a_folder_that_cannot_be_written_to_is_one_line(command, photographs, tmp_path, capsys):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    words = [command, *COMMANDS[command], "--data", str(photographs), "--out", str(blocked / "out")]
    assert main(words) in (1, 2)
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        *(["run", f"--{name}", ","] for name in ("method", "data", "noise", "seed", "protocol", "precision")),
        *([command, "--method", ","] for command in ("where", "segment", "selfscore", "explain", "export", "draws")),
        *([command, "--method", ","] for command in ("speed", "train", "search", "conform", "list")),
        *([command, "--data", ","] for command in ("train", "search", "audit", "list")),
        ["selfscore", "--sigma", ","],
        ["list", ","],
        *(["run", "--data", "builtin", "--method", f"{word}~n.o.body/x{end}"] for word, end in (("", ".py"), ("", ""),
          ("", ".onnx"), ("outputs:", ""), ("outputs:", "/{name}.png"), ("cmd:", " {noisy.png} {out.png}"))),
        ["run", "--data", "builtin", "--method", "dncnn", "--weights", "~n.o.body/x.pth"],
        ["run", "--data", "builtin", "--method", "nlm", "--claim", "~n.o.body/x.csv"],
        *(["run", "--method", "nlm", "--data", word] for word in ("~n.o.body/x", "~n.o.body/*.png", "~n.o.body",
          "pairs:~n.o.body/x", "pairs:~n.o.body/{name}_a.png,~n.o.body/{name}_b.png", "pairs:~n.o.body/x,~n.o.body/y")),
        ["segment", "--method", "nlm", "--segmenter", "~n.o.body/x.safetensors"],
        ["train", "--method", "dncnn-small", "--name", "new", "--start", "~n.o.body/x.safetensors"],
        ["run", "--jobs", "-1"],
        ["run", "--tile", "-5"],
        ["run", "--memory", "-1"],
        ["run", "--seed", str(2**70)],
        ["train", "--seed", str(2**70)],
        ["report", "--pictures", "-1"],
        ["segment", "--images", "-1"],
        ["train", "--budget", "-9m"],
        ["train", "--budget", "0"],
        *([command, "--jobs", "100000"] for command in ("run", "train", "search", "segment", "selfscore", "where")),
        ["train", "--set", "[[[["],
        ["run", "--noise", "x" * 100_000],
        ["run", "--method", "a" * 100_000],
    ],
)  # fmt: skip
def test_a_word_that_means_nothing_is_one_line_and_status_2(words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "failed"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_cluster_may_have_more_workers_than_this_machine_has_cores_for(order, capsys):
    words = ["--jobs=100000", "--engine=dask", "--scheduler=nothing.yml", "--method=median", "--data=builtin"][::order]
    assert main(["run", *words]) == 2
    assert "nothing.yml" in capsys.readouterr().err
    assert main(["run", *(word for word in words if "dask" not in word)]) == 2
    assert "100000 is too many" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "where", "segment", "selfscore", "audit", "draws", "speed"])
def test_a_table_that_cannot_be_written_is_said_before_anything_runs(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a")
    for table, line in {
        "t.xlsx": "TABLE=t.xlsx: expected a name that ends in .csv, .md, .tex or .json",
        "file/t.csv": "cannot write file/t.csv (Not a directory)",
    }.items():
        assert main([command, "--table", table]) == 2
        assert capsys.readouterr().err.startswith(f"error: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_draws_that_do_not_differ_give_no_table_of_nan(photographs, tmp_path, capsys):
    words = ["draws", "--method", "median", "--data", str(photographs), "--noise", "jpeg:50", "--count", "2"]
    assert main([*words, "--device", "cpu", "--out", str(tmp_path / "out")]) == 2
    screen = capsys.readouterr()
    assert "the draws of folder photographs do not differ" in screen.err
    assert "nan" not in screen.out.lower()


def fails(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (BenchError("two\nlines"), 2, "error: two lines"),
        (OSError(errno.ENOSPC, "No space left on device", "a.csv"), 2, "error: a.csv: No space left on device"),
        (
            RuntimeError("shape\n(3, 4)"),
            70,
            "error: unexpected RuntimeError: shape (3, 4) (bench/cli/app.py:",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "error: standard output, or a temporary file: No space left",
        ),
        (ValueError("math domain error"), 70, "error: unexpected ValueError: math domain error"),
        (
            ImportError("Unable to import required dependencies:\npytz: No module named 'pytz'"),
            2,
            "error: ImportError: Unable to import required dependencies: pytz: No module named 'pytz'; expected the "
            "packages of requirements.txt: pip install -r requirements.txt",
        ),
        (
            ImportError("cannot import name 'trapz' from 'numpy'", name="numpy"),
            2,
            "error: ImportError: cannot import name 'trapz' from 'numpy'; expected the packages of",
        ),
        (ImportError("cannot import name 'a' from 'bench.run'", name="bench.run"), 70, "error: unexpected ImportError"),
        (MemoryError(), 2, "error: memory ran out (MemoryError); "),
        (
            ImportError("liba.so: failed to map segment from shared object"),
            2,
            "error: memory ran out (ImportError: liba",
        ),
        (KeyboardInterrupt(), 130, "interrupted: "),
    ],
)
def test_every_error_is_one_line_with_its_status(monkeypatch, capsys, error, status, line):
    monkeypatch.setattr(app.app.registered_commands[0], "callback", fails(error))
    assert main(["run"]) == status
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_a_folder_that_is_gone_is_said(monkeypatch, tmp_path, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["list", "protocols"]) == 2
    assert "the folder in which this runs cannot be read (No such file or directory)" in capsys.readouterr().err


def test_what_datasets_say_of_an_image_stands_as_it_is(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    monkeypatch.setattr(app.app.registered_commands[0], "callback", lambda: read(tmp_path / "a.png"))
    assert main(["run"]) == 2
    assert capsys.readouterr().err.startswith(f"error: image {tmp_path / 'a.png'}: ")


def test_a_traceback_is_shown_on_request(monkeypatch, capsys):
    monkeypatch.setenv("BENCH_TRACEBACK", "1")
    monkeypatch.setattr(datasets, "available", fails(BenchError("no registry")))
    assert main(["list"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "limit", "runtime"), [("RLIMIT_AS", 2**31, "torch"), ("RLIMIT_DATA", 2**31, "torch"),
                                                       ("RLIMIT_AS", -1, "auto")])  # fmt: skip
def test_a_process_with_a_limit_of_memory_runs_networks_by_what_says_that_it_is_reached(
    monkeypatch, kind, limit, runtime
):
    resource = pytest.importorskip("resource")
    asked = getattr(resource, kind)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit if which == asked else -1, -1))
    assert options.settings("cpu", "auto", 0).runtime == runtime
    assert options.settings("cpu", "onnxruntime", 0).runtime == "onnxruntime"


def test_a_container_has_no_more_memory_than_it_may_take(monkeypatch, tmp_path):
    most, unlimited = tmp_path / "memory.max", tmp_path / "other"
    monkeypatch.setattr(provenance, "CONTAINER", (most, unlimited))
    whole = provenance.free_memory()
    most.write_text("12345678\n")
    unlimited.write_text("max\n")
    assert whole > 12345678 == provenance.free_memory()
