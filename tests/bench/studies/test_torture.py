"""A short form of `make torture`: a few attempts of each part that takes seconds, with a fixed seed."""

import random
import signal
from pathlib import Path

import pytest

from bench.cli.app import main
from bench.studies.torture import cells, damage, determinism, faults, inputs, kills, load
from bench.studies.torture.bad_inputs import Attempt
from bench.studies.torture.running import COMMAND, Runner, gone
from bench.studies.torture.serving import served
from bench.studies.torture.study import failed, printable
from bench.studies.torture.tally import Effort, Tally
from bench.train import checkpoint


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """Return what runs commands: one process, which imports once."""
    folder = tmp_path_factory.mktemp("torture")
    with Runner(folder, {"BENCH_CACHE": str(folder / "cache"), "BENCH_MIRROR": ""}) as made:
        yield made


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return cells.photographs(tmp_path_factory.mktemp("images"))


@pytest.fixture
def effort(tmp_path):
    return Effort(tmp_path, random.Random(4), 3.0, most=3, load_checkpoint=checkpoint.load)


@pytest.fixture
def whole(runner, images):
    """Return the words of four quick cells, and what their records hold; the records are gone."""
    words = cells.bench(images, methods=("median", "gaussian"))
    return words, faults._whole(runner, words)


def nothing_wrong(*tallies):
    assert not [line for tally in tallies for line in tally.examples]
    assert all(tally.tried for tally in tallies)
    assert not failed(tallies)


def test_killed_and_begun_again_bench_loses_nothing(runner, images, effort):
    words = cells.bench(images, methods=("median", "gaussian"))
    kind = kills.Killed("bench", COMMAND, [words], kills._records, ("out",), 2, 1)
    nothing_wrong(*kills._killed(kind, runner, effort))


def test_killed_and_begun_again_verify_judges_as_if_it_had_not_been(runner, images, effort):
    made = ("memory.csv", "memory-cells.csv", "memory-images.csv", "runs")
    words = [str(images), "median,gaussian", "15"]
    kind = kills.Killed("verify", "bench.studies.torture.errands:verify", words, kills._verdicts, made, 1, 1)
    nothing_wrong(*kills._killed(kind, runner, effort))
    assert len((runner.folder / "memory.csv").read_text().splitlines()) == 3


def test_killed_and_begun_again_downloads_leave_nothing_half_done(runner, effort):
    with served(effort.of("served"), effort.draw) as (address, checksums):
        errand = "bench.studies.torture.errands:download"
        kind = kills.Killed("download", errand, [address, checksums], kills._files("cache"), ("cache",), 5, 1)
        nothing_wrong(*kills._killed(kind, runner, effort))


def test_flipped_bits_of_records_and_notes_are_seen(runner, whole, effort):
    words, _ = whole
    assert runner.run(words).status == 0
    effort.most = 60
    nothing_wrong(damage.flipped_records(runner.folder / "out", effort), damage.notes(runner.folder / "out", effort))
    effort.most = 2
    nothing_wrong(damage.healed(runner, words, effort))


def test_flipped_bits_of_tables_are_seen(runner, images, effort):
    effort.most = 40
    nothing_wrong(damage.tables(runner, images, effort))


def test_writes_that_fail_are_said_and_a_rerun_heals(runner, whole, effort):
    words, scores = whole
    effort.most = 2
    nothing_wrong(faults.large_files(runner, words, scores, effort))


def test_a_clock_that_is_set_back_and_damaged_downloads_make_nothing_false(runner, whole, effort):
    words, scores = whole
    effort.most = 1
    nothing_wrong(faults.clock(runner, words, scores, effort))
    effort.most = 2  # of the cache, and of a mirror
    with served(effort.of("served"), effort.draw) as (address, checksums):
        nothing_wrong(faults.damaged_files(runner, address, checksums, effort))


def test_what_lies_in_the_way_is_said_and_a_rerun_heals(runner, whole, effort):
    words, scores = whole
    effort.most, effort.seconds = 9, 600.0  # each way once
    tally = faults.in_the_way(runner, words, scores, effort)
    nothing_wrong(tally)
    assert tally.tried == 9


def test_a_full_disk_costs_no_record_that_was_whole(runner, whole, effort):
    words, scores = whole
    effort.most = 1
    tally = faults.full_disk(runner, words, scores, effort)
    if tally is None:
        pytest.skip("no file system can be mounted here")
    nothing_wrong(tally)


def test_a_fault_that_is_not_said_or_changes_a_score_is_counted(runner, whole):
    words, scores = whole
    tally = Tally("faults", "x")
    assert runner.run(words).status == 0
    faults._as_should_be({}, scores, runner, tally)
    assert not tally.found
    key, rows = next(iter(scores.items()))
    faults._as_should_be({}, {**scores, key: [{**row, "psnr": 1.0} for row in rows]}, runner, tally)
    assert dict(tally.found) == {"false": 1}
    faults._as_should_be({}, {**scores, "gone": rows}, runner, tally)
    assert dict(tally.found) == {"false": 1, "lost": 1}
    faults._said(Attempt([], 2, "", "no word of why", 0.1, ran=False), tally)
    assert tally.found["other"] == 1


def test_interrupted_bench_is_gone_and_goes_on(runner, images, effort, monkeypatch):
    monkeypatch.setattr(kills, "AT_ONCE", 20.0)  # of a machine that does other things too
    monkeypatch.setattr(kills, "ENGINES", kills.ENGINES[:1])
    effort.most = 1
    tallies = list(kills._interrupted(runner, images, effort))
    nothing_wrong(*tallies)
    assert [tally.what.split(":")[1].split(",")[0] for tally in tallies] == [" SIGINT", " SIGTERM"]


def test_a_program_of_a_shell_that_is_killed_goes_on(runner, images, effort):
    effort.most = 1
    nothing_wrong(*kills._started_anew(runner.folder, images, effort))


def test_a_few_bad_files_and_words_end_in_a_line(effort):
    effort.most, effort.seconds = 8, 600.0
    tallies = list(inputs.inputs(effort))
    nothing_wrong(*tallies)
    assert sum(tally.tried for tally in tallies) == 16


def test_a_folder_of_records_is_resumed_and_reported(images, effort):
    effort.most = 6
    tally = load.many(effort.of("many"), images, effort)
    nothing_wrong(tally)
    assert tally.remark.startswith("6 records: bench ")


def test_noise_has_the_stored_bits(effort):
    nothing_wrong(determinism.noise(effort))


def test_writers_of_one_folder_lose_nothing(effort, monkeypatch):
    monkeypatch.setattr(load, "WRITERS", 2)
    effort.most = 1
    nothing_wrong(load.crowd(effort.of("crowd"), effort))


def test_what_is_typed_for_make_torture_is_not_for_what_it_runs(images, tmp_path, monkeypatch):
    for name in ("SEED", "TABLE"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("BENCH_TYPED", "SEED TABLE")
    with Runner(tmp_path, {"BENCH_MIRROR": ""}) as made:
        attempt = made.run(cells.bench(images, methods=("median",), noises=("15",)))
    assert (attempt.status, attempt.said) == (0, "")


def test_a_command_that_is_stopped_is_gone(runner):
    attempt = runner.call("time:sleep", [100], after=0.05, number=signal.SIGTERM)
    assert attempt.status == -signal.SIGTERM
    assert gone(runner.pid, 0)


@pytest.mark.parametrize(
    ("after", "kind"), [({"a": "1"}, "lost"), ({"a": "1", "b": "3"}, "false"), ({"a": "1", "b": "2", "c": ""}, "false")]
)
def test_what_is_lost_or_false_is_counted(after, kind):
    tally = Tally("kills", "bench")
    kills._compare({"a": "1", "b": "2"}, after, tally)
    assert dict(tally.found) == {kind: 1}
    assert failed([tally])
    assert kind in printable([tally])


def test_an_interruption_that_lasts_or_says_too_much_is_counted():
    line = "interrupted: 1 of 2 cells are kept; the same command goes on from there\n"
    for status, said, seconds, wrong in (
        (130, line, 0.5, 0), (130, line, 2.5, 1), (130, line + line, 0.5, 1), (1, line, 0.5, 1), (0, "", 9.0, 0),
    ):  # fmt: skip
        tally = Tally("kills", "bench")
        kills._ended(Attempt([], status, "", said, seconds, ran=False), signal.SIGINT, tally)
        assert tally.found.total() == wrong


def test_an_unknown_part_is_refused(tmp_path, capsys):
    assert main(["torture", "--what=kils", f"--table={tmp_path / 'a.csv'}"]) == 2
    assert "did you mean kills?" in capsys.readouterr().err


def test_bad_inputs_go_to_commands_that_end_soon():
    from bench.studies.torture.variables import of_commands

    takes = of_commands()
    assert set(inputs.LEFT_OUT) <= set(takes)
    assert {"bench", "train", "search", "noisy", "export"} <= set(takes) - set(inputs.LEFT_OUT)
    assert "METHOD" in takes["bench"]
    assert Path(determinism.NOISE).is_file()
