"""The reader of MATLAB 5 files: equal to scipy's on good files, one line of ValueError on damaged ones."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from bench.adapters import image_files
from bench.common import matlab5
from datasets import available
from datasets.labels import segmentations
from methods import available as methods
from methods.mwcnn import load as load_mwcnn

MWCNN = methods()["mwcnn"].nets[0]
NUMBERS = np.random.default_rng(0)


def structs(**columns):
    """A 1xN struct array of fields with one value each."""
    names = list(columns)
    made = np.zeros((1, len(columns[names[0]])), dtype=[(name, object) for name in names])
    for name in names:
        for index, value in enumerate(columns[name]):
            made[name][0, index] = value
    return made


def cell(*values):
    made = np.empty((1, len(values)), object)
    for index, value in enumerate(values):
        made[0, index] = value
    return made


VARIABLES = {
    "plain": np.arange(24.0).reshape(2, 3, 4),
    "name_of_many_letters": np.arange(6, dtype=np.int16).reshape(2, 3),
    "one": np.array([[7]], np.uint8),
    "empty": np.zeros((0, 3)),
    "truth": np.array([[True, False, True]]),
    "text": "net of sigma 25",
    "cells": cell(np.arange(3.0), "abc", cell(np.ones((2, 2)), np.zeros((0, 0)))),
    "structs": structs(name=["LIEVE01_layer00f", "b"], value=[NUMBERS.random((3, 3, 2, 2)), np.float32([[1, 2]])]),
    "nested": {"inner": {"inner": structs(x=[1.5, "ab", cell(2.0)])}},
}
FIELDS = ("name", "value", "x", "inner", "params", "Segmentation")


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def file(request, tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, VARIABLES, do_compression=request.param)
    return path


def plain(array, theirs=None):
    """Everything in an array as lists, numbers, texts and dictionaries, whose names are scipy's, or are tried."""
    if array.kind == "cell":
        ours = matlab5.cells(array)
        inner = [None] * len(ours) if theirs is None else theirs.ravel(order="F")
        return [plain(one, other) for one, other in zip(ours, inner, strict=True)]
    if array.kind == "struct":
        names = FIELDS if theirs is None else theirs.dtype.names
        found = {}
        for name in names:
            try:
                ours = matlab5.fields(array, name)
            except ValueError as error:
                if theirs is not None or "without" not in str(error):
                    raise
                continue
            inner = [None] * len(ours) if theirs is None else theirs[name].ravel(order="F")
            found[name] = [plain(one, other) for one, other in zip(ours, inner, strict=True)]
        return found
    if array.kind == "char":
        return matlab5.text(array)
    values = matlab5.numbers(array)
    if theirs is not None:
        assert np.array_equal(values, theirs)
        assert values.shape == theirs.shape
    return values.tolist() if values.size else []


def everything(path):
    return {name: plain(matlab5.read(path, found)) for name, found in matlab5.describe(path).items()}


def scipys(value):
    """The same of what scipy read."""
    if value.dtype.names:
        return {name: [scipys(one) for one in value[name].ravel(order="F")] for name in value.dtype.names}
    if value.dtype == object:
        return [scipys(one) for one in value.ravel(order="F")]
    return str(value[0]) if value.dtype.kind == "U" else value.tolist() if value.size else []


def test_all_kinds_are_read_as_scipy_reads_them(file):
    theirs = {name: value for name, value in scipy.io.loadmat(file).items() if not name.startswith("__")}
    ours = matlab5.describe(file)
    assert list(ours) == list(theirs) == list(VARIABLES)
    assert everything(file) == {name: scipys(value) for name, value in theirs.items()}
    for name, value in theirs.items():
        plain(matlab5.read(file, ours[name]), value)
    assert (ours["truth"].kind, ours["cells"].kind, ours["structs"].kind) == ("bool", "cell", "struct")
    assert matlab5.load(file, ours["name_of_many_letters"]).dtype == np.int16


@pytest.mark.usefixtures("published_files")
def test_the_berkeley_segmentations_are_read_as_scipy_reads_them():
    from bench.common.files import fetch

    for image in available()["bsd68"].images[::9]:
        (path,) = fetch("data", "bsd68", [image.labels.file])
        people = scipy.io.loadmat(path)["groundTruth"].ravel()
        assert np.array_equal(segmentations(path), np.stack([person["Segmentation"][0, 0] for person in people]))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda array: matlab5.numbers(array("text")), "char; expected real numbers"),
        (lambda array: matlab5.numbers(array("cells")), "cell; expected real numbers"),
        (lambda array: matlab5.text(array("plain")), r"float64 of shape \(2, 3, 4\); expected a text of one line"),
        (lambda array: matlab5.cells(array("structs")), "struct; expected cells"),
        (lambda array: matlab5.fields(array("cells"), "x"), "cell; expected a struct with x"),
        (lambda array: matlab5.fields(array("structs"), "x"), "a struct without x"),
    ],
)
def test_another_kind_than_asked_for(file, call, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        call(lambda name: matlab5.read(file, matlab5.describe(file)[name]))


def test_what_is_no_array_is_described_and_not_read(tmp_path):
    """Sparse and complex numbers, and an object of a class, which stands in a file without a shape."""
    path = tmp_path / "a.mat"
    from scipy.sparse import eye

    scipy.io.savemat(path, {"sparse": eye(3), "complex": np.array([[1j]])})
    body = struct.pack("<IIII", 6, 8, 17, 0) + struct.pack("<I", 3 << 16 | 1) + b"net\0"
    body += struct.pack("<I", 4 << 16 | 1) + b"MCOS"
    path.write_bytes(path.read_bytes() + struct.pack("<II", 14, len(body)) + body)
    found = matlab5.describe(path)
    assert {name: one.kind for name, one in found.items()} == {
        "sparse": "sparse", "complex": "complex float64", "net": "opaque",
    }  # fmt: skip
    for one in found.values():
        with pytest.raises(ValueError, match="expected real numbers"):
            matlab5.load(path, one)


def packed(body: bytes) -> bytes:
    """A file of one compressed variable."""
    content = zlib.compress(body)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 256) + b"IM"
    return head + struct.pack("<II", 15, len(content)) + content


def unpacked(path: Path, name: str) -> bytes:
    """The element of a compressed variable."""
    found = matlab5.describe(path)[name]
    return zlib.decompress(path.read_bytes()[found.offset : found.offset + found.size])


def test_claims_of_more_than_there_is(tmp_path):
    """Nothing is made of a size before it is compared with the bytes that are there."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"cells": cell(1.0, 2.0), "plain": np.ones((2, 3))}, do_compression=True)
    cells, numbers = bytearray(unpacked(path, "cells")), bytearray(unpacked(path, "plain"))
    for body, at, value in (
        (cells, 4, 0xFFFFFFF0), (cells, 4, matlab5.MOST_BYTES - 8), (numbers, 4, 0xFFFFFFF0),  # bytes in all
        (cells, 32, 2**31 - 1), (cells, 36, 2**31 - 1), (numbers, 32, 2**31 - 1), (numbers, 32, 2**32 - 1),  # a side
    ):  # fmt: skip
        changed = bytearray(body)
        struct.pack_into("<I", changed, at, value)
        path.write_bytes(packed(bytes(changed)))
        with pytest.raises(ValueError, match=r"^[ -~]+$"):
            everything(path)


def damaged(content: bytes, first: int, chance: random.Random) -> bytes:
    """Bytes from the first on replaced, often by those that sizes and kinds are made of; sometimes cut too."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(first, chance.choice((min(first + 80, len(changed)), len(changed))))
        changed[at] = chance.choice((0, 1, 2, 4, 8, 14, 15, 16, 127, 128, 255, changed[at] ^ 1 << chance.randrange(8)))
    return bytes(changed[: chance.randrange(len(changed))] if chance.random() < 0.2 else changed)


def variants(path: Path, chance: random.Random, count: int):
    """Damaged forms of a file, and of one compressed variable of it damaged before it was compressed."""
    content = path.read_bytes()
    compressed = any(found.packed for found in matlab5.describe(path).values())
    bodies = [unpacked(path, name) for name in matlab5.describe(path)] if compressed else []
    for _ in range(count):
        if bodies and chance.random() < 0.7:
            yield packed(damaged(chance.choice(bodies), 0, chance))
        else:
            yield damaged(content, 124, chance)


def refusals(read, path: Path, chance: random.Random, count: int) -> int:
    """How many damaged forms of a file are refused, each by a ValueError of one line; any other error is the test's."""
    messages = []
    bad = path.with_name("bad.mat")
    for content in variants(path, chance, count):
        bad.write_bytes(content)
        try:
            read(bad)
        except ValueError as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    return len(messages)


def test_damaged_files_are_one_line(file):
    assert 200 < refusals(everything, file, random.Random(0), 600) < 600  # the others changed a number only


MAPS = [np.ones((5, 7), np.uint16), np.full((5, 7), 300, np.uint16)]
NET = {"vars": 0.0, "params": structs(name=["LIEVE01_layer00f"], value=[np.ones((3, 3, 4, 4))])}


@pytest.mark.parametrize(
    ("variables", "read"),
    [
        ({"denoised": np.arange(35.0).reshape(5, 7)}, lambda path: image_files.read(path, (5, 7, 1))),
        ({"groundTruth": cell(*({"Segmentation": one, "Boundaries": one} for one in MAPS))}, segmentations),
        ({"net": NET}, lambda path: load_mwcnn(MWCNN, path, {})),
    ],
    ids=["a program's image", "drawn segmentations", "MatConvNet's weights"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # damaged numbers may be infinite
def test_those_who_read_foreign_files_refuse_damaged_ones_in_one_line(tmp_path, variables, read):
    scipy.io.savemat(tmp_path / "a.mat", variables, do_compression=True)
    assert refusals(read, tmp_path / "a.mat", random.Random(1), 200) > 60


def test_an_image_of_a_program(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.array([[0, 64], [128, 255]], np.uint8)})
    assert np.allclose(image_files.read(path, (2, 2, 1))[..., 0], np.array([[0, 64], [128, 255]]) / 255)
    scipy.io.savemat(path, {"x": np.array([[0.0, 0.25], [0.5, 1.5]])})
    assert image_files.read(path, (2, 2, 1), white=2.0).ravel().tolist() == [0, 0.125, 0.25, 0.75]
    for variables, reason in (
        ({"x": np.ones((2, 2)), "y": np.ones((2, 2))}, "2 variables; expected one"),
        ({"x": np.ones((3, 2))}, r"an array of shape \(3, 2\); expected \(2, 2, 1\)"),
        ({"x": np.array([[1j, 0], [0, 0]])}, "complex float64; expected real numbers"),
        ({"x": "text"}, "expected"),
    ):
        scipy.io.savemat(path, variables)
        with pytest.raises(ValueError, match=reason):
            image_files.read(path, (2, 2, 1))


def test_whole_numbers_that_matlab_stored_in_bytes_are_the_doubles_that_they_are(tmp_path):
    """MATLAB stores doubles that are whole numbers as bytes: an image of 0 and 1 is no 8-bit image."""
    path = tmp_path / "a.mat"
    body = (
        struct.pack("<IIII", 6, 8, 6, 0)
        + struct.pack("<IIii", 5, 8, 2, 2)
        + struct.pack("<I", 1 << 16 | 1)
        + b"V\0\0\0"
    )
    body += struct.pack("<I", 4 << 16 | 2) + bytes([0, 1, 1, 0])
    path.write_bytes(packed(struct.pack("<II", 14, len(body)) + body))
    assert image_files.read(path, (2, 2, 1)).ravel().tolist() == [0, 1, 1, 0]
