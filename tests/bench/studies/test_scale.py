"""The simulated cluster against schedules that are found by hand, and the command that measures how cost grows."""

import csv

import pytest

from bench.cli.app import main
from bench.store import verified
from bench.studies.scale import figure, growth, simulation
from bench.studies.scale.simulation import Job, campaign, longest, simulated


def gpu(*seconds):
    return [Job(one, on_gpu=True) for one in seconds]


@pytest.mark.parametrize(
    ("seconds", "workers", "client", "makespan"),
    [
        ((1, 2, 3), 2, 0, 4),  # 1 then 3 beside 2
        ((3, 2, 1), 2, 0, 3),  # 3 beside 2 then 1
        ((3, 2, 1), 1, 0, 6),
        ((5, 5), 2, 1, 7),  # the second is given a second after the first
        ((1,) * 10, 10, 1, 11),  # the command is what limits: the last is given after ten seconds
        ((4,), 64, 0, 4),
    ],
)
def test_a_makespan_is_that_of_the_schedule(seconds, workers, client, makespan):
    found = simulated(gpu(*seconds), workers, 0, client)
    assert found.makespan == makespan
    assert found.busy_gpu == pytest.approx(sum(seconds) / workers / makespan)


def test_jobs_go_to_the_workers_of_their_kind():
    jobs = [*gpu(2, 2), Job(7, on_gpu=False)]
    found = simulated(jobs, 1, 1, 0)
    assert (found.makespan, found.busy_gpu, found.busy_cpu) == (7, pytest.approx(4 / 7), 1)
    assert simulated(jobs, 1, 0, 0).makespan == 11
    assert simulated(longest(jobs), 3, 0, 0).makespan == 7


def test_cells_cost_what_was_measured(tmp_path):
    (tmp_path / "verify-images.csv").write_text("key,height,width\na,1000,1000\na,1000,1000\nb,1000,500\nc,1000,500\n")
    (tmp_path / "verify-cells.csv").write_text(
        "key,method,dataset,runtime,seconds\na,net,large,onnxruntime,200\nb,net,small,onnxruntime,50\n"
        "c,bm3d,small,Python,10\nd,net,lost,onnxruntime,1\n"
    )
    jobs = campaign(tmp_path, speedup=50)
    assert len(jobs) == 100 * 20 * 10 * 5
    # bm3d takes 20 s a megapixel of two cores, 5 s of eight; net 100 s, 2 s of a GPU and one for all else.
    assert {(job.seconds, job.on_gpu) for job in jobs} == {(10, False), (2.5, False), (5, True), (2, True)}
    assert sum(job.on_gpu for job in jobs) == 50_000


def test_the_command_writes_a_table_and_charts(tmp_path, monkeypatch, capsys):
    sizes = {"IMAGES": (2, 4), "CELLS": (100, 200), "METHODS": "gaussian,median", "SEEDS": 5}
    for name, value in sizes.items():
        monkeypatch.setattr(growth, name, value)
    monkeypatch.setattr(simulation, "METHODS", 10)
    monkeypatch.setattr(verified, "SETTLED", 0.0)
    monkeypatch.setattr("bench.report.build.build", lambda out, pictures_each: out)
    table = tmp_path / "scale.csv"
    assert main(["speed", "--what", "scale", "--records", "30", "--table", str(table)]) == 0
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(capsys.readouterr().out.splitlines()) == len(rows)
    assert {row["part"] for row in rows} == {"images", "cells", "records", "workers"}
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert [row["count"] for row in rows if row["what"] == "planned"] == ["100", "200"]
    assert [row["count"] for row in rows if row["what"] == "stored"] == ["30"]
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [((0.12, 0.92), ["0.2", "0.5", "1"]), ((25.0, 400_000.0), ["100", "1,000", "10,000", "100,000"])],
)
def test_an_axis_of_seconds_has_more_than_one_label(seconds, labels):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    rows = [{"what": "run", "count": 50 * n, "seconds": s} for n, s in enumerate(seconds, 1)]
    figure._chart(axes, "images", rows)
    low, high = axes.get_ylim()
    shown = [
        text.get_text() for at, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True) if low <= at <= high
    ]
    assert shown == labels


def test_another_word_is_refused(capsys):
    assert main(["speed", "--what", "scales"]) == 2
    assert "did you mean scale" in capsys.readouterr().err
