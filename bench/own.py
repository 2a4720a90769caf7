"""A person's own method: a Python file, or their own weights in one of our networks."""

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import fingerprint
from bench.errors import BenchError
from bench.files import sha256
from methods import Method, Net, Weights


def method_from_file(path: Path) -> Method:
    """Make a method of a Python file, which need not import anything of ours.

    The file has a function ``denoise(noisy, sigma)``: a float32 tensor (B, C, H, W) with 1.0 =
    white, the standard deviation on that scale, and it returns a tensor like `noisy`. It may also
    say `LABEL` (its name in tables), `COLOUR` (``"gray"``, ``"rgb"`` or ``"any"``, the default) and
    `TRAINED` (lowest and highest sigma on the 0-255 scale).

    The file is parsed, not run, until a cell needs it.

    Raises
    ------
    BenchError
        If there is no such file, it is not Python, or has no such function.
    """
    if not path.is_file():
        raise BenchError(f"METHOD={path}: no such file; expected a Python file with a function denoise(noisy, sigma)")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise BenchError(f"METHOD={path}: is not Python ({error})") from None
    if not any(isinstance(s, ast.FunctionDef) and s.name == "denoise" for s in tree.body):
        raise BenchError(f"METHOD={path}: has no function denoise(noisy, sigma)")
    said = _constants(tree, ("LABEL", "COLOUR", "TRAINED"))
    try:
        low, high = said["TRAINED"] or (0, 255)
        trained = (float(low), float(high)) if said["TRAINED"] else None
    except (TypeError, ValueError):
        raise BenchError(
            f"METHOD={path}: TRAINED is {said['TRAINED']!r}; expected two numbers, as in (0, 55)"
        ) from None
    if said["COLOUR"] not in (None, "gray", "rgb", "any"):
        raise BenchError(f"METHOD={path}: COLOUR is {said['COLOUR']!r}; expected 'gray', 'rgb' or 'any'")
    name = path.stem
    net = Net(f"{name}.py", said["LABEL"] or name, said["COLOUR"] or "any", trained, given_sigma=True)
    return Method(name, "your own method", str(path), (net,), Load(str(path.resolve()), fingerprint.of_file(path)))


@dataclass(frozen=True)
class Load:
    """Imports the file when a cell runs; carries the fingerprint of its code."""

    path: str
    code: str

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
        """Return the file's function `denoise`."""
        path = Path(self.path)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise BenchError(f"METHOD={path}: cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.denoise


def with_weights(method: Method, path: Path) -> Method:
    """Return a learned method whose nets all use a person's own file of weights.

    What the published weights were trained for and reached is forgotten.

    Raises
    ------
    BenchError
        If there is no such file, or the method takes no weights.
    """
    if not path.is_file():
        raise BenchError(f"WEIGHTS={path}: no such file")
    if not method.learned and all(net.weights is None for net in method.nets):
        raise BenchError(f"WEIGHTS={path}: method {method.name} takes no weights")
    own = Weights(path.name, sha256(path), licence="your own file", local=str(path.resolve()))
    by_colour = {net.colour: net for net in reversed(method.nets)}
    nets = tuple(
        replace(
            net,
            id=f"{method.name}@{own.sha256[:12]}",
            label=method.name,
            weights=own,
            trained=None,
            receptive_field=None,
            parameters=None,
            published=None,
        )
        for net in by_colour.values()
    )
    return replace(method, nets=nets)


def _constants(tree: ast.Module, wanted: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(wanted)
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in wanted:
                try:
                    found[name] = ast.literal_eval(statement.value)
                except ValueError:
                    found[name] = ast.unparse(statement.value)
    return found
