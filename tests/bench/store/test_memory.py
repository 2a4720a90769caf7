import csv
import re
from dataclasses import replace

import pytest

from bench.common.errors import BenchError
from bench.run.one_cell import run_cell
from bench.store.memory import SCORES, Memory
from bench.store.records import Record, Store
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


def test_scores_of_earlier_code_stand_where_some_images_were_confirmed(one_cell, photographs, tmp_path, measured):
    cell = one_cell("nlm", photographs)
    newer = replace(cell, code="another")
    Memory(tmp_path / "a.csv", tmp_path / "runs").put(cell, measured)
    Memory(tmp_path / "a.csv", tmp_path / "runs").adopt(newer, ["camera", "coins"])
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert list(again.cells) == [newer.key]
    assert again.has(newer)
    assert again.cells[newer.key]["confirmed"] == "camera coins"
    known = again.get(newer)
    assert [row["psnr"] for row in known.images] == [20.25, 30.75]
    assert (known.provenance["key"], known.provenance["seconds"]) == (newer.key, {"total": 1.0})
    assert Memory(tmp_path / "a.csv", tmp_path / "runs").get(cell).provenance["key"] == newer.key  # whose these are


def test_a_record_of_the_store_counts_as_measured(one_cell, photographs, tmp_path):
    cell = one_cell("nlm", photographs)
    store = Store(tmp_path / "runs")
    store.put(cell, run_cell(cell))
    assert Memory(tmp_path / "a.csv", tmp_path / "runs").has(cell)
    assert Memory(tmp_path / "a.csv", tmp_path / "nothing").has(cell)


def edited(path, *, drop=None, old="", new=""):
    lines = path.read_text().replace(old, new, 1).splitlines(keepends=True)
    path.write_text("".join(line for place, line in enumerate(lines) if place != drop))


@pytest.fixture(scope="module")
def measured():
    """Return rows of two images, as a record has them."""
    rows = [{"image": name, "height": 8, "width": 9} | dict.fromkeys(SCORES, 0.5) for name in ("camera", "coins")]
    about = {"device": "cpu", "runtime": "numpy", "jobs": 1, "threads": 1, "machine": "M", "started": "2026"}
    return Record([rows[0] | {"psnr": 20.25}, rows[1] | {"psnr": 30.75}], about | {"seconds": {"total": 1.0}})


@pytest.mark.parametrize(
    "change", [{"drop": 2}, {"drop": 1}, {"old": ",30.75,", "new": ",,"}, {"old": "coins", "new": "camera"}]
)
def test_a_mean_is_never_of_a_part_of_the_images(one_cell, photographs, tmp_path, measured, change):
    cell = one_cell("nlm", photographs)
    Memory(tmp_path / "a.csv", tmp_path / "runs").put(cell, measured)
    edited(tmp_path / "a-images.csv", **change)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert not memory.has(cell)
    assert memory.torn(cell)
    assert memory.earlier(cell) == memory.earlier(replace(cell, code="another")) == ""
    memory.put(replace(cell, code="another"), measured)
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert list(again.cells) == list(again.images) == [replace(cell, code="another").key]
    assert again.get(replace(cell, code="another")).mean("psnr") == 25.5
    assert not again.torn(cell)


def test_a_cell_of_which_every_score_is_gone_counts_as_not_measured(one_cell, photographs, tmp_path, measured):
    cell = one_cell("nlm", photographs)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    memory.put(cell, replace(measured, provenance={k: v for k, v in measured.provenance.items() if k != "machine"}))
    assert memory.cells[cell.key]["machine"] == ""  # what a record does not say is said of nothing
    memory.images_path.write_text(memory.images_path.read_text().splitlines(keepends=True)[0])
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert not again.has(cell)
    assert again.torn(cell)


def test_a_cell_of_which_an_image_failed_is_not_kept(one_cell, photographs, tmp_path, measured):
    cell = one_cell("nlm", photographs)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    memory.put(cell, replace(measured, provenance=measured.provenance | {"failed_images": {"moon": "too large"}}))
    assert not memory.has(cell)
    assert not (tmp_path / "a-cells.csv").exists()


@pytest.mark.parametrize(
    ("of", "old", "new", "said"),
    [
        ("images", "noise_psnr", "colour", "lacks 'noise_psnr' and has unknown 'colour'"),
        ("images", ",20.25,", ",20.25 dB,", "line 2: could not convert string to float: '20.25 dB'"),
        ("images", "camera,8,", "camera,8", "line 2: has 10 fields, and there are 11 columns"),
        ("cells", "seconds", "minutes", "lacks 'seconds' and has unknown 'minutes'"),
        ("cells", ",1.0", ",soon", "line 2: could not convert string to float: 'soon'"),
        ("cells", "key,", "<<<<<<< HEAD\nkey,", "lacks 'key'"),
    ],
)
def test_a_table_that_is_none_of_scores_is_refused_in_a_line(
    one_cell, photographs, tmp_path, measured, of, old, new, said
):
    Memory(tmp_path / "a.csv", tmp_path / "runs").put(one_cell("nlm", photographs), measured)
    edited(tmp_path / f"a-{of}.csv", old=old, new=new)
    with pytest.raises(BenchError, match=re.escape(said)) as error:
        Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert f"a-{of}.csv" in str(error.value)


def test_two_runs_at_once_lose_nothing_of_each_other(one_cell, photographs, tmp_path, measured):
    cell = one_cell("nlm", photographs)
    other = replace(cell, seed=1)
    one, two = (Memory(tmp_path / "a.csv", tmp_path / "runs") for _ in range(2))
    one.put(cell, measured)
    two.put(other, measured)
    one.put(replace(cell, code="another"), measured)
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert set(again.cells) == set(again.images) == {replace(cell, code="another").key, other.key}
    assert again.get(other).mean("psnr") == 25.5


def test_a_score_of_which_a_digit_has_changed_is_left_out_and_its_cell_counts_as_not_measured(
    one_cell, photographs, tmp_path
):
    cells = [one_cell(name, photographs) for name in ("median", "gaussian")]
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    for cell in cells:
        memory.put(cell, run_cell(cell))
    content = memory.images_path.read_text()
    psnr = next(line for line in content.splitlines() if line.startswith(cells[0].key)).split(",")[4]
    other = psnr[:-1] + ("1" if psnr[-1] != "1" else "2")
    memory.images_path.write_text(content.replace(f",{psnr},", f",{other},", 1))
    again = Memory(tmp_path / "a.csv", tmp_path / "runs")
    assert [again.has(cell) for cell in cells] == [False, True]
    assert again.torn(cells[0])
    (line,) = again.lines_left_out
    assert str(again.images_path) in line
    assert cells[0].net.id in line
    # Of several each is named.
    memory.images_path.write_text(content.replace("coins,", "coin,"))
    (line,) = Memory(tmp_path / "a.csv", tmp_path / "runs").lines_left_out
    assert all(cell.net.id in line for cell in cells)
    memory.images_path.write_text(content.replace(f",{psnr},", f",{other},", 1))
    # Nor does it count where its checksum is taken out.
    cells_text = memory.cells_path.read_text()
    (checksum,) = {row["checksum"] for row in csv.DictReader(cells_text.splitlines()) if row["key"] == cells[0].key}
    memory.cells_path.write_text(cells_text.replace(checksum, ""))
    assert not Memory(tmp_path / "a.csv", tmp_path / "runs").has(cells[0])
    again.put(cells[0], run_cell(cells[0]))
    assert all(map(Memory(tmp_path / "a.csv", tmp_path / "runs").has, cells))


def test_a_table_from_before_the_checksums_is_read(one_cell, photographs, tmp_path):
    cell = one_cell("median", photographs)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    memory.put(cell, run_cell(cell))
    with memory.cells_path.open(newline="") as file:
        names, values = csv.reader(file)
    place = names.index("checksum")
    rows = [row[:place] + row[place + 1 :] for row in (names, values)]
    memory.cells_path.write_text("".join(",".join(f'"{text}"' for text in row) + "\n" for row in rows))
    assert Memory(tmp_path / "a.csv", tmp_path / "runs").has(cell)


def test_scores_are_the_same_before_and_after_they_are_written(one_cell, photographs, tmp_path, measured):
    cell = one_cell("nlm", photographs)
    memory = Memory(tmp_path / "a.csv", tmp_path / "runs")
    memory.put(cell, measured)
    again = Memory(tmp_path / "a.csv", tmp_path / "elsewhere").get(cell)
    for now, then in zip(memory.get(cell).images, again.images, strict=True):
        assert {name: repr(now[name]) for name in SCORES} == {name: repr(then[name]) for name in SCORES}
