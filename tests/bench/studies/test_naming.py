"""Files of studies: the same question has the same name, another question another one; nothing is overwritten."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from bench.common.naming import distinct_names
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.studies.groups import by_dataset, grouped
from bench.studies.naming import stem


def cells(*words, **more):
    found, failures = plan(Request(*words, **more))
    assert not failures
    return found


@pytest.fixture
def folders(tmp_path):
    """Return two folders of one base name with another photograph each."""
    for parent, photograph in (("x", data.camera()), ("y", data.coins())):
        folder = tmp_path / parent / "test"
        folder.mkdir(parents=True)
        Image.fromarray(photograph[50:114, 60:130]).save(folder / "a.png")
    return tmp_path / "x" / "test", tmp_path / "y" / "test"


@pytest.fixture
def models(tmp_path):
    """Return two method files of one name that do different things."""
    for parent, factor in (("one", 0.5), ("two", 0.9)):
        path = tmp_path / parent / "model.py"
        path.parent.mkdir()
        path.write_text(f"def denoise(noisy, sigma):\n    return noisy * {factor}\n")
    return tmp_path / "one" / "model.py", tmp_path / "two" / "model.py"


def name(*words, others=(), **more):
    return stem(Path("out"), ("title",), cells(*words, **more), **dict(others))


def test_the_same_question_has_the_same_name(folders):
    assert name("median", "builtin", "25") == name("median", "builtin", "25")
    assert name("median", "builtin", "25").parent == Path("out")
    assert name("median", "builtin", "25").name.startswith("title-")
    # Not the code that answers: a figure made again takes the place of the one before.
    (cell,) = cells("median", "builtin", "25")
    assert stem(Path(), ("a",), [cell]) == stem(Path(), ("a",), [replace(cell, code="another")])


def test_another_question_has_another_name(folders, models):
    asked = [
        name("median", "builtin", "25"),
        name("gaussian", "builtin", "25"),
        name("median,gaussian", "builtin", "25"),
        name("gaussian,median", "builtin", "25"),  # the first is what the others are held against
        name("median", "builtin", "50"),
        name("median", "builtin", "25", "clipped"),
        name("median", "builtin", "25", seed="1"),
        name("median", "builtin", "25", seed="0,1"),
        name("median", "builtin", "25", ensemble="8"),
        name("bm3d", "builtin", "25"),
        name("bm3d:profile=lc", "builtin", "25"),
        *(name("median", str(folder), "25") for folder in folders),
        *(name(str(model), "builtin", "25") for model in models),
        name("median", "builtin", "25", others={"pixels": (1, 2)}),
        name("median", "builtin", "25", others={"segmenter": "abc"}),
    ]
    assert len(set(asked)) == len(asked)


def test_a_file_that_changed_is_another_question(folders):
    before = name("median", str(folders[0]), "25")
    Image.fromarray(data.moon()[:64, :70]).save(folders[0] / "a.png")
    assert name("median", str(folders[0]), "25") != before


def test_names_are_told_apart_by_the_shortest_end_of_the_path():
    assert distinct_names(["test", "test", "test"], ["a/b/test", "c/b/test", "d/e/test"]) == [
        "test (a/b/test)", "test (c/b/test)", "test (d/e/test)",
    ]  # fmt: skip
    assert distinct_names(["a", "b"], ["x", "x"]) == ["a", "b"]
    assert distinct_names(["a", "a"], ["x", "x"]) == ["a (1)", "a (2)"]


def test_folders_and_files_of_one_base_name_are_groups_and_methods_of_their_own(folders, models):
    found = cells(",".join(map(str, models)), ",".join(map(str, folders)), "25,50", seed="0,1")
    assert list(by_dataset(found)) == ["folder test (x/test)", "folder test (y/test)"]
    groups = grouped(found)
    assert [(group.about["dataset"], group.about["degradation"]) for group in groups] == [
        (f"folder test ({parent}/test)", f"gaussian:{sigma}") for parent in "xy" for sigma in (25, 50)
    ]
    for group in groups:
        assert list(group.methods) == ["model (one/model.py)", "model (two/model.py)"]
        assert [[cell.seed for cell in members] for members in group.methods.values()] == [[0, 1], [0, 1]]
    apart = grouped(found, seeds_apart=True)
    assert [group.about["seed"] for group in apart] == ["0", "1"] * 4
    assert all(len(members) == 1 for group in apart for members in group.methods.values())


def written(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.csv")}


def test_no_study_overwrites_the_answer_to_another_question(tmp_path, folders):
    from bench.studies.audit import study as audit
    from bench.studies.explain import study as explain
    from bench.studies.selfscore import study as selfscore

    x, y = map(str, folders)
    own = ("dncnn-b@own-small",)
    questions = [
        lambda out: selfscore.build(Request("median", x, "25"), out),
        lambda out: selfscore.build(Request("median", y, "25"), out),
        lambda out: selfscore.build(Request("median,gaussian", x, "25"), out),
        lambda out: selfscore.build(Request("median", x, "25"), out, side=40),
        lambda out: audit.build(x, out),
        lambda out: audit.build(f"{x},{y}", out),
        lambda out: audit.build(f"{x},train:{y}", out),
        lambda out: explain.build(Request(*own, x, "25"), "", "", out),
        lambda out: explain.build(Request(*own, x, "25"), "", "3,4", out),
        lambda out: explain.build(Request(*own, y, "25"), "", "3,4", out),
        lambda out: explain.build(Request(*own, x, "50"), "", "3,4", out),
    ]
    before: dict[str, bytes] = {}
    for ask in questions:
        assert not [one for one in ask(tmp_path / "out") if isinstance(one, Failure)]
        after = written(tmp_path / "out")
        assert len(after) == len(before) + 1
        assert before.items() <= after.items()
        before = after
    for ask in questions:
        list(ask(tmp_path / "out"))
    assert written(tmp_path / "out") == before
