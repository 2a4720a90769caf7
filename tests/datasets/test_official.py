"""The loaders of official archives, on small files of the official layout."""

import hashlib
import io
import struct
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import scipy.io
from PIL import Image

from bench.common.errors import BenchError
from bench.common.files import cache_folder, fetch
from bench.run.images import pictures
from datasets import File, available, cifar, sidd

SETS = available()


def folder(name):
    made = cache_folder() / "data" / name
    made.mkdir(parents=True, exist_ok=True)
    return made


def taken_from(entry, path, names):
    """Return a set with some of its images, whose file lies elsewhere and has no checksum yet."""

    def moved(part):
        return part and replace(part, file=File(part.file.path, local=str(path)))

    chosen = [image for image in entry.images if image.name in names]
    images = [replace(i, clean=moved(i.clean), noisy=moved(i.noisy), labels=moved(i.labels)) for i in chosen]
    return replace(entry, images=images)


def test_what_the_sets_say():
    counts = {"sidd-valid": 1280, "sidd-valid-raw": 1280, "siddplus-valid": 1024, "siddplus-valid-raw": 1024,
              "dnd": 1000, "dnd-raw": 1000, "cifar100": 10_000, "cifar100-train": 50_000, "voc2012": 1449,
              "voc2012-train": 1464}  # fmt: skip
    for name, count in counts.items():
        entry = SETS[name]
        names = entry.image_names()
        assert len(set(names)) == len(entry.images) == count
        assert entry.role == ("train" if name.endswith("train") else "test")
        assert entry.colour == ("gray" if name.endswith("raw") else "rgb")
        assert entry.protocol == ("float" if name.endswith("raw") else "standard")
        assert entry.has_clean != name.startswith("dnd")
        by_hand = name.startswith(("sidd", "dnd"))
        for file in entry.files:
            assert (bool(file.page), bool(file.url and file.md5)) == (by_hand, not by_hand)
    assert SETS["sidd-valid"].image_names()[:33:32] == ["001-01", "002-01"]
    assert SETS["dnd"].image_names()[::999] == ["0001-01", "0050-20"]
    assert (SETS["sidd-valid"].default_noise, SETS["cifar100"].default_noise) == ("pairs", "rdn-grid")


# SIDD and SIDD+.


def blocks(seed, colour):
    """Return random blocks, by place: raw ones are float32 from 0 to 1."""
    draw = np.random.default_rng(seed)
    if colour == "rgb":
        return draw.integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    return draw.random((2, 256, 256), np.float32)


@pytest.mark.parametrize(
    ("name", "place", "files", "shape"),
    [
        ("sidd-valid-raw", "SIDD", ("ValidationGtBlocksRaw", "ValidationNoisyBlocksRaw"), (40, 32, 256, 256)),
        ("sidd-valid", "SIDD", ("ValidationGtBlocksSrgb", "ValidationNoisyBlocksSrgb"), (40, 32, 256, 256, 3)),
        ("siddplus-valid-raw", "SIDDplus", ("siddplus_valid_gt_raw", "siddplus_valid_noisy_raw"), (1024, 256, 256)),
        ("siddplus-valid", "SIDDplus", ("siddplus_valid_gt_srgb", "siddplus_valid_noisy_srgb"), (1024, 256, 256, 3)),
    ],
)
def test_sidd_blocks(save_73, name, place, files, shape):
    entry, plus = SETS[name], place == "SIDDplus"
    places, names = ([(0,), (1023,)], ["0001", "1024"]) if plus else ([(0, 1), (39, 31)], ["001-02", "040-32"])
    written = [blocks(seed, entry.colour) for seed in (1, 2)]
    for variable, content in zip(files, written, strict=True):
        save_73(folder(place) / f"{variable}.mat", {variable: (shape, dict(zip(places, content, strict=True)))})
    found = list(pictures(entry, names))
    assert [picture.name for picture in found] == names
    for i, picture in enumerate(found):
        for image, content in zip((picture.clean, picture.noisy), written, strict=True):
            if entry.colour == "rgb":
                assert image.dtype == np.uint8
                assert np.array_equal(image, content[i])
            else:
                assert image.dtype == np.float32
                assert np.array_equal(image, content[i][..., None] * np.float32(255))


def test_mwrcanet_on_raw_blocks_with_and_without_self_ensemble(save_73, monkeypatch, tmp_path, row_of):
    """From files and a checkpoint as their authors give them to the verdict; scored as DN_valid_SIDDPlus.py does."""
    import torch

    from bench.plan.request import Request, plan
    from bench.run.campaign import run_campaign
    from bench.run.settings import Settings
    from bench.store.records import Store
    from bench.store.results import gather
    from methods.networks.mwrcanet import MWRCANet

    torch.manual_seed(0)
    network = MWRCANet(1, (4, 4, 4), 1, 4).eval()
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "w.pth"
    )
    places, rng = [(1023,)], np.random.default_rng(0)
    clean = rng.random((1, 256, 256), np.float32)
    noisy = clean + rng.normal(0, 0.05, clean.shape).astype("float32")
    for variable, content in (("siddplus_valid_gt_raw", clean), ("siddplus_valid_noisy_raw", noisy)):
        stored = {variable: ((1024, 256, 256), dict(zip(places, content, strict=True)))}
        save_73(folder("SIDDplus") / f"{variable}.mat", stored)
    entry = SETS["siddplus-valid-raw"]
    few = replace(entry, images=[image for image in entry.images if image.name == "1024"])
    monkeypatch.setattr("datasets.available", lambda: SETS | {few.name: few})
    words = {"weights": str(tmp_path / "w.pth"), "judged": "mwrcanet", "ensemble": "1,8", "output": "image"}
    cells, failures = plan(Request("mwrcanet", few.name, **words))
    done = run_campaign(cells, Store(tmp_path / "runs"), Settings(runtime="torch"), failures=failures)
    assert not done.failures
    rows = {result.ensembled: row_of(result) for result in gather(done.records())}

    def psnr(turns):
        each = []
        for y, x in zip(noisy, clean, strict=True):
            total = np.zeros_like(y)
            for k, flip in turns:
                turned = np.rot90(y, k)
                turned = turned[::-1] if flip else turned
                with torch.inference_mode():
                    out = network(torch.from_numpy(turned.copy())[None, None])[0, 0].numpy()
                total += np.rot90(out[::-1] if flip else out, -k) / len(turns)
            each.append(-10 * np.log10(np.mean((total.clip(0, 1) - x) ** 2, dtype=float)))
        return np.mean(each)

    every = [(k, flip) for k in range(4) for flip in (False, True)]
    for ensembled, turns, printed in ((False, every[:1], "52.79"), (True, every, "52.80")):
        assert float(rows[ensembled]["psnr"]) == pytest.approx(psnr(turns), abs=2e-3)
        assert (rows[ensembled]["psnr_published"], rows[ensembled]["verdict"]) == (printed, "below")
    assert abs(psnr(every) - psnr(every[:1])) > 0.01  # so that the test would tell them apart


def test_sidd_blocks_of_version_5(monkeypatch):
    # As they are published, but for the size of a block: 250 MB are no small file.
    whole = np.random.default_rng(1).integers(0, 256, (40, 32, 5, 6, 3), dtype=np.uint8)
    for name, values in (("ValidationNoisyBlocksSrgb", whole), ("ValidationGtBlocksSrgb", 255 - whole)):
        scipy.io.savemat(folder("SIDD") / f"{name}.mat", {name: values}, do_compression=True)
        monkeypatch.setitem(sidd._VARIABLES, name, replace(sidd._VARIABLES[name], shape=whole.shape))
    found = list(pictures(SETS["sidd-valid"], ["007-31", "008-01"]))
    for picture, block in zip(found, (whole[6, 30], whole[7, 0]), strict=True):
        assert np.array_equal(picture.noisy, block)
        assert np.array_equal(picture.clean, 255 - block)


def test_sidd_files_that_are_another(monkeypatch):
    gt, noisy = (folder("SIDDplus") / f"siddplus_valid_{version}_raw.mat" for version in ("gt", "noisy"))
    entry = SETS["siddplus-valid-raw"]
    for path in (gt, noisy):
        with pytest.raises(BenchError, match=rf"{path.name} is in no folder .*bit\.ly/siddplus_data"):
            list(pictures(entry, ["0001"]))
        scipy.io.savemat(path, {path.stem: np.zeros((8, 256, 256), np.float32)})
    with pytest.raises(
        ValueError, match=r"expected the variable siddplus_valid_gt_raw, 1024x256x256 .*; it is 8x256x256 float32"
    ):
        list(pictures(entry, ["0001"]))
    scipy.io.savemat(gt, {"siddplus_valid_gt_srgb": np.zeros((8, 8), np.uint8)})
    with pytest.raises(ValueError, match="the file has siddplus_valid_gt_srgb"):
        list(pictures(entry, ["0001"]))
    variable = sidd._VARIABLES[noisy.stem]
    monkeypatch.setitem(sidd._VARIABLES, gt.stem, replace(variable, name=gt.stem, shape=(8, 256, 256)))
    scipy.io.savemat(gt, {gt.stem: np.zeros((8, 256, 256), np.float32)})
    gt.write_bytes(gt.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cut or damaged"):
        list(pictures(entry, ["0001"]))


# DND.


@pytest.fixture
def dnd(save_73):
    """Return a function that writes photograph 3 and the boxes of all, and the photographs."""
    draw = np.random.default_rng(3)
    photographs = {"InoisySRGB": draw.random((520, 530, 3), np.float32), "Inoisy": draw.random((520, 530), np.float32)}

    def write(boxes):
        root = folder("dnd_2017")
        fields = {"boundingboxes": [np.zeros((20, 4))] * 2 + [boxes] + [np.zeros((20, 4))] * 47}
        save_73(root / "info.mat", {"info": {**fields, "camera": ["Nexus 6P"] * 50}})
        save_73(root / "images_srgb" / "0003.mat", {"InoisySRGB": photographs["InoisySRGB"]})
        save_73(root / "images_raw" / "0003.mat", {"Inoisy": photographs["Inoisy"]})
        return photographs

    return write


# Top, left, bottom, right, counted from 1, the last ones inside.
BOXES = np.array([[1 + k % 9, 1 + k % 19, 512 + k % 9, 512 + k % 19] for k in range(20)], float)


@pytest.mark.parametrize(("name", "variable"), [("dnd", "InoisySRGB"), ("dnd-raw", "Inoisy")])
def test_dnd_boxes(dnd, name, variable):
    photograph = dnd(BOXES)[variable].reshape(520, 530, -1)
    first, eighth, last = pictures(SETS[name], ["0003-01", "0003-08", "0003-20"])
    assert first.clean is None
    assert first.noisy.dtype == np.float32
    assert np.array_equal(first.noisy, photograph[:512, :512] * np.float32(255))
    assert np.array_equal(eighth.noisy, photograph[7:519, 7:519] * np.float32(255))
    assert np.array_equal(last.noisy, photograph[1:513, 0:512] * np.float32(255))


def test_dnd_boxes_that_cannot_be(dnd):
    for box, message in (
        ([1, 1, 513, 512], "box 1 of photograph 3 is 1, 1, 513, 512; expected .* of 512x512"),
        ([0, 1, 511, 512], "counted from 1"),
        ([1, 20, 512, 531], "ends outside of it"),
    ):
        dnd(np.vstack([[box], BOXES[1:]]))
        with pytest.raises(ValueError, match=message):
            list(pictures(SETS["dnd"], ["0003-01"]))
    (folder("dnd_2017") / "info.mat").unlink()
    with pytest.raises(BenchError, match=r"info\.mat is in no folder of this machine .* get it from https://noise"):
        list(pictures(SETS["dnd"], ["0003-01"]))


# CIFAR-100.


def python_2(rows, names):
    """Return a pickle as Python 2 and the numpy of its time wrote those of CIFAR-100, byte for byte by its rules."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def number(value):
        return b"J" + struct.pack("<i", value)

    kind = (
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
    )
    content = rows.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    state = b"(K\x01" + number(rows.shape[0]) + number(rows.shape[1]) + b"\x86" + kind + b"\x89"
    state += b"T" + struct.pack("<i", len(content)) + content + b"tb"
    listed = b"](" + b"".join(map(text, names)) + b"e"
    labels = b"](" + b"K\x07" * len(names) + b"e"
    return (
        b"\x80\x02}("
        + text(b"filenames")
        + listed
        + text(b"fine_labels")
        + labels
        + text(b"data")
        + (array + state)
        + b"u."
    )


def archive(path, members):
    with tarfile.open(path, "w:gz", compresslevel=0) if path.suffix == ".gz" else tarfile.open(path, "w") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(("name", "split", "count"), [("cifar100", "test", 10_000), ("cifar100-train", "train", 50)])
def test_cifar(tmp_path, monkeypatch, name, split, count):
    monkeypatch.setitem(cifar._COUNTS, split, count)  # 150 MB of training images are no small file
    images = np.random.default_rng(4).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    rows = np.zeros((count, 3072), np.uint8)
    for place, image in zip((3, -1), images, strict=True):
        # The red plane, then green, then blue; in each the first 32 values are the first row.
        rows[place] = [image[y, x, c] for c in range(3) for y in range(32) for x in range(32)]
    content = python_2(rows, [b"photo_s_%06d.png" % i for i in range(100)])
    path = archive(
        tmp_path / "cifar-100-python.tar.gz", {"cifar-100-python/meta": b"?", f"cifar-100-python/{split}": content}
    )
    names = ["00003", f"{count - 1:05d}"]
    found = list(pictures(taken_from(SETS[name], path, names)))
    assert [picture.name for picture in found] == names
    for picture, image in zip(found, images, strict=True):
        assert np.array_equal(picture.clean, image)


def test_cifar_archives_that_are_refused(tmp_path):
    trace, path = tmp_path / "it ran", tmp_path / "cifar-100-python.tar.gz"
    evil = b"cposix\nsystem\n(S\"touch '%s'\"\ntR." % str(trace).encode()
    small = python_2(np.zeros((5, 3072), np.uint8), [])
    for content, message in (
        (evil, "it asks for 'posix.system', .*nothing ran"),
        (small, r"its data is \(5, 3072\) uint8, expected \(10000, 3072\)"),
        (small[:-100], "pickle .*test: damaged"),
    ):
        archive(path, {"cifar-100-python/test": content})
        with pytest.raises(ValueError, match=message):
            list(pictures(taken_from(SETS["cifar100"], path, ["00000"])))
    archive(path, {"cifar-10-python/test": content})
    with pytest.raises(ValueError, match="there is no 'cifar-100-python/test' in it"):
        list(pictures(taken_from(SETS["cifar100"], path, ["00000"])))
    assert not trace.exists()


# PASCAL VOC 2012.


def voc(path, split, count, labels, mode="P"):
    """Write an archive with the first and the last photograph of a list; the first is returned."""
    ramp = np.stack([*np.meshgrid(np.arange(60) * 4, np.arange(40) * 6), np.full((40, 60), 90)], -1).astype(np.uint8)
    photograph, label_map = io.BytesIO(), io.BytesIO()
    Image.fromarray(ramp).save(photograph, "jpeg", quality=100, subsampling=0)
    image = Image.fromarray(labels, mode)
    if mode == "P":
        image.putpalette([17 * i % 256 for i in range(768)])
    image.save(label_map, "png")
    ids = [f"2007_{i:06d}" for i in range(count)]
    inside = "VOCdevkit/VOC2012"
    members = {f"{inside}/ImageSets/Segmentation/{split}.txt": "\n".join(ids).encode() + b"\n"}
    for place in (0, -1):
        members[f"{inside}/JPEGImages/{ids[place]}.jpg"] = photograph.getvalue()
        members[f"{inside}/SegmentationClass/{ids[place]}.png"] = label_map.getvalue()
    archive(path, members)
    return ramp


LABELS = np.zeros((40, 60), np.uint8)
LABELS[5:20, 30:] = 15
LABELS[4, 30:] = LABELS[39] = 255


@pytest.mark.parametrize(("name", "split", "count"), [("voc2012", "val", 1449), ("voc2012-train", "train", 1464)])
def test_voc(tmp_path, name, split, count):
    path = tmp_path / "VOCtrainval_11-May-2012.tar"
    ramp = voc(path, split, count, LABELS)
    names = [f"{split}-0001", f"{split}-{count}"]
    for picture in pictures(taken_from(SETS[name], path, names), labels=True):
        assert picture.clean.shape == (40, 60, 3)
        assert np.abs(picture.clean.astype(int) - ramp).max() <= 3  # what JPEG of quality 100 loses
        assert np.array_equal(picture.labels, LABELS[None])
    assert (SETS[name].classes[15], SETS[name].void, len(SETS[name].classes)) == ("person", 255, 21)


def test_voc_archives_that_are_another(tmp_path):
    path = tmp_path / "VOCtrainval_11-May-2012.tar"
    for count, labels, mode, message in (
        (1448, LABELS, "P", r"val\.txt: it lists 1448 images, expected 1449"),
        (1449, LABELS, "L", "expected a PNG file with a palette"),
        (1449, np.full_like(LABELS, 21), "P", "values up to 21"),
        (1449, LABELS[1:], "P", "is 39x60 and its image 40x60"),
    ):
        voc(path, "val", count, labels, mode)
        with pytest.raises(ValueError, match=message):
            list(pictures(taken_from(SETS["voc2012"], path, ["val-0001"]), labels=True))


# Downloads with an md5.


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path):
    """Return a served folder and its address."""
    place = tmp_path / "served"
    place.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield place, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("name", ["cifar100", "voc2012"])
def test_a_download_with_a_wrong_md5(served, name, capsys):
    place, address = served
    (official,) = SETS[name].files
    (place / "archive").write_bytes(b"another archive")
    wrong = replace(official, url=f"{address}/archive", bytes=len(b"another archive"))
    with pytest.raises(BenchError, match="does not have the expected md5"):
        fetch("data", f"dataset {name}", [wrong])
    assert not [path for path in cache_folder().rglob("*") if path.is_file()]

    right = replace(wrong, md5=hashlib.md5(b"another archive").hexdigest())
    (copy,) = fetch("data", f"dataset {name}", [right])
    assert copy == cache_folder() / "data" / official.path
    # The good copy stays whatever the address serves next, and for whoever expects another file.
    (place / "archive").write_bytes(b"a third archive")
    assert fetch("data", f"dataset {name}", [right]) == [copy]
    capsys.readouterr()
    with pytest.raises(BenchError, match="does not have the expected md5"):
        fetch("data", f"dataset {name}", [wrong])
    assert "has md5" in capsys.readouterr().err  # of the copy that is there
    assert copy.read_bytes() == b"another archive"
