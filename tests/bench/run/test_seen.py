"""Looking at outputs goes on in threads while the next images are computed, and keeps their order."""

import threading

import numpy as np
import pytest
import torch

from bench.common.errors import BenchError
from bench.run.sample import Output, Sample
from bench.run.seen import Seen, faults_of, in_threads


def outputs(*names, side=24):
    """Return for each name an image and a denoised one: the noise itself where the name says so."""
    draw = np.random.default_rng(0)
    clean = np.tile(np.linspace(0, 255, side), (side, 1))[..., None].astype(np.uint8)
    made = []
    for name in names:
        noise = draw.normal(0, 0.2, clean.shape).astype(np.float32)
        denoised = noise if name.startswith("noise") else clean.astype(np.float32) / 255 + 0.1 * noise
        batch = torch.from_numpy(denoised).permute(2, 0, 1)[None]
        made.append(Output([Sample(name, clean, clean.astype(np.float32) / 255 + noise)], batch, 0.0, []))
    return made


@pytest.mark.parametrize("threads", [0, 3])
def test_rows_and_faults_are_those_of_each_image_in_order(threads):
    names, seen = ["a", "noise 1", "b", "c", "noise 2"], Seen()
    with in_threads(threads) as begin:
        for output in outputs(*names):
            seen.add(output.samples, [{"image": output.samples[0].name}], faults_of([output], begin, recorded=False))
            seen.wait({}, threads)
        seen.wait({})
    assert [row["image"] for row in seen.rows] == names
    assert [fault is not None for fault in seen.faults] == [False, True, False, False, True]
    assert {fault.cause for fault in seen.faults if fault} == {
        "returns the noise, not the image (OUTPUT=residual subtracts it)"
    }


def test_who_computes_goes_on_while_threads_look():
    told, seen = threading.Event(), Seen()
    with in_threads(1) as begin:
        seen.add([], [{"image": "a"}], [begin(lambda: [told.wait(20)])])
        seen.wait({}, 1)  # one group may still be looked at
        assert seen.rows == []
        told.set()
        seen.wait({})
    assert (seen.rows, seen.faults) == ([{"image": "a"}], [True])
    with in_threads(0) as begin:  # there is nobody else to look
        ran = []
        begin(lambda: ran.append(threading.current_thread()))
    assert ran == [threading.main_thread()]


def test_what_cannot_be_looked_at_fails_alone_where_it_is_small():
    def look():
        raise BenchError("cannot be looked at")

    seen, failed = Seen(), {}
    small, large = (outputs("one", side=side)[0].samples for side in (24, 80))
    with in_threads(2) as begin:
        seen.add(small, [{"image": "one"}], [begin(look)])
        seen.add([], [{"image": "two"}], [])
        seen.wait(failed)
        assert ([row["image"] for row in seen.rows], list(failed)) == (["two"], ["one"])
        seen.add(large, [], [begin(look)])
        with pytest.raises(BenchError, match="cannot be looked at"):
            seen.wait(failed)
