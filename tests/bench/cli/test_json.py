"""`JSON=1`: standard output is JSON alone, whatever else is said."""

import csv
import io
import json

import pytest

import datasets
import methods
from bench.cli.app import main
from bench.report.leaderboard import leaderboards, to_csv
from bench.store.records import Store
from bench.store.results import gather


def test_results_are_those_of_the_table_and_all_else_is_on_standard_error(tmp_path, photographs, capsys):
    named = photographs.rename(photographs.with_name('a"b\\c\n[red]<b>'))
    words = [
        "run",
        "--method",
        "median,gaussian,medain",
        "--data",
        str(named),
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    for again in (False, True):
        assert main(words) == 1
        screen = capsys.readouterr()
        found = json.loads(screen.out)
        assert "unknown method 'medain'" in screen.err
        assert ("2 of 2 cells are finished already" in screen.err) == again
        assert ("done  Median" in screen.err) != again
    table = csv.DictReader(io.StringIO(to_csv(leaderboards(gather(Store(tmp_path / "out" / "runs").scores())))))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in found] == list(table)
    assert {row["method"] for row in found} == {"Median", "Gaussian"}


def test_a_dry_run_is_json_too(tmp_path, photographs, capsys):
    words = [
        "run",
        "--method",
        "median",
        "--data",
        str(photographs),
        "--noise",
        "15,25",
        "--out",
        str(tmp_path),
        "--json",
    ]
    assert main([*words, "--dry-run"]) == 0
    screen = capsys.readouterr()
    rows = json.loads(screen.out)
    assert [(row["degradation"], row["finished"], row["seconds"]) for row in rows] == [
        ("gaussian:15", False, None), ("gaussian:25", False, None),
    ]  # fmt: skip
    assert "2 of 2 cells would run" in screen.err


def test_nothing_measured_is_an_empty_list(tmp_path, capsys):
    assert main(["run", "--method", "medain,", "--out", str(tmp_path), "--json"]) == 2
    screen = capsys.readouterr()
    assert screen.out in ("", "[]\n")
    assert "medain" in screen.err


def test_the_registries_are_json(capsys):
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["methods"]] == list(methods.available())
    assert {one["name"] for one in found["datasets"]} == set(datasets.available())
    assert "standard" in {one["name"] for one in found["protocols"]}
    nets = {net["id"]: net for one in found["methods"] for net in one["nets"]}
    assert nets["dncnn-s-25"]["trained"] == [25, 25]
    assert len(nets["dncnn-s-25"]["weights"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dncnn"], {"methods": ["dncnn"]}),
        (["--data", "set12"], {"datasets": ["set12"]}),
        (["datasets"], {"datasets": None}),
        (["protocols"], {"protocols": None}),
    ],
)
def test_a_part_of_them_is(words, expected, capsys):
    assert main(["list", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(expected)
    assert all(names is None or [one["name"] for one in found[part]] == names for part, names in expected.items())


def test_filters_choose_methods_and_nets(capsys):
    assert main(["list", "--method", "colour,blind", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["methods"]
    nets = [net for one in found["methods"] for net in one["nets"]]
    assert nets
    assert all(net["colour"] in ("rgb", "any") and not net["given_sigma"] for net in nets)
