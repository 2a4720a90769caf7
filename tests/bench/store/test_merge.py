"""Results of two machines, joined: nothing is overwritten, conflicts are named, and both folders stay whole."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from bench.cli.app import main
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.store.claims import COLUMNS
from bench.store.merge import merge
from bench.store.records import Store
from bench.store.results import current, gather
from methods.sealed_json import sealed


@pytest.fixture
def machines(tmp_path, photographs):
    """Return the stores of two machines, which share one of three cells, and all cells."""
    cells, _ = plan(Request("gaussian", str(photographs), "10,20,30"))
    stores = [Store(tmp_path / name / "runs") for name in ("here", "there")]
    run_campaign(cells[:2], stores[0], Settings("cpu", jobs=1))
    run_campaign(cells[2:], stores[1], Settings("cpu", jobs=1))
    shared = stores[0].path(cells[1])
    place = stores[1].folder / shared.relative_to(stores[0].folder)
    shutil.copy(shared, place)
    return *stores, cells


def contents(store):
    return {path.relative_to(store.folder): path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}


def test_what_is_lacking_is_taken_and_what_is_here_stays(machines):
    here, there, cells = machines
    before = contents(here), contents(there)
    merged = merge(there, here)
    assert (merged.taken, merged.same, merged.conflicts, merged.left_out) == (1, 1, [], [])
    assert contents(there) == before[1]
    assert contents(here) == before[1] | before[0]
    assert all(Store(here.folder).has(cell) for cell in cells)
    again = merge(there, here)
    assert (again.taken, again.same) == (0, 2)
    assert contents(here) == before[1] | before[0]


@pytest.mark.parametrize(("added", "conflict"), [(0.01, True), (1e-9, False), (float("nan"), True)])
def test_other_numbers_under_one_key_are_a_conflict(machines, added, conflict):
    here, there, cells = machines
    record = there.get(cells[1])
    images = [row | {"psnr": row["psnr"] + (added if row["image"] == "coins" else 0)} for row in record.images]
    there.put(cells[1], replace(record, images=images))
    before = contents(here)
    merged = merge(there, here)
    assert len(merged.conflicts) == conflict
    assert before.items() <= contents(here).items()
    if conflict:
        (line,) = merged.conflicts
        assert line.startswith("Gaussian, ")
        assert "psnr of image coins is" in line
        assert "\n" not in line


def test_what_another_processor_rounds_is_no_conflict_and_no_change(machines, capsys):
    """1e-5 dB are 0.0005 of a mean squared error of 200, and may be another fourth decimal."""
    here, there, cells = machines
    record = there.get(cells[1])
    moved = [
        r | {"psnr": r["psnr"] - 1e-5, "mse": r["mse"] * 10**1e-6, "ssim": r["ssim"] + 5e-5} for r in record.images
    ]
    assert moved[0]["mse"] - record.images[0]["mse"] > 1e-4
    there.put(cells[1], replace(record, images=moved))
    assert merge(there, here).conflicts == []
    assert main(["compare-runs", "--a", str(here.folder), "--b", str(there.folder)]) == 0
    said = capsys.readouterr().out
    assert (
        "2 cells in both, of which 0 changed, 0 in their verdict; 1 only in A, 0 only in B\nlargest change: none"
        in said
    )
    moved = [row | {"mse": row["mse"] * 10**1e-4} for row in record.images]  # 0.001 dB
    there.put(cells[1], replace(record, images=moved))
    assert len(merge(there, here).conflicts) == 1
    assert main(["compare-runs", "--a", str(here.folder), "--b", str(there.folder)]) == 0
    assert "of which 1 changed" in capsys.readouterr().out


def test_other_images_under_one_key_are_a_conflict(machines):
    here, there, cells = machines
    record = there.get(cells[1])
    there.put(cells[1], replace(record, images=record.images[:1]))
    assert "2 images here and 1 there" in merge(there, here).conflicts[0]


@pytest.mark.parametrize("newest", ["here", "there"])
def test_the_result_of_the_newest_code_stays_the_one_that_is_reported(tmp_path, photographs, newest):
    """One machine measured a cell by two versions of the code, the other one by a third."""
    (cell,) = plan(Request("gaussian", str(photographs), "10"))[0]
    stores = {name: Store(tmp_path / name / "runs") for name in ("here", "there")}
    run_campaign([cell], stores["here"], Settings("cpu", jobs=1))
    made = stores["here"].get(cell)
    (path,) = stores["here"].paths()
    path.unlink()
    older = "there" if newest == "here" else "here"
    for store, years in ((older, (2021, 2022)), (newest, (2023,))):
        for year in years:
            identity = made.provenance["identity"] | {"harness": {"scorer": str(year)}}
            more = {"started": f"{year}-01-01", "key": str(year) * 5, "identity": identity}
            images = [row | {"psnr": float(year)} for row in made.images]
            Store(stores[store].folder).put(cell, replace(made, images=images, provenance=made.provenance | more))
    assert merge(stores["there"], stores["here"]).taken == (2 if newest == "here" else 1)
    merged = Store(tmp_path / "here" / "runs")
    assert len(merged.scores(pictures=True)) == 3
    (kept,) = current(gather(merged.scores()))
    assert kept.mean("psnr") == 2023
    assert merge(stores["there"], merged).taken == 0


def with_another_pixel(path):
    """Return the bytes of a record of which one bit of the pixels has flipped, and none of the scores."""
    content, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    place = columns["denoised"].data_page_offset - 5  # the last ones of the dictionary before it
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "pixels", "older", "other"])
def test_what_cannot_be_used_is_named_and_left_out(machines, damage):
    here, there, cells = machines
    path = there.path(cells[2])
    content = path.read_bytes()
    if damage == "older":
        record = there.get(cells[2])
        about = record.provenance | {"identity": record.provenance["identity"] | {"format": 1}}
        there.put(cells[2], replace(record, provenance=about))
    else:
        flipped = bytes([content[400] ^ 1])
        wrong = {
            "cut": content[:-9],
            "empty": b"",
            "flipped": content[:400] + flipped + content[401:],
            "pixels": with_another_pixel(path),
            "other": b"PAR1",
        }
        path.write_bytes(wrong[damage])
    before = contents(there)
    merged = merge(there, here)
    assert (merged.taken, merged.same) == (0, 1)
    (line,) = merged.left_out
    assert line.startswith(f"left out {path}: ")
    assert not here.path(cells[2]).exists()
    assert contents(there) == before


def test_a_damaged_record_here_is_named_and_not_overwritten(machines):
    here, there, cells = machines
    for damaged in (b"damaged", with_another_pixel(here.path(cells[1]))):
        here.path(cells[1]).write_bytes(damaged)
        merged = merge(there, here)
        assert "delete that and merge again" in merged.left_out[0]
        assert here.path(cells[1]).read_bytes() == damaged
    here.path(cells[1]).unlink()
    assert merge(there, here).taken == 1


def test_failures_come_too_but_for_those_that_a_record_answers(machines):
    here, there, cells = machines
    there.put_failure(cells[0], Failure(cells[0].request, "no memory"))  # which is finished here
    other = replace(cells[0], seed=7)
    there.put_failure(other, Failure(other.request, "no licence"))
    here.put_failure(cells[2], Failure(cells[2].request, "interrupted"))  # which is finished there
    merged = merge(there, here)
    assert merged.failures == 1
    assert [failure.cause for failure in here.failures()] == ["no licence"]
    assert sorted(failure.cause for failure in there.failures()) == ["no licence", "no memory"]


def test_claims_come_too_and_others_are_a_conflict(machines):
    here, there, _ = machines
    for store, value in ((there, "30.1"), (here, "30.2")):
        (store.folder / "claims").mkdir()
        (store.folder / "claims" / "k.json").write_text(
            sealed({"claims": [dict.fromkeys(COLUMNS, "") | {"value": value}]})
        )
    (there.folder / "claims" / "only.json").write_text(sealed({"claims": []}))
    (there.folder / "claims" / "lie.json").write_text(sealed({"claims": [5]}))
    merged = merge(there, here)
    assert merged.conflicts[0].startswith("claims of cell k are others here and there")
    assert merged.left_out[0].endswith("lie.json: it is no note of claims; name CLAIM again, or delete it")
    assert not (here.folder / "claims" / "lie.json").exists()
    assert (here.folder / "claims" / "only.json").exists()


def test_two_people_may_merge_into_one_folder_at_a_time(machines, tmp_path):
    here, there, cells = machines
    target = Store(tmp_path / "common" / "runs")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: merge(Store(store.folder), Store(target.folder)), [here, there] * 4))
    assert all(target.has(cell) for cell in cells)
    assert not list(target.folder.rglob("*.part"))


def test_the_command_names_what_it_did_and_what_is_wrong(machines, capsys, tmp_path):
    here, there, cells = machines
    words = ["merge", "--out", str(here.folder.parent)]
    assert main([*words, "--from", str(there.folder.parent)]) == 0
    assert capsys.readouterr().out == (
        "1 records and 0 failures taken over, 1 records were here already, 0 conflicts, 0 files left out\n"
    )
    there.path(cells[2]).write_bytes(b"")
    assert main([*words, "--from", str(there.folder)]) == 1
    capsys.readouterr()
    for given, said in (
        ([], "FROM is missing"),
        (["--from", str(tmp_path / "none")], "there is no such folder"),
        (["--from", str(here.folder.parent)], "is the folder that it would be merged into"),
    ):
        assert main([*words, *given]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert said in line
