"""What changes the hash of code, and what does not; on a small project written for each test."""

import functools
import importlib.util
import re
from dataclasses import dataclass

import pytest

from bench.common import source_hash, source_tree
from bench.common.source_hash import Sources

METHOD = '''
"""A method."""
import math
from typing import TYPE_CHECKING

from methods.tools import Box, Layer, halved
from methods import filters

if TYPE_CHECKING:
    from methods.tools import Settings

STRENGTH = 2
TABLE = {}
TABLE["x"] = 3


def helper(x: float, settings: "Settings") -> float:
    """Help."""
    if x > settings.limit():
        raise ValueError(f"x is {x}, too much")
    return x * STRENGTH + TABLE["x"] + filters.smooth(x)


def unused():
    return 1


def load(net, weights, options):
    """Load."""
    # why
    from scipy.ndimage import gaussian_filter
    from methods.late import late

    return [helper, halved, Box(1).size, Layer, late, math.pi, gaussian_filter]
'''
TOOLS = """
from dataclasses import dataclass

import torch
from torch import nn

HALF = 0.5


def halved(x):
    return x * HALF


@dataclass
class Settings:
    most: float = 7

    def limit(self):
        return self.most

    def shown(self):
        return "settings"


@dataclass(frozen=True)
class Box:
    width: int
    height: int = 4

    @property
    def size(self):
        return self.area()

    def area(self):
        return self.width * self.height

    def label(self):
        return "box"


class Layer(nn.Module):
    def forward(self, x):
        return x + 1
"""
FILTERS = """
import skimage
import onnxruntime


def smooth(x):
    return skimage.filters.gaussian(x)


def sharpen(x):
    return onnxruntime.run(x)
"""
LATE = """
def late():
    return later()


def later():
    return 9
"""
FILES = {"made.py": METHOD, "tools.py": TOOLS, "filters.py": FILTERS, "late.py": LATE, "__init__.py": ""}


@pytest.fixture
def project(tmp_path):
    """Return a function that writes the project, changed, and gives what `load` reaches."""

    def reach(old="", new="", start="methods.made:load", stops=()):
        folder = tmp_path / "methods"
        folder.mkdir(exist_ok=True)
        assert not old or any(old in text for text in FILES.values())
        for name, text in FILES.items():
            (folder / name).write_text(text.replace(old, new) if old else text)
        return Sources(tmp_path).reach([start], stops)

    return reach


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# because"),
        ('"""Help."""', '"""Help more."""'),
        ('    """Load."""\n', ""),
        ("\n\n\n", "\n\n\n\n"),
        ("x: float", "x: int"),
        ("too much", "far too much"),
        ("return 1", "return 3"),
        ("import math\n", "import math\nimport json\n"),
        ("def shown(self):\n        return", "def shown(self):\n        return 1,"),
        ('return "box"', 'return "a box"'),
        ("most: float = 7", "most: int = 7"),
        ("onnxruntime.run(x)", "onnxruntime.run(x, 1)"),
    ],
)
def test_what_changes_no_result_changes_no_hash(project, old, new):
    assert project().digest == project(old, new).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * STRENGTH", "x + STRENGTH"),
        ("STRENGTH = 2", "STRENGTH = 3"),
        ('TABLE["x"] = 3', 'TABLE["x"] = 4'),
        ("HALF = 0.5", "HALF = 0.4"),
        ("x > settings", "x >= settings"),
        ("return self.most", "return self.most + 1"),
        ("return self.width * self.height", "return self.width + self.height"),
        ("height: int = 4", "height: int = 5"),
        ("return x + 1", "return x + 2"),
        ("filters.gaussian", "filters.median"),
        ("return 9", "return 8"),
        ("import gaussian_filter", "import median_filter as gaussian_filter"),
        ("raise ValueError", "raise KeyError"),
    ],
)
def test_what_is_reached_counts(project, old, new):
    assert project().digest != project(old, new).digest


def test_packages_are_those_that_reached_code_imports(project):
    assert project().packages == {"scipy", "skimage", "torch"}
    assert project(start="methods.filters:sharpen").packages == {"onnxruntime"}


def test_stops_leave_out_what_only_they_reach(project):
    places = project(stops=["methods.late:late", "methods.filters", "methods.tools:Box.size"]).places
    assert places == project().places - {
        "methods.late:late",
        "methods.late:later",
        "methods.filters:smooth",
        "methods.tools:Box.size",
        "methods.tools:Box.area",
    }


def test_a_place_that_is_not_there(project):
    with pytest.raises(TypeError, match=re.escape("methods.made:laod: there is no such definition")):
        project(start="methods.made:laod")


@dataclass(frozen=True)
class Layout:
    depth: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    code: str
    path: str

    def __call__(self):
        return self.path


@pytest.fixture
def module(tmp_path):
    """Return the project's module `methods.made`, imported from where it was written, as `made`."""
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "made.py").write_text(
        "def load(layout, scale=1):\n    return layout\n\n\n"
        "def closed(layout):\n    def inner():\n        return layout\n    return inner\n\n\n"
        "first, second = lambda x: x + 1, 0\nthird = lambda x: x + 2\n"
    )
    spec = importlib.util.spec_from_file_location("methods.made", folder / "made.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_partials_closures_and_lambdas(module, tmp_path):
    def hashed(thing):
        return Sources(tmp_path).reach([thing]).digest

    base = functools.partial(module.load, Layout(3, ("a",)), scale=2)
    assert hashed(base) == hashed(functools.partial(module.load, Layout(3, ("a",)), scale=2))
    others = [
        functools.partial(module.load, Layout(4, ("a",)), scale=2),
        functools.partial(module.load, Layout(3, ("b",)), scale=2),
        functools.partial(module.load, Layout(3, ("a",)), scale=3),
        functools.partial(module.closed, Layout(3, ("a",)), scale=2),
        module.load,
        module.closed(Layout(3)),
        module.closed(Layout(4)),
        module.closed(module.load),
        module.first,
        module.third,
    ]
    assert len({hashed(thing) for thing in (base, *others)}) == 1 + len(others)
    with pytest.raises(TypeError, match="neither code nor plain data"):
        hashed(functools.partial(module.load, object()))


def test_an_object_that_carries_its_own_hash():
    assert source_hash.of_code(Adapter("a", "here")).digest == source_hash.of_code(Adapter("a", "there")).digest
    assert source_hash.of_code(Adapter("a", "here")).digest != source_hash.of_code(Adapter("b", "here")).digest


def test_the_real_methods_reach_their_networks_and_packages():
    from methods import available

    dncnn = source_hash.of_code(available()["dncnn"].load)
    assert {"methods.networks.dncnn:DnCNN", "methods.chains:folded"} <= dncnn.places
    assert "torch" in dncnn.packages
    assert source_hash.of_code(available()["bm3d"].load).packages == {"bm3d", "numpy", "torch"}
    assert source_hash.of_code(available()["nlm"].load).packages == {"skimage", "numpy", "torch"}


def test_a_whole_file(tmp_path):
    path, hashes = tmp_path / "a.py", []
    for body in ("return x", '"""F."""\n    return x  # why', "return -x"):
        path.write_text(f"def f(x):\n    {body}\n")
        hashes.append(source_hash.of_file(path))
    assert hashes[0] == hashes[1] != hashes[2]
    assert source_tree.without_docstrings('class A:\n    """A."""\n') == source_tree.without_docstrings("class A: pass")
