"""Fixtures: an empty cache for every test, small images, and the mirror where there is one."""

import csv
import io
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.common.files import fetch
from bench.plan.cell import Cell
from bench.plan.request import Request, plan
from bench.report.leaderboard import leaderboards, to_csv
from bench.run.campaign import run_campaign
from bench.store.records import Store
from bench.store.results import Result, gather
from datasets import available

MIRROR = os.environ.get("BENCH_MIRROR", "")
CACHE = os.environ.get("BENCH_CACHE", "")


def pytest_addoption(parser):
    """Add the option for the whole table of published numbers."""
    parser.addoption(
        "--all-published", action="store_true", help="measure every published number, not one of each kind"
    )


def pytest_configure(config):
    """Give each test process a core of its own, so that they do not take each other's."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_collection_modifyitems(config, items):
    """Put the longest tests first, and leave those out that need a CUDA device, where there is none.

    The tests of a file share its fixtures in one process; each long one goes where there is room.
    """
    import torch

    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("slow") is None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
    if not torch.cuda.is_available():
        left_out = [item for item in items if item.get_closest_marker("gpu")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch, tmp_path):
    """No test sees the person's downloads or mirror, unless it asks for `published_files`."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)


@pytest.fixture
def published_files(monkeypatch):
    """Let a test use the real images and weights: mirror, downloads or network; skip without any."""
    monkeypatch.setenv("BENCH_MIRROR", MIRROR)
    monkeypatch.setenv("BENCH_CACHE", CACHE) if CACHE else monkeypatch.delenv("BENCH_CACHE")
    try:
        fetch("data", "dataset set12", available()["set12"].files)
    except BenchError as error:
        if MIRROR:
            raise
        pytest.skip(f"no mirror and no network: {error}")


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """Return a function that gives the result of a cell; tests of all processes share the records of a session."""
    own = tmp_path_factory.getbasetemp()
    store = Store((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "runs")

    def result(method: str, data: str, noise: str, **words: str) -> Result:
        cells, failures = plan(Request(method, data, noise, **words))
        done = run_campaign(cells, store, failures=failures)
        assert not done.failures, done.failures
        (one,) = gather(done.records())
        return one

    return result


@pytest.fixture
def row_of():
    """Return a function that gives the row of a result in a table, as `TABLE=` writes it."""
    return lambda result: next(csv.DictReader(io.StringIO(to_csv(leaderboards([result])))))


@pytest.fixture
def photographs(tmp_path):
    """Return a folder with two small gray crops of real photographs."""
    from skimage import data

    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(data.camera()[100:148, 200:264]).save(folder / "camera.png")
    Image.fromarray(data.coins()[50:98, 60:124]).save(folder / "coins.png")
    return folder


@pytest.fixture
def one_cell():
    """Return a function that plans exactly one cell."""

    def make(method: str, data: str | Path, noise: str = "25", **words: str) -> Cell:
        cells, failures = plan(Request(method, str(data), noise, **words))
        assert not failures, failures
        (cell,) = cells
        return cell

    return make


@pytest.fixture
def reported():
    """Return a function: the one section that a report has of what a study left, with a command that make takes."""
    from bench.cli.make import arguments
    from bench.report.page.sections.build import make_sections

    def section(out: Path, study: str):
        (one,) = (found for found in make_sections(out, (), pytest.fail).sections if found.anchor == study)
        for part in one.parts:
            program, command, *words = shlex.split(part.command)
            assert (program, command) == ("make", {"training": "train"}.get(study, study))
            arguments(command, dict(word.split("=", 1) for word in words))
        return one

    return section


@pytest.fixture
def method_file(tmp_path):
    """Return a function that writes a person's own method file."""

    def write(body: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(body)
        return path

    return write


@pytest.fixture
def noise_predictor(method_file):
    """Return the file of a network that returns the noise: what the mean of 3x3 pixels takes away."""
    mean = "torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)"
    network = f"class Net(torch.nn.Module):\n    def forward(self, x):\n        return x - {mean}\n"
    return method_file(f"import torch\n\n\n{network}\n\nmodel = Net()\n")


@pytest.fixture
def gray() -> np.ndarray:
    """Return a gray photograph, uint8 (64, 80, 1)."""
    from skimage import data

    return data.camera()[100:164, 200:280, None]


@pytest.fixture
def tiny_net(tmp_path):
    """Return weights of a small random DnCNN with batch normalisation."""
    import torch

    from methods.networks.dncnn import DnCNN

    torch.manual_seed(0)
    network = DnCNN(5, 1, 8, norm=True)
    for name, tensor in network.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2)
    path = tmp_path / "tiny.pth"
    torch.save(network.state_dict(), path)
    return path
