"""A part of a dataset: which images, and that they stay what they are in the whole."""

import numpy as np
import pytest

from bench.common.errors import BenchError
from bench.judge.verdict import judge
from bench.plan.request import Request, plan
from bench.plan.resolve import dataset_words, known_dataset
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.results import Result
from datasets import available

SET12 = [f"{number:02d}" for number in range(1, 13)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("01,02", ["01", "02"]),
        ("02, 01,02", ["01", "02"]),
        ("3", ["03"]),
        ("01-03,12", ["01", "02", "03", "12"]),
        ("1-3", ["01", "02", "03"]),
        ("0-9", SET12[:10]),
        ("0", ["01"]),
        ("1*", ["10", "11", "12"]),
    ],
)
def test_images_by_name_number_range_and_pattern(words, expected):
    part = known_dataset(f"set12:{words}")
    assert part.image_names() == expected
    assert any(f"{len(expected)} of 12 images" in line for line in part.notes)


@pytest.mark.parametrize("words", ["0-11", "*", "1-12", "12,0-10", ",".join(SET12)])
def test_all_images_of_a_set_are_the_set_and_are_held_against_its_numbers(words):
    assert known_dataset(f"set12:{words}") == available()["set12"]
    cells, _ = plan(Request("dncnn-s", f"set12,set12:{words}", "25"))
    assert [cell.dataset.ledger for cell in cells] == [("set12", "gray")]


def test_places_where_names_are_no_numbers():
    names = available()["bsd68"].image_names()
    assert known_dataset("bsd68:0-9").image_names() == names[:10]
    assert known_dataset("bsd68:67").image_names() == names[67:]
    assert known_dataset(f"bsd68:{names[3]}-{names[5]}").image_names() == names[3:6]
    assert known_dataset("sidd-valid:0-1").image_names() == ["001-01", "001-02"]  # images made when asked for


def test_images_by_the_names_that_tables_print():
    """CC01 of the CC15 table is the first Canon photograph; image 09 of Set12 is Barbara."""
    first = "5dmark3_iso3200_1"
    for word in ("CC01", "cc01", first, "0"):
        part = known_dataset(f"cc15:{word}")
        assert (part.name, part.image_names(), part.printed) == (f"cc15:{first}", [first], ("CC01",))
    assert known_dataset("cc15:CC13-CC15,CC01").printed == ("CC01", "CC13", "CC14", "CC15")
    assert known_dataset("cc15:CC0*").image_names() == available()["cc15"].image_names()[:9]
    assert known_dataset("set12:Barbara,1").image_names() == ["01", "09"]
    assert dataset_words("cc15:CC01,CC02,set12:barbara") == ["cc15:CC01,CC02", "set12:barbara"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cc15:CC77", "did you mean CC07"),
        ("set12:13", "set12:13: no such image; there are 01, 02, 03, ... 12, or places 0 to 11"),
        ("set12:", "expected names of images, as set12:01"),
        ("set12:03-01", "set12:03-01: no such image"),
        ("set12:x*", "no image matches; there are 01"),
        ("builtin:camra", "did you mean camera"),
    ],
)
def test_words_that_mean_no_image(word, message):
    with pytest.raises(ValueError, match=message):
        known_dataset(word)


def test_one_part_has_one_name_however_it_is_asked_for():
    assert {known_dataset(f"set12:{words}").name for words in ("1-3", "03,02,01", "01-02,3", "0[123]")} == {
        "set12:01-03"
    }
    long = [known_dataset(f"set12:{words}").name for words in ("01,03,05,07,09,11", "02,04,06,08,10,12")]
    assert len(set(long)) == 2
    scattered = ",".join(available()["bsd68"].image_names()[::2])
    assert known_dataset(f"bsd68:{scattered}").name.startswith("bsd68:34 of 68 ")


def test_an_image_has_the_number_that_it_has_in_the_whole_set(photographs, one_cell):
    def rows(data, noise="gaussian:10-30"):
        record = run_cell(one_cell("median", data, noise), Settings("cpu", jobs=1))
        return {row["image"]: (row["psnr"], row["noisy_psnr"]) for row in record.images}

    whole = rows(photographs)
    for part in (f"images:{photographs}:coins", f"{photographs}:coins", f"{photographs}:1", f"{photographs}/co*"):
        assert rows(part) == {"coins": whole["coins"]}
    assert rows("builtin:camera", "25")["camera"][1] == pytest.approx(20 * np.log10(255 / 25), abs=0.05)


def test_a_part_is_not_held_against_the_numbers_of_the_whole(one_cell, photographs):
    part = known_dataset("set12:01,02")
    assert part.ledger == ("set12:01-02", "gray")
    record = run_cell(one_cell("median", f"{photographs}:coins"), Settings("cpu", jobs=1))
    record.provenance["net"]["published"] = one_cell("bm3d", "builtin").net.published
    record.provenance["dataset"]["ledger"] = list(part.ledger)
    assert judge(Result((record,))) is None
    record.provenance["dataset"]["ledger"] = ["set12", "gray"]
    assert judge(Result((record,))) is not None
    (failure,) = plan(Request("median", "set12:01", "pairs"))[1]
    assert "no noisy images of its own" in failure.cause


def test_keys_of_parts_differ(photographs):
    keys = [plan(Request("median", f"{photographs}{part}"))[0][0].key for part in ("", ":coins", ":camera")]
    assert len(set(keys)) == 3


def test_where_a_list_of_datasets_is_parted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a,b", "photos, new", "x:y", "plain"):
        (tmp_path / name).mkdir()
    assert dataset_words("set12:01,02") == ["set12:01,02"]
    assert dataset_words("set12,bsd68") == ["set12", "bsd68"]
    assert dataset_words("set12:01,02,bsd68:0-9,5,builtin") == ["set12:01,02", "bsd68:0-9,5", "builtin"]
    assert dataset_words("a,b, photos, new,x:y,plain:1,2") == ["a,b", "photos, new", "x:y", "plain:1,2"]
    pairs = "pairs:p/{name}_GT.png,p/{name}_N.png"
    assert dataset_words(f"{pairs},set12") == [pairs, "set12"]
    assert dataset_words("plain/*.png,set12") == ["plain/*.png", "set12"]
    assert dataset_words("set12,bsd86") == ["set12", "bsd86"]
    assert dataset_words("x:y:1,2,images:plain") == ["x:y:1,2", "images:plain"]
    assert dataset_words("images:plain:1,2,train:plain") == ["images:plain:1,2", "train:plain"]
    with pytest.raises(BenchError, match="DATA=,: an empty list"):
        dataset_words(",")


def test_range_is_no_word_for_a_registered_set():
    (failure,) = plan(Request("median", "builtin", range="4095"))[1]
    assert failure.cause.startswith("RANGE=4095: dataset builtin says itself which value is white")


@pytest.mark.parametrize("word", ["x", "0", "-1", "nan", "1e20"])
def test_range_is_a_number(word):
    with pytest.raises(Exception, match=f"RANGE={word}: expected the value of white"):
        plan(Request("median", "builtin", range=word))


def test_range_is_part_of_the_key(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(400, dtype=np.uint16).reshape(20, 20))
    cells = [plan(Request("median", str(tmp_path), range=word))[0][0] for word in ("", "1023", "4095", "65535")]
    assert [cell.dataset.images[0].clean.at[2] for cell in cells] == ["1023", "1023+", "4095+", "65535+"]
    assert len({cell.key for cell in cells}) == 4
