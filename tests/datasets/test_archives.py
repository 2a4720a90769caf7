import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.run.images import pictures
from datasets import pickled
from datasets.archives import Archive, Limits, is_archive, members, read_member
from datasets.from_path import from_path

FILES = {"a.txt": b"first", "photos/b.txt": b"second" * 1000, "photos/empty": b""}
KINDS = ["zip", "tar", "tar.gz"]


def link(name, to="/etc/passwd", kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def make(path, files, *others, packed=zipfile.ZIP_DEFLATED):
    """Write an archive of (name, content) pairs and of `others`, members that are no plain files."""
    pairs = files.items() if isinstance(files, dict) else files
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", packed) as archive:
            for name, content in pairs:
                archive.writestr(zipfile.ZipInfo(name), content, packed)
            for info in others:
                made = zipfile.ZipInfo(info.name)
                made.external_attr = (0o120777 if info.type == tarfile.SYMTYPE else 0o020666) << 16
                archive.writestr(made, info.linkname)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in pairs:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return path


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    """Return where an archive of each kind shall lie."""
    return tmp_path / f"an archive.{request.param}"


def refused(path, message, call=None, limits=None):
    """Assert that an archive is refused in one line that names it, and that nothing new lies beside it."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ValueError, match=message) as caught:
        (call or (lambda path: Archive(path, limits or Limits())))(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.parent.rglob("*")) == before


def test_members_are_read_as_they_are(path):
    make(path, [("photos/", b"")] * (path.suffix == ".zip") + list(FILES.items()))
    assert is_archive(path)
    assert members(path) == tuple(FILES)
    assert {name: read_member(path, name) for name in FILES} == FILES
    assert list(path.parent.iterdir()) == [path]
    refused(path, "there is no 'c.txt' in it", lambda path: read_member(path, "c.txt"))
    make(path, {"a.txt": b"another"})
    assert read_member(path, "a.txt") == b"another"


def test_a_dot_before_a_name_means_nothing(path):
    make(path, {"./a.txt": b"first"})
    assert members(path) == ("a.txt",)


@pytest.mark.parametrize(
    "name", ["../a.txt", "photos/../../a.txt", "/etc/a.txt", "C:/a.txt", "C:a.txt", "..\\a.txt", "a\nb.txt"]
)
def test_names_that_climb_out(path, name):
    make(path, [*FILES.items(), (name, b"evil")])
    refused(path, "leads out of it")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_not_read(path, kind):
    if path.suffix == ".zip" and kind == tarfile.LNKTYPE:
        kind = tarfile.SYMTYPE  # a zip file knows no other
    make(path, FILES, link("other", "a.txt", kind))
    assert read_member(path, "a.txt") == b"first"
    message = "'other' is (a link|no plain file)"
    refused(path, message, lambda path: read_member(path, "other"))


def test_a_name_that_is_there_twice(path):
    make(path, [*FILES.items(), ("./a.txt", b"other")])
    assert read_member(path, "photos/empty") == b""
    refused(path, "'a.txt' is in it twice", lambda path: read_member(path, "a.txt"))


def test_limits(path):
    make(path, FILES)
    refused(path, "more than 2 members", limits=Limits(count=2))
    refused(path, "more than 6004 bytes together|more than 6004 bytes come out", limits=Limits(total=6004))
    assert Archive(path, Limits(total=1 << 20, count=3, member=6000)).read("photos/b.txt") == FILES["photos/b.txt"]

    def read(path):
        Archive(path, Limits(member=5999)).read("photos/b.txt")

    refused(path, "'photos/b.txt' has 6000 bytes, at most 5999", read)


def test_bombs(tmp_path):
    zeros = bytes(4 << 20)
    path = make(tmp_path / "a.zip", {"zeros": zeros, "a.txt": b"first"})
    assert read_member(path, "a.txt") == b"first"
    refused(path, r"grows from \d+ to 4194304 bytes, more than 200 times", lambda path: read_member(path, "zeros"))
    path = make(tmp_path / "a.tar.gz", {"zeros": zeros})
    refused(path, "bytes come out of it, it looks made to fill the disk")


def test_a_zip_member_that_is_larger_than_it_says(tmp_path):
    path = make(tmp_path / "a.zip", {"a.txt": bytes(1000)})
    content = path.read_bytes().replace(struct.pack("<I", 1000), struct.pack("<I", 10))
    path.write_bytes(content)
    refused(path, "cut or damaged", lambda path: read_member(path, "a.txt"))


def test_an_encrypted_zip(tmp_path):
    path = make(tmp_path / "a.zip", {"a.txt": b"first"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag, before the member and in the index
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, "'a.txt' is encrypted", lambda path: read_member(path, "a.txt"))


@pytest.mark.parametrize("share", [0, 0.02, 0.2, 0.4, 0.6, 0.75])
def test_cut_archives(path, share):
    noise = np.random.default_rng(0).bytes(30_000)
    make(path, {name: noise[i * 10_000 : (i + 1) * 10_000] for i, name in enumerate("abc")})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "cut or damaged|no archive that can be read")


def test_a_tar_file_that_was_cut_between_members_or_has_a_bad_header(tmp_path):
    path = make(tmp_path / "a.tar", {"a": b"1" * 512, "b": b"2" * 512})
    content = path.read_bytes()
    path.write_bytes(content[:1024])
    refused(path, "the mark at its end is missing")
    path.write_bytes(content[:1030] + b"!" + content[1031:])  # in the name of the second member
    refused(path, "the mark at its end is missing")


def test_damaged_content(tmp_path):
    path = make(tmp_path / "a.zip", {"a": b"1" * 100}, packed=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"111", b"121", 1))
    refused(path, "cut or damaged .*CRC", lambda path: read_member(path, "a"))
    path = tmp_path / "a.tar.gz"
    content = bytearray(make(path, {"a": np.random.default_rng(0).bytes(5000)}).read_bytes())
    content[3000] ^= 1
    path.write_bytes(content)
    refused(path, "cut or damaged .*CRC")


def test_no_archive(tmp_path):
    for name, content in (("a.zip", b"<html>not found</html>"), ("a.tar", b"x" * 2000), ("a.tar.gz", b"\x1f\x8bxx")):
        path = tmp_path / name
        path.write_bytes(content)
        refused(path, "no archive that can be read|cut or damaged")
    refused(tmp_path / "gone.zip", "it is gone", members)
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"no tar file" * 100))
    refused(tmp_path / "b.tar.gz", "cut or damaged")


# A person's own images.


def encoded(pixels, ending="png"):
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, {"jpg": "jpeg", "tif": "tiff"}.get(ending, ending))
    return out.getvalue()


@pytest.fixture
def images():
    draw = np.random.default_rng(0).integers
    return {name: draw(0, 256, (20, 31, 3), dtype=np.uint8) for name in ("b", "a", "c")}


def test_images_are_read_from_an_archive(path, images):
    files = {f"photos/{name}.{'png' if name == 'a' else 'bmp'}": image for name, image in images.items()}
    files = {name: encoded(image, name[-3:]) for name, image in files.items()}
    make(path, files | {"readme.txt": b"", "__MACOSX/photos/._a.png": b"note", "photos/._c.png": b"note"})
    dataset = from_path(path)
    assert (dataset.name, dataset.colour, dataset.image_names()) == (path.name, "rgb", ["a", "b", "c"])
    assert dataset.default_noise == "25"
    found = {picture.name: picture.clean for picture in pictures(dataset)}
    assert all(np.array_equal(found[name], images[name]) for name in images)
    assert list(path.parent.iterdir()) == [path]
    pickle.loads(pickle.dumps(dataset))  # it goes to workers


def test_archives_without_a_set_of_images(path, images):
    make(path, {"readme.txt": b""})
    refused(path, "the archive has no image", from_path)
    make(path, {"x/a.png": encoded(images["a"]), "x/a.bmp": encoded(images["b"], "bmp")})
    refused(path, "two images are named 'a' .*a.bmp and a.png", from_path)
    make(path, {"a.png": b"no image"})
    refused(path, "a.png: no readable image", from_path)
    make(path, {"a.png": encoded(images["a"]), "b.png": encoded(images["b"][..., :1])})
    mixed = from_path(path)
    with pytest.raises(ValueError, match="is gray and the images before it are rgb"):
        list(pictures(mixed))


# Pickles.


def test_arrays_of_every_protocol_are_unpickled():
    value = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2], "name": "x"}
    value["turned"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for protocol in range(2, 5):
        found = pickled.load(pickle.dumps(value, protocol), "x")
        assert found.keys() == value.keys()
        assert found["labels"] == [1, 2]
        for name in ("data", "turned"):
            assert np.array_equal(found[name], value[name])
            assert found[name].dtype == value[name].dtype


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(5))
def test_a_malicious_pickle_does_not_run(tmp_path, protocol):
    trace = tmp_path / "it ran"
    calls = [
        Evil(os.system, f"touch '{trace}'"),
        Evil(Path.touch, trace),
        Evil(eval, f"open({str(trace)!r}, 'w')"),
        Evil(getattr, np.ndarray, "tofile"),
    ]
    for call in calls:
        for value in (call, {"data": call}, {call: 1}, [np.zeros(2), call]):
            with pytest.raises(ValueError, match=r"it asks for .*nothing ran") as caught:
                pickled.load(pickle.dumps(value, protocol), "train")
            assert "\n" not in str(caught.value)
    assert not trace.exists()
    # The same bytes do run where nobody looks.
    pickle.loads(pickle.dumps(calls[0], protocol))
    assert trace.exists()


def test_pickles_that_are_no_dictionary_of_arrays():
    good = pickle.dumps({"data": np.arange(12, dtype=np.uint8)}, 2)
    for part in range(0, len(good), 7):
        with pytest.raises(ValueError, match="pickle x: "):
            pickled.load(good[:part], "x")
    for value in ([1, 2], {"data": np.array([Exception], object)}, np.zeros(3)):
        with pytest.raises(ValueError, match="pickle x: "):
            pickled.load(pickle.dumps(value, 2), "x")
    # A shape that the bytes do not fill, and a place in a list of four thousand million.
    with pytest.raises(ValueError, match="pickle x: damaged"):
        pickled.load(good.replace(b"K\x0c\x85", b"K\x0d\x85"), "x")
    assert pickled.load(b"\x80\x02}r\xff\xff\xff\xff.", "x") == {}
