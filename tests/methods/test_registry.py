import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import methods

ROOT = Path(methods.__file__).parents[1]
NETS = {net.id: net for method in methods.available().values() for net in method.nets}


def test_every_net_says_what_it_is():
    assert len(NETS) > 25
    for net in NETS.values():
        assert net.colour in ("gray", "rgb", "any")
        assert net.output in ("image", "residual")
        assert net.padding in ("reflect", "replicate", "zero")
        assert net.receptive_field is None or net.receptive_field % 2 == 1
        assert net.trained is None or 0 <= net.trained[0] <= net.trained[1] <= 255
        if net.weights:
            assert re.fullmatch(r"[0-9a-f]{64}", net.weights.sha256)
            if net.weights.record:  # trained by this project, and part of it
                assert hashlib.sha256(Path(net.weights.local).read_bytes()).hexdigest() == net.weights.sha256
            else:
                assert net.weights.url.startswith(("https://raw.githubusercontent.com/", "pypi:"))
            assert net.weights.licence


def test_the_dncnn_family_is_complete():
    assert [NETS[f"dncnn-s-{sigma}"].trained for sigma in range(10, 80, 5)] == [(s, s) for s in range(10, 80, 5)]
    assert {"dncnn-b", "cdncnn-b", "dncnn-3", "fdncnn", "fdncnn-rgb", "fdncnn-clip", "dncnn-b@saoyan"} <= set(NETS)
    assert {f"cdncnn-s-{sigma}" for sigma in (5, 10, 15, 25, 35, 50)} <= set(NETS)


def test_two_methods_of_one_name_are_refused(monkeypatch):
    from methods import classical, dncnn

    monkeypatch.setattr(classical, "METHODS", dncnn.METHODS[:1])
    methods.read.cache_clear()
    with pytest.raises(ValueError, match="two methods are named 'dncnn'"):
        methods.available()
    monkeypatch.undo()
    methods.read.cache_clear()


def test_the_registry_needs_no_heavy_package():
    """So that make list and an error in a word answer at once."""
    heavy = ["torch", "numpy", "scipy", "skimage", "h5py", "safetensors", "bm3d", "zipfile"]
    code = f"import sys, methods; methods.available(); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
