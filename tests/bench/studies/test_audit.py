import io
import math
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import datasets
from bench.common.errors import BenchError
from bench.judge.audit_findings import (
    COMMITTED,
    DIFFERING,
    DUPLICATE,
    OVERLAP,
    VALIDATION,
    Finding,
    overlap_footnotes,
    read,
    write,
)
from bench.plan.cell import Failure
from bench.studies.audit import planted, study
from bench.studies.audit.exact import hashes
from bench.studies.audit.features import describe, gallery, mirrored, of_images
from bench.studies.audit.geometry import compose, inverse, orientation, oriented
from bench.studies.audit.verify import compare
from datasets.from_path import from_path


def _jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def _turned(image, degrees):
    """Turn about the centre and keep a part that the whole turned image covers."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC)[50:-50, 50:-50]


def _resized(image, factor):
    height, width = image.shape
    across, down = factor if isinstance(factor, tuple) else (factor, factor)
    return np.array(Image.fromarray(image).resize((round(width * across), round(height * down)), Image.BICUBIC))


def _sheared(image, by):
    """Move every row by a share of its number, on a wider canvas, so that all of the image is kept."""
    height, width = image.shape
    size = (width + round(by * height), height)
    return cv2.warpAffine(image, np.float32([[1, by, 0], [0, 1, 0]]), size, flags=cv2.INTER_CUBIC)


def _captioned(image, rows):
    captioned = image.copy()
    captioned[-rows:] = np.where(np.indices((rows, image.shape[1])).sum(0) % 9 < 4, 20, 240)
    return captioned


def _piece_in(host, piece):
    holds = host.copy()
    holds[41 : 41 + piece.shape[0], 83 : 83 + piece.shape[1]] = piece
    return holds


def _gamma(image):
    return np.rint(255 * (image / 255) ** 0.7).astype(np.uint8)


PHOTO = data.camera()[100:400, 80:400]
# What is done to the test image (300x320) before it goes into the training set, the share of the test image that is
# left (by the geometry), and the words of the finding.
COPIES = {
    "same": (PHOTO, 1, "identical"),
    "crop": (PHOTO[40:190, 60:240], 150 * 180 / (300 * 320), "contains"),
    "small crop": (PHOTO[80:120, 130:180], 40 * 50 / (300 * 320), "contains"),
    "mirrored": (PHOTO[:, ::-1], 1, "flipped"),
    "quarter turn": (np.rot90(PHOTO), 1, "rotated"),
    "upside down": (PHOTO[::-1], 1, "flipped, rotated"),
    "7 degrees": (_turned(PHOTO, 7), 200 * 220 / (300 * 320), "contains, rotated"),
    "half size": (_resized(PHOTO, 0.5), 1, "rescaled"),
    "0.7": (_resized(PHOTO, 0.7), 1, "rescaled"),
    "1.5": (_resized(PHOTO, 1.5), 1, "rescaled"),
    "jpeg 30": (_jpeg(PHOTO, 30), 1, "re-encoded"),
    "gamma": (_gamma(PHOTO), 1, "tone changed"),
    "one level": (np.where(np.indices(PHOTO.shape).sum(0) % 7 == 0, PHOTO ^ 1, PHOTO), 1, "at most 1 level apart"),
    "crop, mirror, jpeg": (_jpeg(PHOTO[40:190, 60:240][:, ::-1], 50), 0.28125, "contains, flipped, re-encoded"),
    "turn, half, jpeg": (_jpeg(_resized(np.rot90(PHOTO[:240]), 0.6), 60), 0.8, "contains, rotated, rescaled"),
}

# The same for a training set of its own: of many copies of one photograph only the likeliest are looked at.
FURTHER = {
    "narrower": (_resized(PHOTO, (0.8, 1)), 1, "rescaled, stretched"),
    "sheared": (_sheared(PHOTO, 0.2), 1, "crop, stretched"),
    "thumbnail": (_resized(PHOTO, (32 / 320, 32 / 300)), 1, "rescaled, stretched"),
    "negative": (255 - PHOTO, 1, "negative"),
    "crop of the negative": (255 - PHOTO[40:190, 60:240], 150 * 180 / (300 * 320), "contains, negative"),
    "negative, jpeg": (_jpeg(255 - PHOTO, 50), 1, "negative, re-encoded"),
    "caption": (_captioned(PHOTO, 30), 1, "partly changed"),
    "piece": (_piece_in(data.coins(), PHOTO[20:170, 100:260]), 150 * 160 / (300 * 320), "overlap"),
}


def findings_in(folder):
    """Return the findings of the one audit that wrote into a folder of results."""
    (table,) = (folder / "audit").glob("*.csv")
    return read(table)


def _save(folder, images):
    folder.mkdir()
    for name, image in images.items():
        Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def further():
    """Audit the photograph against further copies, four at a time."""
    names = list(FURTHER)
    found = {}
    for start in range(0, len(names), 4):
        train = {name: np.ascontiguousarray(FURTHER[name][0]) for name in names[start : start + 4]}
        train["moon"] = data.moon()[::2]
        galleries = [of_images("test", {"photo": PHOTO}, training=False), of_images("train", train, training=True)]
        found |= {finding.image_b: finding for finding in study.audit(galleries)}
    return found


@pytest.mark.parametrize("name", FURTHER)
def test_further_copies_are_found(further, name):
    finding, (_, share, words) = further[name], FURTHER[name]
    assert finding.share == pytest.approx(share, abs=0.02)
    assert finding.relation == words


def test_nothing_but_the_further_copies_is_found(further):
    assert set(further) == set(FURTHER)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Audit a photograph against a training set that has only changed copies of it and other photographs."""
    folder = tmp_path_factory.mktemp("audit")
    others = {"coins": data.coins(), "brick": data.brick()[:256, :256], "page": data.page(), "moon": data.moon()[::2]}
    test = _save(folder / "test", {"photo": PHOTO, "grass": data.grass()[:200, :200]})
    train = _save(folder / "train", {name: copy for name, (copy, *_) in COPIES.items()} | others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        lines = list(study.build(f"{test},train:{train}", folder))
    return lines, {finding.image_b: finding for finding in findings_in(folder)}, len(COPIES)


@pytest.mark.parametrize("name", COPIES)
def test_a_changed_copy_in_a_training_set_is_found(copies, name):
    _, findings, _ = copies
    finding, (_, share, words) = findings[name], COPIES[name]
    assert (finding.problem, finding.dataset_a, finding.image_a) == (OVERLAP, "folder test", "photo")
    assert finding.share == pytest.approx(share, abs=0.02)
    assert finding.relation == words
    assert finding.correlation > 0.97


def test_nothing_but_the_copies_is_found(copies):
    lines, findings, count = copies
    assert set(findings) == set(COPIES)
    assert any("folder test: photo shares" in line for line in lines)
    assert any(line.startswith(f"{count} findings in") for line in lines)


def test_where_a_crop_lies(copies):
    _, findings, _ = copies
    assert findings["crop"].transform == "at rows -40:260, columns -60:260 of b; b has rows 0:150, columns 0:180 of it"
    assert findings["one level"].max_difference == 1
    # Every seventh pixel (diagonals) differs.
    assert findings["one level"].equal == pytest.approx(6 / 7, abs=0.001)
    assert findings["half size"].transform.startswith("times 0.500")
    assert math.isnan(findings["half size"].max_difference)


def test_images_without_content_are_no_copies_of_each_other(tmp_path):
    noise = np.random.default_rng(0).normal(128, 25, (2, 64, 64)).clip(0, 255).astype(np.uint8)
    odd = {"black": np.zeros((64, 64), np.uint8), "white": np.full((50, 70), 255, np.uint8), "dot": np.uint8([[7]])}
    test = _save(tmp_path / "test", {**odd, "noise": noise[0], "tiny": data.camera()[100:120, 200:220]})
    train = _save(tmp_path / "train", {**odd, "other": noise[1], "photo": data.camera()})
    lines = list(study.build(f"{test},train:{train}", tmp_path))
    # 20x20 pixels have no keypoints: equal blocks tell.
    (finding,) = findings_in(tmp_path)
    assert (finding.image_a, finding.image_b, finding.relation) == ("tiny", "photo", "crop")
    assert finding.transform == "at rows 100:120, columns 200:220 of b"
    assert lines[-1].startswith("1 findings")


def test_every_orientation_has_the_same_blocks_and_knows_its_way_back():
    image = data.camera()[100:140, 200:260]
    seen = {tuple(sorted(hashes(oriented(image, turn)).ravel())) for turn in range(8)}
    assert len(seen) == 1
    for turn in range(8):
        way = orientation(turn, image.shape)
        column, row = np.rint(way @ (13, 7, 1)).astype(int)
        assert oriented(image, turn)[row, column] == image[7, 13]
        assert compose(inverse(way), way) == pytest.approx(np.eye(2, 3))


def test_mirrored_keypoints_are_those_of_the_mirror_image():
    points, descriptors = mirrored(*describe(PHOTO), PHOTO.shape[1])
    other, wanted = describe(np.ascontiguousarray(PHOTO[:, ::-1]))
    distance = np.linalg.norm(points[:, None, :2] - other[None, :, :2], axis=2)
    turn = np.abs((points[:, None, 3] - other[None, :, 3] + 180) % 360 - 180)
    # OpenCV places keypoints a quarter of a pixel too far right, so those of a mirror image are half a pixel off.
    pairs = np.argwhere((distance < 0.6) & (turn < 2))
    agree = [np.abs(descriptors[i].astype(int) - wanted[j]).max() <= 2 for i, j in pairs]
    assert len(pairs) > 300
    assert np.mean(agree) > 0.6


def test_frames_of_one_camera_are_no_copies():
    # A quarter of the scene moved on between the frames.
    first = data.camera()[:256, :256]
    # No two exposures are equal pixel by pixel; what is, is a piece of the same file.
    second = (first + np.random.default_rng(0).integers(0, 2, first.shape)).clip(0, 255).astype(np.uint8)
    second[128:, 128:] = data.coins()[:128, :128]
    assert compare(first, second, np.eye(2, 3)) is None
    assert compare(first, first, np.eye(2, 3)).equal == 1


def test_drawings_of_one_kind_are_no_copies_of_each_other_and_equal_ones_are():
    names = "board of 20", "board of 40", "logo BENCH", "logo NOISE", "page Figure 1: results", "page Figure 2: methods"
    drawn = {name: planted.drawings()[name] for name in names}
    assert planted._pairs(drawn, {}) == set()
    same = {"one": drawn["logo BENCH"], "two": drawn["logo BENCH"].copy(), "three": drawn["logo NOISE"]}
    assert planted._pairs(same, {}) == {("one", "two")}


def test_what_is_planted_is_what_it_says():
    first, host = data.camera()[:300, :300], data.coins()[:300, :300]
    piece = planted.KINDS["exact piece in another photograph, side in pixels"]["100"](first, host)
    assert (piece != host).sum() <= 100 * 100
    assert planted.KINDS["thumbnail, side in pixels"]["32"](first, host).shape == (32, 32)
    assert planted.KINDS["narrower, factor"]["0.8"](first, host).shape == (300, 240)
    assert (planted.KINDS["caption over a share of it"]["10%"](first, host) == first).mean() == pytest.approx(
        0.9, abs=0.01
    )
    turned = planted.KINDS["turned, degrees"]["30"](first, host)
    assert 100 < min(turned.shape) < 300


def test_the_table_of_limits(monkeypatch, tmp_path):
    chosen = {"smaller, factor": {"0.5": planted.KINDS["smaller, factor"]["0.5"]}}
    monkeypatch.setattr(planted, "KINDS", chosen)
    monkeypatch.setattr(planted, "SMALLEST", 10)
    monkeypatch.setattr(planted, "drawings", lambda: {"a": PHOTO})
    folder = _save(tmp_path / "set", {"a": PHOTO, "b": data.coins()})
    (row, *others) = planted.build_limits(str(folder), count=1)
    assert row == {"kind": "smaller, factor", "strength": "0.5", "found": 1, "of": 1, "wrong": 0}
    assert [other["wrong"] for other in others] == [0, 0]
    with pytest.raises(BenchError, match="2 images; expected 12 photographs"):
        planted.build_limits(str(folder))


def _part(name, images):
    known = datasets.available()[name]
    return replace(known, images=[image for image in known.images if image.name in images])


def test_known_cases_are_found_in_the_files(published_files):
    chosen = {
        "set12": "04 08 10",
        "set5": "woman",
        "classic5": "lena boats",
        "live1": "caps statue",
        "kodak24": "kodim03 kodim17",
        "bsd68": "test001 test002 test003",
    }
    training = {"train400": "test_019 test_020 test_135", "cbsd432": "12003 302003 100007"}
    parts = [gallery(_part(name, images.split()), training=False) for name, images in chosen.items()]
    parts += [gallery(_part(name, images.split()), training=True) for name, images in training.items()]
    found = {(f.image_a, f.image_b): f for f in study.audit(parts)}
    assert set(found) == {
        ("04", "12003"), ("04", "test_020"), ("woman", "302003"), ("woman", "test_135"), ("08", "lena"),
        ("10", "boats"), ("caps", "kodim03"), ("statue", "kodim17"),
    }  # fmt: skip
    assert found["04", "12003"].transform == "at rows 7:263, columns 109:365 of b"
    # Rows 79:259 and columns 35:215 of the photograph are the training image: 180 of 256 rows, 106 of 256 columns.
    assert found["04", "test_020"].share == pytest.approx(180 * 106 / 256**2, abs=1e-4)
    assert found["04", "test_020"].equal == 1
    assert found["08", "lena"].max_difference == 1
    assert found["10", "boats"].problem == DUPLICATE
    assert found["08", "lena"].problem == DIFFERING
    assert found["caps", "kodim03"].relation == "tone changed, partly changed"
    assert "rescaled" in found["statue", "kodim17"].relation


def test_the_committed_table_has_the_known_cases():
    findings = read(COMMITTED)
    pairs = {(f.dataset_a, f.image_a, f.dataset_b, f.image_b): f for f in findings}
    assert round(pairs["set12", "04", "train400", "test_020"].share, 2) == 0.29
    assert pairs["set12", "04", "cbsd432", "12003"].relation == "crop"
    assert ("set5", "woman", "cbsd432", "302003") in pairs

    def images(first, second, which):
        return {key[which] for key in pairs if (key[0], key[2]) == (first, second)}

    assert len(images("kodak24", "live1", 1)) == len(images("kodak24", "live1", 3)) == 19
    assert len(images("kodak24", "kodak24-500", 1)) == 24
    assert len(images("bsd68", "cbsd68", 1)) == 68
    assert len(images("pneumonia-mnist-val", "pneumonia-mnist-train", 1)) == 8
    assert {f.problem for f in findings if f.dataset_a == "pneumonia-mnist-val"} == {VALIDATION}
    assert not images("pneumonia-mnist", "pneumonia-mnist-train", 1)
    for test in ("bsd68", "cbsd68", "kodak24", "live1"):
        for train in ("train400", "cbsd432"):
            assert not images(test, train, 1)
    assert not [f for f in findings if f.dataset_a.startswith("camvid")]


def test_lines_under_a_table():
    lines = overlap_footnotes(["set12", "classic5", "kodak24", "live1"], {"DnCNN-S": ["train400"], "mine": []})
    assert lines[0] == "set12: 04 shares 29 % of its pixels with train400/test_020, on which DnCNN-S was trained"
    assert "kodak24 and live1 share scenes (19 of 24 images, 19 of 29): do not average them as independent" in lines
    assert any(line.startswith("set12 and classic5 share") and "08 = lena" in line for line in lines)
    assert not any("cbsd432" in line for line in lines)
    assert overlap_footnotes(["bsd68"], {"DnCNN-S": ["train400"]}) == []


def test_a_table_is_read_as_it_was_written(tmp_path):
    findings = [
        Finding(OVERLAP, "a", "1", "b", "2", "crop, flipped", 0.5, 0.99, 3, 0.25, "at rows 0:1, columns 2:3 of b")
    ]
    write(findings, tmp_path / "t.csv")
    assert read(tmp_path / "t.csv") == findings
    assert read(tmp_path / "none.csv") == []


def test_what_cannot_be_audited_is_said(tmp_path):
    with pytest.raises(BenchError, match="unknown dataset 'set13'"):
        list(study.build("set13", tmp_path))
    train = _save(tmp_path / "train", {"photo": PHOTO})
    with pytest.raises(BenchError, match="no test set could be read"):
        list(study.build(f"train:{train}", tmp_path))
    assert from_path(train).role == "test"


def test_what_was_asked_for_and_not_looked_at_is_a_failure(tmp_path):
    test, broken = _save(tmp_path / "test", {"photo": PHOTO}), tmp_path / "broken"
    broken.mkdir()
    (broken / "a.png").write_bytes((test / "photo.png").read_bytes()[:500])
    found = list(study.build(f"{test},train:{broken},train:{tmp_path / 'absent'}", tmp_path / "out"))
    failures = [one for one in found if isinstance(one, Failure)]
    assert [failure.title for failure in failures] == [f"train:{broken}", f"train:{tmp_path / 'absent'}"]
    assert "cannot be read" in failures[0].cause
    assert "nothing lies there" in failures[1].cause
    assert found[-1].startswith("0 findings")


def test_all_leaves_out_what_is_not_here(tmp_path, monkeypatch):
    few = {name: datasets.available()[name] for name in ("builtin", "set12")}
    monkeypatch.setattr(datasets, "available", lambda: few)
    monkeypatch.setattr("bench.studies.audit.study.audit", lambda galleries: [])
    for word in ("", "all"):
        found = list(study.build(word, tmp_path))
        assert not [one for one in found if isinstance(one, Failure)]
        assert any(one.startswith("skipped  set12: its files are not on this machine") for one in found)
    with pytest.raises(BenchError, match="no test set could be read"):
        list(study.build("set12", tmp_path))


def test_two_folders_of_one_base_name_are_two(tmp_path):
    images = {"camera": data.camera()[:200, :200], "photo": PHOTO}
    for parent, image in images.items():
        (tmp_path / parent).mkdir()
        _save(tmp_path / parent / "test", {"one": image})
    sets = [str(tmp_path / parent / "test") for parent in images]
    lines = list(study.build(",".join(sets), tmp_path / "out"))
    assert any(line.startswith("read     folder test (camera/test): 1 test images") for line in lines)
    assert any(line.startswith("read     folder test (photo/test): 1 test images") for line in lines)
    # Rows 100:200 and columns 80:200 of the photograph are in both.
    (finding,) = findings_in(tmp_path / "out")
    assert {finding.dataset_a, finding.dataset_b} == {"folder test (camera/test)", "folder test (photo/test)"}
    assert finding.max_difference == 0


def test_an_archive_of_photographs_is_audited(tmp_path):
    folder = _save(tmp_path / "test", {"photo": PHOTO, "coins": data.coins()})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(folder / "photo.png", "photo.png")
    lines = list(study.build(f"{tmp_path / 'photos.zip'},train:{folder}", tmp_path / "out"))
    assert lines[-1].startswith("1 findings")
