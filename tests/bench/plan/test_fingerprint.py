import importlib.util
import sys

import pytest

from bench.plan import fingerprint

BODY = '''
"""A method."""
STRENGTH = 2


def helper(x):
    """Help."""
    return x * STRENGTH


def unused():
    return 1


def load(net, weights, options):
    """Load."""
    # why
    return helper
'''


@pytest.fixture
def of_code(tmp_path):
    def fingerprint_of(body: str) -> str:
        fingerprint._tree.cache_clear()
        fingerprint._definitions.cache_clear()
        path = tmp_path / "made.py"
        path.write_text(body)
        spec = importlib.util.spec_from_file_location("made", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["made"] = module
        spec.loader.exec_module(module)
        return fingerprint.of_code(module.load)

    return fingerprint_of


@pytest.mark.parametrize(
    ("old", "new"),
    [("# why", "# because"), ('"""Help."""', '"""Help more."""'), ("return 1", "return 3"), ("\n\n\n", "\n\n\n\n")],
)
def test_what_changes_no_result_changes_no_fingerprint(of_code, old, new):
    assert of_code(BODY) == of_code(BODY.replace(old, new))


@pytest.mark.parametrize(("old", "new"), [("x * STRENGTH", "x + STRENGTH"), ("STRENGTH = 2", "STRENGTH = 3")])
def test_reached_code_counts(of_code, old, new):
    assert of_code(BODY) != of_code(BODY.replace(old, new))


def test_imports_from_methods_are_followed():
    from methods import bm3d, dncnn

    reached: dict[tuple[str, str], str] = {}
    fingerprint._reach(fingerprint.Path(dncnn.__file__), "load", reached)
    names = {name for _, name in reached}
    assert {"DnCNN", "FDnCNN", "fold", "_stack", "matconvnet_layers", "state_dict"} <= names
    reached.clear()
    fingerprint._reach(fingerprint.Path(bm3d.__file__), "load", reached)
    assert "per_image" in {name for _, name in reached}


def test_package_versions_count():
    from methods.bm3d import load

    assert fingerprint.of_code(load, ("bm3d",)) != fingerprint.of_code(load, ("numpy",))
