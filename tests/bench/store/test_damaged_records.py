"""What is no record, or damaged, is named and left out; the rest is shown."""

import json
import random
import re
from dataclasses import fields, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.cli.app import main
from bench.common.errors import BenchError
from bench.judge.ledger import Claim
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.store import claims
from bench.store.claims import COLUMNS
from bench.store.parquet import decoded, encoded
from bench.store.records import Store
from methods.sealed_json import sealed

ROWS = [
    {"image": f"{i}", "psnr": 29 + i / 7, "told_sigma": None if i else 25.0, "denoised": bytes(range(256)) * 4}
    for i in range(3)
]
ABOUT = {"identity": {"format": 3}, "label": "DnCNN", "seed": 0}


def test_no_bit_of_a_record_flips_unseen(tmp_path):
    content, path = encoded(ROWS, ABOUT), tmp_path / "a.parquet"
    path.write_bytes(content)
    assert decoded(path) == (ROWS, ABOUT)
    for place in range(0, len(content), 23):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            assert decoded(path) == (ROWS, ABOUT), place  # what tells nothing, as the name of the writer
        except BenchError:
            continue


def test_damaged_pixels_are_seen_where_only_scores_are_read(tmp_path):
    path, pixels = tmp_path / "a.parquet", b"\x00\x01\x02\x03\x04\x05\x06\x07" * 4
    rows = [{"image": "a", "psnr": 29.0, "denoised": pixels}]
    content = encoded(rows, ABOUT)
    place = content.index(pixels[:8])
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    assert decoded(path, ("image", "psnr"))[0] == [{"image": "a", "psnr": 29.0}]
    with pytest.raises(BenchError):
        decoded(path, ("image", "psnr"), whole=True)


def test_a_record_from_before_the_checksums_is_read(tmp_path):
    table = pa.Table.from_pylist(ROWS).replace_schema_metadata({"bench": json.dumps(ABOUT)})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert decoded(tmp_path / "a.parquet") == (ROWS, ABOUT)


def _raised(table):
    return table.set_column(1, "psnr", pa.array([39.0] * len(table)))


def _renamed(table):
    return table.replace_schema_metadata({k: v.replace(b"DnCNN", b"BM3D") for k, v in table.schema.metadata.items()})


@pytest.mark.parametrize("edit", [_raised, _renamed, lambda table: table.slice(1), lambda table: table])
def test_a_record_that_another_program_wrote_again_is_left_out(tmp_path, edit):
    """A number raised, a method renamed, a row removed: the file is whole, and its numbers are not those measured."""
    path = tmp_path / "a.parquet"
    path.write_bytes(encoded(ROWS, ABOUT))
    pq.write_table(edit(pq.read_table(path)), path)
    for columns in (None, ("image", "psnr")):
        with pytest.raises(BenchError, match="another program"):
            decoded(path, columns)


def test_letters_that_are_no_utf8_are_spelled(tmp_path):
    odd = {"identity": {"caf\udce9": ["\ud800x", "𝒳", "\\ud800"]}, "label": "caf\udce9"}
    (tmp_path / "a.parquet").write_bytes(encoded(ROWS, odd))
    _, about = decoded(tmp_path / "a.parquet")
    assert about == {"identity": {r"caf\udce9": [r"\ud800x", "𝒳", r"\ud800"]}, "label": r"caf\udce9"}


@pytest.fixture
def store(tmp_path, photographs):
    """Return a store with three records."""
    store = Store(tmp_path / "out" / "runs")
    assert not run_campaign(plan(Request("wavelet,median,gaussian", str(photographs), "25"))[0], store).failures
    return store


def lies(rows, about):
    """Give records that are whole, and say what no record does; each by a name."""
    for name, value in {
        "label": 5, "seed": [1], "sigma": "x", "strength": {"a": 1}, "net": None, "dataset": "x", "versions": 1.5,
        "failed_images": True, "key": "x" * 10**6, "seconds": {}, "protocol": {"name": "standard"}, "threads": -1,
        "notes": [5], "device": None,
    }.items():  # fmt: skip
        yield f"odd {name}", (rows, about | {name: value})
        if name not in ("versions", "failed_images", "notes"):
            yield f"no {name}", (rows, {word: one for word, one in about.items() if word != name})
    for table, name in (("dataset", "name"), ("dataset", "ledger"), ("net", "published"), ("protocol", "output")):
        yield f"odd {table} {name}", (rows, about | {table: about[table] | {name: {"a": 1}}})
        yield f"no {table} {name}", (rows, about | {table: {k: v for k, v in about[table].items() if k != name}})
    for name, value in (("psnr", "x"), ("ssim", [1.0]), ("height", 0), ("width", None), ("image", 7), ("image", "a")):
        yield f"rows {name} {type(value).__name__}", ([row | {name: value} for row in rows], about)
    yield "rows twice", (rows * 2, about)
    yield "rows without size", ([{k: v for k, v in row.items() if k != "height"} for row in rows], about)


def damage(folder, good):
    """Put beside a good record all that may lie there, and return the causes by the names of the files."""
    content = good.read_bytes()
    rows, about = decoded(good)
    place = len(content) // 2
    contents = {
        "empty": b"",
        "short": content[:-1],
        "head": content[:100],
        "text": b"PAR1 is no more than a word",
        "flipped": content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :],
        "old": encoded(rows, about | {"identity": about["identity"] | {"format": 2}}),
        "bare": encoded(rows, {"identity": {"format": 3}}),
        "list": encoded(rows, []),
        "no images": encoded([{"psnr": 1.0}], about),
        "newer": encoded(rows, about | {"protocol": about["protocol"] | {"flash": "on"}}),
    }
    for name, bad in contents.items():
        (folder / f"{name}.parquet").write_bytes(bad)
    pq.write_table(pa.table({"a": [1]}), folder / "foreign.parquet")
    (folder / "folder.parquet").mkdir()
    return {f"{name}.parquet" for name in (*contents, "foreign", "folder")}


def test_what_is_no_record_is_named_and_left_out(store, capsys):
    good = store.paths()
    bad = damage(good[0].parent, good[0])
    notes = store.folder / "failed"
    notes.mkdir(exist_ok=True)
    for name, text in {
        "cut": '{"request"',
        "list": "[1]",
        "none": '{"request": 1}',
        "named": '{"rfquest": {}}',
        "bytes": "\xff",
    }.items():
        (notes / f"{name}.json").write_text(text, encoding="latin-1")
        bad.add(f"{name}.json")
    again = Store(store.folder)
    records = again.scores(pictures=True)
    assert {record.provenance["label"] for record in records} == {"Wavelet", "Median", "Gaussian"}
    assert len(records) == 3
    assert again.failures() == []
    assert {path.name for path in again.left_out} == bad
    assert main(["report", "--out", str(store.folder.parent)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(bad)
    assert all(any(name in line for line in lines) for name in bad)
    csv = (store.folder.parent / "report" / "leaderboard.csv").read_text()
    assert csv.count("\n") == 4


def test_a_record_that_is_whole_and_lies_is_left_out(store):
    good, folder = store.paths()[0], store.paths()[0].parent
    columns = ("image", "height", "width", "psnr", "ssim", "seconds")
    told = list(lies(*decoded(good, columns)))
    for number, (_, lie) in enumerate(told):
        (folder / f"{number}.parquet").write_bytes(encoded(*lie))
    again = Store(store.folder)
    assert len(again.scores()) == 3
    assert [name for number, (name, _) in enumerate(told) if folder / f"{number}.parquet" not in again.left_out] == []
    assert all(cause.isprintable() and len(cause) < 500 for cause in again.left_out.values())


def test_a_folder_of_damaged_records_only_says_what_to_run(store, capsys):
    for path in store.paths():
        path.write_bytes(b"")
    assert main(["report", "--out", str(store.folder.parent)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith("has no finished cell; run make bench first")


def test_the_cell_of_a_damaged_record_runs_again(store, photographs, capsys):
    before = {path.name: decoded(path, ("image", "psnr"))[0] for path in store.paths()}
    good = store.paths()[0]
    good.write_bytes(good.read_bytes()[:200])
    words = ["run", "--method", "wavelet,median,gaussian", "--data", str(photographs), "--noise", "25"]
    assert main([*words, "--out", str(store.folder.parent)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"left out {good}: it is no whole Parquet file; its cell runs again" in printed
    assert "2 of 3 cells are finished already" in printed
    assert {path.name: decoded(path, ("image", "psnr"))[0] for path in store.paths()} == before


def test_a_broken_note_of_claims_costs_no_record(store):
    path = store.paths()[0]
    (cell_key,) = {record.provenance["key"] for record in store.scores() if record.provenance["key"] in path.name}
    note = store.folder / "claims" / f"{cell_key}.json"
    note.parent.mkdir(exist_ok=True)
    row = dict.fromkeys(COLUMNS, "") | {"metric": "psnr", "value": "30.5"}
    lies = [5, "psnr", None, {}, row | {"value": 30}, row | {"value": "nan"}, row | {"value": "9" * 5000},
            row | {"more": ""}, row | {"origin": 4}, {"metric": "psnr", "value": "30"}]  # fmt: skip
    of_net = [{"claims": [], "published": value} for value in (5, ["a"], {"a": 1}, [["a"], ["b"]])]
    texts = [sealed(content) for content in (*({"claims": [row, lie]} for lie in lies), *of_net)]
    good = sealed({"claims": [row]})
    for text in ("{", "[]", '{"claims": 1}', "7", "[" * 100_000, "{}", json.dumps({"claims": [row]}), good, *texts):
        note.write_text(text)
        again = Store(store.folder)
        assert len(again.scores()) == 3
        assert set(again.left_out) == (set() if text == good else {note}), text
    assert set(COLUMNS) == {field.name for field in fields(Claim)} - {"draw"}


def test_a_flipped_bit_of_a_claim_or_a_note_of_a_failure_is_named_or_changes_nothing(store):
    cell = plan(Request("median", "builtin", "25"))[0][0]
    store.claim(cell, [dict.fromkeys(COLUMNS, "") | {"metric": "psnr", "value": "30.58"}])
    store.put_failure(cell, Failure({"METHOD": "median"}, "it ends with 25"))
    (claim,), (failed,) = store.folder.glob("claims/*.json"), store.folder.glob("failed/*.json")
    right = claims.read(claim), store.failure(failed)
    draw, named = random.Random(0), 0
    for path in (claim, failed) * 100:
        content = path.read_bytes()
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            found = claims.read(claim), store.failure(failed)
            assert found[0]["claims"] == right[0]["claims"]
            assert found[1] in (right[1], None)
            named += found[1] is None
        except BenchError:
            named += 1
        path.write_bytes(content)
    assert named > 100
    for lie in ("", ', "checksum": "none"'):  # taken out, or as in a training record that a person changed
        for path in (claim, failed):
            path.write_text(re.sub(r',\s*"checksum": "[^"]*"', lie, path.read_text()))
        with pytest.raises(BenchError, match="name CLAIM again, or delete it"):
            claims.read(claim)
        assert store.failure(failed) is None


def test_records_replace_damaged_ones(store):
    cell = replace(plan(Request("median", "builtin", "25"))[0][0], seed=7)
    path = store.path(cell)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"PAR1")
    assert not store.has(cell)
    assert set(store.left_out) == {path}
    record = store.scores()[0]
    store.put(cell, replace(record, provenance=record.provenance | {"key": cell.key}))
    assert store.has(cell)
    assert not store.left_out


def test_a_folder_that_may_not_be_read_is_not_empty(store, monkeypatch):
    """Where the tests run as root all may be read, so that the answer of the system is put in its place."""
    for place in (store.folder, store.paths()[0].parent):
        monkeypatch.setattr("os.access", lambda path, mode, place=place: path != place)
        again = Store(store.folder)
        again.scores()
        assert again.left_out == {place: "this folder may not be read"}
