import hashlib
import pickle

import numpy as np
import pytest

import datasets
from bench.run.images import pictures

ALL = datasets.available()
SETS = [("bsd-patches32", "cbsd68", "{:04d}"), ("bsd-patches32-train", "cbsd432", "{:05d}")]
MASK = 2**64 - 1


def _philox(key):
    """Yield the words of Philox 4x64-10 (Salmon et al., SC 2011), written from the paper; the counter starts at 1."""
    counter = 0
    while True:
        counter += 1
        words, (a, b) = [counter, 0, 0, 0], key
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * words[0], 0xCA5A826395121157 * words[2]
            words = [second >> 64 ^ words[1] ^ a, second & MASK, first >> 64 ^ words[3] ^ b, first & MASK]
            a, b = (a + 0x9E3779B97F4A7C15) & MASK, (b + 0xBB67AE8584CAA73B) & MASK
        yield from words


def _rule(name, numbering, count, images):
    """Place every patch by the rule that stands in the docstring of the module."""
    places = {}
    for i in range(count):
        digest = hashlib.sha256(f"{name}/{numbering.format(i + 1)}".encode()).digest()
        stream = _philox((int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")))
        others = [places[j] for j in range(i % images, i, images)]
        while True:
            place = next(stream) % 450, next(stream) % 290
            if not any(abs(place[0] - x) < 32 and abs(place[1] - y) < 32 for x, y in others):
                break
        places[i] = place
    return list(places.values())


@pytest.mark.parametrize(("name", "source", "numbering"), SETS)
def test_every_patch_is_where_the_rule_says(name, source, numbering):
    entry, files = ALL[name], [image.clean.file for image in ALL[source].images]
    count = len(entry.images)
    assert entry.image_names() == [numbering.format(i + 1) for i in range(count)]
    assert [image.clean.file for image in entry.images] == [files[i % len(files)] for i in range(count)]
    assert [image.clean.at for image in entry.images] == _rule(name, numbering, count, len(files))


def test_the_first_patches_never_move():
    first = [(image.clean.file.path, image.clean.at) for image in ALL["bsd-patches32"].images[:3]]
    assert first == [
        ("CBSD68/101085.png", (82, 1)),
        ("CBSD68/101087.png", (154, 221)),
        ("CBSD68/102061.png", (180, 57)),
    ]
    last = ALL["bsd-patches32-train"].images[-1]
    assert (last.name, last.clean.at) == ("10000", (271, 110))


@pytest.mark.parametrize(("name", "images"), [("bsd-patches32", 68), ("bsd-patches32-train", 432)])
def test_patches_of_an_image_lie_inside_it_and_do_not_overlap(name, images):
    entry = ALL[name]
    places = np.array([image.clean.at for image in entry.images])
    assert places.min() >= 0
    assert (places.max(axis=0) + 32 <= (481, 321)).all()
    for image in range(images):
        own = places[image::images]
        gaps = np.abs(own[:, None] - own[None]).max(axis=2) + 32 * np.eye(len(own), dtype=int)
        assert gaps.min() >= 32
    # Uniform over the image: the mean place of n of them is its middle, to four standard errors.
    error = 4 * np.array([450, 290]) / np.sqrt(12 * len(places))
    assert (np.abs(places.mean(axis=0) - (224.5, 144.5)) < error).all()


@pytest.mark.parametrize("number", ["0001", "0003", "0068", "0069", "1000"])
def test_a_patch_is_cut_out_of_its_image(published_files, number):
    (patch,) = pictures(ALL["bsd-patches32"], [number])
    i = int(number) - 1
    (whole,) = pictures(ALL["cbsd68"], [ALL["cbsd68"].images[i % 68].name])
    along, across = ALL["bsd-patches32"].images[i].clean.at
    upright = whole.clean if whole.clean.shape[0] == 481 else whole.clean.swapaxes(0, 1)
    expected = upright[along : along + 32, across : across + 32]
    assert np.array_equal(patch.clean, expected if upright is whole.clean else expected.swapaxes(0, 1))


def test_images_stand_both_ways(published_files):
    names = [ALL["cbsd68"].images[int(number) - 1].name for number in ("0001", "0068")]
    assert [picture.clean.shape for picture in pictures(ALL["cbsd68"], names)] == [(481, 321, 3), (321, 481, 3)]


def test_a_patch_may_be_changed_and_sent_to_a_worker(published_files):
    entry = pickle.loads(pickle.dumps(ALL["bsd-patches32"]))
    (first,) = pictures(entry, ["0002"])
    before = first.clean.copy()
    first.clean[...] = 0
    (again,) = pictures(entry, ["0002"])
    assert np.array_equal(again.clean, before)
    assert before.any()
