"""What a method opens belongs to its identity: each kind of change gives a new number, and nothing else does."""

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data, metrics

from bench.cli.app import main
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.one_cell import run_cell
from bench.run.progress import Progress
from bench.run.settings import Settings
from bench.run.suspicion import references_opened
from bench.run.watched import watching
from bench.store.records import Store
from bench.store.results import gather

BEFORE, AFTER = 0.9, 0.5
"""What methods multiply the noisy image with, as their files say it."""

HEAD = """
import importlib, json, os, sys, warnings
from pathlib import Path
import numpy as np
import torch
HERE = Path(__file__).parent
"""
CALL = "\ndef denoise(noisy, sigma):\n    return noisy * {}\n"


class Said(Progress):
    def __init__(self):
        self.notes, self.finished = [], 0

    def planned(self, total, finished):
        self.finished = finished

    def note(self, line):
        self.notes.append(line)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(data.camera()[100:124, 200:232]).save(folder / "x.png")
    return folder


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return the folder of a method; the benchmark is started in another one."""
    folder, start = tmp_path / "own", tmp_path / "start"
    folder.mkdir()
    start.mkdir()
    monkeypatch.chdir(start)
    return folder


@pytest.fixture
def run(tmp_path, images):
    """Return a function that measures a method: its PSNR, whether it was finished already, and what was said."""

    def measure(method, **more):
        said = Said()
        cells, failures = plan(Request(str(method), str(images), "25"))
        done = run_campaign(cells, Store(tmp_path / "runs"), Settings("cpu", jobs=1), said, failures, **more)
        assert not done.failures, done.failures
        (record,) = done.records()
        return record.mean("psnr"), bool(said.finished), said.notes

    return measure


@pytest.fixture
def expected(images):
    """Return a function that gives the PSNR of the noisy image times a factor, by its definition."""

    def psnr(factor):
        clean = np.array(Image.open(images / "x.png"))
        noisy = degrade(clean[..., None], parse("25"), dataset="folder images", image="x", seed=0).noisy[..., 0]
        output = np.clip(np.rint(noisy * np.float32(factor) * 255), 0, 255)
        return pytest.approx(metrics.peak_signal_noise_ratio(clean.astype(float), output, data_range=255), abs=2e-3)

    return psnr


def text(name, form="{}"):
    """Write a text file beside the method."""
    return lambda own, factor: (own / name).write_text(form.format(factor))


def array(path, factor):
    np.save(path, np.float32(factor))


def listed(own, factor):
    (own / "list").mkdir(exist_ok=True)
    (own / "list" / f"{factor}").touch()


def in_package(own, factor):
    (own / "pkg").mkdir(exist_ok=True)
    (own / "pkg" / "__init__.py").write_text("from .part import F\n")
    (own / "pkg" / "part.py").write_text(f"F = {factor}\n")


def in_init(own, factor):
    (own / "pkg").mkdir(exist_ok=True)
    (own / "pkg" / "__init__.py").write_text(f"F = {factor}\n")
    (own / "pkg" / "part.py").write_text("G = 1\n")


def in_namespace(own, factor):
    (own / "space").mkdir(exist_ok=True)
    (own / "space" / "part.py").write_text(f"F = {factor}\n")


def elsewhere(own, factor):
    (own.parent / "lib").mkdir(exist_ok=True)
    (own.parent / "lib" / "shared_factor.py").write_text(f"F = {factor}\n")


def pickled(own, factor):
    (own / "net.pkl").write_bytes(pickle.dumps(factor))


def tensors(own, factor):
    torch.save({"w": torch.tensor(factor)}, own / "net.pth")


def scripted(own, factor):
    class Scale(torch.nn.Module):
        def forward(self, x):
            return x * self.w

    module = Scale()
    module.w = torch.nn.Parameter(torch.tensor(factor))
    torch.jit.trace(module, torch.ones(1)).save(str(own / "net.pt"))


def safe(own, factor):
    from safetensors.torch import save_file

    save_file({"w": torch.tensor([factor])}, own / "net.safetensors")


def safe_elsewhere(own, factor):
    (own.parent / "data").mkdir(exist_ok=True)
    safe(own.parent / "data", factor)


def pixels(own, factor):
    Image.fromarray(np.full((4, 4), round(factor * 100), np.uint8)).save(own / "mask.png")


def hdf5(own, factor):
    import h5py

    with h5py.File(own / "net.h5", "w") as file:
        file["w"] = factor


def database(own, factor):
    (own / "net.db").unlink(missing_ok=True)
    with sqlite3.connect(own / "net.db") as connection:
        connection.execute("create table w (value real)")
        connection.execute("insert into w values (?)", (factor,))
    connection.close()


def linked(own, factor):
    (own.parent / f"{factor}.npy").exists() or array(own.parent / f"{factor}.npy", factor)
    (own / "best.npy").unlink(missing_ok=True)
    (own / "best.npy").symlink_to(own.parent / f"{factor}.npy")


def linked_for_c(own, factor):
    folder = own.parent / str(factor)
    folder.mkdir(exist_ok=True)
    safe(folder, factor)
    (own / "net.safetensors").unlink(missing_ok=True)
    (own / "net.safetensors").symlink_to(folder / "net.safetensors")


def in_start(own, factor):
    array("net.npy", factor)


def variable(own, factor):
    os.environ["FACTOR_OF_TEST"] = str(factor)


def by_variable(own, factor):
    array(own.parent / f"{factor}.npy", factor)
    os.environ["FACTOR_OF_TEST"] = str(own.parent / f"{factor}.npy")


def behind_variable(own, factor):
    safe_elsewhere(own, factor)
    os.environ["FACTOR_OF_TEST"] = str(own.parent / "data" / "net.safetensors")


def appears(own, factor):
    if factor == AFTER:
        (own / "local.json").write_text(str(factor))


def vanishes(own, factor):
    (own / "local.json").write_text("") if factor == BEFORE else (own / "local.json").unlink()


def resolved(own, factor):
    """A link to the run that counts, as training code sets it."""
    (own / f"run{factor}").mkdir(exist_ok=True)
    (own / f"run{factor}" / "net.txt").write_text(str(factor))
    for link, target in (("latest", f"run{factor}"), ("best.txt", f"run{factor}/net.txt")):
        (own / link).unlink(missing_ok=True)
        (own / link).symlink_to(target)


def set_later(own, factor):
    if factor == AFTER:
        os.environ["FACTOR_OF_TEST"] = str(factor)


def at_home(own, factor):
    os.environ["HOME"] = str(own.parent)
    (own.parent / ".denoiser").write_text(str(factor))


def onnx_model(own, factor):
    from onnx import TensorProto, helper, save

    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, "h", "w"]) for n in ("x", "y")]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
    opset = helper.make_opsetid("", 17)
    save(helper.make_model(graph, opset_imports=[opset], ir_version=9), own / "net.onnx")


LOAD_SAFE = "from safetensors.torch import load_file; F = float(load_file({})['w'])"
ADD_PATH = "sys.path.insert(0, str(HERE.parent / 'lib')); import shared_factor; F = shared_factor.F"
SELECT = "import sqlite3; F = sqlite3.connect(HERE / 'net.db').execute('select value from w').fetchone()[0]"
SESSION = "import onnxruntime; session = onnxruntime.InferenceSession(str(HERE / 'net.onnx'))"
RUN = "\nF = float(session.run(None, {'x': np.ones((1, 1, 1, 1), np.float32)})[0].item())"
TRY = f"try:\n    F = float((HERE / 'local.json').read_text())\nexcept FileNotFoundError:\n    F = {BEFORE}"
POOL = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool:\n    F = "
IN_THREAD = f"{POOL}float(pool.submit(Path.read_text, HERE / 'net.json').result())"

CHANGES = {
    "helper module": (text("helper.py", "F = {}\n"), "from helper import F"),
    "helper module, imported in the function": (text("helper.py", "F = {}\n"), "", "__import__('helper').F"),
    "import by a computed name": (text("helper.py", "F = {}\n"), "F = importlib.import_module('hel' + 'per').F"),
    "exec of a file": (text("code.txt", "F = {}\n"), "exec((HERE / 'code.txt').read_text())"),
    "exec of a Python file": (text("code.py", "F = {}\n"), "exec(open(HERE / ('co' + 'de.py')).read())"),
    "package": (in_package, "from pkg import F"),
    "__init__ of a package": (in_init, "import pkg.part; F = pkg.F"),
    "namespace package": (in_namespace, "from space.part import F"),
    "package by a computed name": (in_package, "F = importlib.import_module('pk' + 'g').F"),
    "module on a path that it adds": (elsewhere, ADD_PATH),
    "file read at import": (text("net.json"), "F = json.load(open(HERE / 'net.json'))"),
    "file read in the function": (text("net.json"), "", "json.load(open(HERE / 'net.json'))"),
    "toml": (text("net.toml", "w = {}"), "import tomllib; F = tomllib.loads((HERE / 'net.toml').read_text())['w']"),
    "pandas": (text("net.csv", "w\n{}\n"), "import pandas; F = float(pandas.read_csv(HERE / 'net.csv').w[0])"),
    "pickle": (pickled, "import pickle; F = pickle.loads((HERE / 'net.pkl').read_bytes())"),
    "npy": (lambda own, factor: array(own / "net.npy", factor), "F = float(np.load(HERE / 'net.npy'))"),
    "npz": (lambda own, factor: np.savez(own / "net.npz", w=factor), "F = float(np.load(HERE / 'net.npz')['w'])"),
    "memory map": (
        lambda own, factor: np.array([factor]).tofile(own / "net.bin"),
        "F = float(np.memmap(HERE / 'net.bin', float, 'r')[0])",
    ),
    "torch.load": (tensors, "F = float(torch.load(HERE / 'net.pth')['w'])"),
    "torch.jit.load": (scripted, "F = float(torch.jit.load(str(HERE / 'net.pt'))(torch.ones(1)))"),
    "safetensors": (safe, LOAD_SAFE.format("HERE / 'net.safetensors'")),
    "safetensors elsewhere": (safe_elsewhere, LOAD_SAFE.replace("{}", "'{root}/data/net.safetensors'")),
    "OpenCV": (pixels, "import cv2; F = float(cv2.imread(str(HERE / 'mask.png'))[0, 0, 0]) / 100"),
    "HDF5": (hdf5, "import h5py; F = float(h5py.File(HERE / 'net.h5')['w'][()])"),
    "SQLite": (database, SELECT),
    "ONNX file of a Python file": (onnx_model, SESSION + RUN),
    "file in a listed folder": (listed, "F = min(map(float, os.listdir(HERE / 'list')))"),
    "file found by a pattern": (listed, "F = min(float(path.name) for path in HERE.glob('list/*'))"),
    "link that is set anew": (linked, "F = float(np.load(HERE / 'best.npy'))"),
    "link that is set anew, read in C": (linked_for_c, LOAD_SAFE.format("HERE / 'net.safetensors'")),
    "file where the benchmark is started": (in_start, "F = float(np.load('net.npy'))"),
    "file by its whole path": (
        lambda own, factor: array(own.parent / "net.npy", factor),
        "F = float(np.load('{root}/net.npy'))",
    ),
    "file where the benchmark is started, read in C": (
        lambda own, factor: safe(Path(), factor),
        LOAD_SAFE.format("'net.safetensors'"),
    ),
    "file by a computed path": (
        lambda own, factor: array(own.parent / "net.npy", factor),
        "F = float(np.load(HERE / '..' / ('ne' + 't.npy')))",
    ),
    "variable of the environment": (variable, "F = float(os.environ['FACTOR_OF_TEST'])"),
    "variable of the environment, in bytes": (variable, "F = float(os.environb[b'FACTOR_OF_TEST'])"),
    "variable that is set later": (set_later, f"F = float(os.getenv('FACTOR_OF_TEST', {BEFORE}))"),
    "file that a variable names": (by_variable, "F = float(np.load(os.environ['FACTOR_OF_TEST']))"),
    "file that a variable names, read in C": (behind_variable, LOAD_SAFE.format("os.environ.get('FACTOR_OF_TEST')")),
    "file at home": (at_home, "F = float(Path('~/.denoiser').expanduser().read_text())"),
    "file that was not there": (appears, TRY),
    "file that is asked for": (appears, f"F = {AFTER} if (HERE / 'local.json').exists() else {BEFORE}"),
    "file that is asked for by os.path": (
        appears,
        f"F = {AFTER} if os.path.isfile('{{root}}/own/local.json') else {BEFORE}",
    ),
    "file that is taken away": (vanishes, f"F = {BEFORE} if os.path.exists(HERE / 'local.json') else {AFTER}"),
    "file that a link leads to": (
        resolved,
        "F = float((HERE / 'best.txt').resolve().read_text())",
    ),
    "folder that a link leads to": (
        resolved,
        "F = float(Path(os.path.realpath(HERE / 'latest'), 'net.txt').read_text())",
    ),
    "size of a file": (
        lambda own, factor: (own / "net.bin").write_bytes(bytes(round(factor * 100))),
        "F = os.stat(HERE / 'net.bin').st_size / 100",
    ),
    "file read in a thread": (text("net.json"), IN_THREAD),
    "file that a program reads": (
        text("net.json"),
        "import subprocess; F = float(subprocess.check_output(['cat', str(HERE / 'net.json')]))",
    ),
}


@pytest.fixture
def restored(monkeypatch, tmp_path_factory):
    """Put back what methods set in this process, and forget before and after what those of tests imported."""
    monkeypatch.setenv("FACTOR_OF_TEST", "")
    monkeypatch.delenv("FACTOR_OF_TEST")
    monkeypatch.setenv("HOME", os.environ.get("HOME", ""))
    tests = str(tmp_path_factory.getbasetemp())

    def forget():
        sys.path[:] = [folder for folder in sys.path if not folder.startswith(tests)]
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(tests):
                del sys.modules[name]

    forget()
    yield
    forget()


def method(own, kind):
    prepare, body, factor = (*CHANGES[kind], "F")[:3]
    (own / "model.py").write_text(HEAD + body.replace("{root}", str(own.parent)) + CALL.format(factor))
    prepare(own, BEFORE)
    return own / "model.py", prepare


@pytest.mark.parametrize("kind", CHANGES)
def test_each_way_to_open_something_is_seen(kind, own, images, one_cell, restored):
    """Without a process of its own, for the time: what was opened is as it was, and a change is none."""
    path, prepare = method(own, kind)
    cell = one_cell(str(path), images)
    with watching(cell) as recorder:
        output = cell.method.load(cell.net, None, cell.options)(torch.ones(1, 1, 2, 2), None)
    assert float(output.mean()) == pytest.approx(BEFORE)
    assert recorder.opened.changed(cell.folders) == []
    prepare(own, AFTER)
    again = one_cell(str(path), images)
    assert again.key != cell.key or recorder.opened.changed(again.folders)


@pytest.mark.parametrize("kind", ["helper module", "torch.load", "safetensors elsewhere", "file that a variable names"])
def test_a_change_of_what_a_method_opens_gives_a_new_number(kind, own, run, expected, restored):
    path, prepare = method(own, kind)
    assert run(path)[:2] == (expected(BEFORE), False)
    assert run(path)[:2] == (expected(BEFORE), True)
    prepare(own, AFTER)
    assert run(path)[:2] == (expected(AFTER), False)
    assert run(path)[:2] == (expected(AFTER), True)


def python(own, words, code=""):
    """Return a command of a Python script that multiplies with F."""
    line = "\nimport numpy as np\nnp.save(sys.argv[2], np.load(sys.argv[1]) * np.float32(F))\n"
    (own / "main.py").write_text(
        f"import json, sys\nfrom pathlib import Path\nHERE = Path(__file__).parent\n{code}{line}"
    )
    return f"cmd:{sys.executable} {words} {{noisy}} {{out}}"


def own_module(own, factor):
    in_init(own, factor)
    (own / "pkg" / "__main__.py").write_text((own / "main.py").read_text())


def shell(own, factor):
    python(own, "", f"F = {factor}")
    (own / "run.sh").write_text(f'#!/bin/sh\nexec {sys.executable} "$(dirname "$0")"/main.py "$@"\n')
    (own / "run.sh").chmod(0o755)


def compiled(own, factor):
    (own / "data").mkdir(exist_ok=True)
    array(own / "data" / "net.npy", factor)
    (own / "denoise").write_text(
        (own / "main.py").read_text().replace("import json", f"#!{sys.executable}\nimport json")
    )
    (own / "denoise").chmod(0o755)


def in_a_folder(own, factor):
    Path("saved").mkdir(exist_ok=True)
    array("saved/net.npy", factor)


COMMANDS = {
    "script": (lambda own, factor: python(own, "", f"F = {factor}"), "main.py", None),
    "module beside the script": (text("helper.py", "F = {}\n"), "main.py", "from helper import F"),
    "file beside the script": (text("net.json"), "main.py", "F = json.load(open(HERE / 'net.json'))"),
    "file beside the script, read in C": (hdf5, "main.py", "import h5py; F = h5py.File(HERE / 'net.h5')['w'][()]"),
    "file that is named": (
        lambda own, factor: array("net.npy", factor),
        "main.py {noisy} {out} net.npy #",
        "import numpy; F = numpy.load(sys.argv[3])",
    ),
    "option that names a file": (
        lambda own, factor: array("net.npy", factor),
        "main.py {noisy} {out} --net=net.npy #",
        "import numpy; F = numpy.load(sys.argv[3][6:])",
    ),
    "folder that is named": (
        in_a_folder,
        "main.py {noisy} {out} --model=saved #",
        "import numpy; F = numpy.load(sys.argv[3][8:] + '/net.npy')",
    ),
    "module of Python": (own_module, "-m pkg", "from pkg import F"),
    "script of a script": (shell, "run.sh", ""),
    "file beside a program": (compiled, "denoise", "import numpy; F = numpy.load(HERE / 'data' / 'net.npy')"),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_change_of_what_a_program_is_made_of_gives_a_new_number(kind, own, run, expected, monkeypatch):
    prepare, words, code = COMMANDS[kind]
    monkeypatch.setenv("PYTHONPATH", str(own))
    script = words.partition(" ")[0]
    command = python(own, words if script == "-m" else words.replace(script, str(own / script), 1), code or "")
    command = command.partition(" #")[0]
    if script in ("run.sh", "denoise"):
        command = command.replace(f"{sys.executable} ", "")
    prepare(own, BEFORE)
    assert run(command)[:2] == (expected(BEFORE), False)
    psnr, finished, notes = run(command)
    assert (psnr, finished) == (expected(BEFORE), True)
    assert (
        "it is a program that may open files outside of its folder and read variables of the environment, " in notes[0]
    )
    assert "FRESH=1 runs it again" in notes[0]
    prepare(own, AFTER)
    assert run(command)[:2] == (expected(AFTER), False)


def test_a_default_and_an_option_are_part_of_a_method(own, run, expected):
    (own / "model.py").write_text("def denoise(noisy, sigma, factor=0.9):\n    return noisy * factor\n")
    assert run(own / "model.py")[:2] == (expected(0.9), False)
    assert run(f"{own / 'model.py'}:factor=0.5")[:2] == (expected(0.5), False)
    (own / "model.py").write_text("def denoise(noisy, sigma, factor=0.8):\n    return noisy * factor\n")
    assert run(own / "model.py")[:2] == (expected(0.8), False)
    assert run(f"{own / 'model.py'}:factor=0.5")[:2] == (expected(0.5), False)  # the code is another one


def test_a_file_that_an_option_names_belongs_to_a_method(own, images, one_cell, restored):
    """By a reader in C, outside of the method's folder."""
    (own / "model.py").write_text(
        f"def denoise(noisy, sigma, net=''):\n    {LOAD_SAFE.format('net')}\n    return noisy * F\n"
    )
    safe_elsewhere(own, BEFORE)
    cell = one_cell(f"{own / 'model.py'}:net={own.parent / 'data' / 'net.safetensors'}", images)
    with watching(cell) as recorder:
        cell.method.load(cell.net, None, cell.options)(torch.ones(1, 1, 2, 2), None)
    assert recorder.opened.changed(cell.folders) == []
    safe_elsewhere(own, AFTER)
    assert recorder.opened.changed(cell.folders) == [str(own.parent / "data" / "net.safetensors")]


def test_images_in_the_folder_of_a_method_are_no_part_of_it(own, one_cell):
    """The harness reads them while the method runs."""
    (own / "images").mkdir()
    Image.fromarray(data.camera()[:24, :24]).save(own / "images" / "x.png")
    (own / "model.py").write_text("def denoise(noisy, sigma):\n    return noisy * 0.9\n")
    about = run_cell(one_cell(str(own / "model.py"), own / "images"), Settings("cpu")).provenance
    assert about["opened"] == {"files": {}, "environment": {}, "unseen": ()}


def test_a_method_that_opens_what_it_is_held_against_is_warned_of(own, images, one_cell, restored):
    """The image itself, or a copy of it under another name; not another image."""
    shutil.copy(images / "x.png", own / "copy.bin")
    Image.fromarray(data.coins()[:24, :32]).save(own / "other.png")
    for path, opened in ((images / "x.png", True), (own / "copy.bin", True), (own / "other.png", False)):
        (own / "model.py").write_text(HEAD + f"BYTES = Path(r'{path}').read_bytes()" + CALL.format(0.9))
        cell = one_cell(str(own / "model.py"), images)
        with watching(cell) as recorder:
            cell.method.load(cell.net, None, cell.options)
        lines = references_opened(cell, recorder.opened)
        assert lines == ["opens 1 file of the clean images that it is held against (x.png)"] * opened


def test_what_was_before_is_known_again(own, run, expected):
    """A person who puts the former weights back has the former result, and no number is run again for it."""
    (own / "model.py").write_text(HEAD + CALL.format("float(np.load(HERE / 'net.npy'))"))
    for factor, finished in ((0.9, False), (0.5, False), (0.9, True), (0.5, True)):
        array(own / "net.npy", factor)
        psnr, was_finished, notes = run(own / "model.py")
        assert (psnr, was_finished) == (expected(factor), finished)
    assert notes == []


def test_the_line_names_what_changed(own, run, monkeypatch):
    monkeypatch.setenv("FACTOR_OF_TEST", "1")
    read = "float(np.load(HERE / 'net.npy')) * float(os.environ['FACTOR_OF_TEST'])"
    (own / "model.py").write_text(HEAD + CALL.format(read))
    array(own / "net.npy", 0.9)
    assert run(own / "model.py")[2] == []
    array(own / "net.npy", 0.8)
    monkeypatch.setenv("FACTOR_OF_TEST", "0.9")
    assert run(own / "model.py")[2] == ["model: net.npy, $FACTOR_OF_TEST changed since it was measured: it runs again"]


def test_what_changes_nothing_runs_nothing_again(own, run, expected, tmp_path, monkeypatch):
    """A date, a comment, a docstring, a file that is not opened, what the method writes itself, and another place."""
    (own / "helper.py").write_text("F = 0.9\n")
    read = "F * json.load(open(HERE / 'one.json'))\n(HERE / 'cache').write_text('1')\n(HERE / 'cache').read_text()"
    (own / "model.py").write_text(
        HEAD + "from helper import F\nimport argparse, shutil\n"
        "argparse.ArgumentParser().format_help(); shutil.which('true')\n" + CALL.format(read)
    )
    (own / "one.json").write_text("1")
    assert run(own / "model.py")[:2] == (expected(0.9), False)
    os.utime(own / "one.json", (1, 1))
    (own / "helper.py").write_text('"""A module."""\nF = 0.9  # nine tenths\n')
    (own / "two.json").write_text("2")
    (own / "cache").write_text("2")
    monkeypatch.setenv("ANOTHER_OF_TEST", "1")
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/nowhere")
    assert run(own / "model.py") == (expected(0.9), True, [])
    shutil.move(own, tmp_path / "moved")
    assert run(tmp_path / "moved" / "model.py") == (expected(0.9), True, [])


def test_one_file_of_code_with_other_weights_beside_is_another_method(own, run, expected, tmp_path, images):
    """As in two folders of experiments: the code is the same to the last letter, and the weights are not."""
    for name, factor in (("run1", 0.9), ("run2", 0.5)):
        (own / name).mkdir()
        (own / name / "model.py").write_text(HEAD + CALL.format("float(np.load(HERE / 'best.npy'))"))
        array(own / name / "best.npy", factor)
    both = f"{own}/run1/model.py,{own}/run2/model.py"
    for finished in (0, 2):
        said = Said()
        cells, _ = plan(Request(both, str(images), "25"))
        records = run_campaign(cells, Store(tmp_path / "runs"), Settings("cpu"), said).records()
        assert said.finished == finished
        assert [record.mean("psnr") for record in records] == [expected(0.9), expected(0.5)]
    assert [r.label for r in gather(records)] == ["model (run1/model.py)", "model (run2/model.py)"]


def test_a_finished_cell_runs_again_where_a_person_asks(own, run, expected):
    """What nobody can see is said when a result is used again."""
    (own / "model.py").write_text(HEAD + "import subprocess\nsubprocess.run(['true'])\n" + CALL.format("0.9"))
    assert run(own / "model.py") == (expected(0.9), False, [])
    _, finished, notes = run(own / "model.py")
    assert finished
    assert notes == [
        "model: an earlier result is used; it starts the program true, and what that reads cannot be seen: "
        "FRESH=1 runs it again"
    ]
    assert run(own / "model.py", fresh=True) == (expected(0.9), False, [])


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os.system('true >&2')", "starts the program true"),
        ("import subprocess; subprocess.run('true 1', shell=True)", "starts the program sh"),
        ("import subprocess; subprocess.run([Path('/bin/true'), '1'])", "starts the program true"),
        ("import subprocess; subprocess.Popen('true').wait()", "starts the program true"),
        ("os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)", "starts the program true"),
        ("if not os.fork(): os._exit(0)", "starts processes of its own"),
        ("dict(os.environ)", "copies the environment"),
        ("sorted(os.environ.copy().items())", "copies the environment"),
        ("{**os.environb}", "copies the environment"),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "uses the network"),
        ("Path('/dev/null').read_text(); os.listdir('/proc/self'); open(0, closefd=False)", ""),
    ],
)
def test_what_hides_files_is_said(own, one_cell, images, does, said):
    (own / "model.py").write_text(HEAD + does + CALL.format(BEFORE))
    cell = one_cell(str(own / "model.py"), images)
    with watching(cell) as recorder:
        cell.method.load(cell.net, None, cell.options)
    assert recorder.opened.unseen == ((said,) if said else ())


def test_what_a_method_makes_where_nothing_was_is_no_input(own, one_cell, images):
    """Its folder of logs and its cache; and to ask whether a file is there works as it did."""
    body = (
        "import shutil\n(HERE / 'logs').mkdir(exist_ok=True)\nif not os.path.exists(HERE / 'cache'):\n"
        "    (HERE / 'cache').write_text('1')\nF = float((HERE / 'cache').read_text())\n"
        "shutil.copy2(HERE / 'cache', HERE / 'logs')\n"
    )
    (own / "model.py").write_text(HEAD + body + CALL.format("F"))
    cell = one_cell(str(own / "model.py"), images)
    with watching(cell) as recorder:
        cell.method.load(cell.net, None, cell.options)
    assert recorder.opened.changed(cell.folders) == []


def test_images_are_known_by_their_contents(run, images, own):
    def changed(change):
        change()
        first, second = run("gaussian"), run("gaussian")
        assert second[:2] == (first[0], True)
        return not first[1]

    camera = data.camera()
    assert changed(lambda: None)
    assert changed(lambda: Image.fromarray(camera[200:224, 200:232]).save(images / "x.png"))
    assert changed(lambda: Image.fromarray(camera[300:324, 200:232]).save(images / "y.png"))
    assert changed(lambda: (images / "y.png").rename(images / "z.png"))  # the noise is drawn by the name
    assert not changed(lambda: os.utime(images / "x.png", (1, 1)))
    assert not changed(lambda: (images / "x.txt").write_text("no image"))
    assert not changed(lambda: (images / "z.png").unlink())  # what there was before is known again


def test_fresh_is_a_word_of_the_command(images, tmp_path, capsys):
    command = ["run", "--method=gaussian", f"--data={images}", "--noise=25", f"--out={tmp_path}", "--jobs=1"]
    said = []
    for more in ([], [], ["--fresh", "--dry-run"], ["--fresh"]):
        assert main([*command, *more]) == 0
        said.append(capsys.readouterr().out)
    assert ["finished already" in text for text in said] == [False, True, False, False]
    assert ["done  Gaussian" in text for text in said] == [True, False, False, True]
    assert "1 of 1 cells would run" in said[2]


def test_what_the_harness_loads_beside_a_method_is_not_opened_by_it(own, images, monkeypatch):
    """Of a method in the folder of `bench` the first seed had other files than the second, and was another result."""
    harness = own / "bench"
    harness.mkdir()
    (harness / "late.py").write_text("")
    (own / "weights.bin").write_bytes(b"1")
    (own / "m.py").write_text(CALL.format(1))
    monkeypatch.setattr("bench.run.watched._HARNESS", (f"{harness}{os.sep}",))
    ((cell,), _) = plan(Request(str(own / "m.py"), str(images), "25"))
    with watching(cell) as recorder:
        for path in (harness / "late.py", own / "weights.bin"):
            subprocess.run([sys.executable, "-c", f"open({str(path)!r}).read()"], check=True)  # as a reader in C
    assert list(recorder.opened.files) == (["{folder}/weights.bin"] if sys.platform == "linux" else [])
