"""A record that cannot be used is named in one line and left out; the good ones beside it stay."""

import hashlib
import json
import random
import re
from pathlib import Path

import pytest

import methods
from bench.plan import resolve
from methods import trained_here
from methods.sealed_json import sealed

KNOWN = methods.available()
DELETED = object()


def record(title="dncnn@own-x", **changes):
    """What `make train` writes, as far as the registry reads it."""
    recipe = {"title": "DnCNN-S", "images": "train400, cbsd432", "noise": "25", "arguments": {"depth": 17}}
    content = {"name": title, "method": title.partition("@")[0], "colour": "gray", "trained": [25.0, 25.0],
               "weights": "x.safetensors", "sha256": "0" * 64, "label": "DnCNN (own x)", "parameters": 123,
               "recipe": recipe}  # fmt: skip
    for key, value in changes.items():
        place = recipe if key in recipe else content
        place[key] = value
        if value is DELETED:
            del place[key]
    return content


def write(folder: Path, name: str, content) -> None:
    folder.mkdir(exist_ok=True)
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        text = sealed(content) if isinstance(content, dict) else json.dumps(content)
        (folder / name).write_text(content if isinstance(content, str) else text)


def test_a_good_record(tmp_path):
    write(tmp_path, "x-25.json", record())
    write(tmp_path, "x-50.json", record(trained=[50, 50], noise="50"))
    write(tmp_path, "seg.json", {"kind": "segmenter", "name": "segmenter@own"})
    (method,), problems = trained_here.read(KNOWN, tmp_path)
    assert problems == []
    assert (method.name, method.title) == (
        "dncnn@own-x", "DnCNN-S: depth=17; trained by this project on train400, cbsd432",
    )  # fmt: skip
    assert [(net.id, net.trained, net.noise) for net in method.nets] == [
        ("x-25", (25, 25), "25"),
        ("x-50", (50, 50), "50"),
    ]
    net = method.nets[0]
    assert (net.label, net.parameters, net.published, net.trained_on) == (
        "DnCNN (own x)", 123, None, ("train400", "cbsd432"),
    )  # fmt: skip
    assert (net.weights.local, net.weights.record) == (str(tmp_path / "x.safetensors"), "x-25.json")
    assert set(trained_here.records(tmp_path)[0]) == {
        tmp_path / name for name in ("x-25.json", "x-50.json", "seg.json")
    }


def test_no_net_of_ours_is_held_against_what_a_paper_prints_of_its_own():
    """Not its self-ensemble either, of which MWRCANet has numbers."""
    ours = [net for method in methods.available().values() for net in method.nets if "@own" in method.name]
    assert len(ours) > 20
    assert {(net.published, net.published_ensemble) for net in ours} == {(None, None)}


def test_what_belongs_to_a_series_is_named_alone(tmp_path, monkeypatch):
    write(tmp_path, "x-25.json", record())
    write(tmp_path / "series", "y-25.json", record("dncnn@own-y"))
    (one, of_a_series), problems = trained_here.read(KNOWN, tmp_path)
    assert (one.name, one.of_a_series, of_a_series.name, of_a_series.of_a_series) == (
        "dncnn@own-x", False, "dncnn@own-y", True,
    )  # fmt: skip
    assert problems == []
    assert of_a_series.nets[0].weights.local == str(tmp_path / "series" / "x.safetensors")
    monkeypatch.setattr(methods, "available", lambda: {one.name: one, of_a_series.name: of_a_series})
    assert list(resolve.ready_methods("")) == ["dncnn@own-x"]
    assert resolve.known_method("dncnn@own-y", "").method.name == "dncnn@own-y"


NO_RECORD = {
    "cut": '{"name": ',
    "empty": "",
    "list": [record()],
    "number": "5",
    "no UTF-8": b"\xff\xfe{}\x80",
    "deep": "[" * 100_000,
    "many digits": '{"parameters": ' + "9" * 10_000 + "}",
    "empty object": {},
    "method not registered": record("nothing@own"),
    "method of another name": record(method="rdn"),
    "name of a registered method": record(name="dncnn"),
    "no net of this colour": record("dae@own", colour="rgb"),
    "weights elsewhere": record(weights="../x.safetensors"),
    "weights without a name": record(weights=""),
    "line break": record(label="a\nb"),
    "half of a character": json.dumps(record(label="\ud800")),
    "no title": record() | {"recipe": {"images": "a", "noise": "25", "arguments": {}}},
    "no arguments": record(arguments=DELETED),
    "arguments are a list": record(arguments=[]),
    "arguments that cannot be printed": record(arguments={"a": "\x1b[2J"}),
    "recipe is a list": record() | {"recipe": ["25"]},
    "sigmas no numbers": record(trained=["a", "b"]),
    "sigma infinite": json.dumps(record(trained=[0, float("inf")])),
    "sigma NaN": json.dumps(record(trained=[float("nan"), 1.0])),
    "sigma too large for a float": json.dumps(record(trained=[0, 10**400])),
    "one sigma": record(trained=[1]),
    "sigmas of an object": record(trained={"0": 1, "1": 2}),
    "digest short": record(sha256="abc"),
    "sigmas fall": record(trained=[50, 10], noise="poisson:30"),
    "sigmas of another noise": record(trained=[10, 10]),
    "range of another noise": record(trained=[0, 30], noise="gaussian:0-55"),
    "name runs on": record(name="dncnn@ownx"),
    "name that METHOD reads otherwise": record(name="dncnn@own-a,b"),
}
KEYS = ("name", "method", "colour", "weights", "sha256", "label", "parameters", "images", "noise")


@pytest.mark.parametrize(
    "content",
    [
        *NO_RECORD.values(),
        *(record(**{key: value}) for key in KEYS for value in (DELETED, None, [], {}, 1.5, True)),
    ],
    ids=[*NO_RECORD, *(f"{key} {value}" for key in KEYS for value in ("missing", None, "[]", "{}", 1.5, True))],
)
def test_one_that_cannot_be_used_is_named_and_left_out(tmp_path, content):
    write(tmp_path, "a good one.json", record())
    write(tmp_path, "b.json", content)
    write(tmp_path, "c good too.json", record("rdn@own", colour="rgb", trained=None))
    found, (line,) = trained_here.read(KNOWN, tmp_path)
    assert [(method.name, [net.id for net in method.nets]) for method in found] == [
        ("dncnn@own-x", ["a good one"]), ("rdn@own", ["c good too"]),
    ]  # fmt: skip
    assert line.startswith(f"training record {tmp_path / 'b.json'}: ")
    assert line.endswith("; left out: train again, or delete it")
    assert line.isprintable()
    assert len(line) < 300 + len(str(tmp_path))


def test_every_record_here_has_its_checksum():
    """The SHA-256 of the file without spaces and ends of lines, with nothing between the quotes of the checksum."""
    paths = sorted(trained_here.FOLDER.rglob("*.json"))
    assert len(paths) > 80
    for path in paths:
        text = re.sub(r"\s", "", path.read_text(encoding="utf-8"))
        before, named, rest = text.partition('"checksum":"')
        assert named, f"{path} has no checksum: write it again with methods.sealed_json.sealed"
        right = hashlib.sha256(f"{before}{named}{rest[64:]}".encode()).hexdigest()
        assert rest[:64] == right, path


def test_a_flipped_bit_of_a_record_is_named_or_changes_nothing(tmp_path):
    path, draw = tmp_path / "x-25.json", random.Random(0)
    content = sealed(record()).encode()
    path.write_bytes(content)
    (right,), _ = trained_here.read(KNOWN, tmp_path)
    named = 0
    for _ in range(400):
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        found, lines = trained_here.read(KNOWN, tmp_path)
        assert found == ([] if lines else [right])
        assert len(lines) <= 1
        named += len(lines)
    assert named > 200  # the others lie in spaces, or in the word itself


def test_a_record_may_be_laid_out_anew_but_not_changed(tmp_path):
    write(tmp_path, "x-25.json", json.dumps(json.loads(sealed(record())), indent=4).replace("\n", "\r\n"))
    assert trained_here.read(KNOWN, tmp_path)[1] == []
    write(tmp_path, "x-25.json", sealed(record()).replace("25.0", "75.0"))
    found, (line,) = trained_here.read(KNOWN, tmp_path)
    assert found == []
    assert "not as it was written, by its checksum" in line
    changed = sealed(record()).replace(": 123", ": 124")
    write(tmp_path, "x-25.json", changed.replace("checksum", "comment"))
    found, (line,) = trained_here.read(KNOWN, tmp_path)
    assert found == []
    assert "it has no checksum (write" in line
    write(tmp_path, "x-25.json", re.sub('"checksum": "[^"]*"', '"checksum": "none"', changed))
    (method,), (line,) = trained_here.read(KNOWN, tmp_path)
    assert method.nets[0].parameters == 124
    assert line == f"training record {tmp_path / 'x-25.json'}: was changed by hand, as its checksum says"


@pytest.mark.parametrize("noise", ["25", "25.0", "gaussian:25"])
def test_a_second_net_of_a_name_for_the_same_noise_is_named(tmp_path, noise):
    """Which of the two ran was a matter of the order of their files."""
    write(tmp_path, "x-25.json", record())
    write(tmp_path, "x-50.json", record(noise="50", trained=[50, 50]))
    write(tmp_path, "x-later.json", record(noise=noise))
    (method,), (line,) = trained_here.read(KNOWN, tmp_path)
    assert [net.id for net in method.nets] == ["x-25", "x-50"]
    assert "x-later.json: x-25 is of the same name, for gray images with " in line
    write(tmp_path, "x-later.json", record("dncnn@own-y", noise=noise))
    assert trained_here.read(KNOWN, tmp_path)[1] == []


def test_nets_of_one_name_that_are_others_are_each_said(tmp_path):
    """The title of the first one, its size and its images, was said of all."""
    write(tmp_path, "x-25.json", record())
    write(tmp_path, "x-50.json", record(noise="50", trained=[50, 50], arguments={"depth": 8}, images="bsd68"))
    (method,), _ = trained_here.read(KNOWN, tmp_path)
    assert method.title == (
        "x-25: DnCNN-S: depth=17; trained by this project on train400, cbsd432; "
        "x-50: DnCNN-S: depth=8; trained by this project on bsd68"
    )


def test_a_file_that_cannot_be_read(tmp_path):
    write(tmp_path, "good.json", record())
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "line\nbreak.json").write_text(json.dumps(record()))
    found, lines = trained_here.read(KNOWN, tmp_path)
    assert [method.name for method in found] == ["dncnn@own-x"]
    assert len(lines) == 3
    assert all("\n" not in line for line in lines)


def test_a_folder_that_is_not_there(tmp_path):
    assert trained_here.read(KNOWN, tmp_path / "nowhere") == ([], [])


def test_the_registry_lists_the_rest_and_names_the_problem(tmp_path, monkeypatch):
    write(tmp_path, "bad.json", '{"name": ')
    write(tmp_path, "good.json", record())
    monkeypatch.setattr(trained_here, "FOLDER", tmp_path)
    methods.read.cache_clear()
    try:
        (problem,) = methods.problems()
        assert "bad.json" in problem
        assert "dncnn@own-x" in methods.available()
    finally:
        monkeypatch.undo()
        methods.read.cache_clear()
    assert methods.problems() == ()
