import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import datasets
from bench.judge.ledger import ledger
from bench.run.images import pictures

ALL = datasets.available()


def _psnr(picture):
    error = np.mean((picture.clean.astype(float) - picture.noisy) ** 2)
    return 10 * np.log10(255**2 / error)


@pytest.mark.parametrize(
    ("name", "mean", "least", "most"),
    [("cc15", 33.41, 29.63, 37.00), ("polyu", 35.97, 31.09, 41.00), ("sidd-pair", 16.15, 16.15, 16.15)],
)
def test_noisy_images_are_as_far_from_their_references_as_was_measured(published_files, name, mean, least, most):
    found = [_psnr(picture) for picture in pictures(ALL[name])]
    assert np.mean(found) == pytest.approx(mean, abs=0.005)
    assert (min(found), max(found)) == pytest.approx((least, most), abs=0.005)


def test_cc01_to_cc15_of_the_papers_are_the_images_in_this_order(published_files):
    # CDnCNN was trained on Gaussian noise and leaves nearly all of this noise: a little above each noisy image.
    rows = [r for r in ledger() if (r.dataset, r.method, r.metric) == ("cc15", "CDnCNN", "psnr") and r.image]
    rows = [row for row in rows if row.protocol != "other"]  # a misprint that two papers share
    printed = [row.number for row in sorted(rows, key=lambda row: row.image)]
    noisy = [_psnr(picture) for picture in pictures(ALL["cc15"])]
    above = np.subtract(printed, noisy)
    assert len(printed) == 15
    assert above.min() > 0
    assert above.max() < 1
    cameras = [name.rpartition("_")[0] for name in ALL["cc15"].image_names()]
    settings = ("5dmark3_iso3200", "d600_iso3200", "d800_iso1600", "d800_iso3200", "d800_iso6400")
    assert cameras == [camera for camera in settings for _ in range(3)]


def test_a_pair_is_two_files_of_one_name():
    for name in ("polyu", "cc15"):
        for image in ALL[name].images:
            folder, _, clean = image.clean.file.path.rpartition("/")
            ending = clean.partition(".")[2]
            assert clean == f"{image.name}_mean.{ending}"
            assert image.noisy.file.path == f"{folder}/{image.name}_real.{ending}"


def test_polyu_is_split_by_scene():
    def words(name, place):
        return {image.split("_")[place] for image in ALL[name].image_names()}

    assert sorted(ALL["polyu-20"].image_names() + ALL["polyu-80"].image_names()) == sorted(ALL["polyu"].image_names())
    assert words("polyu-20", 4).isdisjoint(words("polyu-80", 4))
    assert words("polyu-20", 0) == words("polyu-80", 0) == {"Canon5D2", "Canon600D", "Canon80D", "NikonD800", "Sony"}
    assert len(words("polyu-20", 4)) == 8
    # These two show the same plants.
    assert {"GO", "flower"} <= words("polyu-80", 4)


def test_rni6_has_no_references(published_files):
    with (Path(datasets.__file__).parent / "files.csv").open(newline="") as table:
        listed = [row["path"] for row in csv.DictReader(table) if row["path"].startswith("RNI6/")]
    found = list(pictures(ALL["rni6"]))
    assert [f"RNI6/{picture.name}.png" for picture in found] == listed
    assert all(picture.clean is None for picture in found)
    assert all(picture.noisy.shape[2] == 1 for picture in found)


def _read(path, variable="im_gt"):
    return ALL["sidd-pair"].reader(path, (variable,))


def test_a_variable_of_a_matlab_file(tmp_path):
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    savemat(tmp_path / "a.mat", {"im_gt": image})
    assert np.array_equal(_read(tmp_path / "a.mat"), image)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no file of MATLAB " * 20),
        lambda path: savemat(path, {"other": np.zeros(3)}),
        lambda path: savemat(path, {"im_gt": np.zeros((4, 5))}),
        lambda path: savemat(path, {"im_gt": np.zeros((4, 5, 3))}),
    ],
)
def test_a_file_that_is_not_the_pair(tmp_path, write):
    # How each is refused is proven in test_matlab.py; here that the pair is read by that reader.
    path = tmp_path / "gt.mat"
    write(path)
    with pytest.raises(ValueError, match=r"gt\.mat") as raised:
        _read(path)
    assert "\n" not in str(raised.value)


def test_the_embedded_pair_is_read_the_right_way_round(published_files):
    (pair,) = pictures(ALL["sidd-pair"])
    # The reference is smooth, the noisy image is not: neighbours differ far more.
    rough = [np.abs(np.diff(image.astype(float), axis=1)).mean() for image in (pair.clean, pair.noisy)]
    assert rough[0] < rough[1] / 5
