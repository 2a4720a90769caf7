"""What goes to the worker processes of a cell."""

import pickle
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.plan.request import Request, plan
from bench.run import processes
from bench.run.sample import Sample


def noisy(side):
    return Sample("x", None, np.random.default_rng(0).random((side, side, 1), np.float32), 0.1)


def sent_to_workers(monkeypatch):
    """Run here what goes to workers, and return the list of the sizes of what went."""
    sent = []

    def submit(function, *arguments):
        sent.append(len(pickle.dumps(arguments)))
        future = Future()
        future.set_result(function(*arguments))
        return future

    monkeypatch.setattr(processes, "workers", lambda *_: SimpleNamespace(submit=submit))
    return sent


def test_an_image_takes_no_more_with_it_in_a_large_dataset_than_in_a_small_one(monkeypatch):
    """Otherwise 5,000 images cost 5,000 times the description of 5,000 images."""
    cell = plan(Request("median", "builtin", "25"))[0][0]
    image = noisy(64)
    sent = sent_to_workers(monkeypatch)
    for count in (1, 1000):
        many = [replace(cell.dataset.images[0], name=str(i)) for i in range(count)]
        large = replace(cell, dataset=replace(cell.dataset, images=tuple(many)))
        (output,) = processes.in_processes(large, [image], {"jobs": 2}, {})
        assert output.denoised.shape == (1, 1, 64, 64)
    assert sent[1] == sent[0]


@pytest.mark.parametrize(("start", "side", "in_workers"), [(4.0, 28, 0), (0.0, 28, 4), (4.0, 64, 5)])
def test_no_workers_start_for_tiny_images_that_are_soon_through(monkeypatch, start, side, in_workers):
    """Of 5,000 images of 28x28 two workers made 47 s of 15 s."""
    cell = plan(Request("median", "builtin", "25"))[0][0]
    sent, how = sent_to_workers(monkeypatch), {"jobs": 2}
    monkeypatch.setattr(processes, "START", start)
    outputs = list(processes.in_processes(cell, [noisy(side)] * 5, how, {}))
    assert len(outputs) == 5
    assert len(sent) == in_workers
    assert how["jobs"] == (2 if in_workers else 1)
    assert ("workers_memory" in how) == bool(in_workers)
