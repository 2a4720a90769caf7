import pytest

from bench.common.interruption import CURRENT
from bench.plan.request import Request, plan
from bench.run import campaign as module
from bench.run.campaign import run_campaign
from bench.run.progress import Progress
from bench.run.settings import Settings
from bench.store.records import Store


class Told(Progress):
    def __init__(self):
        self.events = []

    def planned(self, total, finished):
        self.events.append(("planned", total, finished))

    def failed(self, failure):
        self.events.append(("failed", failure.cause))

    def ended(self, cells, seconds):
        self.events.append(("ended", cells))

    def note(self, line):
        self.events.append(("note", line))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def runtime(store, cell):
    return store.get(cell, ("image",)).provenance["runtime"]


def test_finished_cells_are_skipped_and_failures_kept(store, photographs, method_file):
    bad = method_file("def denoise(noisy, sigma):\n    raise ValueError('no')\n", "bad")
    cells, failures = plan(Request(f"median,{bad},medain", str(photographs), "25"))
    told = Told()
    done = run_campaign(cells, store, progress=told, failures=failures)
    assert [cell.method.name for cell in done.finished] == ["median"]
    assert len(done.records()) == 1
    assert "did you mean median?" in done.failures[0].cause
    assert "raised ValueError: no" in done.failures[1].cause
    assert {failure.cause for failure in store.failures()} == {failure.cause for failure in done.failures}
    assert told.events[1:2] == [("planned", 2, 0)]
    assert told.events[-1] == ("ended", 1)
    again = Told()
    run_campaign(cells, store, progress=again, failures=failures)
    assert ("planned", 2, 1) in again.events
    assert again.events[-1] == ("ended", 0)


def test_a_runtime_that_a_person_names_is_honoured(store, one_cell, photographs, tiny_net):
    cell = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    run_campaign([cell], store, Settings("cpu", "torch"))
    assert runtime(store, cell) == "torch"
    for settings in (Settings(), Settings("cpu"), Settings("cpu", "torch")):
        told = Told()
        run_campaign([cell], store, settings, told)
        assert ("planned", 1, 1) in told.events
    run_campaign([cell], store, Settings(runtime="onnxruntime"))
    assert runtime(store, cell) == "onnxruntime"
    told = Told()
    run_campaign([cell], store, Settings("cpu", compile=True), told)
    assert ("planned", 1, 0) in told.events
    assert runtime(store, cell) == "torch compiled"


def test_a_record_made_elsewhere_does_not_stand_in_for_a_failure(store, one_cell, photographs, tiny_net, monkeypatch):
    cell = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    run_campaign([cell], store, Settings("cpu", "torch"))
    tiny_net.unlink()
    done = run_campaign([cell], store, Settings("cpu", "onnxruntime"))
    assert done.finished == ()
    assert len(done.failures) == 1
    assert runtime(store, cell) == "torch"  # nothing finished is lost
    assert run_campaign([cell], store).finished == (cell,)


def test_an_interrupted_campaign_keeps_what_is_finished(store, photographs, monkeypatch):
    cells, _ = plan(Request("median,gaussian", str(photographs), "25"))
    original = module.run_all

    def interrupted(*given):
        yield next(original(*given))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_all", interrupted)
    told = Told()
    with pytest.raises(KeyboardInterrupt):
        run_campaign(cells, store, progress=told)
    assert told.events[-1] == ("ended", 1)
    assert [store.has(cell) for cell in cells] == [True, False]
    assert CURRENT.line == "interrupted: 1 of 2 cells are kept; the same command goes on from there"


@pytest.mark.parametrize(("change", "said"), [(0.1, True), (0.001, False)])
def test_other_numbers_of_a_finished_cell_are_said(store, one_cell, photographs, change, said):
    cell, told = one_cell("median", photographs), Told()
    run_campaign([cell], store, Settings("cpu", jobs=1))
    record = store.get(cell)
    record.images[1]["psnr"] += change
    store.put(cell, record)
    run_campaign([cell], store, Settings("cpu", jobs=1), told, fresh=True)
    notes = [event[1] for event in told.events if event[0] == "note" and "another PSNR" in event[1]]
    expected = "1 of 2 images have another PSNR than before, by up to 0.100 dB, though nothing changed that is known: "
    assert [note.partition(expected)[1] for note in notes] == [expected] * said
