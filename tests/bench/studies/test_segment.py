import math
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import datasets
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.plan.resolve import known_dataset
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.segment import evaluation
from bench.studies.segment.evaluation import Scheme, confusion, intersection_over_union, mean_iou, scheme
from bench.studies.segment.segmenters import fitting, load
from bench.train import weights_file
from datasets.description import Dataset, File, Part
from datasets.description import Image as Entry
from datasets.labels import indexed
from methods.networks.segmentation import CompactUNet
from methods.sealed_json import sealed

TRUE = torch.tensor([[0, 0, 1, 1], [2, 2, 9, 9]])
FOUND = torch.tensor([[0, 1, 1, 1], [2, 0, 0, 2]])


def test_confusion_counts_by_true_and_predicted_class_without_void():
    assert confusion(TRUE, FOUND, 3, void=9).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_mean_iou_by_hand():
    # Class 0: one hit; one missed, one false. Class 1: two hits, one false. Class 2: one hit, one missed.
    counts = confusion(TRUE, FOUND, 3, void=9)
    assert intersection_over_union(counts).tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 2])
    assert mean_iou(counts) == pytest.approx(0.5)


def test_a_class_that_is_neither_there_nor_predicted_is_left_out():
    counts = confusion(TRUE, FOUND, 5, void=9)
    assert [math.isnan(value) for value in intersection_over_union(counts).tolist()] == [False] * 3 + [True] * 2
    assert mean_iou(counts) == pytest.approx(0.5)


def test_a_class_that_is_predicted_but_not_there_counts_as_nothing_right():
    found = torch.where(FOUND == 2, 3, FOUND)
    # Class 2 has no hit, class 3 neither; classes 0 and 1 as before.
    assert mean_iou(confusion(TRUE, found, 4, void=9)) == pytest.approx((1 / 3 + 2 / 3 + 0 + 0) / 4)


def test_iou_is_over_the_pixels_of_the_set_not_the_mean_over_images():
    small = torch.tensor([[0, 1]]), torch.tensor([[0, 0]])
    large = torch.zeros(10, 10).long(), torch.zeros(10, 10).long()
    counts = confusion(*small, 2, 9) + confusion(*large, 2, 9)
    assert intersection_over_union(counts).tolist() == pytest.approx([101 / 102, 0])


def test_iou_is_that_of_two_sets_of_pixels():
    generator = torch.Generator().manual_seed(0)
    true, found = (torch.randint(5, (30, 40), generator=generator) for _ in range(2))
    sets = [
        ({*map(tuple, (true == k).nonzero().tolist())}, {*map(tuple, (found == k).nonzero().tolist())})
        for k in range(5)
    ]
    expected = [len(a & b) / len(a | b) for a, b in sets]
    assert intersection_over_union(confusion(true, found, 5, 9)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("true", "found", "cause"),
    [
        (TRUE, FOUND[:1], "differ in shape"),
        (TRUE, FOUND + 1, "predicted class 3: expected 0 to 2"),
        (TRUE + 1, FOUND, "label 10: expected 0 to 2, or 9"),
    ],
)
def test_numbers_that_are_no_class(true, found, cause):
    with pytest.raises(BenchError, match=cause):
        confusion(true, found, 3, void=9)


def test_classes_of_the_sets():
    camvid = scheme(known_dataset("camvid"))
    assert (len(camvid.names), camvid.names[0], camvid.names[10], camvid.void) == (11, "sky", "bicyclist", 11)
    with pytest.raises(BenchError, match="dataset kodak24 has no classes"):
        scheme(datasets.available()["kodak24"])


class ByBrightness(nn.Module):
    """Class 1 where red is at least a half, 0 elsewhere; as large an input as 4 k only."""

    size_multiple = 4

    def forward(self, image):
        assert image.shape[-1] % 4 == image.shape[-2] % 4 == 0
        return torch.stack([torch.full_like(image[:, 0], 0.5), image[:, 0]], 1)


@pytest.fixture
def halves(tmp_path, monkeypatch):
    """Register two images, 12x14: dark left, bright right, and their label maps, with a row of void."""
    entries = []
    for i, split in enumerate((5, 9)):
        image = np.full((12, 14, 3), 64, np.uint8)
        image[:, split:] = 192
        labels = (np.arange(14) >= split).astype(np.uint8)[None].repeat(12, 0)
        labels[0] = 7
        parts = []
        for kind, pixels in (("image", image), ("labels", labels)):
            path = tmp_path / f"{i}-{kind}.png"
            Image.fromarray(pixels).save(path)
            parts.append(Part(File(path.name, sha256(path), local=str(path))))
        entries.append(Entry(str(i), parts[0], labels=parts[1]))
    made = Dataset(
        name="halves", title="Halves", colour="rgb", images=tuple(entries), source="made", licence="none",
        label_reader=indexed, classes={0: "dark", 1: "bright", 7: "none"}, void=7,
    )  # fmt: skip
    known = {**datasets.available(), "halves": made}
    monkeypatch.setattr(datasets, "available", lambda: known)
    return made


@pytest.fixture
def compared(halves, one_cell, tmp_path):
    """Return a function that segments what a method makes of the images, by brightness."""

    def make(cell, noise="100", seen=lambda version, image: None):
        store = Store(tmp_path / "runs")
        cell = one_cell(str(cell), "halves", noise)
        store.put(cell, run_cell(cell, Settings(device="cpu", jobs=1)))
        return evaluation.compare(ByBrightness(), {"gray": cell}, store, seen=seen)

    return make


@pytest.fixture
def gray_file(method_file):
    """Return a method that gives the same level everywhere."""
    return method_file("def denoise(noisy, sigma, level=100.0):\n    return noisy * 0 + level / 255\n")


CLASSES = Scheme(("dark", "bright"), 7)


def test_scores_of_noisy_denoised_and_clean(compared, gray_file):
    seen = []
    scores = compared(gray_file, seen=lambda *words: seen.append(words))
    noisy, flat, clean = (evaluation.summary(one, CLASSES) for one in scores)
    assert seen == [(one, image) for one in ("noisy", "gray", "clean") for image in ("0", "1")]
    assert [one.input for one in scores] == ["noisy", "gray", "clean"]
    assert (clean["mean_iou"], clean["accuracy"], clean["psnr"]) == pytest.approx((1, 1, 58.92), abs=0.005)
    # All is called dark: 11 rows count; 5 and 9 of 14 columns are dark.
    assert flat["iou dark"] == pytest.approx((5 + 9) / 28)
    assert flat["iou bright"] == 0
    assert (flat["mean_iou"], flat["accuracy"]) == (pytest.approx(0.25), pytest.approx(0.5))
    assert [mean_iou(one) for one in scores[1].counts.values()] == pytest.approx([5 / 28, 9 / 28])
    errors = [(split * 36**2 + (14 - split) * 92**2) / 14 for split in (5, 9)]
    assert flat["psnr"] == pytest.approx(np.mean([10 * math.log10(255**2 / error) for error in errors]))
    assert 0.4 < noisy["mean_iou"] < 0.8  # sigma 100 carries one pixel in four over the middle
    assert noisy["psnr"] == pytest.approx(20 * math.log10(255 / 100), abs=0.5)


@pytest.mark.parametrize(("level", "bright"), [(127.6, 1), (127.4, 0)])
def test_the_segmentation_net_sees_what_the_psnr_is_taken_of(compared, gray_file, level, bright):
    # 127.6 is rounded to 128, which is bright; 127.4 to 127, which is dark.
    row = evaluation.summary(compared(f"{gray_file}:level={level}")[1], CLASSES)
    assert row["iou bright" if bright else "iou dark"] == pytest.approx(0.5)


def test_an_image_without_label_map(halves, compared, gray_file, monkeypatch):
    bare = replace(halves, images=tuple(replace(image, labels=None) for image in halves.images))
    monkeypatch.setattr(datasets, "available", lambda: {"halves": bare})
    with pytest.raises(BenchError, match=r"image 0: has no label map; take camvid or voc2012"):
        compared(gray_file)


def write(path, classes=("dark", "bright"), score=50.0, **words):
    """Write a segmentation network, and its record."""
    weights_file.write_weights(CompactUNet(len(classes), 2, 2).state_dict(), path)
    record = {
        "kind": "segmenter",
        "name": "segmenter@own",
        "classes": list(classes),
        "held_out_mean_iou": score,
        **words,
    }
    path.with_suffix(".json").write_text(sealed(record))
    return path


def test_a_network_comes_back_from_its_file(tmp_path):
    net = CompactUNet(5, features=4, levels=3).eval()
    path = tmp_path / "deep" / "net.safetensors"
    weights_file.write_weights(net.state_dict(), path)
    image = torch.rand(1, 3, 10, 15)
    back = load(path)
    padded = nn.functional.pad(image, (0, 1, 0, 2), mode="reflect")
    assert torch.equal(evaluation.predicted(back, image), net(padded).argmax(1)[:, :10, :15])


def test_a_network_that_is_not_the_one_of_its_record_is_refused(tmp_path):
    path = write(tmp_path / "segmenter@own-x.safetensors", sha256="0" * 64)
    with pytest.raises(BenchError, match=r"has SHA-256 .*, and its training record 000000000000"):
        load(path)


def test_the_record_of_a_network_is_believed_with_its_checksum_only(halves, tmp_path):
    path = write(tmp_path / "segmenter@own-x.safetensors")
    record = path.with_suffix(".json")
    right = record.read_text()
    record.write_text(right.replace("50.0", "99.0"))
    with pytest.raises(BenchError, match=r"is none of a segmentation network .*not as it was written"):
        fitting(halves, str(path))
    record.write_text(re.sub(r'"\w{64}"', '"none"', right.replace("50.0", "99.0")))
    assert fitting(halves, str(path)).title == (
        "segmenter@own-x (held-out mean IoU 99.0 %, by a record changed by hand)"
    )


def test_files_that_hold_no_network(tmp_path):
    path = tmp_path / "x.safetensors"
    weights_file.write_weights({"a": torch.zeros(1)}, path)
    with pytest.raises(BenchError, match="holds no CompactUNet"):
        load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(BenchError, match=r"x\.safetensors: cannot be read"):
        load(path)
    with pytest.raises(BenchError, match=r"there\.safetensors: cannot be read"):
        load(tmp_path / "not-there.safetensors")
    with pytest.raises(BenchError, match=r"cannot write .*the checkpoint has the weights"):
        weights_file.write_weights({"a": torch.zeros(1)}, path / "below.safetensors")


def test_weights_are_as_readable_as_the_person_wants(tmp_path):
    before = os.umask(0o027)
    try:
        weights_file.write_weights({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_network_for_a_dataset_has_its_classes(halves, tmp_path):
    write(tmp_path / "segmenter@own-a.safetensors", ("bright", "dark"))
    with pytest.raises(BenchError, match=r"no segmentation network for the 2 classes of dataset halves; train one"):
        fitting(halves, folder=tmp_path)
    for name in ("halves-1", "halves", "halves-2"):
        write(tmp_path / f"segmenter@own-{name}.safetensors")
    assert fitting(halves, folder=tmp_path).path.stem == "segmenter@own-halves"
    assert fitting(halves, folder=tmp_path).title == "segmenter@own-halves (held-out mean IoU 50.0 %)"
    write(tmp_path / "segmenter@own-worse.safetensors", score=20.0)
    write(tmp_path / "segmenter@own-z.safetensors", score=60.0)  # the best is taken
    assert fitting(halves, folder=tmp_path).path.stem == "segmenter@own-z"


@pytest.mark.parametrize(
    ("classes", "cause"),
    [
        (
            ("dark", "bright", "red"),
            r"its 3 classes \(dark, bright, red\) are not the 2 of dataset halves \(dark, bright\)",
        ),
        (("bright", "dark"), "its 2 classes"),
    ],
)
def test_classes_that_are_not_those_of_the_dataset(halves, tmp_path, classes, cause):
    path = write(tmp_path / "x.safetensors", classes)
    with pytest.raises(BenchError, match=f"^SEGMENTER={path}: {cause}"):
        fitting(halves, str(path))


def test_a_file_without_record_is_known_by_the_number_of_its_classes(halves, tmp_path):
    path = write(tmp_path / "x.safetensors")
    path.with_suffix(".json").unlink()
    assert fitting(halves, str(path)).title == "x"
    weights_file.write_weights(CompactUNet(3, 2, 2).state_dict(), path)
    with pytest.raises(BenchError, match=r"its 3 classes \(not named\) are not the 2"):
        fitting(halves, str(path))
    with pytest.raises(BenchError, match=r"^SEGMENTER=y\.safetensors: no such file"):
        fitting(halves, "y.safetensors")
    with pytest.raises(BenchError, match=f"^SEGMENTER={re.escape(str(tmp_path))}: is a folder; expected a .safe"):
        fitting(halves, str(tmp_path))
    path.with_suffix(".json").write_text(sealed({}))
    with pytest.raises(BenchError, match=r"x\.json: is none of a segmentation network \(KeyError: 'classes'\)"):
        fitting(halves, str(path))


def test_scheme_of_a_set_without_a_word_for_void():
    made = Dataset(name="x", title="", colour="rgb", images=(), source="", licence="", classes={0: "a", 1: "b"})
    assert scheme(made) == Scheme(("a", "b"), 2)
