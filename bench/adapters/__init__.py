"""A person's own method, whatever it comes from: a file, a program, finished outputs, an installed package, weights.

Every one becomes a `methods.Method` whose `load` carries, as `code`, the fingerprint of what
determines its result.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.adapters.description import declared
from bench.adapters.elsewhere import unknown_method
from bench.adapters.entry_point import method_from_package, packaged
from bench.adapters.judged_as import judged_as
from bench.adapters.weights_file import with_weights
from bench.common.parsing import name_and_options
from datasets.walking import typed_path
from methods import Method

__all__ = ["judged_as", "method_from_package", "method_of", "packaged", "unknown_method", "with_weights"]

_FILE = re.compile(r"(.+?\.(py|onnx|tflite))(?::(.*))?")


def method_of(word: str, weights: str = "") -> tuple[Method, dict[str, str]] | None:
    """Make a method of a person's word on METHOD; None if it has none of these forms.

    Parameters
    ----------
    word : str
        ``cmd:PROGRAM ...``, ``outputs:FOLDER``, ``spandrel:path=...``, ``deepinv:model=...``, or a path that ends in
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
        from bench.adapters.command import method_from_command

        return method_from_command(word.removeprefix("cmd:")), {}
    if word.startswith("outputs:"):
        from bench.adapters.outputs import method_from_outputs

        return method_from_outputs(word.removeprefix("outputs:")), {}
    form = word.partition(":")[0]
    if form in ("spandrel", "deepinv"):
        return _of_package(form, name_and_options(word)[1], weights), {}
    file = _FILE.fullmatch(word)
    if file is None:
        return None
    path, (kind, options) = typed_path(file[1]), name_and_options(f"{file[2]}:{file[3] or ''}")
    if kind == "py":
        from bench.adapters.python_file import method_from_file

        return method_from_file(path), options
    if kind == "onnx":
        from bench.adapters.onnx_file import method_from_onnx

        return method_from_onnx(path, options), {}
    from bench.adapters.tflite_file import method_from_tflite

    return method_from_tflite(path, options), {}


def _of_package(form: str, options: Mapping[str, str], weights: str) -> Method:
    if form == "spandrel":
        from bench.adapters.spandrel_model import method_from_spandrel

        method, path = method_from_spandrel(options), options.get("path", weights)
    else:
        from bench.adapters.deepinv_model import method_from_deepinv

        method, path = method_from_deepinv(options), options.get("weights", weights)
    if not path:
        return method
    method = with_weights(method, typed_path(path))
    nets = (declared(f"METHOD={form}", options, net) for net in method.nets)  # `with_weights` forgets what is said
    return replace(method, nets=tuple({net.colour: net for net in nets}.values()))
