"""A copy of the scores of many records saves time, and nothing is taken from it that has changed or is damaged."""

import os

import pytest

from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.store import records, verified
from bench.store.parquet import decoded
from bench.store.records import Store, score_columns
from bench.store.verified import Verified

COPY = "verified.parquet"


@pytest.fixture
def cells(photographs):
    """Return eight cells."""
    return plan(Request("median,gaussian", str(photographs), "15,25", seed="0,1"))[0]


@pytest.fixture
def store(tmp_path, cells, monkeypatch):
    """Return a store with the records of six cells, of which a copy is worth it at once, and lies there."""
    monkeypatch.setattr(verified, "WORTH", 1)
    monkeypatch.setattr(verified, "SETTLED", -1.0)
    store = Store(tmp_path / "out" / "runs")
    assert not run_campaign(cells[:6], store).failures
    Store(store.folder).scores(pictures=True)
    assert (store.folder / COPY).is_file()
    return store


@pytest.fixture
def opened(store, monkeypatch):
    """Return the names of the files that are opened from here on."""
    names = []

    def noted(path, *words, **more):
        names.append(path.name)
        return decoded(path, *words, **more)

    for module in (verified, records):
        monkeypatch.setattr(module, "decoded", noted)
    return names


def flip(path, place=-100):
    content = path.read_bytes()
    place %= len(content)
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])


def test_unchanged_records_are_not_opened_and_say_the_same(store, cells, opened):
    again = Store(store.folder)
    said = {record.provenance["key"]: repr(record.images) for record in again.scores(pictures=True)}
    assert [again.has(cell) for cell in cells[:6]] == [True] * 6
    assert repr(again.get(cells[0], score_columns()).images) == said[cells[0].key]
    assert opened == [COPY]
    assert said == {cell.key: repr(decoded(store.path(cell), score_columns())[0]) for cell in cells[:6]}
    assert [row.keys() for row in again.get(cells[0], ("image",)).images] == [{"image"}] * 2
    assert "denoised" in again.get(cells[0]).images[0]  # the pictures are in the record alone


@pytest.mark.parametrize("known", [True, False])
def test_a_record_under_the_name_of_another_cell_is_left_out_and_that_cell_runs(store, cells, known):
    """The numbers of one method stood as the finished cell of another."""
    again = Store(store.folder)
    one, other = (again.path(cell) for cell in (cells[0], cells[5]))
    if not known:
        (store.folder / COPY).unlink()
    other.write_bytes(one.read_bytes())
    assert [again.has(cells[0]), again.has(cells[5])] == [True, False]
    assert "its name is that of another cell: it is the record of " + cells[0].key in again.left_out[other]
    assert len(again.scores()) == 5
    assert not run_campaign([cells[5]], again).failures
    assert again.get(cells[5]).provenance["key"] == cells[5].key


def test_a_report_is_given_the_same_with_the_copy_and_without(store):
    def given():
        return [repr((record.images, record.provenance)) for record in Store(store.folder).scores(pictures=True)]

    with_copy = given()
    (store.folder / COPY).unlink()
    assert given() == with_copy
    assert len(with_copy) == 6


@pytest.mark.parametrize("pictures", [False, True])
def test_a_record_that_changed_is_read_again(store, cells, pictures):
    flipped, gone = store.path(cells[0]), store.path(cells[1])
    times = flipped.stat()
    flip(flipped)
    os.utime(flipped, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps times would
    gone.unlink()
    again = Store(store.folder)
    assert {r.provenance["key"] for r in again.scores(pictures=pictures)} == {cell.key for cell in cells[2:6]}
    assert set(again.left_out) == {flipped}
    once_more = Store(store.folder)
    assert [once_more.has(cell) for cell in cells] == [False] * 2 + [True] * 4 + [False] * 2
    assert set(once_more.left_out) == {flipped}


def test_pictures_that_were_not_verified_are_where_they_count(store, cells, opened):
    (store.folder / COPY).unlink()
    Store(store.folder).scores()
    opened.clear()
    Store(store.folder).scores()
    assert opened == [COPY]
    Store(store.folder).scores(pictures=True)
    assert len(opened) == 2 + 6


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "folder", "foreign", "other columns"])
def test_a_copy_that_is_none_costs_time_alone(store, cells, opened, how):
    copy = store.folder / COPY
    if how == "folder":
        copy.unlink()
        copy.mkdir()
    elif how == "foreign":
        copy.write_bytes(store.path(cells[0]).read_bytes())
    elif how == "other columns":
        copy.unlink()
        other = Verified(store.folder, ("image", "psnr"))
        for cell in cells[:6]:
            other.read(store.path(cell), pictures=True)
        other.save()
        opened.clear()
    else:
        content = copy.read_bytes()
        copy.write_bytes({"cut": content[:-9], "empty": b""}.get(how, content))
        if how == "flipped":
            flip(copy, len(content) // 3)
    again = Store(store.folder)
    assert len(again.scores(pictures=True)) == 6
    assert again.left_out == {}
    assert len(opened) == 7  # all were verified
    if how != "folder":  # and the next one need not
        assert len(Store(store.folder).scores(pictures=True)) == 6
        assert len(opened) == 8


def test_killed_while_the_copy_is_written_nothing_is_lost(store, cells, opened, monkeypatch):
    def killed(path, content):
        (path.parent / ".part").mkdir()
        (path.parent / ".part" / path.name).write_bytes(content[:100])
        raise KeyboardInterrupt

    before = (store.folder / COPY).read_bytes()
    assert not run_campaign(cells, Store(store.folder)).failures
    monkeypatch.setattr(verified, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        Store(store.folder).scores(pictures=True)
    assert (store.folder / COPY).read_bytes() == before
    monkeypatch.undo()
    assert len(Store(store.folder).scores(pictures=True)) == 8


def test_who_may_not_write_reads_all_the_same(store, cells, monkeypatch):
    def refused(path, content):
        raise records.BenchError("cannot write")

    (store.folder / COPY).unlink()
    monkeypatch.setattr(verified, "write_whole", refused)
    assert len(Store(store.folder).scores(pictures=True)) == 6


def test_a_record_of_this_moment_is_not_kept(store, cells, monkeypatch, opened):
    monkeypatch.setattr(verified, "SETTLED", 3600.0)
    (store.folder / COPY).unlink()
    for _ in range(2):
        assert len(Store(store.folder).scores()) == 6
    assert opened.count(COPY) == 2
    assert len(opened) == 2 + 12
    assert not (store.folder / COPY).exists()


def test_few_records_have_no_copy(tmp_path, cells):
    store = Store(tmp_path / "few" / "runs")
    assert not run_campaign(cells[:2], store).failures
    Store(store.folder).scores(pictures=True)
    assert not (store.folder / COPY).exists()
