"""Worker processes of a machine with GPUs, which are pretended here: which cells go where, and what each one sees."""

import os
from collections import Counter
from dataclasses import replace

import pytest

from bench.plan.request import Request, plan
from bench.run import lanes as module
from bench.run.lanes import lanes, visible_gpus
from bench.run.settings import Settings


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends GPUs and cores."""

    def pretend(gpus, cores, named=""):
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
        monkeypatch.setattr("bench.common.provenance.cores", lambda: cores)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)

    return pretend


@pytest.fixture
def cells(photographs):
    """Return two cells that run on a device, as networks do, and two of BM3D, which is code for the CPU."""
    made = plan(Request("gaussian,bm3d", str(photographs), "15,25"))[0]
    for_device = [replace(cell, method=replace(cell.method, processes=False)) for cell in made[:2]]
    return [*for_device, *made[2:]]


def placed(found):
    return [
        (lane.gpu, lane.count, lane.settings.threads, sorted({c.method.name for c in lane.waiting})) for lane in found
    ]


def test_each_gpu_has_one_worker_and_bm3d_the_cores_that_are_left(machine, cells):
    machine(2, 8)
    found = lanes(cells, Settings(engine="loky"))
    assert placed(found) == [("0", 1, 2, ["gaussian"]), ("1", 1, 2, ["gaussian"]), ("", 6, 1, ["bm3d"])]
    assert found[0].waiting is found[1].waiting  # whichever is free takes the next one
    assert Counter(cell.key for cell in [*found[0].waiting, *found[2].waiting]) == Counter(cell.key for cell in cells)


@pytest.mark.parametrize(
    ("gpus", "device", "expected"),
    [
        (0, "auto", [("", 4, 1)]),
        (2, "cpu", [("", 4, 1)]),
        (2, "cuda:1", [("", 4, 1)]),
        (4, "cuda", [("0", 1, 1), ("1", 1, 1), ("", 2, 1)]),
    ],
)
def test_no_more_workers_than_gpus_or_cells_and_none_where_none_is_asked_for(machine, cells, gpus, device, expected):
    machine(gpus, 4)
    assert [one[:3] for one in placed(lanes(cells, Settings(device, engine="loky")))] == expected


@pytest.mark.parametrize(
    ("count", "named", "expected"),
    [(2, "", ("0", "1")), (2, "3,5", ("3", "5")), (1, "GPU-7f, GPU-9a", ("GPU-7f",)), (0, "", ()), (0, "-1", ())],
)
def test_gpus_that_were_chosen_before_are_chosen_from(machine, count, named, expected):
    machine(count, 4, named)
    assert visible_gpus() == expected


def test_workers_see_their_own_gpu_only(machine, cells):
    machine(2, 2, "4,7")
    found = [lane for lane in lanes(cells, Settings(engine="loky")) if lane.gpu]
    seen = [lane.executor().submit(os.getenv, "CUDA_VISIBLE_DEVICES") for lane in found]
    assert [future.result(60) for future in seen] == ["4", "7"]
    for lane in found:
        lane.close()


def test_jobs_say_how_many_workers_the_cpu_has(machine, cells):
    machine(2, 16)
    assert placed(lanes(cells, Settings(jobs=3, engine="loky")))[-1] == ("", 3, 4, ["bm3d"])
    assert module.lanes([], Settings(engine="loky")) == []
