from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import bench.run.images
from bench.common.files import fetch
from bench.plan.fingerprint import of_data
from bench.run.images import pictures
from datasets import Dataset, File, Part, available
from datasets import Image as Entry
from datasets.labels import indexed, segmentations

ALL = available()


def drawn(path, maps):
    cells = np.empty((1, len(maps)), object)
    for i, one in enumerate(maps):
        cells[0, i] = {"Segmentation": one, "Boundaries": np.zeros(one.shape, np.uint8)}
    savemat(path, {"groundTruth": cells}, do_compression=True)
    return path


def one_image(tmp_path, labels, **words):
    """Return a dataset of one 4x6 image with the label map files given."""
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "image.png")
    files = []
    for i, values in enumerate(labels):
        Image.fromarray(values).save(tmp_path / f"map{i}.png")
        files.append(Part(File(f"map{i}.png", local=str(tmp_path / f"map{i}.png"))))
    image = Part(File("image.png", local=str(tmp_path / "image.png")))
    return Dataset(
        name="mine",
        title="mine",
        colour="gray",
        images=(Entry("image", image, labels=files[0] if len(files) == 1 else tuple(files)),),
        source="made",
        licence="none",
        label_reader=indexed,
        **words,
    )


def test_every_berkeley_test_image_was_segmented_by_five_to_eight_people(published_files):
    gray, colour = ALL["bsd68"], ALL["cbsd68"]
    people = []
    for one, other in zip(pictures(gray, labels=True), pictures(colour), strict=True):
        people.append(len(one.labels))
        assert one.labels.shape[1:] == one.clean.shape[:2]
        assert one.labels.min() == 1
        # The gray image is the colour image of these segmentations: rgb2gray, to the rounding.
        luma = other.clean[::7, ::7] @ np.array([0.2989, 0.5870, 0.1140])
        assert np.abs(one.clean[::7, ::7, 0] - luma).max() < 0.55
    assert len(people) == 68
    assert set(people) == {5, 6, 7, 8}
    for one, other in zip(gray.images, colour.images, strict=True):
        assert one.labels.file.path == other.labels.file.path == f"BSD68_groundTruth/{other.name}.mat"


def test_segments_end_where_the_image_has_edges(published_files):
    """The gradient on people's boundaries against elsewhere; a flipped map has no such edge."""
    turned = {"as read": (1, 1), "upside down": (-1, 1), "mirrored": (1, -1), "rotated": (-1, -1)}
    names = ALL["bsd68"].image_names()[:24]
    ratios = {name: [] for name in turned}
    for picture in pictures(ALL["bsd68"], names, labels=True):
        down, right = np.gradient(picture.clean[..., 0].astype(float))
        steepness = np.hypot(down, right)
        maps = picture.labels
        edge = np.zeros(maps.shape[1:], bool)
        edge[:-1] |= (maps[:, 1:] != maps[:, :-1]).any(axis=0)
        edge[:, :-1] |= (maps[:, :, 1:] != maps[:, :, :-1]).any(axis=0)
        for name, (rows, columns) in turned.items():
            there = edge[::rows, ::columns]
            ratios[name].append(steepness[there].mean() / steepness[~there].mean())
    means = {name: np.mean(values) for name, values in ratios.items()}
    assert means.pop("as read") > 2
    assert max(means.values()) < 1.4


@pytest.mark.parametrize("name", ["bsd68", "cbsd68"])
def test_segmentations_change_no_fingerprint_and_are_fetched_only_when_asked_for(name, published_files, monkeypatch):
    entry = ALL[name]
    bare = replace(entry, images=tuple(replace(image, labels=None) for image in entry.images), label_reader=None)
    assert of_data(entry) == of_data(bare)
    assert [file.path for file in entry.files] == [file.path for file in bare.files]
    asked = []

    def recorded(kind, owner, files, advance):
        asked.extend(file.path for file in files)
        return fetch(kind, owner, files, advance)

    monkeypatch.setattr(bench.run.images.files, "fetch", recorded)
    (picture,) = pictures(entry, entry.image_names()[:1])
    assert picture.labels is None
    assert len(asked) == 1
    assert len(list(pictures(entry, entry.image_names()[:1], labels=True))) == 1
    assert asked[-1] == "BSD68_groundTruth/101085.mat"


def test_a_damaged_or_other_matlab_file_is_one_line(tmp_path, published_files):
    (path,) = fetch("data", "bsd68", [ALL["bsd68"].images[0].labels.file])
    content = path.read_bytes()
    bad = tmp_path / "bad.mat"
    for length in (0, 60, 127, 140, 5000, len(content) - 1):
        bad.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"segmentations .*bad\.mat: cannot be read to its end") as caught:
            segmentations(bad)
        assert "\n" not in str(caught.value)
    savemat(bad, {"other": np.zeros(3)})
    with pytest.raises(ValueError, match="has no groundTruth; expected one of BSDS500"):
        segmentations(bad)
    with pytest.raises(ValueError, match="all of one size"):
        segmentations(drawn(bad, [np.ones((2, 3), np.uint16), np.ones((3, 3), np.uint16)]))
    with pytest.raises(ValueError, match="whole numbers"):
        segmentations(drawn(bad, [np.full((2, 3), 0.5)]))
    assert segmentations(drawn(bad, [np.ones((2, 3), np.uint16)] * 2)).shape == (2, 2, 3)


def test_camvid_has_frames_of_one_size_and_its_twelve_values(published_files):
    # Every 12th of 233 and every 9th of 367 frames, from the first.
    for name, count in [("camvid", -(-233 // 12)), ("camvid-train", -(-367 // 9))]:
        entry, seen = ALL[name], set()
        for picture in pictures(entry, labels=True):
            assert picture.clean.shape == (360, 480, 3)
            assert picture.labels.shape == (1, 360, 480)
            seen |= set(np.unique(picture.labels).tolist())
        assert len(entry.images) == count
        assert seen == set(range(12)) == set(entry.classes)
        assert entry.classes[entry.void] == "unlabelled"
    assert (ALL["camvid"].role, ALL["camvid-train"].role) == ("test", "train")
    assert not {*ALL["camvid"].image_names()} & {*ALL["camvid-train"].image_names()}


def test_camvids_sky_is_above_its_road(published_files):
    both = 0
    for picture in pictures(ALL["camvid"], labels=True):
        rows = [np.nonzero(picture.labels[0] == label)[0] for label in (0, 3)]
        if all(len(row) for row in rows):
            both += 1
            assert rows[0].max() < rows[1].mean()
    assert both > 10


def test_a_palette_is_read_as_its_indices(tmp_path):
    values = np.array([[0, 1, 2], [255, 0, 1]], np.uint8)
    picture = Image.fromarray(values, "P")
    picture.putpalette([200, 0, 0] * 256)
    picture.save(tmp_path / "a.png")
    assert indexed(tmp_path / "a.png").tolist() == [values.tolist()]
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: it is RGB; expected 8-bit gray or a palette"):
        indexed(tmp_path / "b.png")


def test_a_map_of_another_size_or_kind_is_refused(tmp_path):
    classes = {0: "sky", 1: "road"}
    good = np.array([[0, 1, 1, 0, 9, 1]] * 4, np.uint8)
    (picture,) = pictures(one_image(tmp_path, [good], classes=classes, void=9), labels=True)
    assert picture.labels.tolist() == [good.tolist()]
    with pytest.raises(ValueError, match=r"label map map0\.png has the value 9; expected 0, 1: it is another kind"):
        list(pictures(one_image(tmp_path, [good], classes=classes), labels=True))
    with pytest.raises(ValueError, match=r"label map map0\.png is 3x6 and its image 4x6"):
        list(pictures(one_image(tmp_path, [good[:3]], classes=classes, void=9), labels=True))


def test_a_map_may_be_put_together_from_several_files(tmp_path):
    left, right = np.zeros((2, 4, 6), np.uint8)
    left[:, :2], right[:, 4:] = 1, 2
    (picture,) = pictures(one_image(tmp_path, [left, right]), labels=True)
    assert picture.labels.tolist() == [[[1, 1, 0, 0, 2, 2]] * 4]
