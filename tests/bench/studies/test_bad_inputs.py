"""Whatever a person gives: nothing of it runs, and what comes of it is a result or one line."""

import random
import struct
from pathlib import Path

import pytest

from bench.cli import make
from bench.studies.torture import bad_files, bad_inputs
from bench.studies.torture.bad_files import BadFile
from bench.studies.torture.bad_inputs import Attempt, commands_with, commands_with_bad_words, fault


def became(words, folder, capfd) -> str:
    """Run a command in this process, and say what is wrong with what became of it."""
    capfd.readouterr()
    status = make.run_words(words)
    printed, said = capfd.readouterr()
    attempt = Attempt(words, status, printed, said, 0, ran=(folder / bad_files.RAN).exists())
    return fault(attempt) and f"{fault(attempt)}: {words}: {said}"[:600]


@pytest.fixture
def images(photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photographs / "coins.png").unlink()
    return str(photographs)


def test_bad_files_are_results_or_one_line(images, tmp_path, capfd):
    """One of each kind; `make torture` makes as many as there is time."""
    made = bad_files.bad_files(tmp_path, seed=7)
    for _ in range(sum(map(len, bad_files.KINDS.values()))):
        bad = next(made)
        command = next(iter(commands_with(bad, images, str(tmp_path / "out"))))
        if bad.variable != "METHOD":  # of a process of its own each
            assert not became(command, tmp_path, capfd), bad.what


def test_bad_words_are_results_or_one_line(images, tmp_path, capfd):
    planning = ("list", "top", "noisy", "compare-runs", "export", "report")  # nothing that computes for long
    takes = {command: list(make.variables(command)) for command in planning}
    tried = commands_with_bad_words(takes, images, str(tmp_path / "out"), seed=3)
    for _ in range(30):
        assert not became(next(tried), tmp_path, capfd)


@pytest.mark.parametrize("kind", ["record", "recipe"])
def test_records_and_recipes_that_lie_are_refused_or_read(kind, tmp_path, monkeypatch):
    from bench.common.errors import BenchError
    from bench.train.recipe import load_recipe
    from bench.train.record import differences, read_record

    monkeypatch.chdir(tmp_path)
    draw, refused = random.Random(11), []
    for _ in range(150):
        name, content = {"record": bad_files._record, "recipe": bad_files._recipe}[kind](draw)
        path = tmp_path / f"a{name}"
        path.write_bytes(content)
        try:
            list(differences(read_record(path, "b"), "", "cpu")) if kind == "record" else load_recipe(str(path))
        except BenchError as error:
            refused.append(str(error))
    assert 40 < len(refused) < 150
    assert not [line for line in refused if "\n" in line]
    assert not (tmp_path / bad_files.RAN).exists()


def test_images_that_lie_are_refused_or_read(tmp_path, monkeypatch):
    """Through the readers alone, so that there is time for many."""
    from datasets.from_path import from_word

    monkeypatch.chdir(tmp_path)
    draw, refused = random.Random(5), []
    for number in range(20):
        for make_one in bad_files.KINDS["DATA"]:
            name, content = make_one(draw)
            path = tmp_path / f"{number}{make_one.__name__}{name}"
            for below, part in content.items() if isinstance(content, dict) else [("", content)]:
                (path / below).parent.mkdir(parents=True, exist_ok=True)
                (path / below).write_bytes(part)
            try:
                dataset = from_word(str(path))
                for image in dataset.images[:3]:
                    dataset.reader(Path(image.parts[0].file.local), image.parts[0].at)
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > 70
    assert not [line for line in refused if "\n" in line]
    assert not [line for line in refused if not line.startswith(("DATA=", "image ", "archive ", "dataset "))]
    assert not (tmp_path / bad_files.RAN).exists()


def test_a_tiff_file_that_claims_to_be_large_is_not_read(tmp_path):
    from datasets.from_path import from_word

    tags = [(256, 4, 1, 10**6), (257, 4, 1, 10**6), (258, 3, 1, 32), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, 10**6), (279, 4, 1, 4), (339, 3, 1, 1)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IIH", 12, 0, len(tags)) + entries + bytes(4))
    with pytest.raises(ValueError, match=r"image .*a\.tif: .*(more than \d+ pixels|no readable image)"):
        from_word(str(path))


@pytest.mark.parametrize("variable", ["DATA", "CLAIM", "RECORD", "RECIPE", "WEIGHTS", "METHOD"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_refused(images, tmp_path, capfd, variable, kind):
    import os

    ending = {"DATA": ".png", "CLAIM": ".csv", "RECORD": ".json", "RECIPE": ".toml", "WEIGHTS": ".pth"}
    path = tmp_path / f"a{ending.get(variable, '.onnx')}"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    for command in commands_with(BadFile(path, variable, kind), images, str(tmp_path / "out")):
        assert not became(command, tmp_path, capfd)


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (Attempt(["list"], 0, "", "", 1, ran=True), "ran something"),
        (Attempt(["list"], -11, "", "", 1, ran=False), "signal 11"),
        (Attempt(["list"], 70, "", "error: ", 1, ran=False), "exit status is 70"),
        (Attempt(["list"], 2, "", "", 1, ran=False), "without a word"),
        (Attempt(["list"], 1, "failed: unexpected KeyError", "", 1, ran=False), "unexpected"),
        (Attempt(["list"], 2, "", "a" * 5000, 1, ran=False), "letters"),
        (Attempt(["list"], 0, "", "", 100, ran=False), "took 100 s"),
        (Attempt(["list"], 2, "", "error: no such file", 1, ran=False), ""),
    ],
)
def test_a_fault_is_found(attempt, says):
    assert says in fault(attempt)
    assert bool(fault(attempt)) == bool(says)


def test_a_seed_makes_the_same_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    made = [bad_files.bad_files(tmp_path / name, seed=4) for name in "ab"]
    for _ in range(5):
        first, second = (next(files).path for files in made)
        assert first.is_dir() or first.read_bytes() == second.read_bytes()
    assert bad_inputs.BAD_WORDS
