"""Records gathered over their seeds: means, deviations, and which of several measurements counts."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.common.errors import BenchError
from bench.store.opened import hash_of, name_of
from bench.store.records import Record, Store, described, score_columns, store_of
from bench.store.results import current, gather


def record(seed=0, scores=(30.0, 34.0), started="2026-01-01", **about):
    """A record of images a, b ... with these PSNRs; of the identity what is said."""
    identity = {"net": "x", "data": "d", "seed": seed} | about.pop("identity", {})
    images = [{"image": name, "psnr": score} for name, score in zip("abc", scores, strict=False)]
    return Record(
        images,
        {"identity": identity, "label": "X", "dataset": {"name": "set", "ledger": ["set", "gray"]}, "seed": seed,
         "started": started, "runtime": "PyTorch", "device": "cpu", "jobs": 2, "threads": 3} | about,
    )  # fmt: skip


def test_means_deviations_and_images_over_the_seeds():
    two = gather([record(1, (32.0, 36.0)), record(0)])
    (result,) = two
    assert result.seeds == [0, 1]
    assert result.mean("psnr") == 33
    assert result.deviation("psnr") == pytest.approx(math.sqrt(2))  # of 32 and 34
    assert result.images("psnr") == {"a": 31, "b": 35}
    (single,) = gather([record()])
    assert math.isnan(single.deviation("psnr"))
    assert math.isnan(single.mean("ssim"))
    assert all(map(math.isnan, single.images("ssim").values()))
    assert [one.images for one in result.only("b").records] == [
        [{"image": "b", "psnr": 34.0}], [{"image": "b", "psnr": 36.0}],
    ]  # fmt: skip


def test_an_image_that_failed_with_one_seed_is_in_no_mean_of_images():
    (result,) = gather([record(0), record(1, (32.0,), failed_images={"b": "memory"})])
    assert result.images("psnr") == {"a": 31}
    assert result.failed_images == ["b"]
    assert result.counted == "1 of 2"
    (other,) = gather([record(0, (30.0,), failed_images={"b": "memory"}), record(1, (32.0,), failed_images={"b": "m"})])
    assert other.counted == "1 of 2"
    assert gather([record()])[0].counted == 2


def test_runtimes_of_all_seeds_are_said_once():
    told = [record(0), record(1), record(2, device="cuda:0"), record(3, runtime="")]
    assert gather(told)[0].runtime == "PyTorch ×6; PyTorch, cuda:0; "
    assert gather(told[:2])[0].runtime == "PyTorch ×6"


def test_records_that_differ_in_more_than_the_seed_are_results_of_their_own_in_the_order_they_came():
    found = gather([record(identity={"net": "y"}, label="Y"), record(1), record(0)])
    assert [(result.label, result.seeds) for result in found] == [("Y", [0]), ("X", [0, 1])]


def test_outputs_of_one_seed_that_changed_begin_a_new_result():
    def outputs(seed, content, started):
        return record(seed, started=started, identity={"outputs": content})

    of_seeds = [outputs(0, "p", "1"), outputs(1, "q", "2")]
    assert [one.seeds for one in gather(of_seeds)] == [[0, 1]]
    found = gather([outputs(0, "r", "3"), *of_seeds])
    assert [[r.provenance["identity"]["outputs"] for r in one.records] for one in found] == [["p", "q"], ["r"]]


@pytest.mark.parametrize(
    ("first", "second", "newest"),
    [
        ({"started": "2026-01-01"}, {"started": "2026-01-02"}, 1),
        ({"started": "2026-01-02"}, {"started": "2026-01-01"}, 0),
        ({"started": "2026-01-02"}, {"started": "2026-01-01", "order": 1}, 1),  # the clock was set back
        ({"started": "2026-01-01", "order": 2}, {"started": "2026-01-02", "order": 1}, 0),
    ],
)
def test_of_measurements_by_other_code_the_last_one_counts(first, second, newest):
    records = [record(identity={"code": code}, **how) for code, how in (("old", first), ("new", second))]
    (kept,) = current(gather(records))
    assert kept.records == (records[newest],)


def test_of_ones_own_code_or_images_each_version_stays():
    for own, identity in (({"own": {"code": "p", "method": "mine.py", "command": ""}}, {}), ({}, {"data": "e"})):
        other = record(identity={"code": "new"} | identity, dataset={"name": "set", "ledger": None}, **own)
        first = record(dataset={"name": "set", "ledger": None})
        assert len(current(gather([first, other]))) == 2
    # Another version of a registered set takes the place of the one before.
    assert len(current(gather([record(), record(identity={"data": "e"}, started="2027")]))) == 1


def test_the_last_records_of_a_method_tell_what_it_takes(tmp_path, one_cell, photographs):
    store = Store(tmp_path / "runs")
    row = dict.fromkeys(score_columns(), 1.0) | {"image": "camera", "height": 4, "width": 5, "denoised": b"png"}
    run = {"seconds": {"total": 1.0}, "device": "cpu", "runtime": "", "jobs": 1, "threads": 1, "started": ""}
    cells = [one_cell(method, photographs, noise) for method in ("nlm", "median") for noise in ("10", "20")]
    for age, cell in enumerate(cells):
        store.put(cell, Record([row], described(cell) | run))
        os.utime(store.path(cell), ns=(10**18 - age, 10**18 - age))  # the first one was written last
    assert [found.provenance["key"] for found in store.like(cells[:1])] == [cells[1].key, cells[0].key]
    assert [found.provenance["key"] for found in store.like(cells[:1], limit=1)] == [cells[0].key]
    assert len(store.like(cells)) == 4
    assert store.like([replace(cells[0], options={"patch": "9"})]) == []


def test_the_records_of_an_output_folder_lie_in_its_folder_runs(tmp_path):
    runs = tmp_path / "runs"
    assert store_of(tmp_path).folder == store_of(runs).folder == runs
    (runs / "runs").mkdir(parents=True)  # an output folder of this name
    assert store_of(runs).folder == runs / "runs"


def test_a_folder_without_a_finished_cell_says_what_to_run(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(BenchError, match=r": has no finished cell; run make bench first, or name another folder$"):
        store.finished()
    for name in "ab":
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / f"{name}.parquet").write_bytes(b"")
    with pytest.raises(BenchError, match="has no finished cell; 2 files there cannot be used; run"):
        store.finished()


def test_names_of_what_a_method_opened_do_not_say_where_its_folder_is(tmp_path):
    folders = (str(tmp_path / "mine"), "/elsewhere")
    assert name_of(str(tmp_path / "mine" / "a" / "b.txt"), folders) == "{folder}/a/b.txt"
    assert name_of(str(tmp_path / "mine"), folders) == "{folder}"
    assert name_of(str(Path("/elsewhere/c")), folders) == "/elsewhere/c"
    assert name_of("c", ()) == "c"


def test_a_variable_is_known_by_its_value_and_one_that_is_not_set_by_none():
    assert hash_of(None) == ""
    assert hash_of("") == "e3b0c44298fc1c14"  # the sha256 of nothing begins so
    assert hash_of("abc") == "ba7816bf8f01cfea"  # FIPS 180-2, its first example
