"""A person's own method, whatever it comes from: a file, a program, an installed package, their weights.

Every one becomes a `methods.Method` whose `load` carries, as `code`, the fingerprint of what
determines its result.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.adapters.command import method_from_command
from bench.adapters.deepinv_model import method_from_deepinv
from bench.adapters.description import declared
from bench.adapters.entry_point import method_from_package, packaged
from bench.adapters.onnx_file import method_from_onnx
from bench.adapters.python_file import method_from_file
from bench.adapters.spandrel_model import method_from_spandrel
from bench.adapters.tflite_file import method_from_tflite
from bench.adapters.weights_file import with_weights
from bench.common.parsing import name_and_options
from methods import Method

__all__ = ["method_from_package", "method_of", "packaged", "with_weights"]

_FILE = re.compile(r"(.+?\.(py|onnx|tflite))(?::(.*))?")


def method_of(word: str, weights: str = "") -> tuple[Method, dict[str, str]] | None:
    """Make a method of a person's word on METHOD; None if it has none of these forms.

    Parameters
    ----------
    word : str
        ``cmd:PROGRAM ...``, ``spandrel:path=...``, ``deepinv:model=...``, or a path that ends in
        `.py`, `.onnx` or `.tflite`; options behind a colon.
    weights : str
        Path of a file of weights, or empty.

    Returns
    -------
    tuple of Method and dict
        The method, and the options that are left for its `load`.

    Raises
    ------
    BenchError
        If it has one of the forms and cannot be made.

    Examples
    --------
    >>> method_of("bm3d:profile=lc") is None
    True
    """
    made = _made(word, weights)
    if made and weights and not made[0].learned:
        with_weights(made[0], Path(weights))  # says that there is no such file, or that none is taken
    return made


def _made(word: str, weights: str) -> tuple[Method, dict[str, str]] | None:
    if word.startswith("cmd:"):
        return method_from_command(word.removeprefix("cmd:")), {}
    for name, make, key in (("spandrel", method_from_spandrel, "path"), ("deepinv", method_from_deepinv, "weights")):
        if word == name or word.startswith(f"{name}:"):
            _, given = name_and_options(word)
            method, path = make(given), given.get(key, weights)
            if path:
                method = with_weights(method, Path(path).expanduser())
                nets = tuple(declared(f"METHOD={name}", given, net) for net in method.nets)
                method = replace(method, nets=tuple({net.colour: net for net in nets}.values()))
            return method, {}
    file = _FILE.fullmatch(word)
    if file:
        path_text, kind, option_text = file.groups()
        _, given = name_and_options(f"{kind}:{option_text or ''}")
        if kind == "py":
            return method_from_file(Path(path_text).expanduser()), given
        make_model: Callable[..., Method] = method_from_onnx if kind == "onnx" else method_from_tflite
        return make_model(Path(path_text).expanduser(), given), {}
    return None
