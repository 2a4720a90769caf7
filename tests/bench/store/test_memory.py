from dataclasses import replace

import pytest

from bench.run.one_cell import run_cell
from bench.store.memory import SCORES, Memory
from bench.store.records import Store
from bench.store.results import Result


def test_what_was_measured_is_known_again_on_another_machine(one_cell, photographs, tmp_path):
    cell = one_cell("nlm", photographs)
    record = run_cell(cell)
    Memory(tmp_path / "a.csv", tmp_path / "runs").put(cell, record)
    again = Memory(tmp_path / "a.csv", tmp_path / "elsewhere")
    assert again.has(cell)
    known = again.get(cell)
    assert [row["image"] for row in known.images] == ["camera", "coins"]
    for name in SCORES:
        assert known.mean(name) == pytest.approx(record.mean(name), rel=2e-7)
    for name in ("label", "degradation", "protocol", "dataset", "net", "seed", "machine", "runtime", "jobs", "threads"):
        assert known.provenance[name] == record.provenance[name]
    assert Result((known,)).runtime == Result((record,)).runtime
    assert "denoised" not in known.images[0]


def test_scores_of_earlier_code_stay_until_the_cell_is_measured_again(one_cell, photographs, tmp_path):
    cell = one_cell("nlm", photographs)
    record = run_cell(cell)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    memory.put(cell, record)
    newer = replace(cell, code="another")
    assert newer.key != cell.key
    assert not memory.has(newer)
    assert memory.earlier(newer) == cell.key
    assert memory.get(newer).mean("psnr") == pytest.approx(record.mean("psnr"))
    better = replace(record, images=[row | {"psnr": row["psnr"] + 1} for row in record.images])
    memory.put(newer, better)
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert again.has(newer)
    assert not again.has(cell)
    assert list(again.cells) == [newer.key]
    assert again.get(newer).mean("psnr") == pytest.approx(record.mean("psnr") + 1)
    assert not again.earlier(replace(cell, seed=1))


def test_a_record_of_the_store_counts_as_measured(one_cell, photographs, tmp_path):
    cell = one_cell("nlm", photographs)
    store = Store(tmp_path / "runs")
    store.put(cell, run_cell(cell))
    assert Memory(tmp_path / "a.csv", tmp_path / "runs").has(cell)
    assert Memory(tmp_path / "a.csv", tmp_path / "nothing").has(cell)
