import struct
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from bench.common import matlab5
from datasets.matlab import Variable, element, grey_levels, read

FLOAT = ("float32", "float64")
# Every number says where it stands, so that no two axes can be exchanged unnoticed.
VALUES = np.fromfunction(lambda a, b, c, d: a * 1000 + b * 100 + c * 10 + d, (2, 3, 4, 5))


@pytest.fixture(params=["5", "5 compressed", "7.3", "7.3 in chunks"])
def file(request, tmp_path, save_73):
    path = tmp_path / "a.mat"
    if request.param.startswith("5"):
        scipy.io.savemat(path, {"V": VALUES, "other": np.ones((2, 2))}, do_compression="compressed" in request.param)
    else:
        blocks = (VALUES.shape, {(i, j): VALUES[i, j] for i in range(2) for j in range(3)})
        save_73(path, {"V": blocks if "chunks" in request.param else VALUES, "other": np.ones((2, 2))})
    return path


@pytest.mark.parametrize("where", [(), (1,), (1, 2), (0, slice(1, 3)), (slice(1, 2), 0, slice(1, 3))])
def test_axes_stand_as_in_matlab(file, where):
    found = read(file, Variable("V", (2, 0, 4, 5), FLOAT), where)
    assert np.array_equal(found, VALUES[where])
    assert found.flags.c_contiguous
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (Variable("W", (2, 3, 4, 5), FLOAT), "variable W, 2x3x4x5 float32 or float64; the file has V, other"),
        (Variable("V", (5, 4, 3, 2), FLOAT), "variable V, 5x4x3x2 .*; it is 2x3x4x5 float64"),
        (Variable("V", (2, 3, 4), FLOAT), "variable V, 2x3x4 .*; it is 2x3x4x5 float64"),
        (Variable("V", (0, 3, 4, 5), ("uint8",)), "variable V, anyx3x4x5 uint8; it is 2x3x4x5 float64"),
    ],
)
def test_another_variable_than_expected(file, variable, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(file, variable)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_a_cut_file(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    # The variables stand one after another: the last one is hurt by every cut.
    with pytest.raises(ValueError, match=r"cut or damaged|no whole MATLAB file|the file has") as caught:
        read(file, Variable("other", (2, 2), FLOAT))
    assert "\n" not in str(caught.value)


def test_no_matlab_file(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(ValueError, match=r"no whole MATLAB file of version 5 or 7.3"):
        read(path, Variable("V", (1, 1), FLOAT))
    path.unlink()
    with pytest.raises(ValueError, match="it is gone"):
        read(path, Variable("V", (1, 1), FLOAT))


def test_a_version_5_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    reads, load = [], matlab5.load
    monkeypatch.setattr(matlab5, "load", lambda *args: reads.append(1) or load(*args))
    path, variable = tmp_path / "once.mat", Variable("V", (2, 3, 4, 5), FLOAT)
    scipy.io.savemat(path, {"V": VALUES})
    first = read(path, variable, (0,))
    first[:] = -1  # a caller's copy
    assert [read(path, variable, (0, j))[0, 0] for j in range(3)] == [0, 100, 200]
    assert len(reads) == 1
    scipy.io.savemat(path, {"V": VALUES + 0.5, "more": 1})
    assert read(path, variable, (0, 2))[0, 0] == 200.5
    assert len(reads) == 2


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("packed", [False, True])
def test_numbers_of_version_5(tmp_path, kind, packed):
    # scipy, as MATLAB, names short variables and stores single numbers in a shorter form.
    arrays = {"a": np.arange(-3, 3), "numbers_of_a_long_name": np.arange(24).reshape(2, 3, 4), "one": np.array(7)}
    arrays = {name: np.atleast_2d(values).astype(kind) for name, values in arrays.items()}
    scipy.io.savemat(tmp_path / "a.mat", arrays | {"text": "abc", "turned": {"x": 1}}, do_compression=packed)
    for name, values in arrays.items():
        found = read(tmp_path / "a.mat", Variable(name, values.shape, (kind,)))
        assert found.dtype == kind
        assert np.array_equal(found, values)
        assert np.array_equal(found, scipy.io.loadmat(tmp_path / "a.mat")[name])
    for name, told in (("text", "it is 1x3 char"), ("turned", "it is 1x1 struct")):
        with pytest.raises(ValueError, match=told):
            read(tmp_path / "a.mat", Variable(name, (1, 3), (kind,)))


def test_numbers_that_matlab_stored_in_fewer_bytes_and_the_other_order(tmp_path):
    # Written by hand: MATLAB stores doubles that are whole numbers as bytes, and big machines big ends first.
    path = tmp_path / "a.mat"
    for order, mark in (("<", b"IM"), (">", b"MI")):
        body = struct.pack(f"{order}IIII", 6, 8, 6, 0)  # a double
        body += struct.pack(f"{order}IIii", 5, 8, 2, 3) + struct.pack(f"{order}I", 1 << 16 | 1) + b"V\0\0\0"
        body += struct.pack(f"{order}II", 2, 6) + bytes([1, 2, 3, 4, 5, 250]) + bytes(2)
        element = struct.pack(f"{order}II", 14, len(body)) + body
        path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 256) + mark + element)
        assert read(path, Variable("V", (2, 3), ("float64",))).tolist() == [[1, 3, 5], [2, 4, 250]]


def test_compressed_numbers_that_are_more_or_fewer_than_the_shape_says(tmp_path):
    path, variable = tmp_path / "a.mat", Variable("V", (2, 3), FLOAT)
    scipy.io.savemat(path, {"V": np.ones((2, 3))}, do_compression=True)
    head, inside = path.read_bytes()[:128], zlib.decompress(path.read_bytes()[136:])
    for content in (inside, inside + bytes(10_000_000), inside[:-8]):
        packed = zlib.compress(content)
        for cut in (0, 2):  # of the checksum at the end
            path.write_bytes(head + struct.pack("<II", 15, len(packed) - cut) + packed[: len(packed) - cut])
            if content is inside and not cut:
                assert read(path, variable).tolist() == [[1, 1, 1]] * 2
                continue
            with pytest.raises(ValueError, match="cut or damaged"):
                read(path, variable)


def test_no_more_than_the_block_is_read(tmp_path, save_73):
    # 9 TB by its shape; only the block that is wanted was ever written.
    block = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = save_73(tmp_path / "a.mat", {"V": ((100_000, 2_000_000, 3, 4), {(70_000, 9): block})})
    assert np.array_equal(read(path, Variable("V", (0, 0, 3, 4), FLOAT), (70_000, 9)), block)


def test_chunks_that_hold_a_little_of_every_block(tmp_path):
    # One chunk holds a pixel of every block: reading block by block would inflate everything for each.
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("V", data=VALUES.T, chunks=(1, 1, 3, 2), compression="gzip")
    for i, j in np.ndindex(2, 3):
        assert np.array_equal(read(path, Variable("V", (2, 3, 4, 5), FLOAT), (i, j)), VALUES[i, j])


BOXES = [np.arange(8.0).reshape(2, 4) + 100 * i for i in range(3)]


def test_fields_of_a_struct_array_and_cells(tmp_path, save_73):
    path = save_73(tmp_path / "a.mat", {"info": {"boxes": BOXES}, "cells": BOXES, "V": BOXES[0]})
    variable, cells = Variable("info.boxes", (2, 4), FLOAT), Variable("cells", (2, 4), FLOAT)
    for i, box in enumerate(BOXES):
        assert np.array_equal(element(path, variable, i), box)
        assert np.array_equal(element(path, cells, i), box)
    for wrong, place, message in (
        (variable, 3, "it has 3 arrays and number 4 is wanted"),
        (Variable("info.places", (2, 4), FLOAT), 0, "expected the variable info.places, 2x4 .*; the file has boxes"),
        (Variable("info.boxes", (4, 2), FLOAT), 0, "variable info.boxes, 4x2 .*; it is 2x4 float64"),
        (Variable("V", (2, 4), FLOAT), 0, "variable V, 2x4 .*; it is 2x4 float64"),
        (Variable("info", (2, 4), FLOAT), 0, "variable info, 2x4 .*; it is no array of this file"),
    ):
        with pytest.raises(ValueError, match=message):
            element(path, wrong, place)
    with pytest.raises(ValueError, match="variable cells, 1x3"):
        read(path, Variable("cells", (1, 3), FLOAT))
    scipy.io.savemat(path, {"cells": np.ones((2, 4))})
    with pytest.raises(ValueError, match="it is a file of version 5"):
        element(path, cells, 0)


def test_texts_are_no_numbers(tmp_path, save_73):
    path = save_73(tmp_path / "a.mat", {"V": "abc"})
    with pytest.raises(ValueError, match="it is 1x3 char"):
        read(path, Variable("V", (1, 3), ("uint16",)))


def test_numbers_of_another_file_are_not_read(tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "a.mat"
    secret.write_bytes(bytes(range(64)))
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["V"] = np.zeros((8, 8), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("outside", (8, 8), np.uint8, external=[(str(secret), 0, 64)])
        file["linked"] = h5py.ExternalLink("b.mat", "V")
    for name in ("outside", "linked"):
        with pytest.raises(ValueError, match=f"expected the variable {name}"):
            read(path, Variable(name, (8, 8), ("uint8",)))


@pytest.mark.parametrize("kind", FLOAT)
def test_grey_levels(tmp_path, kind):
    variable = Variable("V", (1, 4), FLOAT)
    found = grey_levels(np.array([0, 0.2, 1, -0.01], kind), tmp_path, variable)
    assert found.dtype == np.float32
    assert np.allclose(found, [0, 51, 255, -2.55], atol=1e-4)
    for wrong in (255.0, np.nan, -np.inf):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            grey_levels(np.array([0, wrong], kind), tmp_path, variable)
