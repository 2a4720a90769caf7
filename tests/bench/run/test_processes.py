"""What goes to the worker processes of a cell."""

import pickle
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from bench.plan.request import Request, plan
from bench.run import processes
from bench.run.sample import Sample


def test_an_image_takes_no_more_with_it_in_a_large_dataset_than_in_a_small_one(monkeypatch):
    """Otherwise 5,000 images cost 5,000 times the description of 5,000 images."""
    cell = plan(Request("median", "builtin", "25"))[0][0]
    image = Sample("x", None, np.random.default_rng(0).random((16, 16, 1), np.float32), 0.1)
    sent = []

    def submit(function, *arguments):
        sent.append(len(pickle.dumps(arguments)))
        future = Future()
        future.set_result(function(*arguments))
        return future

    monkeypatch.setattr(processes, "workers", lambda *_: SimpleNamespace(submit=submit))
    for count in (1, 1000):
        many = [replace(cell.dataset.images[0], name=str(i)) for i in range(count)]
        large = replace(cell, dataset=replace(cell.dataset, images=tuple(many)))
        (output,) = processes.in_processes(large, [image], {"jobs": 2}, {})
        assert output.denoised.shape == (1, 1, 16, 16)
    assert sent[1] == sent[0]
