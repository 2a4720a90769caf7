import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bench import segment
from bench.errors import BenchError
from bench.plan import known_dataset
from bench.segment import Scheme, confusion, intersection_over_union, mean_iou, scheme
from datasets import available
from datasets.description import Dataset, File, Part
from datasets.description import Image as Entry
from datasets.labels import indexed
from methods.networks.segmentation import CompactUNet

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
        scheme(available()["kodak24"])


class ByBrightness(nn.Module):
    """Class 1 where red is at least a half, 0 elsewhere; as large an input as 4 k only."""

    size_multiple = 4

    def forward(self, image):
        assert image.shape[-1] % 4 == image.shape[-2] % 4 == 0
        return torch.stack([torch.full_like(image[:, 0], 0.5), image[:, 0]], 1)


@pytest.fixture
def halves(tmp_path):
    """Two images, 10x14: dark left, bright right, and their label maps, with a row of void."""
    entries = []
    for i, split in enumerate((5, 9)):
        image = np.full((10, 14, 3), 64, np.uint8)
        image[:, split:] = 192
        labels = (np.arange(14) >= split).astype(np.uint8)[None].repeat(10, 0)
        labels[0] = 7
        parts = []
        for kind, pixels in (("image", image), ("labels", labels)):
            path = tmp_path / f"{i}-{kind}.png"
            Image.fromarray(pixels).save(path)
            parts.append(Part(File(path.name, local=str(path))))
        entries.append(Entry(str(i), parts[0], labels=parts[1]))
    return Dataset(
        name="halves", title="Halves", colour="rgb", images=tuple(entries), source="made", licence="none",
        label_reader=indexed, classes={0: "dark", 1: "bright", 7: "none"}, void=7,
    )  # fmt: skip


def test_table_of_noisy_denoised_and_clean(halves):
    told = []

    def gray(noisy, sigma):
        told.append(sigma)
        return torch.full_like(noisy, 100 / 255)

    seen = []
    rows = segment.compare(ByBrightness(), {"gray": gray}, halves, "100", seen=seen.append)
    noisy, flat, clean = rows
    assert [row["input"] for row in rows] == ["noisy", "gray", "clean"]
    assert seen == ["0", "1"]
    assert told == [pytest.approx(100 / 255)] * 2
    assert (clean["mean_iou"], clean["accuracy"], clean["psnr"]) == (1, 1, math.inf)
    # All is called dark: 9 rows count; 5 and 9 of 14 columns are dark.
    assert flat["iou dark"] == pytest.approx((5 + 9) / 28)
    assert flat["iou bright"] == 0
    assert flat["mean_iou"] == pytest.approx(0.25)
    errors = [(split * 36**2 + (14 - split) * 92**2) / 14 for split in (5, 9)]
    assert flat["psnr"] == pytest.approx(np.mean([10 * math.log10(255**2 / error) for error in errors]))
    assert 0.4 < noisy["mean_iou"] < 0.8  # sigma 100 carries one pixel in four over the middle
    assert noisy["psnr"] == pytest.approx(20 * math.log10(255 / 100), abs=0.5)
    lines = segment.table(rows)
    assert lines[0].split() == ["noisy", "gray", "clean"]
    assert lines[2].split() == ["mean", "IoU", "[%]", f"{100 * noisy['mean_iou']:.2f}", "25.00", "100.00"]


def test_the_segmentation_net_sees_what_the_psnr_is_taken_of(halves):
    # 127.6 is rounded to 128, which is bright; 127.4 to 127, which is dark.
    for level, bright in ((127.6, 1), (127.4, 0)):
        row = segment.compare(
            ByBrightness(),
            {"flat": lambda noisy, sigma, level=level: torch.full_like(noisy, level / 255)},
            halves,
            "10",
        )[1]
        assert row["iou bright" if bright else "iou dark"] == pytest.approx(0.5)


def test_an_image_without_label_map(halves):
    from dataclasses import replace

    bare = replace(halves, images=tuple(replace(image, labels=None) for image in halves.images))
    with pytest.raises(BenchError, match=r"image 0: has no label map; take camvid or voc2012"):
        segment.compare(ByBrightness(), {}, bare, "10")


def test_a_network_comes_back_from_its_file(tmp_path):
    net = CompactUNet(5, features=4, levels=3).eval()
    path = tmp_path / "deep" / "net.safetensors"
    segment.write(net.state_dict(), path, {"set": "halves"})
    image = torch.rand(1, 3, 10, 15)
    back = segment.load(path)
    padded = nn.functional.pad(image, (0, 1, 0, 2), mode="reflect")
    assert torch.equal(segment.predicted(back, image), net(padded).argmax(1)[:, :10, :15])
    assert segment.read(path)[1] == {"set": "halves"}


def test_files_that_hold_no_network(tmp_path):
    path = tmp_path / "x.safetensors"
    segment.write({"a": torch.zeros(1)}, path, {})
    with pytest.raises(BenchError, match="holds no CompactUNet"):
        segment.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(BenchError, match=r"x\.safetensors: cannot be read"):
        segment.load(path)
    with pytest.raises(BenchError, match=r"there\.safetensors: cannot be read"):
        segment.load(tmp_path / "not-there.safetensors")
    with pytest.raises(BenchError, match="cannot write"):
        segment.write({"a": torch.zeros(1)}, path / "below.safetensors", {})


def test_scheme_of_a_set_without_a_word_for_void():
    made = Dataset(name="x", title="", colour="rgb", images=(), source="", licence="", classes={0: "a", 1: "b"})
    assert scheme(made) == Scheme(("a", "b"), 2)
