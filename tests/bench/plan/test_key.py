"""The key of a cell: it changes with all that touches pixels or scores, and with nothing else.

The packages are copied, a line of the copy is changed, and the keys are planned again from the copy.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.common import source_hash
from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.common.source_hash import Sources
from bench.plan import fingerprint
from bench.plan.request import Request, plan
from datasets.description import Dataset, File, Image, Part

CELLS = {
    "nlm": {"method": "nlm"},
    "x8": {"method": "nlm", "ensemble": "8"},
    "jpeg": {"method": "nlm", "noise": "jpeg:10"},
    "poisson": {"method": "nlm", "noise": "poisson:30"},
    "wavelet": {"method": "wavelet"},
    "bm3d": {"method": "bm3d"},
    "dncnn": {"method": "dncnn-b"},
    "ffdnet": {"method": "ffdnet"},
    "photographs": {"method": "nlm", "data": "set12"},
    "crops": {"method": "nlm", "data": "kodak24-500"},
    "noisy": {"method": "dncnn-b", "data": "rni6"},
    "file": {"method": "mine.py"},
    "tiles": {"method": "mine.py", "tile": 64},
    "program": {"method": "cmd:cat {noisy} {out}"},
    "model": {"method": "mine.onnx"},
}
ALL = set(CELLS)
NETWORKS = {"dncnn", "ffdnet", "noisy", "file", "tiles"}
"""What may be a network, which a runtime runs; a person's Python file may be one."""
ONE_BY_ONE = {"nlm", "x8", "jpeg", "poisson", "wavelet", "bm3d", "photographs", "crops", "program"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return a copy of the three packages."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("bench", "methods", "datasets"):
        for path in (ROOT / package).rglob("*.py"):
            place = folder / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> dict[str, str]:
    """Return paths of a person's own methods: a Python file, and an ONNX model that returns its input."""
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text("def denoise(noisy, sigma):\n    return noisy\n")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "height", "width"]) for name in ("noisy", "out")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["noisy"], ["out"])], "identity", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), folder / "mine.onnx")
    return {name: str(folder / name) for name in ("mine.py", "mine.onnx")}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    fingerprint.forget()


@pytest.fixture
def keys(copy, own, monkeypatch):
    """Return a function that gives the key of each cell, as the copy's code has it."""

    def planned() -> dict[str, str]:
        monkeypatch.setattr(source_hash, "SOURCES", Sources(copy))
        fingerprint.forget()
        found = {}
        for name, words in CELLS.items():
            words = {"data": "builtin", "noise": "pairs" if words.get("data") == "rni6" else "25"} | words
            words["method"] = own.get(words["method"], words["method"])
            (cell,), failures = plan(Request(**words))
            assert not failures
            found[name] = cell.key
        return found

    return planned


@pytest.fixture
def changed(copy, keys):
    """Return a function that changes a line of the copy and names the cells whose keys changed."""

    def change(path: str, old: str, new: str) -> set[str]:
        before = keys()
        file = copy / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r} any more; change another line of the same definition"
        file.write_text(text.replace(old, new, 1))
        try:
            after = keys()
        finally:
            file.write_text(text)
        return {name for name in CELLS if after[name] != before[name]}

    return change


@pytest.mark.parametrize(
    ("path", "old", "new", "cells"),
    [
        ("bench/score/metrics.py", "return 10 * (PEAK**2", "return 20 * (PEAK**2", ALL),
        ("bench/score/metrics.py", "2 * cov + c2", "cov + c2", ALL),
        ("bench/score/metrics.py", '{"psnr": psnr,', '{"rmse": mse, "psnr": psnr,', ALL),
        ("bench/score/scorer.py", "levels = levels.round_()", "levels = levels.floor_()", ALL),
        ("bench/plan/cell.py", "return int(self.protocol.crop)", "return 1 + int(self.protocol.crop)", ALL),
        ("bench/degradation/degrade.py", "np.rint(levels, out=levels)", "np.floor(levels, out=levels)", ALL),
        ("bench/degradation/noise.py", "draw.poisson(", "1 + draw.poisson(", {"poisson"}),
        ("bench/degradation/jpeg.py", "np.rint(levels), 0, 255", "levels, 0, 255", {"jpeg"}),
        ("bench/degradation/jpeg.py", "np.rint(coarse, out=coarse)", "np.floor(coarse)", set()),
        ("bench/run/noise_level.py", "(3, 3), (3, 3)", "(3, 2), (3, 3)", {"jpeg", "poisson"}),
        ("bench/run/noise_level.py", "LEAST = 0.1", "LEAST = 0.2", {"jpeg", "poisson"}),
        ("bench/run/wrappers.py", "return total / 8", "return total / 7", {"x8"}),
        ("bench/run/wrappers.py", '"zero": "constant"', '"zero": "reflect"', NETWORKS),
        ("bench/run/wrappers.py", "range(0, length - window, step)", "range(0, length, step)", NETWORKS),
        ("bench/run/runtimes/onnx_network.py", "dynamo=False", "dynamo=True", NETWORKS),
        ("bench/run/runtimes/choice.py", "CLOSE = 1e-4", "CLOSE = 1e-3", NETWORKS),
        ("bench/run/batches.py", "noisy[..., :64, :64]", "noisy", ALL - ONE_BY_ONE),
        ("bench/run/processes.py", "tensor = torch.from_numpy(image.noisy)", "tensor = image.noisy", ONE_BY_ONE),
        ("bench/run/batches.py", "return found.error,", "return -found.error,", {"noisy"}),
        ("bench/score/held_out.py", "GRIDS = ", "GRIDS = 1 + ", {"noisy"}),
        ("bench/run/images.py", "dataset.picture(image.clean", "0 + dataset.picture(image.clean", ALL),
        ("datasets/images.py", "np.array(image)", "np.array(image)[::-1]", ALL),
        ("datasets/image_folders.py", "centre_crop(image, 500, 500)", "centre_crop(image, 499, 500)", {"crops"}),
        (
            "bench/adapters/python_file.py",
            "getattr(module, self.subject)",
            "getattr(module, self.other)",
            {"file", "tiles"},
        ),
        ("bench/adapters/command.py", ".permute(0, 3, 1, 2)", ".permute(0, 3, 2, 1)", {"program"}),
        (
            "bench/adapters/onnx_file.py",
            "use_deterministic_compute = True",
            "use_deterministic_compute = False",
            {"model"},
        ),
        ("bench/run/conventions.py", "noisy - output", "noisy + output", {"file", "tiles", "model", "program"}),
        ("methods/bm3d.py", "_SMALLEST = ", "_SMALLEST = 1 + ", {"bm3d"}),
        ("methods/networks/ffdnet.py", "noisy - predicted", "noisy + predicted", {"ffdnet"}),
    ],
)
def test_what_touches_pixels_or_scores_changes_the_keys_of_cells_that_use_it(changed, path, old, new, cells):
    assert changed(path, old, new) == cells


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("bench/score/metrics.py", '"""Mean squared error over', '"""The mean squared error over'),
        ("bench/score/metrics.py", '"PSNR", "dB", ".2f"', '"Peak SNR", "decibel", ".3f"'),
        ("bench/score/metrics.py", "SSIM needs images of at least", "SSIM takes images of at least"),
        ("bench/score/scorer.py", "# On a GPU the whole batch", "# On a card the whole batch"),
        ("bench/degradation/kinds.py", '"multiplicative:0.2",', '"multiplicative:0.3",'),
        ("bench/degradation/description.py", "random: bool = True", "random: int = True"),
        ("bench/plan/cell.py", '"""Say the cell in a line."""', '"""Say it."""'),
        ("bench/plan/cell.py", 'return f"{self.label} on', 'return f"{self.label} of'),
        ("bench/plan/inference.py", '"ensemble": "x8"', '"ensemble": "plus"'),
        ("bench/plan/protocol.py", "clipped and rounded to 8 bit", "8 bit"),
        ("bench/run/runtimes/choice.py", "it cannot be exported to ONNX", "no ONNX of it"),
        ("bench/run/campaign.py", "waiting = [", "waiting = 1 and ["),
        ("bench/run/one_cell.py", '"total"] = time.perf_counter() - start', '"total"] = 0'),
        ("bench/common/files.py", "ThreadPoolExecutor(8)", "ThreadPoolExecutor(4)"),
        ("datasets/description.py", "the two do not belong together", "they do not belong together"),
        ("methods/dncnn.py", "DnCNN-B: blind", "DnCNN-B: blind net"),
    ],
)
def test_what_is_written_for_people_or_runs_around_a_cell_changes_no_key(changed, path, old, new):
    assert changed(path, old, new) == set()


@pytest.mark.parametrize("folder", ["cli", "judge", "report", "store", "studies", "train"])
def test_no_code_after_the_scores_is_in_a_key(folder):
    places = {place for stage in fingerprint.HARNESS for place in fingerprint.reach_of_stage(stage).places}
    assert not [place for place in places if re.match(rf"bench\.{folder}\b", place)]


def test_all_that_running_a_cell_reaches_belongs_to_a_stage():
    provenance = ("bench.run.progress", "bench.run.settings", "bench.store.records")
    whole = source_hash.of_code("bench.run.one_cell:run_cell", stops=(*fingerprint.NEUTRAL, *provenance))
    stages = {place for stage in fingerprint.HARNESS for place in fingerprint.reach_of_stage(stage).places}
    # These touch neither pixel nor score, and which images there are is in the hash of the data: whatever comes
    # up here besides belongs into `HARNESS`, or into `NEUTRAL`.
    listing = {"Dataset.files", "Dataset.image_names", "Entries", "Image"}
    around = {"run_cell", "run_method", "_timed", "_missing", "Clock", "Clock.part"}
    around |= {"Part", "run_part", "joined", "_together", "_of_one_shape", "PATIENCE"}
    assert whole.places - stages == {
        *(f"bench.run.processes:{name}" for name in ("in_processes", "job_count", "limited", "workers", "_note")),
        *(f"bench.run.processes:{name}" for name in ("quiet_tracker", "_in_workers", "_in_worker", "TINY", "START")),
        *(f"datasets.description:{name}" for name in listing),
        *(f"bench.run.one_cell:{name}" for name in around),
        *(f"bench.run.scoring:{name}" for name in ("rows_of", "_scores", "SCORED_HERE")),
    }


def test_stages_and_exceptions_are_there():
    for place in (
        *(e for stage in fingerprint.HARNESS.values() for e in stage.entries),
        *fingerprint.NEUTRAL,
    ):
        module, _, name = place.partition(":")
        known = source_hash.SOURCES.module(module)
        assert known is not None, place
        top, _, member = name.partition(".")
        assert not top or top in known.names, place
        assert not member or member in known.definition(top).members, place


@pytest.mark.parametrize(
    ("package", "cells"),
    [
        ("torch", ALL),
        ("numpy", ALL),
        ("pillow", ALL),
        ("onnxruntime", NETWORKS | {"model"}),
        ("bm3d", {"bm3d"}),
        ("bm4d", {"bm3d"}),
        ("scipy", {"bm3d", "program"}),
        ("PyWavelets", {"bm3d", "wavelet"}),
        ("scikit-image", {"nlm", "x8", "jpeg", "poisson", "wavelet", "photographs", "crops", "noisy"}),
        ("rich", set()),
        ("pyarrow", set()),
        ("pandas", set()),
        ("loky", set()),
        ("h5py", set()),
    ],
)
def test_versions_of_the_packages_that_a_cell_computes_with(keys, monkeypatch, package, cells):
    before = keys()
    installed = fingerprint.version
    monkeypatch.setattr(fingerprint, "version", lambda name: "0" if name == package else installed(name))
    after = keys()
    assert {name for name in CELLS if after[name] != before[name]} == cells


def test_versions_are_those_of_a_package_and_not_of_its_build():
    assert "+" not in fingerprint.version("torch")  # 2.13.0+cpu and 2.13.0+cu130 have one key
    assert fingerprint.version("no-such-package") == "not installed"


def test_what_an_own_file_imports_is_in_its_key(method_file, one_cell, copy, monkeypatch):
    body = "import math\nfrom scipy import ndimage\nfrom methods.networks.dncnn import DnCNN\nimport bench.nothing\n"
    path = str(method_file(f"{body}def denoise(noisy, sigma):\n    return noisy\n"))
    monkeypatch.setattr(source_hash, "SOURCES", Sources(copy))
    before = one_cell(path, "builtin")
    assert before.packages["scipy"] == fingerprint.version("scipy")
    assert not {"math", "methods"} & set(before.packages)
    network = copy / "methods" / "networks" / "layers.py"  # of which DnCNN is made
    text = network.read_text()
    network.write_text(text.replace("nn.ReLU", "nn.ELU"))
    monkeypatch.setattr(source_hash, "SOURCES", Sources(copy))
    after = one_cell(path, "builtin").key
    network.write_text(text)
    assert after != before.key


def test_the_identity_can_be_read(one_cell):
    identity = one_cell("ffdnet", "builtin").identity
    assert list(identity["harness"]) == [
        "images", "degradation", "batches", "scorer", "metrics", "runtimes", "tiles", "padding",
    ]  # fmt: skip
    assert {"numpy", "onnxruntime", "opencv-python-headless", "pillow", "torch"} == set(identity["packages"])


def test_finished_outputs_are_read_and_tiles_cut_by_stages_of_their_own(one_cell, photographs):
    read = one_cell(f"outputs:{photographs}/{{name}}.png", photographs)
    stages = ["images", "degradation", "outputs", "scorer", "metrics", "conventions"]  # they may be the noise
    assert list(read.identity["harness"]) == stages
    for method, more in (("wavelet", {"tiles"}), ("nlm", set())):  # wavelets see all of an image, NLM 17 pixels of it
        whole, tiles = (one_cell(method, photographs, **words).identity["harness"] for words in ({}, {"tile": 64}))
        assert set(tiles) - set(whole) == more
    cell = one_cell("nlm", photographs)
    padded = replace(cell.net, size_multiple=2)
    assert "padding" not in cell.harness
    assert "padding" in fingerprint.stages(cell.method, padded, cell.dataset, cell.degradation, cell.inference)


def data_of(*parts, needs=(), **words):
    """Return the hash of a dataset whose images are called 0, 1 ... and are files, or places in files."""
    images = tuple(Image(str(i), part) for i, part in enumerate(parts))
    return fingerprint.of_data(Dataset("set", "Set", "gray", images, "", "", needs=needs, **words))


def test_each_file_of_the_images_is_in_the_key_and_nothing_of_where_it_lies(tmp_path):
    a, b, c = (Part(File(f"{name}.png", sha256=name * 64)) for name in "abc")
    whole = data_of(a, b)
    assert (
        data_of(*(replace(part, file=replace(part.file, path=f"x/{part.file.path}", local="y")) for part in (a, b)))
        == whole
    )
    others = [data_of(a, c), data_of(c, b), data_of(b, a), data_of(a), data_of(a, b, conversion="halved")]
    others += [data_of(a, replace(b, at=at)) for at in ((0,), (1,), (1, 2))]  # pictures in a file
    others += [data_of(a, b, needs=files) for files in ((c.file,), (a.file,), (c.file, a.file))]
    assert len({whole, *others}) == 1 + len(others)
    noisy = [Image("0", a, b), Image("0", b, a), Image("1", a, b)]
    sets = {fingerprint.of_data(Dataset("set", "Set", "gray", (image,), "", "")) for image in noisy}
    assert len(sets) == 3
    with pytest.raises(BenchError, match="dataset set"):
        data_of(a, Part(File("nowhere.png", page="https://example.org")))


def test_what_a_net_says_of_its_input_is_in_the_key(one_cell):
    cell = one_cell("ffdnet", "builtin")
    for change in ({"padding": "zero"}, {"size_multiple": 4}, {"given_sigma": False}, {"receptive_field": None}):
        assert replace(cell, net=replace(cell.net, **change)).key != cell.key
    assert replace(cell, net=replace(cell.net, label="other", parameters=1)).key == cell.key
    beside = replace(cell.net.weights, beside=(replace(cell.net.weights, sha256="0" * 64),))
    assert replace(cell, net=replace(cell.net, weights=beside)).key != cell.key


def test_where_a_cell_runs_is_not_in_the_key(one_cell):
    words = str(one_cell("dncnn", "builtin").identity)
    assert not re.search(r"device|cuda|backend|'auto'|compile|thread", words)
