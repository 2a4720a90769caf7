"""A cell whose images are run in parts has the record of the whole."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.run.one_cell import joined, part_of, run_cell, run_part
from bench.run.progress import CellProgress
from bench.run.sample import MOST_ALONE
from bench.run.seen import Seen
from bench.run.settings import Settings
from bench.store.records import Store

CPU = Settings("cpu", jobs=1)


def scores(record):
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in record.images]
    return list(map(repr, rows))  # NaN is not equal to itself


def in_parts(cell, *shares):
    return joined(cell, [run_part(part_of(cell, share), CPU, CellProgress()) for share in shares])


@pytest.mark.parametrize("shares", [[["coins"], ["camera"]], [["camera"], ["coins"]], [["camera", "coins"], []]])
@pytest.mark.parametrize("method", ["wavelet", "gaussian"])
def test_parts_give_the_record_of_the_whole(one_cell, photographs, tmp_path, method, shares):
    cell = one_cell(method, photographs)
    whole, record = run_cell(cell, CPU), in_parts(cell, *filter(None, shares))
    assert scores(record) == scores(whole)
    same = ("key", "identity", "warnings", "failed_images", "notes", "dataset", "runtime", "machine")
    assert {name: record.provenance[name] for name in same} == {name: whole.provenance[name] for name in same}
    store = Store(tmp_path / "runs")
    store.put(cell, record)
    assert store.has(cell)


def test_work_of_the_parts_adds_up_and_memory_does_not(one_cell, photographs):
    cell = one_cell("wavelet", photographs)
    parts = [run_part(part_of(cell, [name]), CPU, CellProgress()) for name in ("camera", "coins")]
    about = joined(cell, parts).provenance
    assert about["seconds"]["total"] == pytest.approx(sum(one.about["seconds"]["total"] for one in parts), abs=1e-3)
    assert about["peak_memory"] == max(one.about["peak_memory"] for one in parts)
    assert about["jobs"] == 2


def test_an_image_that_fails_alone_is_named_whatever_its_part(one_cell, photographs):
    (photographs / "broken.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(photographs / "tiny.png")
    cell = one_cell("wavelet", photographs)
    names = cell.dataset.image_names()
    whole, record = run_cell(cell, CPU), in_parts(cell, *([name] for name in names))
    assert record.provenance["failed_images"] == whole.provenance["failed_images"]
    assert record.provenance["warnings"] == whole.provenance["warnings"]
    assert scores(record) == scores(whole)


def test_more_failures_than_may_be_fail_the_cell_also_where_no_part_has_so_many(one_cell, photographs):
    cell = one_cell("wavelet", photographs)
    good = run_part(cell, CPU, CellProgress())
    halves = [{f"{half}{i}": ValueError(f"{half}{i}") for i in range(MOST_ALONE // 2 + 1)} for half in "ab"]
    with pytest.raises(ValueError, match="b9"):
        joined(cell, [replace(good, failed=half) for half in halves])
    with pytest.raises(ValueError, match="a0"):
        joined(cell, [replace(good, seen=Seen(), failed=halves[0])])
