"""Every command that README and documentation print: its words are read as the program reads them, and planned."""

import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from bench.cli.app import app
from bench.cli.make import arguments
from bench.common.parsing import budget_seconds
from bench.plan import fingerprint
from bench.plan.request import Request, planned
from bench.train.overrides import recipe_for
from bench.train.record import read_record

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({
    *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*.md"),
    ROOT / "results" / "measured" / "README.md",
})  # fmt: skip
OTHERS = ("python -m venv", "python -m pip", "source", "torchrun", "eval", "cd", "mutmut", "taskset")
"""How lines of blocks begin that are no command of ours."""

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(make [^`\n]+)`")

NOT_PLANNED = (
    "WEIGHTS=mine.pth", "WEIGHTS=model.",
    "METHOD=spandrel", "METHOD=deepinv", "results/export/", "results/search/", "/{noise}/",
    "@own-mine", "METHOD=dncnn@own ", "METHOD=box",
)  # fmt: skip
"""What needs a file that another command makes, or a package that need not be there."""


def blocks(language: str) -> list[tuple[Path, str]]:
    return [(page, text) for page in PAGES for found, text in BLOCK.findall(page.read_text()) if found == language]


def lines() -> dict[str, Path]:
    """Return every command, and the page that has it first."""
    found: dict[str, Path] = {}
    for page, text in blocks(""):
        for line in text.splitlines():
            if re.match(r"(make|python -m bench)\b", line):
                found.setdefault(line, page)
    for page in PAGES:
        for line in INLINE.findall(BLOCK.sub("", page.read_text())):
            found.setdefault(line, page)
    return found


def words(line: str) -> tuple[str, dict[str, str]]:
    """Return the command of a line and the variables that are typed."""
    parts = shlex.split(re.split(r" (?:>|&&) ", line)[0], comments=True)
    command, *typed = parts[1:] if parts[0] == "make" else parts[3:]
    return command, dict(word.split("=", 1) for word in typed if "=" in word)


def context(command: str, typed: dict[str, str]) -> typer.Context:
    """Return what the program reads of a command: it raises where a word means nothing."""
    program, *options = arguments(command, {name: value for name, value in typed.items() if value != "..."})
    return typer.main.get_command(app).commands[program].make_context(program, options)  # type: ignore[attr-defined]


LINES = lines()
OURS = {line: words(line) for line in LINES if not line.startswith(("make help", "make setup", "make clean", "make -"))}


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """Return a folder with the files of a person that the pages speak of."""
    folder = tmp_path_factory.mktemp("person")
    grey = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    for name in ("a", "b"):
        for kind in ("photos", "path/to/photos", "my_test", "my_training"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(grey).save(folder / kind / f"{name}.png")
        for pair in ("shots/{}_GT.png", "shots/{}_N.png", "my_set/clean/{}.png", "my_set/noisy/{}.png"):
            path = folder / pair.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(grey).save(path)
        (folder / "scans").mkdir(exist_ok=True)
        Image.fromarray(grey.astype(np.uint16) * 16).save(folder / "scans" / f"{name}.png")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.write(folder / "photos" / "a.png", "a.png")
    (folder / "folder").mkdir()
    for number in range(1, 13):
        Image.fromarray(grey).save(folder / "folder" / f"{number:02}.png")
    code = next(text for _, text in blocks("python") if text.startswith("# my_method.py"))
    for name in ("my_method.py", "my_net.py", "my_adnet.py"):
        (folder / name).write_text(code)
    (folder / "methods").symlink_to(ROOT / "methods")
    return folder


def test_every_line_of_a_block_is_a_command_or_known_to_be_none():
    for page, text in blocks(""):
        if not re.search(r"^(make|python -m bench)\b", text, re.MULTILINE):
            continue  # output, a tree of folders
        for line in text.splitlines():
            assert line in LINES or line.startswith(OTHERS) or not line.strip(), (page.name, line)


@pytest.mark.parametrize("page", sorted({str(page.relative_to(ROOT)) for page in LINES.values()}))
def test_every_command_is_read_and_planned(page, person, monkeypatch):
    monkeypatch.chdir(person)
    # What code a cell rests on takes most of the time of planning, and no word of a command is wrong there.
    monkeypatch.setattr(fingerprint, "of_code", lambda *words: fingerprint.Fingerprint("", {}, {}))
    for line, (command, typed) in OURS.items():
        if LINES[line] != ROOT / page:
            continue
        try:
            said = context(command, typed).params
            if any(word in line for word in NOT_PLANNED):
                continue
            if command == "train":
                budget_seconds(said["budget"])
                if said["record"]:
                    read_record(Path(said["record"]), said["name"])
                else:
                    asked = (said[name] for name in ("data", "noise"))
                    recipe_for(
                        said["method"],
                        *asked,
                        " ".join(said["change"] or ()),
                        said["name"],
                        said["start"],
                        said["seed"],
                    )
            elif {"method", "data", "noise"} <= said.keys() and command not in ("conform", "search", "gpu"):
                names = Request.__dataclass_fields__.keys() & said.keys() - {"seed", "sigma"}
                plan = planned(Request(**{name: said[name] for name in names}, judged=said.get("as_", "")))
                assert plan.cells
                assert not plan.failures, plan.failures
        except Exception as error:
            error.add_note(f"{page}: {line}")
            raise


@pytest.mark.parametrize(
    "line",
    [
        "make bench METHOD=bm3d NOIZE=25",
        "make bench METHOD=bm3e",
        "make bench METHOD=bm3d NOISE=gauss:25",
        "make report PICTURES=many",
        "make train METHOD=dncnn CHANGE=step=3",
    ],
)
def test_the_test_sees_a_wrong_command(line, person, monkeypatch):
    monkeypatch.setitem(LINES, line, ROOT / "README.md")
    monkeypatch.setattr(f"{__name__}.OURS", {line: words(line)})
    with pytest.raises(Exception, match=r"\w") as caught:
        test_every_command_is_read_and_planned("README.md", person, monkeypatch)
    assert f"README.md: {line}" in caught.value.__notes__


def test_help_knows_every_command_that_a_page_asks_for(capsys):
    from bench.cli.make import run_words

    asked = {line.split("#")[0].strip() for line in LINES if line.startswith("make help ")}
    assert asked
    for line in asked:
        assert run_words(line.split()[1:]) == 0
        assert "Variables:" in capsys.readouterr().out


def test_the_first_method_of_one_s_own_is_measured_and_read_in_python(person, tmp_path, monkeypatch, capsys):
    from bench.cli.make import run_words

    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in OURS if line == "make bench METHOD=my_method.py,bm3d"]
    method = words(line)[1]["METHOD"].removesuffix(",bm3d")
    (tmp_path / method).write_bytes((person / method).read_bytes())
    assert run_words(["bench", f"METHOD={method}", f"DATA={person / 'photos' / 'a.png'}", "JOBS=1"]) == 0
    assert "Box 3x3" in capsys.readouterr().out
    filtered = next(text for _, text in blocks("python") if text.startswith("# my_filter.py"))
    (tmp_path / "my_filter.py").write_text(filtered)
    assert run_words(["bench", "METHOD=my_filter.py", "DATA=builtin-rgb:0", "JOBS=1", "OUT=other"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    read = next(text for _, text in blocks("python") if "load_results" in text and "load_method" not in text)
    known = {}
    exec(compile(read, "docs/python.md", "exec"), known)
    (row,) = known["table"].to_dict("records")
    assert (row["method"], row["degradation"], row["images"]) == ("Box 3x3", "gaussian:25", 1)
